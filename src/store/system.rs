//! The few queries that know no tenant or no viewer yet: tenant lookup and sign-in, and the
//! administration of tenants. Everything else goes through a [`super::Scope`].

use std::str::FromStr;

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, JoinType,
    QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, IntoCondition, OnConflict, SelectStatement},
};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Store, User, corrupt,
    entity::{tenants, users},
    is_unique_violation, now,
    row::{self, Columns, Readable},
    template::{Parameter, Parameters},
    users::USER_COLUMNS,
};
use crate::{
    domain::{TenantId, tenant_slug_is_valid},
    error::{Error, Result},
};

/// Who may enter a tenant without having been added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinPolicy {
    /// Anyone with a valid token.
    Open,
    /// Anyone with a verified email in one of the tenant's domains.
    Domain,
    /// Nobody: only who was added.
    Invite,
}

impl JoinPolicy {
    /// The lower-case name that the database holds.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Domain => "domain",
            Self::Invite => "invite",
        }
    }
}

impl FromStr for JoinPolicy {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Open, Self::Domain, Self::Invite]
            .into_iter()
            .find(|policy| policy.as_str() == name)
            .ok_or(())
    }
}

/// Whether a tenant can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TenantStatus {
    /// In use.
    Active,
    /// Registered by somebody, and not approved yet.
    Pending,
    /// Being deleted: its rows and files go one after the other.
    Deleting,
}

impl TenantStatus {
    /// The lower-case name that the database holds.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Pending => "pending",
            Self::Deleting => "deleting",
        }
    }
}

impl FromStr for TenantStatus {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Active, Self::Pending, Self::Deleting]
            .into_iter()
            .find(|status| status.as_str() == name)
            .ok_or(())
    }
}

/// A tenant, as its row says.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its name for people.
    pub name: String,
    /// Its name in requests.
    pub slug: String,
    /// Who may enter.
    pub join_policy: JoinPolicy,
    /// The email domains of [`JoinPolicy::Domain`], lower-case.
    pub join_domains: Vec<String>,
    /// Whether it can be used.
    pub status: TenantStatus,
    /// The provider of whoever registered it; none for one that an operator made.
    pub registered_by_provider: Option<String>,
}

/// The columns of a [`Tenant`], in the order in which they are read.
const TENANT_COLUMNS: [tenants::Column; 7] = [
    tenants::Column::Id,
    tenants::Column::Name,
    tenants::Column::Slug,
    tenants::Column::JoinPolicy,
    tenants::Column::JoinDomains,
    tenants::Column::Status,
    tenants::Column::RegisteredByProvider,
];

/// A tenant's row, which may hold what cannot be read.
struct TenantRow(Result<Tenant>);

impl Readable for TenantRow {
    fn read(columns: &mut Columns<'_>) -> Result<Self, DbErr> {
        let (id, name, slug) = (columns.next()?, columns.next()?, columns.next()?);
        let (policy, domains): (String, Value) = (columns.next()?, columns.next()?);
        let (status, registered_by_provider): (String, _) = (columns.next()?, columns.next()?);
        let tenant = || {
            Ok(Tenant {
                id: TenantId(id),
                name,
                slug,
                join_policy: policy.parse().map_err(|()| corrupt("tenants", "join_policy"))?,
                join_domains: serde_json::from_value(domains)
                    .map_err(|_| corrupt("tenants", "join_domains"))?,
                status: status.parse().map_err(|()| corrupt("tenants", "status"))?,
                registered_by_provider,
            })
        };
        Ok(Self(tenant()))
    }
}

impl TryFrom<tenants::Model> for Tenant {
    type Error = Error;

    fn try_from(row: tenants::Model) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            name: row.name,
            slug: row.slug,
            join_policy: row.join_policy.parse().map_err(|()| corrupt("tenants", "join_policy"))?,
            join_domains: serde_json::from_value(row.join_domains)
                .map_err(|_| corrupt("tenants", "join_domains"))?,
            status: row.status.parse().map_err(|()| corrupt("tenants", "status"))?,
            registered_by_provider: row.registered_by_provider,
        })
    }
}

/// How a request names a tenant: by slug or by UUID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TenantReference {
    /// By its id.
    Id(TenantId),
    /// By its slug, which is well-formed.
    Slug(String),
}

