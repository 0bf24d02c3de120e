//! All stores of this server, and which of them a new file goes into.

use std::{path::Path, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;

use super::{ArtifactStore, Location, StorageKey, StoreError};
use crate::{
    config::{RuleTenant, StorageRule, StoreName},
    domain::{ArtifactType, BoardId, GenerationId, TenantId},
    error::{Error, Result},
};

/// Who knows the slugs of tenants, for rules that name them by slug.
#[async_trait]
pub trait TenantSlugs: Send + Sync {
    /// The slug of a tenant; none when there is no such tenant.
    async fn slug_of(&self, tenant: TenantId) -> Result<Option<String>>;
}

/// All stores. Cheap to clone.
#[derive(Clone)]
pub struct ArtifactStores {
    /// The main store is the first.
    stores: Arc<[(StoreName, ArtifactStore)]>,
    rules: Arc<[StorageRule]>,
    slugs: Option<Arc<dyn TenantSlugs>>,
}

/// The store that a new file goes into.
#[derive(Clone, Debug)]
pub struct ChosenStore {
    name: StoreName,
    store: ArtifactStore,
}

impl ArtifactStores {
    /// Everything goes into `main`.
    #[must_use]
    pub fn new(main: ArtifactStore) -> Self {
        let stores = Arc::new([(StoreName::main(), main)]);
        Self { stores, rules: Arc::new([]), slugs: None }
    }

    /// These stores too, and rules about what goes into them.
    #[must_use]
    pub fn with(self, named: Vec<(StoreName, ArtifactStore)>, rules: Vec<StorageRule>) -> Self {
        let stores = self.stores.iter().cloned().chain(named).collect();
        Self { stores, rules: rules.into(), slugs: self.slugs }
    }

    /// Asks `slugs` which tenant is meant by a rule that names one by slug.
    #[must_use]
    pub fn asking(self, slugs: Arc<dyn TenantSlugs>) -> Self {
        Self { slugs: Some(slugs), ..self }
    }

    /// Each store and its name, the main one first.
    pub fn iter(&self) -> impl Iterator<Item = &(StoreName, ArtifactStore)> {
        self.stores.iter()
    }

    /// The store of a file.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it is none of those that are configured.
    pub fn of(&self, location: &Location) -> Result<&ArtifactStore> {
        let store = self.iter().find(|(name, _)| name == location.store());
        store.map(|(_, store)| store).ok_or_else(|| {
            tracing::warn!(store = %location.store(), "BOARDS_STORES lacks the store of a file");
            Error::NotFound("File")
        })
    }

    /// Tries each store out, see [`ArtifactStore::try_out`].
    ///
    /// # Errors
    /// The name of the first that cannot be used, and [`StoreError::Location`].
    pub async fn try_out(&self) -> std::result::Result<(), (StoreName, StoreError)> {
        for (name, store) in self.iter() {
            store.try_out().await.map_err(|error| (name.clone(), error))?;
        }
        Ok(())
    }

    /// The store that a new file goes into, by the first rule that fits.
    ///
    /// # Errors
    /// When a rule names a tenant by slug and the database does not answer.
    pub async fn choose(&self, tenant: TenantId, kind: ArtifactType) -> Result<ChosenStore> {
        let mut slug = None;
        for rule in self.rules.iter().filter(|rule| rule.artifact_type.is_none_or(|of| of == kind))
        {
            let fits = match &rule.tenant {
                None => true,
                Some(RuleTenant::Id(id)) => *id == tenant,
                Some(RuleTenant::Slug(wanted)) => {
                    if slug.is_none() {
                        slug = Some(self.slug_of(tenant).await?);
                    }
                    slug.as_ref().and_then(Option::as_ref) == Some(wanted)
                }
            };
            if fits {
                return self.named(&rule.store);
            }
        }
        self.named(&StoreName::main())
    }

    async fn slug_of(&self, tenant: TenantId) -> Result<Option<String>> {
        match &self.slugs {
            Some(slugs) => slugs.slug_of(tenant).await,
            None => Ok(None),
        }
    }

    fn named(&self, wanted: &StoreName) -> Result<ChosenStore> {
        let found = self.iter().find(|(name, _)| name == wanted);
        let (name, store) = found.ok_or(Error::NotFound("Store"))?;
        Ok(ChosenStore { name: name.clone(), store: store.clone() })
    }

    /// Deletes all files of a generation, wherever rules of all times have put them; well if there
    /// are none.
    ///
    /// # Errors
    /// The first failure, when the other stores were gone through too; calling it again goes on
    /// where it stopped.
    pub async fn delete_generation(
        &self,
        tenant: TenantId,
        board: BoardId,
        generation: GenerationId,
    ) -> std::result::Result<(), StoreError> {
        let mut outcome = Ok(());
        for (_, store) in self.iter() {
            outcome = outcome.and(store.delete_generation(tenant, board, generation).await);
        }
        outcome
    }

    /// Deletes all files of all generations of a board, likewise.
    ///
    /// # Errors
    /// As [`ArtifactStores::delete_generation`].
    pub async fn delete_board(
        &self,
        tenant: TenantId,
        board: BoardId,
    ) -> std::result::Result<(), StoreError> {
        let mut outcome = Ok(());
        for (_, store) in self.iter() {
            outcome = outcome.and(store.delete_board(tenant, board).await);
        }
        outcome
    }

    /// Deletes all files of a tenant, likewise.
    ///
    /// # Errors
    /// As [`ArtifactStores::delete_generation`].
    pub async fn delete_tenant(&self, tenant: TenantId) -> std::result::Result<(), StoreError> {
        let mut outcome = Ok(());
        for (_, store) in self.iter() {
            outcome = outcome.and(store.delete_tenant(tenant).await);
        }
        outcome
    }
}

impl ChosenStore {
    /// See [`ArtifactStore::put_bytes`].
    ///
    /// # Errors
    /// See there.
    pub async fn put_bytes(&self, key: &StorageKey, bytes: Bytes) -> Result<()> {
        Ok(self.store.put_bytes(key, bytes).await?)
    }

    /// See [`ArtifactStore::put_file`].
    ///
    /// # Errors
    /// See there.
    pub async fn put_file(&self, key: &StorageKey, source: &Path) -> Result<()> {
        Ok(self.store.put_file(key, source).await?)
    }

    /// What a row says about a file that was put here.
    #[must_use]
    pub fn stored(&self, key: &StorageKey) -> String {
        Location::new(self.name.clone(), key.clone()).stored()
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// One tenant is called acme.
    struct Acme(TenantId);

    #[async_trait]
    impl TenantSlugs for Acme {
        async fn slug_of(&self, tenant: TenantId) -> Result<Option<String>> {
            Ok(Some(if tenant == self.0 { "acme" } else { "other" }.to_owned()))
        }
    }

    fn stores(folder: &TempDir, rules: &[&str]) -> ArtifactStores {
        let store =
            |name: &str| ArtifactStore::open_folder(&folder.path().join(name)).expect("a store");
        let named = ["a", "b"].map(|name| (name.parse().expect("a name"), store(name)));
        let rules = rules.iter().map(|rule| rule.parse().expect("a rule")).collect();
        ArtifactStores::new(store("main")).with(named.to_vec(), rules)
    }

    #[tokio::test]
    async fn the_first_rule_that_fits_counts() {
        let folder = TempDir::new().expect("a folder");
        let (acme, other) = (TenantId::new(), TenantId::new());
        let by_id = format!("tenant:{other}/audio=a");
        let rules = ["tenant:acme/video=b", "video=a", "tenant:acme=a", &by_id];
        let stores = stores(&folder, &rules).asking(Arc::new(Acme(acme)));
        for (tenant, kind, expected) in [
            (acme, ArtifactType::Video, "b"),
            (acme, ArtifactType::Image, "a"),
            (other, ArtifactType::Video, "a"),
            (other, ArtifactType::Audio, "a"),
            (other, ArtifactType::Image, "default"),
        ] {
            let chosen = stores.choose(tenant, kind).await.expect("a store");
            assert_eq!(chosen.name.as_str(), expected, "{kind}");
        }
    }

    #[tokio::test]
    async fn files_are_found_and_deleted_in_every_store() {
        let folder = TempDir::new().expect("a folder");
        let stores = stores(&folder, &[]);
        let key = |name| {
            StorageKey::new(TenantId::new(), BoardId::new(), GenerationId::new(), name)
                .expect("a key")
        };
        let keys = [key("a.png"), key("b.png"), key("c.png")];
        for (_, store) in stores.iter() {
            for key in &keys {
                store.put_bytes(key, Bytes::from_static(b"x")).await.expect("stored");
            }
        }
        let [generation, board, tenant] = &keys;
        stores
            .delete_generation(generation.tenant(), generation.board(), generation.generation())
            .await
            .expect("deleted");
        stores.delete_board(board.tenant(), board.board()).await.expect("deleted");
        stores.delete_tenant(tenant.tenant()).await.expect("deleted");
        for (name, _) in stores.iter() {
            for key in &keys {
                let location = Location::new(name.clone(), key.clone());
                let store = stores.of(&location).expect("a store");
                assert!(matches!(store.facts(key).await, Err(StoreError::NotFound)), "{location}");
            }
        }
        let elsewhere = Location::new("gone".parse().expect("a name"), key("a.png"));
        assert!(matches!(stores.of(&elsewhere), Err(Error::NotFound(_))));
    }
}
