//! Registering a tenant of one's own: whether that may be done, by whom, and how often.

use super::Platform;
use crate::{
    domain::{Validator, email_is_in},
    error::{Error, Result},
    store::{JoinPolicy, NewTenant, Profile, TenantRecord, TenantStatus},
};

/// Who may register a tenant.
#[derive(Clone, Debug)]
pub struct Registration {
    /// Whether anybody may.
    pub mode: RegistrationMode,
    /// Only who has a verified email at one of these domains; everyone when there are none.
    pub domains: Vec<String>,
    /// Tenants that one person may have registered.
    pub most: u64,
}

/// Whether tenants can be registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistrationMode {
    /// Nobody can.
    Off,
    /// A registered tenant waits until an operator approves it.
    Approval,
    /// A registered tenant is in use at once.
    Open,
}

impl RegistrationMode {
    /// The word that configures it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Approval => "approval",
            Self::Open => "open",
        }
    }
}

/// Somebody with a valid token who wants a tenant.
#[derive(Clone, Copy, Debug)]
pub struct Registrant<'a> {
    /// What the token says of them.
    pub profile: Profile<'a>,
    /// Their email, if their provider vouches for it.
    pub verified_email: Option<&'a str>,
}

impl Platform {
    /// Makes a tenant whose admin is who asked for it. Nobody else may enter it until its admin lets
    /// them in.
    ///
    /// # Errors
    /// [`Error::Forbidden`] where this caller may register none, or no more; then
    /// [`Error::BadUserInput`], or [`Error::Conflict`] when the slug is taken: that a tenant of that
    /// name exists cannot be hidden from who wants to have the name.
    pub async fn register(
        &self,
        registrant: Registrant<'_>,
        name: &str,
        slug: &str,
    ) -> Result<TenantRecord> {
        let registration = &self.settings.registration;
        let status = match registration.mode {
            _ if !self.settings.multi_tenant => return Err(Error::forbidden(REGISTER)),
            RegistrationMode::Off => return Err(Error::forbidden(REGISTER)),
            RegistrationMode::Approval => TenantStatus::Pending,
            RegistrationMode::Open => TenantStatus::Active,
        };
        let is_in_domains = registrant
            .verified_email
            .is_some_and(|email| email_is_in(email, &registration.domains));
        if !registration.domains.is_empty() && !is_in_domains {
            return Err(Error::forbidden(
                "register a tenant without a verified email of this place",
            ));
        }
        let mut validator = Validator::new();
        let new = NewTenant {
            name: validator.tenant_name("name", name),
            slug: validator.registered_slug("slug", slug, &self.settings.default_slug),
            join_policy: JoinPolicy::Invite,
            join_domains: Vec::new(),
        };
        validator.finish()?;
        let (profile, most) = (registrant.profile, registration.most);
        self.store.system().register_tenant(&new, status, profile, most).await
    }
}

const REGISTER: &str = "register tenants here";
