//! Tenants as a whole: making, listing, changing, closing and registering them, for operators over
//! HTTP and from a shell, and for people who register their own. One function an act.

mod deletion;
mod file_check;
mod registration;

use crate::{
    domain::{EmailAddress, TenantId, TenantRole, Validator},
    error::{Error, Result},
    store::{
        JoinPolicy, NewInvitation, NewTenant, Store, TenantChanges, TenantCounts, TenantFilter,
        TenantRecord, TenantReference, TenantStatus,
    },
};

pub use deletion::{Removed, TenantDeletion};
pub use file_check::{FileCheck, Finding, Tally};
pub use registration::{Registrant, Registration, RegistrationMode};

/// The longest page of tenants.
pub const PAGE_MAX: u32 = 100;

/// What the deployment says about its tenants.
#[derive(Clone, Debug)]
pub struct PlatformSettings {
    /// Whether there are tenants besides the default one.
    pub multi_tenant: bool,
    /// The slug of the default tenant, which always stays.
    pub default_slug: String,
    /// Who may register a tenant.
    pub registration: Registration,
    /// The kinds of the identity providers, for the status; none where everyone is the local user.
    pub auth_providers: Vec<String>,
}

/// Runs the tenants. Cheap to clone.
#[derive(Clone)]
pub struct Platform {
    store: Store,
    settings: PlatformSettings,
}

/// A tenant as somebody asks for it, unchecked.
#[derive(Clone, Debug)]
pub struct TenantRequest {
    /// Its name for people.
    pub name: String,
    /// Its slug.
    pub slug: String,
    /// Who may enter; nobody who was not added, where it is left out.
    pub join_policy: Option<String>,
    /// The email domains of the join policy `domain`.
    pub join_domains: Vec<String>,
    /// Who is invited to run it.
    pub admin_email: Option<String>,
}

/// Changes as somebody asks for them, unchecked. What is left out stays.
#[derive(Clone, Debug, Default)]
pub struct ChangeRequest {
    /// A new name.
    pub name: Option<String>,
    /// A new slug.
    pub slug: Option<String>,
    /// Another join policy.
    pub join_policy: Option<String>,
    /// Other email domains.
    pub join_domains: Option<Vec<String>>,
    /// `active`, which approves a tenant that is pending.
    pub status: Option<String>,
}

/// A page of tenants.
#[derive(Clone, Debug)]
pub struct TenantPage {
    /// The tenants, by id.
    pub tenants: Vec<TenantRecord>,
    /// After which tenant the next page begins; none on the last.
    pub next: Option<TenantId>,
}

/// How the deployment stands. Holds no secret.
#[derive(Clone, Debug)]
pub struct PlatformStatus {
    /// Its settings.
    pub settings: PlatformSettings,
    /// `postgresql` or `sqlite`.
    pub database: &'static str,
    /// Migrations of this build that the database does not have.
    pub missing_migrations: Vec<String>,
    /// How many tenants there are; none where migrations are missing.
    pub tenants: Option<TenantCounts>,
}

impl Platform {
    /// Runs the tenants of `store`.
    #[must_use]
    pub fn new(store: Store, settings: PlatformSettings) -> Self {
        Self { store, settings }
    }

