//! Where the providers that run generators are reached.

use super::{ApiUrl, ConfigError, reader::Reader, setting::Fallback, setting::by_key};

/// The base addresses of the providers' APIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderAddresses {
    /// fal's queue.
    pub fal: ApiUrl,
    /// What gives out tokens for fal's file store.
    pub fal_rest: ApiUrl,
    /// fal's file store.
    pub fal_cdn: ApiUrl,
    /// Replicate, without `/v1`.
    pub replicate: ApiUrl,
    /// `OpenAI` or a server that is compatible, with `/v1`.
    pub openai: ApiUrl,
    /// Kie.
    pub kie: ApiUrl,
    /// Kie's file store.
    pub kie_upload: ApiUrl,
}

impl ProviderAddresses {
    pub(super) fn read(reader: &Reader<'_>) -> Result<Self, ConfigError> {
        Ok(Self {
            fal: reader.value("fal_url")?,
            fal_rest: reader.value("fal_rest_url")?,
            fal_cdn: reader.value("fal_cdn_url")?,
            replicate: reader.value("replicate_url")?,
            openai: reader.value("openai_url")?,
            kie: reader.value("kie_url")?,
            kie_upload: reader.value("kie_upload_url")?,
        })
    }

    /// The providers' own.
    ///
    /// # Panics
    /// Never: a test reads all defaults.
    #[must_use]
    pub fn of_the_providers() -> Self {
        let usual = |key: &str| match by_key(key).map(|setting| setting.fallback) {
            Some(Fallback::Value(text)) => text.parse().ok(),
            _ => None,
        };
        let usual = |key| usual(key).unwrap_or_else(|| unreachable!("{key} has a default"));
        Self {
            fal: usual("fal_url"),
            fal_rest: usual("fal_rest_url"),
            fal_cdn: usual("fal_cdn_url"),
            replicate: usual("replicate_url"),
            openai: usual("openai_url"),
            kie: usual("kie_url"),
            kie_upload: usual("kie_upload_url"),
        }
    }
}
