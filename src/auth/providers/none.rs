//! The provider `none`, for development: with any token or none, everyone is one local user.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::TokenVerifier;
use crate::{
    auth::{bearer::TokenSyntax, claims::VerifiedIdentity},
    domain::{TenantRole, TokenScope},
    error::Result,
};

/// The provider of the local user.
const PROVIDER: &str = "none";

/// Takes every caller for the one local user.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoneVerifier;

impl NoneVerifier {
    /// Provider `none`, subject `local`; no tenant claim, no email, no expiry, every scope.
    fn local_user() -> VerifiedIdentity {
        VerifiedIdentity {
            provider: PROVIDER.into(),
            subject: "local".to_owned(),
            tenant: None,
            email: None,
            email_verified: false,
            display_name: Some("Local user".to_owned()),
            avatar_url: None,
            expires_at: None,
            scopes: Some(TokenScope::ALL.iter().map(|scope| scope.as_str().to_owned()).collect()),
            allowed_tenants: None,
        }
    }
}

#[async_trait]
impl TokenVerifier for NoneVerifier {
    async fn verify(&self, _token: &str, _now: DateTime<Utc>) -> Result<VerifiedIdentity> {
        Ok(Self::local_user())
    }

    fn vouches(&self, provider: &str, _tenant: &str) -> Option<bool> {
        (provider == PROVIDER).then_some(true)
    }

    fn without_token(&self) -> Option<VerifiedIdentity> {
        Some(Self::local_user())
    }

    /// Whoever develops on this machine runs the tenant too.
    fn first_role(&self) -> TenantRole {
        TenantRole::Admin
    }

    fn syntax(&self) -> TokenSyntax {
        TokenSyntax::AnyText
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn everyone_is_the_same_user() {
        let verifier = NoneVerifier;
        let with = verifier.verify("any text", DateTime::UNIX_EPOCH).await.expect("any token");
        assert_eq!((&*with.provider, with.subject.as_str()), ("none", "local"));
        assert_eq!(verifier.without_token(), Some(with));
    }
}
