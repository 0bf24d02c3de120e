//! Addresses of a cloud's own that open one file for a while.

use std::{sync::Arc, time::Duration};

use object_store::{
    path::Path,
    signer::{Method, SignedUrlOptions, Signer},
};
use url::Url;

use super::StoreError;

/// How long a browser may keep what it got by such an address.
const CACHE_CONTROL: &str = "private, max-age=300";

/// Makes signed addresses without asking anybody.
#[derive(Clone, Debug)]
pub(super) struct Presigner {
    signer: Arc<dyn Signer>,
    /// Whether the cloud answers with the headers that the address asks for. Azure's signatures
    /// could carry them too; the crate does not.
    takes_headers: bool,
}

/// How the file shall be handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HandOut {
    /// Its media type.
    pub content_type: &'static str,
    /// Its `Content-Disposition`.
    pub disposition: String,
    /// Whether the caller asked for that one, so that no other will do.
    pub disposition_matters: bool,
}

impl Presigner {
    pub(super) fn new(signer: Arc<dyn Signer>, takes_headers: bool) -> Self {
        Self { signer, takes_headers }
    }

    /// An address that opens the file for `lifetime`; none where the file would come otherwise than
    /// it shall.
    pub(super) async fn sign(
        &self,
        path: &Path,
        lifetime: Duration,
        hand_out: &HandOut,
    ) -> Result<Option<Url>, StoreError> {
        if !is_inert(hand_out.content_type) || (hand_out.disposition_matters && !self.takes_headers)
        {
            return Ok(None);
        }
        let options = if self.takes_headers {
            SignedUrlOptions::default().with_query([
                ("response-content-type", hand_out.content_type),
                ("response-content-disposition", &hand_out.disposition),
                ("response-cache-control", CACHE_CONTROL),
            ])
        } else {
            SignedUrlOptions::default()
        };
        let signed = self.signer.signed_url_opts(Method::GET, path, lifetime, &options).await;
        Ok(Some(signed?))
    }
}

/// Whether a file of this type cannot run in a browser. A cloud answers without `nosniff` and
/// without our Content-Security-Policy, from an origin that may hold other things of its owner.
pub(super) fn is_inert(content_type: &str) -> bool {
    let (kind, format) = content_type.split_once('/').unwrap_or((content_type, ""));
    match kind {
        "image" => !format.contains("xml"),
        "video" | "audio" => true,
        _ => content_type == "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_run_is_not_inert() {
        for inert in
            ["image/png", "image/avif", "video/mp4", "audio/ogg", "application/octet-stream"]
        {
            assert!(is_inert(inert), "{inert}");
        }
        for other in
            ["image/svg+xml", "text/plain; charset=utf-8", "text/html", "application/pdf", ""]
        {
            assert!(!is_inert(other), "{other}");
        }
    }
}
