//! Finding or making the user whom a verified identity is in a tenant.

use super::{
    Authenticator,
    claims::VerifiedIdentity,
    tenant::{ClaimedTenant, Source},
};
use crate::{
    error::{Error, Result},
    store::{JoinPolicy, Profile, Tenant, User, UserInTenant},
};

impl Authenticator {
    /// The user, whose profile follows the token. One who is new is made if the tenant lets them in.
    pub(super) async fn admit(
        &self,
        claimed: &ClaimedTenant,
        found: &UserInTenant,
        identity: &VerifiedIdentity,
    ) -> Result<User> {
        let profile = Profile {
            provider: &identity.provider,
            subject: &identity.subject,
            email: identity.email.as_deref(),
            display_name: identity.display_name.as_deref(),
            avatar_url: identity.avatar_url.as_deref(),
        };
        let system = self.store.system();
        match &found.user {
            Some(user) if profile.is_current(user) => Ok(user.clone()),
            Some(user) => system.refresh_profile(user, profile).await,
            None if may_join(claimed.source(), &found.tenant, identity) => {
                system.provision_user(found.tenant.id, profile).await
            }
            None => Err(Error::forbidden("use this tenant")),
        }
    }
}

/// A claim vouches and the only tenant is open; otherwise the tenant's join policy decides.
fn may_join(source: Source, tenant: &Tenant, identity: &VerifiedIdentity) -> bool {
    match (source, tenant.join_policy) {
        (Source::Claim | Source::Default, _) | (Source::Header, JoinPolicy::Open) => true,
        (Source::Header, JoinPolicy::Domain) => {
            identity.email_verified
                && identity.email.as_deref().is_some_and(|email| in_domains(email, tenant))
        }
        (Source::Header, JoinPolicy::Invite) => false,
    }
}

fn in_domains(email: &str, tenant: &Tenant) -> bool {
    email.rsplit_once('@').is_some_and(|(_, domain)| {
        tenant.join_domains.iter().any(|allowed| allowed.eq_ignore_ascii_case(domain))
    })
}
