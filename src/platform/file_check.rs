//! Comparing the files there are with the rows that name them: files without a row, which may go, and
//! rows without their file, which somebody must look at. It works page by page, beside servers that
//! store and delete files meanwhile.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{StreamExt, stream};

use crate::{
    artifacts::{ArtifactStore, ArtifactStores, ListedFile, Location, StoreError},
    config::StoreName,
    domain::{GenerationId, TenantId},
    error::{Error, Result},
    store::{FileRow, Store},
};

/// Files, or rows, in memory at once.
const BATCH: usize = 500;
/// Files that are looked for at once.
const LOOKS_AT_ONCE: usize = 16;

/// Compares files and rows.
pub struct FileCheck {
    store: Store,
    files: ArtifactStores,
    settled: DateTime<Utc>,
    delete: bool,
}

/// What does not fit together.
#[derive(Clone, Debug)]
pub enum Finding {
    /// A file that no row names.
    FileWithoutRow {
        /// The store that it is in.
        store: StoreName,
        /// The file.
        file: ListedFile,
        /// Whether it was deleted.
        deleted: bool,
    },
    /// A row whose file is not there.
    RowWithoutFile {
        /// Its tenant.
        tenant: TenantId,
        /// The generation.
        generation: GenerationId,
        /// Where the row says that the file is.
        stored: String,
    },
}

/// How much was looked at and found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Files of generations.
    pub files: u64,
    /// Those that no row names, and that are old enough to be sure of it.
    pub files_without_rows: u64,
    /// Their bytes.
    pub bytes_without_rows: u64,
    /// How many of them were deleted.
    pub deleted: u64,
    /// Files that no row names yet: a row follows its file.
    pub too_young: u64,
    /// What is in the stores and is not of this server's making; it is never touched.
    pub foreign: u64,
    /// Files of ours that rows name.
    pub named: u64,
    /// Those that are not there.
    pub rows_without_files: u64,
}

impl FileCheck {
    /// Takes files for settled that are older than `older_than`: those that no row names are found,
    /// and with `delete` deleted.
    #[must_use]
    pub fn new(store: Store, files: ArtifactStores, older_than: Duration, delete: bool) -> Self {
        let age = TimeDelta::from_std(older_than).unwrap_or(TimeDelta::MAX);
        let settled = Utc::now().checked_sub_signed(age).unwrap_or(DateTime::UNIX_EPOCH);
        Self { store, files, settled, delete }
    }

    /// Looks through all stores and all rows; `note` hears of each finding.
    ///
    /// # Errors
    /// When the database or a store fails, or `note` does.
    pub async fn run(&self, mut note: impl FnMut(&Finding) -> Result<()>) -> Result<Tally> {
        let mut tally = Tally::default();
        for (name, store) in self.files.iter() {
            let mut batches = store.list().chunks(BATCH);
            while let Some(batch) = batches.next().await {
                let batch: Vec<ListedFile> =
                    batch.into_iter().collect::<Result<_, StoreError>>()?;
                self.check_files(name, store, batch, &mut tally, &mut note).await?;
            }
        }
        let mut tenant = None;
        loop {
            let tenants = self.store.file_rows().tenants(tenant, BATCH as u64).await?;
            let Some(last) = tenants.last() else { return Ok(tally) };
            tenant = Some(*last);
            for tenant in tenants {
                self.check_rows(tenant, &mut tally, &mut note).await?;
            }
        }
    }

