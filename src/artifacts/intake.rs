//! How artifacts come in and go: staged on disk, judged by their bytes, stored with a thumbnail.

use std::{io::BufReader, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use serde_json::{Map, Value};
use tempfile::NamedTempFile;
use tokio::{io::AsyncWriteExt, sync::Semaphore};

use super::{
    ArtifactStores, ChosenStore, Fetcher, Links, Location, MediaScanner, MediaType, ScannedMedia,
    StorageKey,
    thumbnail::{Thumbnail, thumbnail_from},
};
use crate::{
    domain::{ArtifactType, BoardId, GenerationId, JsonObject, TenantId},
    error::{Error, Result},
};

/// Pictures that are decoded at once; each may take some hundred megabytes for a moment.
const CONCURRENT_THUMBNAILS: usize = 2;

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
    thumbnails: Arc<Semaphore>,
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
    /// Where its thumbnail is, for pictures.
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
        staging: PathBuf,
        max_upload_bytes: u64,
    ) -> Self {
        let thumbnails = Arc::new(Semaphore::new(CONCURRENT_THUMBNAILS));
        Self { stores, links, fetcher, staging, max_upload_bytes, thumbnails }
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
        let path = incoming.file.path().to_owned();
        let picture = self.thumbnail(media, move || std::fs::File::open(path)).await;
        self.stored(&store, place, &key, media.content_type, incoming.length, picture).await
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
        let picture = self.thumbnail(media, move || Ok(std::io::Cursor::new(bytes))).await;
        self.stored(&store, place, &key, media.content_type, length, picture).await
    }

    async fn stored(
        &self,
        store: &ChosenStore,
        place: Place,
        key: &StorageKey,
        content_type: &str,
        length: u64,
        picture: Option<Thumbnail>,
    ) -> Result<StoredArtifact> {
        let mut facts = Map::new();
        facts.insert("content_type".to_owned(), Value::from(content_type));
        facts.insert("file_size".to_owned(), Value::from(length));
        let mut thumbnail_url = None;
        if let Some(picture) = picture {
            facts.insert("width".to_owned(), Value::from(picture.original.width));
            facts.insert("height".to_owned(), Value::from(picture.original.height));
            let key = place.key("thumbnail", picture.extension)?;
            store.put_bytes(&key, Bytes::from(picture.bytes)).await?;
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

    /// The thumbnail of a picture; none where there can be none. A picture that cannot be decoded
    /// within bounds is kept without one.
    async fn thumbnail<R: std::io::Read + std::io::Seek + Send + 'static>(
        &self,
        media: MediaType,
        open: impl FnOnce() -> std::io::Result<R> + Send + 'static,
    ) -> Option<Thumbnail> {
        if !media.has_thumbnail() {
            return None;
        }
        let _permit = self.thumbnails.acquire().await.ok()?;
        let work = move || {
            let source = open().ok()?;
            thumbnail_from(BufReader::new(source))
                .inspect_err(|error| tracing::debug!(%error, "no thumbnail"))
                .ok()
        };
        tokio::task::spawn_blocking(work).await.ok().flatten()
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
