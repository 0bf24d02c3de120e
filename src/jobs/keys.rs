//! Which key to a provider counts: the tenant's own before the deployment's.

use crate::{domain::TenantId, error::Result, generators::providers::ApiKey};

/// Finds keys. Cheap to clone.
#[derive(Clone, Default)]
pub struct Keys {}

impl Keys {
    /// The key to `provider` that counts in a tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn of(
        &self,
        _tenant: TenantId,
        _provider: Option<&str>,
    ) -> Result<Option<ApiKey>> {
        Ok(None)
    }
}
