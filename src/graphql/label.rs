//! The name of an operation, for the log line of its request.

use std::sync::{Arc, OnceLock};

/// Set once the document is read.
#[derive(Clone, Default)]
pub struct RequestLabel(Arc<OnceLock<Arc<str>>>);

impl RequestLabel {
    /// The name, or the kind of operation where it has none.
    #[must_use]
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(AsRef::as_ref)
    }

    pub(super) fn set(&self, label: &Arc<str>) {
        let _ = self.0.set(Arc::clone(label));
    }
}
