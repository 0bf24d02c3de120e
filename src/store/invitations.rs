//! Invitations: an address that may join a tenant, with which role, and until when.

use chrono::{DateTime, Duration, SubsecRound, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, Select,
};

use super::{
    People, Slice, corrupt,
    entity::invitations::{ActiveModel, Column, Entity, Model},
    is_unique_violation, now,
};
use crate::{
    domain::{EmailAddress, InvitationId, ListWindow, TenantId, TenantRole, UserId},
    error::{Error, Result},
};

/// An invitation, as its row says.
#[derive(Clone, Debug)]
pub struct Invitation {
    /// Its id.
    pub id: InvitationId,
    /// Whom it is for.
    pub email: EmailAddress,
    /// The role that it gives.
    pub role: TenantRole,
    /// Who invited; none where an operator did or the inviter has gone.
    pub invited_by: Option<UserId>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// From when on it is worth nothing.
    pub expires_at: DateTime<Utc>,
}

impl TryFrom<Model> for Invitation {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            id: row.id.into(),
            email: EmailAddress::parse(&row.email)
                .ok_or_else(|| corrupt("invitations", "email"))?,
            role: row.role.parse().map_err(|()| corrupt("invitations", "role"))?,
            invited_by: row.invited_by.map(UserId),
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
    }
}

/// An invitation that is to be made; its fields are checked.
#[derive(Clone, Debug)]
pub struct NewInvitation {
    /// Whom it is for.
    pub email: EmailAddress,
    /// The role that it gives.
    pub role: TenantRole,
    /// From when on it is worth nothing.
    pub expires_at: DateTime<Utc>,
}

impl NewInvitation {
    /// How long an invitation is good where nothing is said, in days.
    pub const DEFAULT_DAYS: i64 = 14;
    /// How long it may be good at most, in days.
    pub const MAX_DAYS: i64 = 90;

    /// When an invitation made now ends; none for a time that it may not end at.
    #[must_use]
    pub fn expiry(wanted: Option<DateTime<Utc>>) -> Option<DateTime<Utc>> {
        let now = now();
        let wanted = wanted.unwrap_or(now + Duration::days(Self::DEFAULT_DAYS)).trunc_subsecs(6);
        (wanted > now && wanted <= now + Duration::days(Self::MAX_DAYS)).then_some(wanted)
    }
}

impl People {
    /// The open invitations, oldest first.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for one who is no admin any more.
    pub async fn invitations(&self, window: ListWindow) -> Result<Slice<Invitation>> {
        self.require_admin(self.store.read()).await?;
        let mut invitations = of_tenant(self.tenant).filter(Column::ExpiresAt.gt(now()));
        if let Some(after) = window.after() {
            invitations = invitations.filter(Column::CreatedAt.gte(after.at)).filter(
                Condition::any().add(Column::CreatedAt.gt(after.at)).add(Column::Id.gt(after.id)),
            );
        }
        let rows = invitations
            .order_by_asc(Column::CreatedAt)
            .order_by_asc(Column::Id)
            .limit(window.rows() as u64 + 1)
            .all(self.store.read())
            .await?;
        let rows = rows.into_iter().map(Invitation::try_from).collect::<Result<_>>()?;
        Ok(Slice::new(rows, window))
    }

    /// Invites an address. Expired invitations of the tenant go by the way, so that one of them is
    /// renewed like this, and no address is kept for nothing.
    ///
    /// # Errors
    /// [`Error::Conflict`] when an open invitation is for this address. Members are not looked at:
    /// nobody need have verified the addresses that they call theirs.
    pub async fn invite(&self, new: NewInvitation) -> Result<Invitation> {
        let transaction = self.begin_change().await?;
        Entity::delete_many()
            .filter(Column::TenantId.eq(self.tenant.0))
            .filter(Column::ExpiresAt.lte(now()))
            .exec(&transaction)
            .await?;
        let made = insert(&transaction, self.tenant, new, self.admin).await?;
        transaction.commit().await?;
        Ok(made)
    }

    /// Takes an invitation back.
    ///
    /// # Errors
    /// [`Error::NotFound`], also when it was accepted meanwhile.
    pub async fn revoke_invitation(&self, id: InvitationId) -> Result<()> {
        let transaction = self.begin_change().await?;
        let deleted = Entity::delete_many()
            .filter(Column::TenantId.eq(self.tenant.0))
            .filter(Column::Id.eq(id.0))
            .exec(&transaction)
            .await?;
        if deleted.rows_affected == 0 {
            return Err(Error::NotFound("Invitation"));
        }
        Ok(transaction.commit().await?)
    }
}

/// Writes an invitation; none for its address may be open.
pub(super) async fn insert(
    transaction: &impl ConnectionTrait,
    tenant: TenantId,
    new: NewInvitation,
    invited_by: Option<UserId>,
) -> Result<Invitation> {
    let row = ActiveModel {
        id: Set(InvitationId::new().0),
        tenant_id: Set(tenant.0),
        email: Set(new.email.as_str().to_owned()),
        role: Set(new.role.as_str().to_owned()),
        invited_by: Set(invited_by.map(Into::into)),
        created_at: Set(now()),
        expires_at: Set(new.expires_at),
    };
    match Entity::insert(row).exec_with_returning(transaction).await {
        Ok(row) => row.try_into(),
        Err(error) if is_unique_violation(&error) => {
            Err(Error::Conflict("This email is already invited".to_owned()))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether an invitation for this address is open.
pub(super) async fn is_invited(
    connection: &impl ConnectionTrait,
    tenant: TenantId,
    email: &EmailAddress,
) -> Result<bool> {
    let open = of_tenant(tenant)
        .filter(Column::Email.eq(email.as_str()))
        .filter(Column::ExpiresAt.gt(now()));
    Ok(open.one(connection).await?.is_some())
}

/// Uses the open invitation for this address up and says which role it gives. Of several who come
/// at once, one gets it.
pub(super) async fn use_up(
    transaction: &impl ConnectionTrait,
    tenant: TenantId,
    email: &EmailAddress,
) -> Result<Option<TenantRole>> {
    let used = Entity::delete_many()
        .filter(Column::TenantId.eq(tenant.0))
        .filter(Column::Email.eq(email.as_str()))
        .filter(Column::ExpiresAt.gt(now()))
        .exec_with_returning(transaction)
        .await?;
    let role = used.first().map(|row| row.role.parse());
    role.transpose().map_err(|()| corrupt("invitations", "role"))
}

fn of_tenant(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(Column::TenantId.eq(tenant.0))
}
