//! The people of a tenant, as whoever runs it sees and changes them: an admin of the tenant, or an
//! operator with a shell. One who runs a tenant is not by that shown any of its boards.

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, Func, LikeExpr, LockType, SimpleExpr},
};

use super::{
    Event, Scope, SessionChange, Slice, Store, Subject, System, Transaction, User,
    ending::cancel_all_of,
    entity::{
        tenants,
        users::{self, Column, Entity},
    },
    now,
};
use crate::{
    domain::{EmailAddress, ListWindow, TenantId, TenantRole, UserId, like_pattern},
    error::{Error, Result},
};

/// A door to the people of one tenant. [`crate::auth::AuthContext`] opens it for an admin of the
/// tenant, and every use asks again whether they still are one.
pub struct People {
    pub(super) store: Store,
    pub(super) tenant: TenantId,
    /// None for an operator.
    pub(super) admin: Option<UserId>,
}

/// Which members of a tenant.
#[derive(Clone, Debug, Default)]
pub struct MemberFilter {
    /// Those with this in their name or email, whatever the case of ASCII letters.
    pub text: Option<String>,
    /// Those with this role.
    pub role: Option<TenantRole>,
    /// The suspended ones, or the others.
    pub suspended: Option<bool>,
}

impl Scope {
    /// Only [`crate::auth::AuthContext`] calls this, once it has asked for an admin.
    pub(crate) fn people(&self) -> Result<People> {
        Ok(People { store: self.store().clone(), tenant: self.tenant(), admin: Some(self.user()?) })
    }
}

impl System<'_> {
    /// The people of a tenant, for an operator.
    #[must_use]
    pub fn people(&self, tenant: TenantId) -> People {
        People { store: self.store.on_behalf_of(tenant), tenant, admin: None }
    }
}

impl People {
    /// The tenant.
    #[must_use]
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The members of the tenant, suspended ones too, in the order of joining.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for one who is no admin any more.
    pub async fn members(&self, filter: &MemberFilter, window: ListWindow) -> Result<Slice<User>> {
        self.require_admin(self.store.read()).await?;
        let mut members = self.users().filter(condition(filter));
        if let Some(after) = window.after() {
            // The first half is what an index can be read by.
            members = members.filter(Column::CreatedAt.gte(after.at)).filter(
                Condition::any().add(Column::CreatedAt.gt(after.at)).add(Column::Id.gt(after.id)),
            );
        }
        let rows = members
            .order_by_asc(Column::CreatedAt)
            .order_by_asc(Column::Id)
            .limit(window.rows() as u64 + 1)
            .all(self.store.read())
            .await?;
        Ok(Slice::new(rows, window).map(User::from))
    }

