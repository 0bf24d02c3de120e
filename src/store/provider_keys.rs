//! Keys of a tenant at providers of generators. Its admins set and delete them, its generations are run with
//! them, and nobody ever reads one again.

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, Select,
    sea_query::OnConflict,
};
use secrecy::SecretString;
use uuid::Uuid;

use super::{
    People, Scope, Store, WorkerStore,
    entity::provider_keys::{ActiveModel, Column, Entity, Model},
    now,
};
use crate::{
    domain::{TenantId, UserId},
    error::{Error, Result},
};

/// That a tenant has a key at a provider. The key itself is not in it.
#[derive(Clone, Debug)]
pub struct ProviderKey {
    /// The row's id, which the audit log knows it by.
    pub id: Uuid,
    /// The provider, as generators name it.
    pub provider: String,
    /// Who set it; none where an operator did or they have gone.
    pub updated_by: Option<UserId>,
    /// When it was set.
    pub updated_at: DateTime<Utc>,
}

impl From<Model> for ProviderKey {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            provider: row.provider,
            updated_by: row.updated_by.map(UserId),
            updated_at: row.updated_at,
        }
    }
}

impl People {
    /// At which providers the tenant has a key, by name.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for one who is no admin any more.
    pub async fn provider_keys(&self) -> Result<Vec<ProviderKey>> {
        self.require_admin(self.store.read()).await?;
        let rows = of_tenant(self.tenant).order_by_asc(Column::Provider);
        Ok(rows.all(self.store.read()).await?.into_iter().map(ProviderKey::from).collect())
    }

    /// Gives the tenant a key at a provider, instead of the one it may have. Both are checked.
    ///
    /// # Errors
    /// [`Error::Forbidden`] for one who is no admin any more.
    pub async fn set_provider_key(
        &self,
        provider: &'static str,
        key: &SecretString,
    ) -> Result<ProviderKey> {
        let vault = self.store.vault().ok_or_else(no_vault)?;
        let now = now();
        let row = ActiveModel {
            id: Set(Uuid::now_v7()),
            tenant_id: Set(self.tenant.0),
            provider: Set(provider.to_owned()),
            ciphertext: Set(vault.seal((self.tenant, provider), key).map_err(Error::internal)?),
            updated_by: Set(self.admin.map(Into::into)),
            created_at: Set(now),
            updated_at: Set(now),
        };
        let changed = [Column::Ciphertext, Column::UpdatedBy, Column::UpdatedAt];
        let instead = OnConflict::columns([Column::TenantId, Column::Provider])
            .update_columns(changed)
            .to_owned();
        let transaction = self.begin_change().await?;
        let set =
            Entity::insert(row).on_conflict(instead).exec_with_returning(&transaction).await?;
        transaction.commit().await?;
        Ok(set.into())
    }

    /// Takes the tenant's key at a provider away.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it has none.
    pub async fn delete_provider_key(&self, provider: &'static str) -> Result<ProviderKey> {
        let transaction = self.begin_change().await?;
        let deleted = Entity::delete_many()
            .filter(Column::TenantId.eq(self.tenant.0))
            .filter(Column::Provider.eq(provider))
            .exec_with_returning(&transaction)
            .await?;
        let deleted = deleted.into_iter().next().ok_or(Error::NotFound("Provider key"))?;
        transaction.commit().await?;
        Ok(deleted.into())
    }
}

impl Scope {
    /// The providers at which the tenant has a key that can be used, for what its generators may do.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keyed_providers(&self) -> Result<Vec<String>> {
        self.store().worker().keyed_providers(self.tenant()).await
    }
}

impl WorkerStore<'_> {
    /// The tenant's own key at a provider; none where it has none, or none that can be decrypted.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn provider_key(
        &self,
        tenant: TenantId,
        provider: &str,
    ) -> Result<Option<SecretString>> {
        let row = of_tenant(tenant).filter(Column::Provider.eq(provider));
        let row = row.one(self.store().read()).await?;
        Ok(row.as_ref().and_then(|row| open(self.store(), row)))
    }

    /// The providers at which a tenant has such a key, by name, in one statement.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn keyed_providers(&self, tenant: TenantId) -> Result<Vec<String>> {
        let rows = of_tenant(tenant).order_by_asc(Column::Provider);
        let rows = rows.all(self.store().read()).await?;
        let usable = |row: &Model| open(self.store(), row).is_some();
        Ok(rows.into_iter().filter(usable).map(|row| row.provider).collect())
    }
}

fn of_tenant(tenant: TenantId) -> Select<Entity> {
    Entity::find().filter(Column::TenantId.eq(tenant.0))
}

/// One that cannot be decrypted is as none: the deployment has another key now, and generations run with
/// the deployment's own keys or not at all.
fn open(store: &Store, row: &Model) -> Option<SecretString> {
    let opened = store.vault()?.open((TenantId(row.tenant_id), &row.provider), &row.ciphertext);
    if opened.is_err() {
        let (tenant, provider) = (row.tenant_id, row.provider.as_str());
        tracing::warn!(
            %tenant, provider,
            "the tenant's provider key cannot be decrypted and counts as none: see BOARDS_ENCRYPTION_KEY"
        );
    }
    opened.ok()
}

fn no_vault() -> Error {
    Error::internal("a store without keys to encrypt with")
}
