//! How artifacts come in and go: staged on disk, judged by their bytes, stored with a preview.

use std::{path::PathBuf, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde_json::Value;
use tempfile::NamedTempFile;
use tokio::io::AsyncWriteExt;
use url::{Origin, Url};

use super::{
    ArtifactStores, ChosenStore, FetchError, Fetcher, Links, Location, MediaScanner, Preview,
    Previews, ScannedMedia, Source, StorageKey,
};
use crate::{
    domain::{ArtifactType, BoardId, GenerationId, JsonObject, TenantId},
    error::{Error, Result},
};

/// The longest file that a provider may have made, in bytes.
const MAX_OUTPUT_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// How long it may take to come.
const OUTPUT_TIMEOUT: Duration = Duration::from_mins(10);

/// How long a sender may be silent in the middle of an upload.
const CHUNK_TIMEOUT: Duration = Duration::from_secs(30);

/// Where artifacts are kept and how they come in. Cheap to clone.
#[derive(Clone)]
pub struct Artifacts {
    stores: ArtifactStores,
    links: Links,
    fetcher: Fetcher,
    staging: PathBuf,
    max_upload_bytes: u64,
    previews: Previews,
}

/// A file that has come in and waits on disk. It is deleted when this is dropped.
pub struct Incoming {
    file: NamedTempFile,
    length: u64,
    media: ScannedMedia,
}

/// A file that is in the store, and what its row says about it.
#[derive(Clone, Debug)]
pub struct StoredArtifact {
    /// Where the file is.
    pub storage_url: String,
    /// Where its thumbnail is, for what can be shown.
    pub thumbnail_url: Option<String>,
    /// Facts about it for `outputMetadata`.
    pub facts: JsonObject,
}

/// The generation that a file belongs to.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Its tenant.
    pub tenant: TenantId,
    /// Its board.
    pub board: BoardId,
    /// The generation.
    pub generation: GenerationId,
}

impl Artifacts {
    /// Keeps files in `stores` and stages uploads in the folder `staging`.
    #[must_use]
    pub fn new(
        stores: ArtifactStores,
        links: Links,
        fetcher: Fetcher,
        previews: Previews,
        staging: PathBuf,
        max_upload_bytes: u64,
    ) -> Self {
        Self { stores, links, fetcher, staging, max_upload_bytes, previews }
    }

    /// Makes and checks links.
    #[must_use]
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// The files themselves.
    #[must_use]
    pub fn stores(&self) -> &ArtifactStores {
        &self.stores
    }

    /// Streams an upload to disk; never more than a chunk of it is in memory.
    ///
    /// # Errors
    /// [`Error::TooLarge`] as soon as it is longer than what is taken, or what `chunks` fails with.
    pub async fn receive(
        &self,
        chunks: impl Stream<Item = Result<Bytes>> + Send,
    ) -> Result<Incoming> {
        let file = NamedTempFile::new_in(&self.staging).map_err(Error::internal)?;
        let mut writer = tokio::fs::File::from_std(file.reopen().map_err(Error::internal)?);
        let mut scanner = MediaScanner::new();
        let mut length = 0_u64;
        let mut chunks = std::pin::pin!(chunks);
        while let Some(chunk) =
            tokio::time::timeout(CHUNK_TIMEOUT, chunks.next()).await.map_err(|_| Error::Timeout)?
        {
            let chunk = chunk?;
            length += chunk.len() as u64;
            if length > self.max_upload_bytes {
                return Err(Error::TooLarge(format!(
                    "The file is longer than {} bytes",
                    self.max_upload_bytes
                )));
            }
            scanner.push(&chunk);
            writer.write_all(&chunk).await.map_err(Error::internal)?;
        }
        writer.flush().await.map_err(Error::internal)?;
        Ok(Incoming { file, length, media: scanner.finish() })
    }

    /// Downloads a file that a user named by URL.
    ///
    /// # Errors
    /// [`Error::BadUserInput`] for a URL that may not be or could not be fetched.
    pub async fn fetch(&self, url: &str, path: &str) -> Result<Incoming> {
        let fetched = self.fetcher.fetch(url).await.map_err(|error| error.into_error(path))?;
        Ok(Incoming { file: fetched.file, length: fetched.length, media: fetched.media })
    }

