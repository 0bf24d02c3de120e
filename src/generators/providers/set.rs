//! All providers, as they are configured.

use std::{fmt, sync::Arc};

use super::{
    ApiKey, Patience, Provider, fal::Fal, http::Http, kie::Kie, openai::OpenAi,
    replicate::Replicate,
};
use crate::config::{Config, GeneratorKeys, ProviderAddresses};

/// The names of all providers, in the order of the alphabet.
pub const PROVIDER_NAMES: [&str; 4] = ["fal", "kie", "openai", "replicate"];

/// All providers and the deployment's keys to them. Cheap to clone.
#[derive(Clone)]
pub struct Providers {
    providers: Vec<Arc<dyn Provider>>,
    keys: GeneratorKeys,
}

impl Providers {
    /// As configured.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(config: &Config) -> Result<Self, reqwest::Error> {
        let keys = config.generator_api_keys.clone();
        Self::with(&config.provider_addresses, keys, Patience::default())
    }

    /// At these addresses, with these keys, waited for this long.
    ///
    /// # Errors
    /// As [`Providers::new`].
    pub fn with(
        addresses: &ProviderAddresses,
        keys: GeneratorKeys,
        patience: Patience,
    ) -> Result<Self, reqwest::Error> {
        let http = Http::new(patience)?;
        let has_key = keys.get("OPENAI_API_KEY").is_some();
        let providers: Vec<Arc<dyn Provider>> = vec![
            Arc::new(Fal::new(http.clone(), addresses)),
            Arc::new(Kie::new(http.clone(), addresses)),
            Arc::new(OpenAi::new(http.clone(), addresses, has_key)),
            Arc::new(Replicate::new(http, addresses)),
        ];
        Ok(Self { providers, keys })
    }

    /// The provider of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Provider>> {
        self.providers.iter().find(|provider| provider.name() == name)
    }

    /// Every provider, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Provider>> {
        self.providers.iter()
    }

    /// The deployment's key to a provider.
    #[must_use]
    pub fn key(&self, provider: &dyn Provider) -> Option<&ApiKey> {
        self.keys.get(provider.key_name())
    }
}

impl fmt::Debug for Providers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.providers.iter().map(|provider| provider.name()).collect();
        formatter
            .debug_struct("Providers")
            .field("providers", &names)
            .field("keys", &self.keys)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_there_by_name() {
        let addresses = ProviderAddresses::of_the_providers();
        let providers = Providers::with(&addresses, GeneratorKeys::default(), Patience::default());
        let providers = providers.expect("clients");
        let names: Vec<_> = providers.iter().map(|provider| provider.name()).collect();
        assert_eq!(names, PROVIDER_NAMES);
        assert!(PROVIDER_NAMES.iter().all(|name| providers.get(name).is_some()));
        assert!(providers.get("nobody").is_none());
        assert!(providers.iter().all(|provider| provider.trusted_origin().is_none()));
        assert!(providers.iter().all(|provider| !provider.works_without_key()));
    }

    #[test]
    fn keys_are_found_and_never_shown() {
        let addresses = ProviderAddresses::of_the_providers();
        let keys = GeneratorKeys::default().with("FAL_KEY", "s3cr3t");
        let providers = Providers::with(&addresses, keys, Patience::default()).expect("clients");
        let key = |name: &str| providers.get(name).and_then(|one| providers.key(one.as_ref()));
        assert!(key("fal").is_some() && key("kie").is_none());
        let shown = format!("{providers:?}");
        assert!(shown.contains("FAL_KEY") && !shown.contains("s3cr3t"), "{shown}");
    }
}
