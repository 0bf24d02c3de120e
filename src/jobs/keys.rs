//! Which key to a provider counts: the tenant's own before the deployment's.

use std::collections::HashSet;

use crate::{
    domain::TenantId,
    error::Result,
    generators::{
        Generator,
        providers::{ApiKey, Providers},
    },
    store::{Scope, Store},
};

/// Finds keys. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    providers: Providers,
}

impl Keys {
    /// Those of tenants, and those of the deployment.
    #[must_use]
    pub fn new(providers: Providers) -> Self {
        Self { providers }
    }

    /// The key to `provider` that counts in a tenant; none where there is none, or none is needed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn of(
        &self,
        store: &Store,
        tenant: TenantId,
        provider: Option<&str>,
    ) -> Result<Option<ApiKey>> {
        let Some(provider) = provider.and_then(|name| self.providers.get(name)) else {
            return Ok(None);
        };
        let own = store.worker().provider_key(tenant, provider.name()).await?;
        Ok(own.or_else(|| self.providers.key(provider.as_ref()).cloned()))
    }

    /// What can be reached from the tenant of `scope`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reach(&self, scope: &Scope) -> Result<Reach> {
        let mut providers: HashSet<String> = scope.keyed_providers().await?.into_iter().collect();
        let of_deployment = self
            .providers
            .iter()
            .filter(|provider| self.providers.key(provider.as_ref()).is_some());
        providers.extend(of_deployment.map(|provider| provider.name().to_owned()));
        Ok(Reach { providers })
    }
}

/// The providers to which a tenant has a key, or the deployment.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    providers: HashSet<String>,
}

impl Reach {
    /// Whether a generator can be run.
    #[must_use]
    pub fn covers(&self, generator: &dyn Generator) -> bool {
        generator.works_without_key()
            || generator.provider().is_none_or(|provider| self.providers.contains(provider))
    }
}