    /// How the deployment stands.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn status(&self) -> Result<PlatformStatus> {
        let migrations = self.store.migration_status().await?;
        let missing = migrations.into_iter().filter(|migration| !migration.applied);
        let missing_migrations: Vec<String> = missing.map(|migration| migration.name).collect();
        let tenants = if missing_migrations.is_empty() {
            Some(self.store.system().tenant_counts().await?)
        } else {
            None
        };
        let (settings, database) = (self.settings.clone(), self.store.database_kind());
        Ok(PlatformStatus { settings, database, missing_migrations, tenants })
    }

    /// Makes a tenant, and invites who shall run it.
    ///
    /// # Errors
    /// [`Error::BadUserInput`], or [`Error::Conflict`] when the slug is taken.
    pub async fn create(&self, request: TenantRequest) -> Result<TenantRecord> {
        let mut validator = Validator::new();
        let join_policy = request.join_policy.as_deref().map_or(JoinPolicy::Invite, |name| {
            join_policy(name, &mut validator).unwrap_or(JoinPolicy::Invite)
        });
        let new = NewTenant {
            name: validator.tenant_name("name", &request.name),
            slug: validator.tenant_slug("slug", &request.slug),
            join_policy,
            join_domains: validator.email_domains("join_domains", &request.join_domains),
        };
        let lacks_domain = join_policy == JoinPolicy::Domain && request.join_domains.is_empty();
        validator.check(!lacks_domain, "join_domains", || {
            "join_domains must hold a domain with the join policy domain".to_owned()
        });
        let admin = request.admin_email.as_deref().map(EmailAddress::parse);
        validator.check(admin != Some(None), "admin_email", || {
            "admin_email must be an email address".to_owned()
        });
        validator.finish()?;
        let admin = admin.flatten().map(admin_invitation).transpose()?;
        self.store.system().add_tenant(&new, admin).await
    }

    /// A page of tenants behind `after`; `limit` is 1 to [`PAGE_MAX`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list(
        &self,
        filter: &TenantFilter,
        after: Option<TenantId>,
        limit: u32,
    ) -> Result<TenantPage> {
        let limit = limit.clamp(1, PAGE_MAX);
        let one_more = u64::from(limit) + 1;
        let mut tenants = self.store.system().tenant_page(filter, after, one_more).await?;
        let has_more = tenants.len() > limit as usize;
        tenants.truncate(limit as usize);
        let next = tenants.last().filter(|_| has_more).map(|record| record.tenant.id);
        Ok(TenantPage { tenants, next })
    }

    /// A tenant, by slug or id.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`].
    pub async fn tenant(&self, reference: &TenantReference) -> Result<TenantRecord> {
        self.store.system().tenant_record(reference).await?.ok_or(Error::TenantNotFound)
    }

    /// Changes a tenant, or approves it.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`], [`Error::BadUserInput`]; [`Error::Conflict`] when the slug is taken
    /// or the default tenant's, or the tenant is being deleted.
    pub async fn update(
        &self,
        reference: &TenantReference,
        request: ChangeRequest,
    ) -> Result<TenantRecord> {
        let present = self.tenant(reference).await?.tenant;
        let changes = check_changes(request)?;
        let renames = changes.slug.as_ref().is_some_and(|slug| *slug != present.slug);
        if renames && present.slug == self.settings.default_slug {
            return Err(Error::Conflict("The default tenant keeps its slug".to_owned()));
        }
        self.store.system().change_tenant(present.id, changes).await
    }

    /// Closes a tenant for good and begins to delete what it holds; `confirmation` repeats its slug.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`], [`Error::BadUserInput`] for another confirmation,
    /// [`Error::Conflict`] for the default tenant.
    pub async fn delete(
        &self,
        reference: &TenantReference,
        confirmation: &str,
    ) -> Result<TenantRecord> {
        let present = self.tenant(reference).await?.tenant;
        if confirmation != present.slug {
            let message = "confirm must repeat the slug of the tenant that is to be deleted";
            return Err(Error::bad_input("confirm", message));
        }
        if present.slug == self.settings.default_slug {
            return Err(Error::Conflict("The default tenant cannot be deleted".to_owned()));
        }
        self.store.system().close_tenant(present.id).await
    }
}

fn admin_invitation(email: EmailAddress) -> Result<NewInvitation> {
    let expires_at = NewInvitation::expiry(None)
        .ok_or_else(|| Error::internal("no usual end of invitations"))?;
    Ok(NewInvitation { email, role: TenantRole::Admin, expires_at })
}

fn join_policy(name: &str, validator: &mut Validator) -> Option<JoinPolicy> {
    let policy = name.parse().ok();
    validator.check(policy.is_some(), "join_policy", || {
        "join_policy must be open, domain or invite".to_owned()
    });
    policy
}

fn check_changes(request: ChangeRequest) -> Result<TenantChanges> {
    let mut validator = Validator::new();
    let approve = request.status.as_deref().is_some_and(|status| {
        let approves = status == TenantStatus::Active.as_str();
        validator.check(approves, "status", || {
            "status can only be set to active, which approves a tenant".to_owned()
        });
        approves
    });
    let changes = TenantChanges {
        name: request.name.map(|name| validator.tenant_name("name", &name)),
        slug: request.slug.map(|slug| validator.tenant_slug("slug", &slug)),
        join_policy: request.join_policy.and_then(|name| join_policy(&name, &mut validator)),
        join_domains: request
            .join_domains
            .map(|domains| validator.email_domains("join_domains", &domains)),
        approve,
    };
    validator.finish()?;
    Ok(changes)
}