    /// The members with that address, at most two: it need not be one person's.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn members_by_email(&self, email: &EmailAddress) -> Result<Vec<User>> {
        self.require_admin(self.store.read()).await?;
        let rows = self.users_by_email(email).limit(2).all(self.store.read()).await?;
        Ok(rows.into_iter().map(User::from).collect())
    }

    /// Gives a member another role in the tenant.
    ///
    /// # Errors
    /// [`Error::NotFound`], or [`Error::Conflict`] where no active admin would be left.
    pub async fn set_role(&self, user: UserId, role: TenantRole) -> Result<User> {
        let transaction = self.begin_change().await?;
        let row = require_member(&transaction, self.tenant, user, LockType::NoKeyUpdate).await?;
        let before = User::from(row.clone());
        if before.role == role {
            return Ok(before);
        }
        self.keep_an_admin(&transaction, &before, "demoted").await?;
        let mut row = row.into_active_model();
        row.tenant_role = Set(role.as_str().to_owned());
        let after = row.update(&transaction).await?.into();
        transaction.commit().await?;
        Ok(after)
    }

    /// Shuts a member out of the tenant. Their sessions end, what they have queued or running is
    /// cancelled, and what they own stays. One who is suspended already stays so.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::BadUserInput`] for oneself, or [`Error::Conflict`] where no
    /// active admin would be left.
    pub async fn suspend(&self, user: UserId) -> Result<User> {
        let transaction = self.begin_change().await?;
        // Whoever queues a generation of theirs holds a weaker lock, which waits for this one.
        let row = require_member(&transaction, self.tenant, user, LockType::Update).await?;
        if self.admin == Some(user) {
            return Err(Error::bad_input("userId", "You cannot suspend yourself"));
        }
        let before = User::from(row.clone());
        if before.disabled_at.is_some() {
            return Ok(before);
        }
        self.keep_an_admin(&transaction, &before, "suspended").await?;
        let mut row = row.into_active_model();
        row.disabled_at = Set(Some(now()));
        let after = row.update(&transaction).await?.into();
        let cancelled = cancel_all_of(&self.store, &transaction, self.tenant, user).await?;
        transaction.commit().await?;
        let events = self.store.events();
        events.session_changed(SessionChange::User(user));
        for (generation, board) in cancelled {
            events.cancel(generation);
            let subject = Subject::Generation(generation);
            events.publish(Event { tenant: self.tenant, board, subject });
        }
        Ok(after)
    }

    /// Lets a suspended member in again. Others stay as they are.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn reinstate(&self, user: UserId) -> Result<User> {
        let transaction = self.begin_change().await?;
        let row = require_member(&transaction, self.tenant, user, LockType::NoKeyUpdate).await?;
        if row.disabled_at.is_none() {
            return Ok(row.into());
        }
        let mut row = row.into_active_model();
        row.disabled_at = Set(None);
        let after = row.update(&transaction).await?.into();
        transaction.commit().await?;
        Ok(after)
    }

    /// A transaction that waits for every other change of this tenant's people: two that each look
    /// for another admin must not both find the one whom the other removes.
    pub(super) async fn begin_change(&self) -> Result<Transaction> {
        let transaction = self.store.begin().await?;
        tenants::Entity::find_by_id(self.tenant.0)
            .lock(LockType::NoKeyUpdate)
            .one(&transaction)
            .await?
            .ok_or(Error::TenantNotFound)?;
        self.require_admin(&transaction).await?;
        Ok(transaction)
    }

    /// A session can be older than the loss of its user's role.
    pub(super) async fn require_admin(&self, connection: &impl ConnectionTrait) -> Result<()> {
        let Some(admin) = self.admin else { return Ok(()) };
        let found = self.active_admins().filter(Column::Id.eq(admin.0)).one(connection).await?;
        if found.is_some() { Ok(()) } else { Err(Error::forbidden("run this tenant")) }
    }

    async fn keep_an_admin(
        &self,
        transaction: &Transaction,
        user: &User,
        what: &str,
    ) -> Result<()> {
        if user.role != TenantRole::Admin || user.disabled_at.is_some() {
            return Ok(());
        }
        let others = self.active_admins().filter(Column::Id.ne(user.id.0));
        if others.count(transaction).await? > 0 {
            return Ok(());
        }
        Err(Error::Conflict(format!("The tenant's last active admin cannot be {what}")))
    }

    fn active_admins(&self) -> Select<Entity> {
        self.users()
            .filter(Column::TenantRole.eq(TenantRole::Admin.as_str()))
            .filter(Column::DisabledAt.is_null())
    }

    fn users_by_email(&self, email: &EmailAddress) -> Select<Entity> {
        // As in the index `users_by_email`; in the collation C only ASCII letters have a case, as
        // in SQLite and in `EmailAddress`.
        let folded =
            if self.store.is_postgres() { "lower(email COLLATE \"C\")" } else { "lower(email)" };
        self.users().filter(Expr::cust(folded).eq(email.as_str()))
    }

    fn users(&self) -> Select<Entity> {
        Entity::find().filter(Column::TenantId.eq(self.tenant.0))
    }
}

pub(super) async fn require_member(
    transaction: &Transaction,
    tenant: TenantId,
    user: UserId,
    lock: LockType,
) -> Result<users::Model> {
    Entity::find()
        .filter(Column::TenantId.eq(tenant.0))
        .filter(Column::Id.eq(user.0))
        .lock(lock)
        .one(transaction)
        .await?
        .ok_or(Error::NotFound("User"))
}

fn condition(filter: &MemberFilter) -> Condition {
    let text = filter.text.as_deref();
    Condition::all()
        .add_option(filter.role.map(|role| Column::TenantRole.eq(role.as_str())))
        .add_option(filter.suspended.map(|suspended| {
            let column = Column::DisabledAt;
            if suspended { column.is_not_null() } else { column.is_null() }
        }))
        .add_option(
            text.map(|text| holds(Column::Email, text).or(holds(Column::DisplayName, text))),
        )
}

/// In any case of the letters, as far as the database knows them, or exactly as written.
fn holds(column: Column, text: &str) -> SimpleExpr {
    let like = |text: &str| LikeExpr::new(like_pattern(text)).escape('\\');
    let folded = Expr::expr(Func::lower(Expr::col(column))).like(like(&text.to_lowercase()));
    folded.or(Expr::col(column).like(like(text)))
}
