//! Finding or making the user whom a verified identity is in a tenant.

use super::{
    Authenticator,
    claims::VerifiedIdentity,
    tenant::{ClaimedTenant, Source},
};
use crate::{
    audit::{Actor, AuditEvent},
    domain::{EmailAddress, email_is_in},
    error::{Error, Result},
    store::{JoinPolicy, Joined, Newcomer, Profile, Tenant, User, UserInTenant},
};

impl Authenticator {
    /// The user, whose profile follows the token. One who is new is made if the tenant lets them in.
    pub(super) async fn admit(
        &self,
        claimed: &ClaimedTenant,
        found: &UserInTenant,
        identity: &VerifiedIdentity,
        actor: &mut Actor,
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
            Some(user) if user.disabled_at.is_some() => Err(Error::forbidden("use this tenant")),
            Some(user) if profile.is_current(user) => Ok(user.clone()),
            Some(user) => system.refresh_profile(user, profile).await,
            None => {
                let source = claimed.source();
                let joined = self.welcome(source, &found.tenant, identity, profile).await?;
                actor.user = Some(joined.user.id);
                actor.subject = None;
                if joined.is_new {
                    let event = AuditEvent::new("signIn.newUser").by(actor);
                    self.audit.record(event.on("user", joined.user.id));
                }
                Ok(joined.user)
            }
        }
    }

    /// The user of somebody new, with the role that an invitation gives; without one, only if the
    /// tenant lets them in.
    async fn welcome(
        &self,
        source: Source,
        tenant: &Tenant,
        identity: &VerifiedIdentity,
        profile: Profile<'_>,
    ) -> Result<Joined> {
        let email = identity.email.as_deref().filter(|_| identity.email_verified);
        let email = email.and_then(EmailAddress::parse);
        let role = self.verifier.first_role();
        let newcomer = Newcomer { profile, verified_email: email.as_ref(), role };
        let system = self.store.system();
        let joined = if may_join(source, tenant, identity) {
            Some(system.join(tenant.id, newcomer).await?)
        } else {
            system.join_invited(tenant.id, newcomer).await?
        };
        // Another request may have made the user, and an admin may have been fast.
        joined
            .filter(|joined| joined.user.disabled_at.is_none())
            .ok_or_else(|| Error::forbidden("use this tenant"))
    }
}

/// A claim vouches and the only tenant is open; otherwise the tenant's join policy decides.
fn may_join(source: Source, tenant: &Tenant, identity: &VerifiedIdentity) -> bool {
    let is_vouched_for = match source {
        Source::Claim => claim_vouches(tenant, identity),
        Source::Default => true,
        Source::Asked => false,
    };
    is_vouched_for
        || match tenant.join_policy {
            JoinPolicy::Open => true,
            JoinPolicy::Domain => {
                let email = identity.email.as_deref().filter(|_| identity.email_verified);
                email.is_some_and(|email| email_is_in(email, &tenant.join_domains))
            }
            JoinPolicy::Invite => false,
        }
}

/// What another provider means by the slug of a tenant that somebody registered need not be that
/// tenant: its users would be handed to whoever took the name first.
fn claim_vouches(tenant: &Tenant, identity: &VerifiedIdentity) -> bool {
    let registered_by = tenant.registered_by_provider.as_deref();
    registered_by.is_none_or(|provider| provider == &*identity.provider)
}
