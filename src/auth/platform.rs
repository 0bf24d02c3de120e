//! Callers who are in no tenant: operators of the platform, and people who want a tenant of their
//! own. The token alone is judged; X-Tenant says nothing here, and the token's tenant claim only which
//! tenant may be registered with it.

use super::{Authenticator, Credentials, OwnToken, bearer, claims::VerifiedIdentity};
use crate::{
    audit::Actor,
    domain::{RequestOrigin, TokenScope, TokenScopes},
    error::{Error, Result},
    store::Profile,
};

/// A caller whose token was judged good, in no tenant.
#[derive(Clone, Debug)]
pub struct PlatformCaller {
    identity: VerifiedIdentity,
    granted: TokenScopes,
}

impl PlatformCaller {
    /// The provider that vouches for the caller.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.identity.provider
    }

    /// Whom the provider says that the caller is.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.identity.subject
    }

    /// The caller as the audit log names them: in no tenant, so that what they did to one stays on
    /// record when it is gone.
    #[must_use]
    pub fn actor(&self, origin: &RequestOrigin) -> Actor {
        Actor {
            provider: Some(self.identity.provider.to_string()),
            subject: Some(self.identity.subject.clone()),
            ..Actor::unknown(origin.clone())
        }
    }

    /// What the token was granted.
    #[must_use]
    pub fn granted(&self) -> TokenScopes {
        self.granted
    }

    /// Asks for a scope.
    ///
    /// # Errors
    /// [`Error::InsufficientScope`].
    pub fn require_scope(&self, scope: TokenScope) -> Result<()> {
        if self.granted.allows(scope) { Ok(()) } else { Err(Error::InsufficientScope(scope)) }
    }

    /// What the token says of the caller, for the user that they become.
    #[must_use]
    pub fn profile(&self) -> Profile<'_> {
        Profile {
            provider: &self.identity.provider,
            subject: &self.identity.subject,
            email: self.identity.email.as_deref(),
            display_name: self.identity.display_name.as_deref(),
            avatar_url: self.identity.avatar_url.as_deref(),
        }
    }

    /// Whether the caller may have a tenant of this slug: their issuer may vouch for them in it, and
    /// their token does not say that they belong to another.
    #[must_use]
    pub fn may_register(&self, slug: &str) -> bool {
        let claim = self.identity.tenant.as_deref();
        self.identity.is_allowed_in(slug) && claim.is_none_or(|claim| claim == slug)
    }

    /// The caller's email, if the provider vouches for it.
    #[must_use]
    pub fn verified_email(&self) -> Option<&str> {
        self.identity.email.as_deref().filter(|_| self.identity.email_verified)
    }
}

impl Authenticator {
    /// Judges the token of a caller who needs no tenant. Reads and writes nothing.
    ///
    /// # Errors
    /// [`Error::NotAuthenticated`] without a token, [`Error::InvalidToken`].
    pub async fn authenticate_platform(&self, credentials: &Credentials) -> Result<PlatformCaller> {
        let token = bearer::token(&credentials.authorization, self.verifier.syntax())?;
        // Those belong to a user of a tenant.
        if token.is_some_and(OwnToken::is_meant) {
            return Err(Error::InvalidToken);
        }
        let identity = self.identity(token).await?.ok_or(Error::NotAuthenticated)?;
        let granted = self.scopes.granted(&identity);
        Ok(PlatformCaller { identity, granted })
    }
}