    async fn check_files(
        &self,
        name: &StoreName,
        store: &ArtifactStore,
        batch: Vec<ListedFile>,
        tally: &mut Tally,
        note: &mut impl FnMut(&Finding) -> Result<()>,
    ) -> Result<()> {
        let wanted = self.wanted(&batch).await?;
        for file in batch {
            tally.files += u64::from(file.key.is_some());
            match &file.key {
                None if !file.is_trial => {
                    tally.foreign += 1;
                    continue;
                }
                Some(key) if wanted.holds(&Location::new(name.clone(), key.clone())) => continue,
                _ => {}
            }
            if file.last_modified > self.settled {
                tally.too_young += 1;
                continue;
            }
            tally.files_without_rows += 1;
            tally.bytes_without_rows += file.length;
            if self.delete {
                store.delete_listed_file(&file).await?;
                tally.deleted += 1;
            }
            note(&Finding::FileWithoutRow { store: name.clone(), file, deleted: self.delete })?;
        }
        Ok(())
    }

    /// What the rows of these files' generations say now. A file is of the generation that its key
    /// names, and of no other.
    async fn wanted(&self, batch: &[ListedFile]) -> Result<Wanted> {
        let mut generations: HashMap<TenantId, HashSet<GenerationId>> = HashMap::new();
        for key in batch.iter().filter_map(|file| file.key.as_ref()) {
            generations.entry(key.tenant()).or_default().insert(key.generation());
        }
        let mut wanted = Wanted::default();
        for (tenant, ids) in generations {
            let ids: Vec<GenerationId> = ids.into_iter().collect();
            for row in self.store.file_rows().of(tenant, &ids).await? {
                wanted.files.extend(row.files);
                if row.is_unfinished {
                    wanted.unfinished.insert(row.generation);
                }
            }
        }
        Ok(wanted)
    }

    async fn check_rows(
        &self,
        tenant: TenantId,
        tally: &mut Tally,
        note: &mut impl FnMut(&Finding) -> Result<()>,
    ) -> Result<()> {
        let rows = self.store.file_rows();
        let mut after = None;
        loop {
            let page = rows.page(tenant, after, BATCH as u64).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = Some(last.generation);
            let places = page.into_iter().flat_map(places_of).collect::<Vec<_>>();
            tally.named += places.len() as u64;
            let missing = self.missing(places).await?;
            if missing.is_empty() {
                continue;
            }
            // Those that were deleted while this looked are no findings.
            let ids: Vec<GenerationId> = missing.iter().map(|(id, _)| *id).collect();
            let still = rows.of(tenant, &ids).await?;
            for (generation, stored) in missing {
                let is_named =
                    |row: &FileRow| row.generation == generation && row.files.contains(&stored);
                if still.iter().any(is_named) {
                    tally.rows_without_files += 1;
                    note(&Finding::RowWithoutFile { tenant, generation, stored })?;
                }
            }
        }
    }

    async fn missing(
        &self,
        places: Vec<(GenerationId, Location)>,
    ) -> Result<Vec<(GenerationId, String)>> {
        let looks = stream::iter(places).map(async |(generation, location)| {
            let is_there = self.is_there(&location).await?;
            Ok::<_, Error>((!is_there).then(|| (generation, location.stored())))
        });
        let looks: Vec<_> = looks.buffer_unordered(LOOKS_AT_ONCE).collect().await;
        looks.into_iter().filter_map(Result::transpose).collect()
    }

    async fn is_there(&self, location: &Location) -> Result<bool> {
        // A store that is configured no more has no files.
        let Ok(store) = self.files.of(location) else { return Ok(false) };
        match store.facts(location.key()).await {
            Ok(_) => Ok(true),
            Err(StoreError::NotFound) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// The files of a row that are in stores of ours, as far as the row can be read.
fn places_of(row: FileRow) -> impl Iterator<Item = (GenerationId, Location)> {
    let places = row.files.into_iter().filter_map(|stored| Location::from_stored(&stored));
    places.map(move |location| (row.generation, location))
}

/// Files that must stay.
#[derive(Default)]
struct Wanted {
    /// As rows say it.
    files: HashSet<String>,
    /// Whose files rows do not name yet.
    unfinished: HashSet<GenerationId>,
}

impl Wanted {
    fn holds(&self, location: &Location) -> bool {
        self.unfinished.contains(&location.key().generation())
            || self.files.contains(&location.stored())
    }
}
