//! The provider of a file, and the endpoint there. They are judged apart from the rest, which does not
//! change with the providers.

use serde_json::Value;

use super::super::{file::File, flaw::Flaw, known::KnownProviders};

/// Where a file names its provider and endpoint.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Lines {
    provider: u64,
    endpoint: u64,
}

impl Lines {
    pub(super) fn of(file: &File) -> Self {
        Self {
            provider: file.provider.referenced.line(),
            endpoint: file.endpoint.referenced.line(),
        }
    }

    /// What is wrong with a provider or its endpoint.
    pub(in super::super) fn flaw(
        self,
        file: &str,
        provider: &str,
        endpoint: &Value,
        known: &dyn KnownProviders,
    ) -> Option<Flaw> {
        let names = known.names();
        let (line, reason) = if names.contains(&provider) {
            let reason = known.check_endpoint(provider, endpoint).err()?;
            (self.endpoint, format!("endpoint: {reason}"))
        } else {
            let reason = format!("there is no provider {provider:?}, only {}", names.join(", "));
            (self.provider, reason)
        };
        Some(Flaw { file: file.to_owned(), line, reason })
    }
}