impl TenantReference {
    /// Reads a slug or UUID.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`] for anything else.
    pub fn parse(text: &str) -> Result<Self> {
        if let Ok(id) = Uuid::try_parse(text) {
            return Ok(Self::Id(id.into()));
        }
        if tenant_slug_is_valid(text) {
            return Ok(Self::Slug(text.to_owned()));
        }
        Err(Error::TenantNotFound)
    }

    /// Whether it names this tenant.
    #[must_use]
    pub fn names(&self, tenant: &Tenant) -> bool {
        match self {
            Self::Id(id) => *id == tenant.id,
            Self::Slug(slug) => *slug == tenant.slug,
        }
    }

    /// A statement that looks for an id is not the one that looks for a slug.
    fn form(&self) -> u16 {
        match self {
            Self::Id(_) => 0,
            Self::Slug(_) => 1,
        }
    }

    fn parameter(&self) -> Parameter {
        match self {
            Self::Id(id) => id.0.into(),
            Self::Slug(slug) => slug.as_str().into(),
        }
    }

    /// The same kind of reference, to what the first parameter says.
    fn like(&self, parameters: &Parameters) -> Self {
        match self {
            Self::Id(_) => Self::Id(TenantId(parameters.id(0))),
            Self::Slug(_) => Self::Slug(parameters.text(0).to_owned()),
        }
    }

    pub(super) fn condition(&self) -> Condition {
        match self {
            Self::Id(id) => tenants::Column::Id.eq(id.0),
            Self::Slug(slug) => tenants::Column::Slug.eq(slug.as_str()),
        }
        .into_condition()
    }
}

/// A tenant and the user of it that a subject is, if there is one already.
#[derive(Clone, Debug)]
pub struct UserInTenant {
    /// The tenant.
    pub tenant: Tenant,
    /// The user.
    pub user: Option<User>,
}

/// What a verified token says about its user.
#[derive(Clone, Copy, Debug)]
pub struct Profile<'a> {
    /// The provider's name.
    pub provider: &'a str,
    /// The subject.
    pub subject: &'a str,
    /// Their address, if the token names one.
    pub email: Option<&'a str>,
    /// Their name, if the token names one.
    pub display_name: Option<&'a str>,
    /// Their picture, if the token names one.
    pub avatar_url: Option<&'a str>,
}

impl Profile<'_> {
    /// Whether the row holds all that the token says.
    #[must_use]
    pub fn is_current(&self, user: &User) -> bool {
        let same = |claim: Option<&str>, kept: &Option<String>| {
            claim.is_none_or(|claim| kept.as_deref() == Some(claim))
        };
        same(self.email, &user.email)
            && same(self.display_name, &user.display_name)
            && same(self.avatar_url, &user.avatar_url)
    }
}

fn tenants_meant(reference: &TenantReference) -> Select<tenants::Entity> {
    let tenants = tenants::Entity::find().filter(reference.condition());
    tenants.select_only().columns(TENANT_COLUMNS)
}

fn user_in_tenant(reference: &TenantReference, provider: &str, subject: &str) -> SelectStatement {
    let (provider, subject) = (provider.to_owned(), subject.to_owned());
    let to_user: sea_orm::RelationDef = tenants::Entity::belongs_to(users::Entity)
        .from(tenants::Column::Id)
        .to(users::Column::TenantId)
        .on_condition(move |_, users| {
            let column = |column| Expr::col((users.clone(), column));
            Condition::all()
                .add(column(users::Column::AuthProvider).eq(provider.as_str()))
                .add(column(users::Column::AuthSubject).eq(subject.as_str()))
        })
        .into();
    let tenants = tenants_meant(reference).join(JoinType::LeftJoin, to_user);
    USER_COLUMNS.into_iter().fold(tenants, QuerySelect::column).into_query()
}

/// See the module.
pub struct System<'a> {
    pub(super) store: &'a Store,
}

impl<'a> System<'a> {
    pub(super) fn new(store: &'a Store) -> Self {
        Self { store }
    }

    pub(super) fn store(&self) -> &Store {
        self.store
    }

