//! Making the user of a subject who comes to a tenant for the first time.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, sea_query::OnConflict,
};
use serde_json::json;

use super::{
    Profile, System, Transaction, User,
    entity::users::{ActiveModel, Column, Entity},
    invitations::{is_invited, use_up},
    is_foreign_key_violation, now,
};
use crate::{
    domain::{EmailAddress, TenantId, TenantRole, UserId},
    error::{Error, Result},
};

/// A subject who was no user of the tenant when it was last looked at.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer<'a> {
    /// What the token says.
    pub profile: Profile<'a>,
    /// The address that the provider vouches for. An open invitation for it is used up.
    pub verified_email: Option<&'a EmailAddress>,
    /// The role, unless an invitation gives more.
    pub role: TenantRole,
}

/// The user that a newcomer has become.
#[derive(Clone, Debug)]
pub struct Joined {
    /// The user.
    pub user: User,
    /// Whether this call made them; another request of the same subject may have been faster.
    pub is_new: bool,
}

impl System<'_> {
    /// Makes the user of somebody whom the tenant lets in, invited or not. When two requests of one
    /// subject race, both get the same row.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`] when the tenant was deleted meanwhile.
    pub async fn join(&self, tenant: TenantId, newcomer: Newcomer<'_>) -> Result<Joined> {
        let transaction = self.store.on_behalf_of(tenant).begin().await?;
        let invited = match newcomer.verified_email {
            Some(email) => use_up(&transaction, tenant, email).await?,
            None => None,
        };
        self.make(transaction, tenant, newcomer, invited).await
    }

    /// Makes the user of somebody whom the tenant lets in by invitation alone; none without one.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`] when the tenant was deleted meanwhile.
    pub async fn join_invited(
        &self,
        tenant: TenantId,
        newcomer: Newcomer<'_>,
    ) -> Result<Option<Joined>> {
        let Some(email) = newcomer.verified_email else { return Ok(None) };
        // Reads first: who is not let in may come often, and takes no lock.
        if is_invited(self.store.read(), tenant, email).await? {
            let transaction = self.store.on_behalf_of(tenant).begin().await?;
            if let Some(role) = use_up(&transaction, tenant, email).await? {
                return self.make(transaction, tenant, newcomer, Some(role)).await.map(Some);
            }
        }
        // Another request of the same subject may have used it.
        let user =
            self.user_of(self.store.on_behalf_of(tenant).write(), tenant, newcomer.profile).await?;
        Ok(user.map(|user| Joined { user, is_new: false }))
    }

    async fn make(
        &self,
        transaction: Transaction,
        tenant: TenantId,
        newcomer: Newcomer<'_>,
        invited: Option<TenantRole>,
    ) -> Result<Joined> {
        let role = invited.map_or(newcomer.role, |role| role.max(newcomer.role));
        let identity =
            OnConflict::columns([Column::TenantId, Column::AuthProvider, Column::AuthSubject])
                .do_nothing()
                .to_owned();
        let inserted = Entity::insert(new_row(tenant, newcomer.profile, role))
            .on_conflict(identity)
            .exec_without_returning(&transaction)
            .await;
        let is_new = match inserted {
            // Another request of the same subject made the user: the invitation is not used up.
            Ok(0) => {
                transaction.rollback().await?;
                false
            }
            Ok(_) => {
                transaction.commit().await?;
                true
            }
            Err(error) if is_foreign_key_violation(&error) => return Err(Error::TenantNotFound),
            Err(error) => return Err(error.into()),
        };
        let user =
            self.user_of(self.store.on_behalf_of(tenant).write(), tenant, newcomer.profile).await?;
        let user =
            user.ok_or_else(|| Error::internal("the user that was just made is not there"))?;
        Ok(Joined { user, is_new })
    }

    async fn user_of(
        &self,
        connection: &impl ConnectionTrait,
        tenant: TenantId,
        profile: Profile<'_>,
    ) -> Result<Option<User>> {
        let row = Entity::find()
            .filter(Column::TenantId.eq(tenant.0))
            .filter(Column::AuthProvider.eq(profile.provider))
            .filter(Column::AuthSubject.eq(profile.subject))
            .one(connection)
            .await?;
        Ok(row.map(User::from))
    }
}

/// The row of a user who is new in a tenant.
pub(super) fn new_row(tenant: TenantId, profile: Profile<'_>, role: TenantRole) -> ActiveModel {
    let now = now();
    ActiveModel {
        id: Set(UserId::new().0),
        tenant_id: Set(tenant.0),
        auth_provider: Set(profile.provider.to_owned()),
        auth_subject: Set(profile.subject.to_owned()),
        email: Set(profile.email.map(str::to_owned)),
        display_name: Set(profile.display_name.map(str::to_owned)),
        avatar_url: Set(profile.avatar_url.map(str::to_owned)),
        metadata: Set(json!({})),
        created_at: Set(now),
        updated_at: Set(now),
        disabled_at: Set(None),
        tenant_role: Set(role.as_str().to_owned()),
    }
}