    /// Downloads what a provider has made.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn fetch_output(
        &self,
        url: &Url,
        trusted: Option<&Origin>,
    ) -> std::result::Result<Incoming, FetchError> {
        let fetcher = self.fetcher.clone().within(MAX_OUTPUT_BYTES, OUTPUT_TIMEOUT);
        let output = fetcher.fetch_output(url, trusted).await?;
        Ok(Incoming { file: output.file, length: output.length, media: output.media })
    }

    /// Stores a file that came in, if it is of the kind that it is said to be.
    ///
    /// # Errors
    /// [`Error::UnsupportedMedia`] when it is not.
    pub async fn keep(
        &self,
        place: Place,
        artifact_type: ArtifactType,
        incoming: &Incoming,
    ) -> Result<StoredArtifact> {
        let media = incoming
            .media
            .accept_as(artifact_type)
            .map_err(|mismatch| Error::UnsupportedMedia(mismatch.to_string()))?;
        let key = place.key("artifact", media.extension)?;
        let store = self.stores.choose(place.tenant, artifact_type).await?;
        store.put_file(&key, incoming.file.path()).await?;
        let preview = self.previews.of(Source::File(incoming.file.path().to_owned()), media).await;
        self.stored(&store, place, &key, media.content_type, incoming.length, preview).await
    }

    /// Stores what a generator made.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep_output(
        &self,
        place: Place,
        artifact_type: ArtifactType,
        bytes: Bytes,
    ) -> Result<StoredArtifact> {
        let media = MediaScanner::scan(&bytes).accept_as(artifact_type).map_err(|mismatch| {
            Error::UnsupportedMedia(format!("The generator made something else: {mismatch}"))
        })?;
        let key = place.key("artifact", media.extension)?;
        let store = self.stores.choose(place.tenant, artifact_type).await?;
        store.put_bytes(&key, bytes.clone()).await?;
        let length = bytes.len() as u64;
        let preview = self.previews.of(Source::Bytes(bytes), media).await;
        self.stored(&store, place, &key, media.content_type, length, preview).await
    }

    /// Stores a file beside an artifact and says what its row says about it: where it is, and facts.
    ///
    /// # Errors
    /// [`Error::UnsupportedMedia`] when it is of no kind that is kept.
    pub async fn keep_additional(
        &self,
        place: Place,
        number: usize,
        incoming: &Incoming,
    ) -> Result<(String, JsonObject)> {
        let kind = |kind: &ArtifactType| Some((*kind, incoming.media.accept_as(*kind).ok()?));
        let (kind, media) = ArtifactType::ALL.iter().find_map(kind).ok_or_else(|| {
            Error::UnsupportedMedia("A file beside the artifact is of no known kind".to_owned())
        })?;
        let key = place.key(&format!("additional-{number}"), media.extension)?;
        let store = self.stores.choose(place.tenant, kind).await?;
        store.put_file(&key, incoming.file.path()).await?;
        let mut facts = JsonObject::new();
        facts.insert("content_type".to_owned(), Value::from(media.content_type));
        facts.insert("file_size".to_owned(), Value::from(incoming.length));
        Ok((store.stored(&key), facts))
    }

    async fn stored(
        &self,
        store: &ChosenStore,
        place: Place,
        key: &StorageKey,
        content_type: &str,
        length: u64,
        preview: Preview,
    ) -> Result<StoredArtifact> {
        let mut facts = preview.facts;
        facts.insert("content_type".to_owned(), Value::from(content_type));
        facts.insert("file_size".to_owned(), Value::from(length));
        let mut thumbnail_url = None;
        if let Some(thumbnail) = preview.thumbnail {
            let key = place.key("thumbnail", thumbnail.extension)?;
            store.put_bytes(&key, Bytes::from(thumbnail.bytes)).await?;
            thumbnail_url = Some(store.stored(&key));
        }
        Ok(StoredArtifact { storage_url: store.stored(key), thumbnail_url, facts })
    }

    /// Reads an artifact that a row names, at most `max` bytes of it: from our store, or by URL where
    /// an older server or a provider keeps it.
    ///
    /// # Errors
    /// When it cannot be read or is longer.
    pub async fn read(&self, stored: &str, max: u64) -> Result<Bytes> {
        if let Some(location) = Location::from_stored(stored) {
            return Ok(self.stores.of(&location)?.read_all(location.key(), max).await?);
        }
        let incoming = self.fetch(stored, "url").await?;
        if incoming.length > max {
            return Err(Error::TooLarge(format!("The file is longer than {max} bytes")));
        }
        let bytes = tokio::fs::read(incoming.file.path()).await.map_err(Error::internal)?;
        Ok(Bytes::from(bytes))
    }

    /// Deletes the files of a generation whose row is gone. A failure is logged: the row is gone
    /// already and the files can no longer be reached.
    pub async fn delete_generation(&self, place: Place) {
        let Place { tenant, board, generation } = place;
        if let Err(error) = self.stores.delete_generation(tenant, board, generation).await {
            tracing::warn!(%error, %generation, "files of a deleted generation stay behind");
        }
    }

    /// Deletes the files of a board whose row is gone, likewise.
    pub async fn delete_board(&self, tenant: TenantId, board: BoardId) {
        if let Err(error) = self.stores.delete_board(tenant, board).await {
            tracing::warn!(%error, %board, "files of a deleted board stay behind");
        }
    }
}

impl Place {
    fn key(self, name: &str, extension: &str) -> Result<StorageKey> {
        let file_name = format!("{name}.{extension}");
        StorageKey::new(self.tenant, self.board, self.generation, file_name)
            .map_err(Error::internal)
    }
}