    /// The tenant, by an indexed read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenant(&self, reference: &TenantReference) -> Result<Option<Tenant>> {
        let parameters = Parameters::new([reference.parameter()]);
        let templates = self.store.templates();
        let form = ("tenant", reference.form());
        let statement = templates.statement(form, &parameters, |parameters| {
            tenants_meant(&reference.like(parameters)).into_query()
        });
        let row: Option<TenantRow> = row::one(self.store.read(), statement).await?;
        row.map(|TenantRow(tenant)| tenant).transpose()
    }

    /// The tenant and the subject's user in it, in one indexed read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn user_in_tenant(
        &self,
        reference: &TenantReference,
        provider: &str,
        subject: &str,
    ) -> Result<Option<UserInTenant>> {
        let parameters = [reference.parameter(), provider.into(), subject.into()];
        let parameters = Parameters::new(parameters);
        let templates = self.store.templates();
        let form = ("user in tenant", reference.form());
        let statement = templates.statement(form, &parameters, |parameters| {
            let (provider, subject) = (parameters.text(1), parameters.text(2));
            user_in_tenant(&reference.like(parameters), provider, subject)
        });
        let found: Option<(TenantRow, Option<User>)> =
            row::one(self.store.read(), statement).await?;
        found
            .map(|(TenantRow(tenant), user)| Ok(UserInTenant { tenant: tenant?, user }))
            .transpose()
    }

    /// Writes what the token says about the user into the row; what it does not say stays.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn refresh_profile(&self, user: &User, profile: Profile<'_>) -> Result<User> {
        let store = self.store.on_behalf_of(user.tenant);
        let row = users::Entity::find()
            .filter(users::Column::TenantId.eq(user.tenant.0))
            .filter(users::Column::Id.eq(user.id.0))
            .one(store.write())
            .await?
            .ok_or(Error::InvalidToken)?;
        let mut row = row.into_active_model();
        if let Some(email) = profile.email {
            row.email = Set(Some(email.to_owned()));
        }
        if let Some(name) = profile.display_name {
            row.display_name = Set(Some(name.to_owned()));
        }
        if let Some(url) = profile.avatar_url {
            row.avatar_url = Set(Some(url.to_owned()));
        }
        row.updated_at = Set(now());
        Ok(row.update(store.write()).await?.into())
    }

    /// Makes a tenant.
    ///
    /// # Errors
    /// [`Error::Conflict`] when the slug is taken.
    pub async fn create_tenant(
        &self,
        slug: &str,
        name: &str,
        join_policy: JoinPolicy,
        join_domains: &[String],
    ) -> Result<Tenant> {
        let row = new_tenant(slug, name, join_policy, join_domains);
        match tenants::Entity::insert(row).exec_with_returning(self.store.write()).await {
            Ok(row) => row.try_into(),
            Err(error) => Err(or_taken(error, slug)),
        }
    }

    /// Makes the default tenant unless it is there. With multi-tenancy off everyone may enter it
    /// whatever its row says; should multi-tenancy be switched on later, it is not left open.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ensure_default_tenant(&self, slug: &str) -> Result<()> {
        let row = new_tenant(slug, "Default", JoinPolicy::Invite, &[]);
        tenants::Entity::insert(row)
            .on_conflict(OnConflict::column(tenants::Column::Slug).do_nothing().to_owned())
            .exec_without_returning(self.store.write())
            .await?;
        Ok(())
    }

    /// Every tenant, by slug.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenants(&self) -> Result<Vec<Tenant>> {
        let rows = tenants::Entity::find()
            .order_by_asc(tenants::Column::Slug)
            .all(self.store.read())
            .await?;
        rows.into_iter().map(Tenant::try_from).collect()
    }

    /// Whether the database answers.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self) -> Result<()> {
        self.store.read().execute_unprepared("SELECT 1").await?;
        Ok(())
    }
}

/// The error of a write that gives a tenant this slug.
pub(super) fn or_taken(error: DbErr, slug: &str) -> Error {
    if is_unique_violation(&error) {
        Error::Conflict(format!("A tenant with the slug \"{slug}\" already exists"))
    } else {
        error.into()
    }
}

/// The row of a tenant in use.
pub(super) fn new_tenant(
    slug: &str,
    name: &str,
    join_policy: JoinPolicy,
    join_domains: &[String],
) -> tenants::ActiveModel {
    let now = now();
    let domains = join_domains.iter().map(|domain| Value::from(domain.to_lowercase())).collect();
    tenants::ActiveModel {
        id: Set(TenantId::new().0),
        name: Set(name.to_owned()),
        slug: Set(slug.to_owned()),
        settings: Set(json!({})),
        join_policy: Set(join_policy.as_str().to_owned()),
        join_domains: Set(Value::Array(domains)),
        created_at: Set(now),
        updated_at: Set(now),
        status: Set(TenantStatus::Active.as_str().to_owned()),
        registered_by_provider: Set(None),
        registered_by_subject: Set(None),
    }
}
