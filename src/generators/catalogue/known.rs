//! What the catalogue must know about providers to judge a file.

use std::sync::Arc;

use serde_json::Value;

use crate::generators::providers::Provider;

/// The providers that files may name.
pub trait KnownProviders {
    /// Their names.
    fn names(&self) -> Vec<&str>;

    /// Whether `provider`, one of them, can use an endpoint.
    ///
    /// # Errors
    /// What is wrong with it, for the file's author.
    fn check_endpoint(&self, provider: &str, endpoint: &Value) -> Result<(), String>;
}

impl KnownProviders for Vec<Arc<dyn Provider>> {
    fn names(&self) -> Vec<&str> {
        self.iter().map(|provider| provider.name()).collect()
    }

    fn check_endpoint(&self, provider: &str, endpoint: &Value) -> Result<(), String> {
        let provider = self.iter().find(|known| known.name() == provider);
        provider.map_or(Ok(()), |provider| provider.check_endpoint(endpoint))
    }
}

/// Providers by name alone, which take any endpoint.
impl KnownProviders for [&str] {
    fn names(&self) -> Vec<&str> {
        self.to_vec()
    }

    fn check_endpoint(&self, _provider: &str, _endpoint: &Value) -> Result<(), String> {
        Ok(())
    }
}

impl<const N: usize> KnownProviders for [&str; N] {
    fn names(&self) -> Vec<&str> {
        self.to_vec()
    }

    fn check_endpoint(&self, provider: &str, endpoint: &Value) -> Result<(), String> {
        self.as_slice().check_endpoint(provider, endpoint)
    }
}
