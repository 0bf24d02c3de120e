//! From a token and a tenant header to an [`AuthContext`]: who calls, in which tenant. Built once
//! for each request and each WebSocket connection.

pub mod bearer;
pub mod claims;
pub mod providers;
mod provisioning;
mod tenant;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{
    error::{Error, Result},
    store::{Scope, Store, Tenant, TenantReference, User, UserInTenant, Viewer},
};

use claims::VerifiedIdentity;
use providers::TokenVerifier;
use tenant::ClaimedTenant;
pub use tenant::Tenancy;

/// What a request or a connection says about its caller; nothing of it is believed yet.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Every value of the Authorization header.
    pub authorization: Vec<String>,
    /// Every value of the X-Tenant header.
    pub tenant: Vec<String>,
}

/// A caller whose token and tenant were judged good.
#[derive(Clone)]
pub struct AuthContext {
    tenant: Tenant,
    user: Option<User>,
    expires_at: Option<DateTime<Utc>>,
    scope: Scope,
}

impl AuthContext {
    /// The tenant of the request.
    #[must_use]
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The signed-in user, as the row says.
    #[must_use]
    pub fn user(&self) -> Option<&User> {
        self.user.as_ref()
    }

    /// The door to what the caller may see.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// When the token ends, for what outlives a request.
    #[must_use]
    pub fn expires_at(&self) -> Option<DateTime<Utc>> {
        self.expires_at
    }
}

/// Judges credentials. Made once, at the start.
#[derive(Clone)]
pub struct Authenticator {
    store: Store,
    verifier: Arc<dyn TokenVerifier>,
    tenancy: Tenancy,
}

impl Authenticator {
    /// An authenticator that believes `verifier`.
    #[must_use]
    pub fn new(store: Store, verifier: Arc<dyn TokenVerifier>, tenancy: Tenancy) -> Self {
        Self { store, verifier, tenancy }
    }

    /// Judges the token, then the tenant, then finds or makes the user: for a user who is known,
    /// one indexed read and no write.
    ///
    /// # Errors
    /// [`Error::InvalidToken`], [`Error::TenantRequired`], [`Error::TenantNotFound`] or
    /// [`Error::Forbidden`], in the order in which things are judged.
    pub async fn authenticate(&self, credentials: &Credentials) -> Result<AuthContext> {
        let identity = self.identity(credentials).await?;
        let header = tenant::header(&credentials.tenant)?;
        let claimed = self.tenancy.claimed(identity.as_ref(), header.as_ref())?;
        let found = self.look_up(&claimed, identity.as_ref()).await?;
        claimed.check_header(header.as_ref(), &found.tenant)?;
        match identity {
            None => Ok(self.context(found.tenant, None, None)),
            Some(identity) => {
                let user = self.admit(&claimed, &found, &identity).await?;
                Ok(self.context(found.tenant, Some(user), identity.expires_at))
            }
        }
    }

    async fn identity(&self, credentials: &Credentials) -> Result<Option<VerifiedIdentity>> {
        match bearer::token(&credentials.authorization, self.verifier.syntax())? {
            Some(token) => self.verifier.verify(token, Utc::now()).await.map(Some),
            None => Ok(self.verifier.without_token()),
        }
    }

    async fn look_up(
        &self,
        claimed: &ClaimedTenant,
        identity: Option<&VerifiedIdentity>,
    ) -> Result<UserInTenant> {
        let reference: &TenantReference = claimed.reference();
        let system = self.store.system();
        let found = match identity {
            Some(identity) => {
                system.user_in_tenant(reference, &identity.provider, &identity.subject).await?
            }
            None => {
                system.tenant(reference).await?.map(|tenant| UserInTenant { tenant, user: None })
            }
        };
        found.ok_or(Error::TenantNotFound)
    }

    fn context(
        &self,
        tenant: Tenant,
        user: Option<User>,
        expires_at: Option<DateTime<Utc>>,
    ) -> AuthContext {
        let viewer = user.as_ref().map_or(Viewer::Anonymous, |user| Viewer::User(user.id));
        let scope = Scope::new(self.store.clone(), tenant.id, viewer);
        AuthContext { tenant, user, expires_at, scope }
    }
}
