//! From a token and a tenant header to an [`AuthContext`]: who calls, in which tenant. Built once
//! for each request and each WebSocket connection.

mod access_token;
pub mod bearer;
pub mod claims;
mod platform;
pub mod providers;
mod provisioning;
mod session_feed;
mod tenant;
mod token_use;

use std::sync::Arc;

use chrono::{DateTime, Utc};

use crate::{
    audit::{Actor, AuditEvent, AuditLog, decision},
    domain::{AccessTokenId, Decision, RequestOrigin, TenantRole, TokenScope, TokenScopes},
    error::{Error, Result},
    store::{
        People, Scope, Store, Tenant, TenantReference, TenantStatus, User, UserInTenant, Viewer,
    },
};

pub use access_token::OwnToken;
use claims::VerifiedIdentity;
pub use platform::PlatformCaller;
use providers::TokenVerifier;
pub use session_feed::announce_changes_of_others;
use tenant::ClaimedTenant;
pub use tenant::Tenancy;
pub use token_use::{TokenUses, WRITE_INTERVAL};

/// What a request or a connection says about its caller; nothing of it is believed yet.
#[derive(Clone, Default)]
pub struct Credentials {
    /// Every value of the Authorization header.
    pub authorization: Vec<String>,
    /// Every value of the X-Tenant header.
    pub tenant: Vec<String>,
    /// Every host that the request was sent to, with or without a port.
    pub hosts: Vec<String>,
    /// Where they came from.
    pub origin: Arc<RequestOrigin>,
}

/// A caller whose token and tenant were judged good.
#[derive(Clone)]
pub struct AuthContext {
    tenant: Tenant,
    user: Option<User>,
    expires_at: Option<DateTime<Utc>>,
    scope: Scope,
    credential: Credential,
    granted: TokenScopes,
}

/// What a caller identified themselves with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    None,
    /// A token of the identity provider of that name.
    Provider(Arc<str>),
    /// A token that this server issued.
    AccessToken(AccessTokenId),
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

    /// What the caller identified themselves with.
    #[must_use]
    pub fn credential(&self) -> &Credential {
        &self.credential
    }

    /// What the token was granted; nothing for a caller without one.
    #[must_use]
    pub fn granted(&self) -> TokenScopes {
        self.granted
    }

    /// Asks for a scope. A caller without a token has none and needs none: what such callers may do
    /// is not a matter of scopes.
    ///
    /// # Errors
    /// [`Error::InsufficientScope`].
    pub fn require_scope(&self, scope: TokenScope) -> Result<()> {
        if self.user.is_none() || self.granted.allows(scope) {
            return Ok(());
        }
        Err(Error::InsufficientScope(scope))
    }

    /// Asks for an admin of the tenant with a token that may be used for that.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`], [`Error::InsufficientScope`] or [`Error::Forbidden`].
    pub fn require_tenant_admin(&self) -> Result<()> {
        let user = self.user.as_ref().ok_or(Error::NotAuthenticated)?;
        self.require_scope(TokenScope::TenantAdmin)?;
        match user.role {
            TenantRole::Admin => Ok(()),
            TenantRole::Member => Err(Error::forbidden("run this tenant")),
        }
    }

    /// The people of the tenant, for its admin.
    ///
    /// # Errors
    /// As [`AuthContext::require_tenant_admin`].
    pub fn people(&self) -> Result<People> {
        self.require_tenant_admin()?;
        self.scope.people()
    }

    /// The caller as the audit log names them.
    #[must_use]
    pub fn actor(&self, origin: &RequestOrigin) -> Actor {
        Actor {
            tenant: Some(self.tenant.id),
            user: self.user.as_ref().map(|user| user.id),
            access_token: match &self.credential {
                Credential::AccessToken(id) => Some(*id),
                Credential::Provider(_) | Credential::None => None,
            },
            provider: self.user.as_ref().map(|user| user.auth_provider.clone()),
            subject: None,
            origin: origin.clone(),
        }
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
    scopes: ScopePolicy,
    token_uses: TokenUses,
    audit: AuditLog,
}

/// What a provider's token without any scope claim is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopePolicy {
    /// A user's full rights.
    Optional,
    /// Nothing that needs a scope.
    Required,
}

impl ScopePolicy {
    fn granted(self, identity: &VerifiedIdentity) -> TokenScopes {
        match (&identity.scopes, self) {
            (Some(names), _) => TokenScopes::known(names.iter().map(String::as_str)),
            (None, Self::Optional) => TokenScopes::full_rights(),
            (None, Self::Required) => TokenScopes::default(),
        }
    }
}

impl Authenticator {
    /// An authenticator that believes `verifier`.
    #[must_use]
    pub fn new(
        store: Store,
        verifier: Arc<dyn TokenVerifier>,
        tenancy: Tenancy,
        scopes: ScopePolicy,
        audit: AuditLog,
    ) -> Self {
        Self { store, verifier, tenancy, scopes, token_uses: TokenUses::default(), audit }
    }

