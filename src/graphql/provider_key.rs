//! Keys of the tenant at providers of generators, set and deleted by its admins.

use async_graphql::{Context, Object, Result};
use chrono::{DateTime, Utc};
use secrecy::SecretString;

use super::{
    access::{self as guards, Caller, access, granted},
    auditing::Trail,
    session::Session,
    user::UserObject,
};
use crate::{
    domain::{TokenScope, Validator, keyed_provider, provider_key},
    store::ProviderKey,
};

/// What the audit log calls one.
const KIND: &str = "providerKey";

/// That the tenant has a key of its own at a provider. Nobody can read the key.
pub(super) struct ProviderKeyObject(ProviderKey);

/// That the tenant has a key of its own at a provider of generators. The key cannot be read again.
#[Object(name = "ProviderKey")]
impl ProviderKeyObject {
    /// The provider: `fal`, `replicate`, `openai` or `kie`.
    async fn provider(&self) -> &str {
        &self.0.provider
    }

    /// When the key was set.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.0.updated_at
    }

    /// Who set it; null where an operator did or they have gone.
    async fn updated_by(&self, context: &Context<'_>) -> Result<Option<UserObject>> {
        match self.0.updated_by {
            Some(user) => UserObject::load(context, user).await.map(Some),
            None => Ok(None),
        }
    }
}

#[derive(Default)]
pub(super) struct ProviderKeyQueries;

#[Object]
impl ProviderKeyQueries {
    /// Providers at which the tenant has a key of its own, by name.
    #[graphql(
        guard = "guards::TenantAdmin",
        directive = access::apply(Caller::TenantAdmin, None, granted(TokenScope::TenantAdmin)),
        complexity = "10 + child_complexity"
    )]
    async fn provider_keys(&self, context: &Context<'_>) -> Result<Vec<ProviderKeyObject>> {
        let keys = Session::of(context)?.people()?.provider_keys().await?;
        Ok(keys.into_iter().map(ProviderKeyObject).collect())
    }
}

#[derive(Default)]
pub(super) struct ProviderKeyMutations;

#[Object]
impl ProviderKeyMutations {
    /// Gives the tenant a key of its own at a provider, instead of the one it may have. It is kept
    /// encrypted and cannot be read again. Send it as a variable: texts of operations are remembered.
    #[graphql(
        guard = "guards::TenantAdmin",
        directive = access::apply(Caller::TenantAdmin, None, granted(TokenScope::TenantAdmin))
    )]
    async fn set_provider_key(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The provider: `fal`, `replicate`, `openai` or `kie`.")] provider: String,
        #[graphql(desc = "The key, 1 to 500 visible ASCII characters.")] key: String,
    ) -> Result<ProviderKeyObject> {
        let people = Session::of(context)?.people()?;
        let mut validator = Validator::new();
        let provider = keyed_provider("provider", &provider, &mut validator);
        let key = provider_key("key", &SecretString::from(key), &mut validator);
        validator.finish()?;
        let set = people.set_provider_key(provider, &key).await?;
        Trail::made(context, KIND, set.id);
        Ok(ProviderKeyObject(set))
    }

    /// Takes the tenant's key at a provider away.
    #[graphql(
        guard = "guards::TenantAdmin",
        directive = access::apply(Caller::TenantAdmin, None, granted(TokenScope::TenantAdmin))
    )]
    async fn delete_provider_key(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The provider: `fal`, `replicate`, `openai` or `kie`.")] provider: String,
    ) -> Result<bool> {
        let people = Session::of(context)?.people()?;
        let mut validator = Validator::new();
        let provider = keyed_provider("provider", &provider, &mut validator);
        validator.finish()?;
        let deleted = people.delete_provider_key(provider).await?;
        Trail::made(context, KIND, deleted.id);
        Ok(true)
    }
}