    /// The token, where judging it now means asking an identity provider or the database about it:
    /// what anyone could make the server do again and again.
    pub async fn costly_token<'a>(&self, credentials: &'a Credentials) -> Option<&'a str> {
        let token = bearer::token(&credentials.authorization, self.verifier.syntax()).ok()??;
        let is_costly = if OwnToken::is_meant(token) {
            OwnToken::parse(token).is_some()
        } else {
            self.verifier.would_ask(token, Utc::now()).await
        };
        is_costly.then_some(token)
    }

    /// The uses of access tokens that are still to be written.
    #[must_use]
    pub fn token_uses(&self) -> &TokenUses {
        &self.token_uses
    }

    /// Judges the token, then the tenant, then finds or makes the user: for a user who is known,
    /// one indexed read and no write.
    ///
    /// # Errors
    /// [`Error::InvalidToken`], [`Error::TenantRequired`], [`Error::TenantNotFound`] or
    /// [`Error::Forbidden`], in the order in which things are judged.
    pub async fn authenticate(&self, credentials: &Credentials) -> Result<AuthContext> {
        let mut actor = Actor::unknown(RequestOrigin::clone(&credentials.origin));
        let outcome = self.judge(credentials, &mut actor).await;
        if let Err(error) = &outcome {
            self.note_refusal(credentials, &actor, error);
        }
        outcome
    }

    /// Judges, and says who it is as far as is known when it fails.
    async fn judge(&self, credentials: &Credentials, actor: &mut Actor) -> Result<AuthContext> {
        let token = bearer::token(&credentials.authorization, self.verifier.syntax())?;
        // Where any text is a token, only what is one of ours to the letter is taken for one.
        let is_own = |token: &&str| match self.verifier.syntax() {
            bearer::TokenSyntax::B64Token => OwnToken::is_meant(token),
            bearer::TokenSyntax::AnyText => OwnToken::parse(token).is_some(),
        };
        if let Some(token) = token.filter(is_own) {
            return self.authenticate_own(token, credentials, actor).await;
        }
        let identity = self.identity(token).await?;
        actor.provider = identity.as_ref().map(|identity| identity.provider.to_string());
        actor.subject = identity.as_ref().map(|identity| identity.subject.clone());
        let asked = self.tenancy.asked(credentials)?;
        let claimed = self.tenancy.claimed(identity.as_ref(), &asked)?;
        let found = self.look_up(&claimed, identity.as_ref()).await?;
        actor.tenant = Some(found.tenant.id);
        if let Some(user) = &found.user {
            actor.user = Some(user.id);
            actor.subject = None;
        }
        claimed.check(&asked, &found.tenant)?;
        let Some(identity) = identity else { return Ok(self.anonymous(found.tenant)) };
        if !identity.is_allowed_in(&found.tenant.slug) {
            return Err(Error::forbidden("use this tenant"));
        }
        let user = self.admit(&claimed, &found, &identity, actor).await?;
        let granted = self.scopes.granted(&identity);
        let credential = Credential::Provider(identity.provider);
        Ok(self.signed_in(found.tenant, user, credential, granted, identity.expires_at))
    }

    /// Records that credentials were refused. A request without any that names no tenant, or none
    /// that there is, has only lost its way.
    fn note_refusal(&self, credentials: &Credentials, actor: &Actor, error: &Error) {
        let is_anonymous = credentials.authorization.is_empty() && actor.provider.is_none();
        if is_anonymous || decision(error.code(), false) != Decision::Denied {
            return;
        }
        let event = AuditEvent::new("authenticate").by(actor);
        self.audit.record(event.ended(Decision::Denied, error.code()));
    }

    async fn identity(&self, token: Option<&str>) -> Result<Option<VerifiedIdentity>> {
        match token {
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
        // A tenant that is not open yet, or on its way out, is not there for anyone.
        found
            .filter(|found| found.tenant.status == TenantStatus::Active)
            .ok_or(Error::TenantNotFound)
    }

    fn anonymous(&self, tenant: Tenant) -> AuthContext {
        AuthContext {
            scope: Scope::new(&self.store, tenant.id, Viewer::Anonymous),
            tenant,
            user: None,
            expires_at: None,
            credential: Credential::None,
            granted: TokenScopes::default(),
        }
    }

    fn signed_in(
        &self,
        tenant: Tenant,
        user: User,
        credential: Credential,
        granted: TokenScopes,
        expires_at: Option<DateTime<Utc>>,
    ) -> AuthContext {
        AuthContext {
            scope: Scope::new(&self.store, tenant.id, Viewer::User(user.id)),
            tenant,
            user: Some(user),
            expires_at,
            credential,
            granted,
        }
    }
}
