//! Where the files of generations are kept: an object store, today always a folder on local disk.

use std::{
    io,
    ops::Range,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures_util::{
    StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{
    GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta, ObjectStore, ObjectStoreExt,
    buffered::BufWriter, local::LocalFileSystem, path::Path,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio_util::io::ReaderStream;
use url::Url;

use crate::{
    domain::{BoardId, GenerationId, TenantId},
    error::Error,
};

use super::StorageKey;

/// What is held in memory of a file that is being stored, in bytes. Also the least that the
/// stores of the clouds take as a part of an upload.
const WRITE_BUFFER_BYTES: usize = 5 * 1024 * 1024;

/// How much is read from a file at once, in bytes.
const READ_CHUNK_BYTES: usize = 64 * 1024;

/// How often what is below a prefix is deleted while others still store files there.
const DELETE_ATTEMPTS: u32 = 100;
/// How long they get in between.
const DELETE_PAUSE: Duration = Duration::from_millis(20);

/// Why a file could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no such file.
    #[error("there is no such file in the store")]
    NotFound,
    /// The file is longer than the caller takes.
    #[error("the file is longer than {0} bytes")]
    TooLarge(u64),
    /// The place where files are kept cannot be used; says which setting is wrong and why.
    #[error("{0}")]
    Location(String),
    /// The store failed.
    #[error("the store failed")]
    Failed(#[from] object_store::Error),
    /// The file that should be stored could not be read, or the store's folder not be cleaned.
    #[error("a file could not be read or removed")]
    Io(#[from] io::Error),
}

impl StoreError {
    fn from_store(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            error => Self::Failed(error),
        }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound => Self::NotFound("File"),
            error => Self::internal(error),
        }
    }
}

/// What is known of a stored file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileFacts {
    /// Its length in bytes.
    pub length: u64,
    /// Its strong entity tag, with quotes, as the `ETag` header wants it.
    pub entity_tag: String,
    /// When it was stored.
    pub last_modified: DateTime<Utc>,
}

impl From<&ObjectMeta> for FileFacts {
    fn from(meta: &ObjectMeta) -> Self {
        let made_up = || format!("\"{:x}-{:x}\"", meta.last_modified.timestamp_micros(), meta.size);
        Self {
            length: meta.size,
            entity_tag: meta.e_tag.clone().unwrap_or_else(made_up),
            last_modified: meta.last_modified,
        }
    }
}

/// A file that is being read.
pub struct StoredFile {
    /// Facts about the whole file.
    pub facts: FileFacts,
    /// The bytes that come: a part of the file, or all of it.
    pub range: Range<u64>,
    /// They.
    pub bytes: BoxStream<'static, io::Result<Bytes>>,
}

/// Keeps the files of generations. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ArtifactStore {
    objects: Arc<dyn ObjectStore>,
    /// The folder, where the store is one.
    folder: Option<PathBuf>,
}

impl ArtifactStore {
    /// Opens the store at `location`, a `file://` URL or a path, and makes its folder.
    ///
    /// # Errors
    /// [`StoreError::Location`] for another scheme, or a folder that cannot be made.
    pub fn open(location: &str) -> Result<Self, StoreError> {
        let folder = folder_of(location)?;
        let unusable = |cause: &dyn std::fmt::Display| {
            StoreError::Location(format!("cannot keep files in {}: {cause}", folder.display()))
        };
        std::fs::create_dir_all(&folder).map_err(|error| unusable(&error))?;
        let folder = folder.canonicalize().map_err(|error| unusable(&error))?;
        // A generation is called complete in the database only when its file will survive a
        // power failure too.
        let objects = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
        Ok(Self { objects: Arc::new(objects), folder: Some(folder) })
    }

    /// Stores `bytes`, in place of what was there. Nobody sees a part of them.
    ///
    /// # Errors
    /// [`StoreError::Failed`]; then what was there before is still there.
    pub async fn put_bytes(&self, key: &StorageKey, bytes: Bytes) -> Result<(), StoreError> {
        self.objects.put(&object_path(key), bytes.into()).await?;
        Ok(())
    }

    /// Stores the content of the file at `source`, without holding it in memory. Nobody sees a
    /// part of it. The source stays where it is.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the source cannot be read, [`StoreError::Failed`]; then what was
    /// there before is still there.
    pub async fn put_file(&self, key: &StorageKey, source: &FilePath) -> Result<(), StoreError> {
        let source = tokio::fs::File::open(source).await?;
        let objects = Arc::clone(&self.objects);
        let mut writer = BufWriter::with_capacity(objects, object_path(key), WRITE_BUFFER_BYTES)
            .with_max_concurrency(2);
        let mut chunks = ReaderStream::with_capacity(source, READ_CHUNK_BYTES);
        while let Some(chunk) = chunks.next().await {
            let written = match chunk {
                Ok(chunk) => writer.put(chunk).await.map_err(StoreError::Failed),
                Err(error) => Err(StoreError::Io(error)),
            };
            if let Err(error) = written {
                // The first error is the one to tell.
                let _ = writer.abort().await;
                return Err(error);
            }
        }
        Ok(writer.shutdown().await?)
    }

    /// What is known of the file.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Failed`].
    pub async fn facts(&self, key: &StorageKey) -> Result<FileFacts, StoreError> {
        let meta = self.objects.head(&object_path(key)).await.map_err(StoreError::from_store)?;
        Ok(FileFacts::from(&meta))
    }

    /// Reads the file, or the part of it in `range`, which must begin before the file's end and
    /// not be empty.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], [`StoreError::Failed`].
    pub async fn get(
        &self,
        key: &StorageKey,
        range: Option<Range<u64>>,
    ) -> Result<StoredFile, StoreError> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let found = self.objects.get_opts(&object_path(key), options).await;
        let found = found.map_err(StoreError::from_store)?;
        Ok(StoredFile {
            facts: FileFacts::from(&found.meta),
            range: found.range.clone(),
            bytes: stream_of(found).await?,
        })
    }

    /// The whole file in memory, if it has at most `max` bytes.
    ///
    /// # Errors
    /// [`StoreError::TooLarge`], [`StoreError::NotFound`], [`StoreError::Failed`].
    pub async fn read_all(&self, key: &StorageKey, max: u64) -> Result<Bytes, StoreError> {
        let found = self.objects.get(&object_path(key)).await.map_err(StoreError::from_store)?;
        if found.meta.size > max {
            return Err(StoreError::TooLarge(max));
        }
        Ok(found.bytes().await?)
    }

    /// Deletes all files of a generation; well if there are none.
    ///
    /// # Errors
    /// [`StoreError::Failed`], [`StoreError::Io`]; calling it again goes on where it stopped.
    pub async fn delete_generation(
        &self,
        tenant: TenantId,
        board: BoardId,
        generation: GenerationId,
    ) -> Result<(), StoreError> {
        self.delete_below(&format!("{tenant}/{board}/{generation}")).await
    }

    /// Deletes all files of all generations of a board; well if there are none.
    ///
    /// # Errors
    /// As [`ArtifactStore::delete_generation`].
    pub async fn delete_board(&self, tenant: TenantId, board: BoardId) -> Result<(), StoreError> {
        self.delete_below(&format!("{tenant}/{board}")).await
    }

    /// Deletes all files of a tenant; well if there are none.
    ///
    /// # Errors
    /// As [`ArtifactStore::delete_generation`].
    pub async fn delete_tenant(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.delete_below(&tenant.to_string()).await
    }

    async fn delete_below(&self, prefix: &str) -> Result<(), StoreError> {
        for _ in 0..DELETE_ATTEMPTS {
            if self.delete_listed(prefix).await? {
                return Ok(());
            }
            tokio::time::sleep(DELETE_PAUSE).await;
        }
        Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty).into())
    }

    /// False when somebody stored a file meanwhile.
    async fn delete_listed(&self, prefix: &str) -> Result<bool, StoreError> {
        let listed = self.objects.list(Some(&Path::from(prefix)));
        let paths = listed.map_ok(|meta| meta.location).boxed();
        let mut deleted = self.objects.delete_stream(paths);
        while let Some(result) = deleted.next().await {
            match result {
                // Somebody else was faster.
                Ok(_) | Err(object_store::Error::NotFound { .. }) => (),
                Err(error) => return Err(error.into()),
            }
        }
        let Some(folder) = &self.folder else { return Ok(true) };
        // Empty folders, and half-written files that a crash left behind, which are not listed.
        match tokio::fs::remove_dir_all(folder.join(prefix)).await {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(true),
        }
    }
}

fn object_path(key: &StorageKey) -> Path {
    Path::from(key.to_string())
}

async fn stream_of(found: GetResult) -> io::Result<BoxStream<'static, io::Result<Bytes>>> {
    let length = found.range.end - found.range.start;
    match found.payload {
        // The crate's own stream of a file reads 8 KiB at once.
        GetResultPayload::File(file, _) => {
            let mut file = tokio::fs::File::from_std(file);
            file.seek(io::SeekFrom::Start(found.range.start)).await?;
            Ok(ReaderStream::with_capacity(file.take(length), READ_CHUNK_BYTES).boxed())
        }
        GetResultPayload::Stream(_) if length == 0 => Ok(stream::empty().boxed()),
        GetResultPayload::Stream(chunks) => Ok(chunks.map_err(io::Error::other).boxed()),
    }
}

/// The folder that a setting names. `file:///srv/boards` is a URL (RFC 8089); `file://./data`, as
/// a relative data folder makes it, and a bare path are paths.
fn folder_of(location: &str) -> Result<PathBuf, StoreError> {
    let refuse = |reason: &str| {
        StoreError::Location(format!("the storage URL must look like file:///srv/boards: {reason}"))
    };
    if location.is_empty() {
        return Err(refuse("it is empty"));
    }
    let Some((scheme, rest)) = location.split_once("://") else {
        return Ok(PathBuf::from(location));
    };
    if !scheme.eq_ignore_ascii_case("file") {
        return Err(refuse("only file:// is supported"));
    }
    if rest.starts_with("./") || rest.starts_with("../") {
        return Ok(PathBuf::from(rest));
    }
    let url = Url::parse(location).map_err(|_| refuse("it is not a URL"))?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(refuse("a path with ? or # must be percent-encoded"));
    }
    url.to_file_path().map_err(|()| refuse("it names another host"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;
    use rstest::rstest;
    use tempfile::TempDir;

    fn store() -> (ArtifactStore, TempDir) {
        let folder = TempDir::new().expect("a folder");
        let store = ArtifactStore::open(folder.path().to_str().expect("UTF-8")).expect("a store");
        (store, folder)
    }

    fn in_memory() -> ArtifactStore {
        ArtifactStore { objects: Arc::new(InMemory::new()), folder: None }
    }

    fn key(file_name: &str) -> StorageKey {
        StorageKey::new(TenantId::new(), BoardId::new(), GenerationId::new(), file_name)
            .expect("a key")
    }

    /// Another file of the same board.
    fn sibling(key: &StorageKey) -> StorageKey {
        StorageKey::new(key.tenant(), key.board(), GenerationId::new(), key.file_name())
            .expect("a key")
    }

    async fn read(file: StoredFile) -> Vec<u8> {
        let chunks: Vec<Bytes> = file.bytes.try_collect().await.expect("readable");
        chunks.concat()
    }

    #[tokio::test]
    async fn what_was_put_comes_back_whole_or_in_parts() {
        let (local, _folder) = store();
        for store in [local, in_memory()] {
            let key = key("artifact.txt");
            store.put_bytes(&key, Bytes::from_static(b"0123456789")).await.expect("stored");
            let whole = store.get(&key, None).await.expect("found");
            assert_eq!((whole.facts.length, whole.range.clone()), (10, 0..10));
            assert!(
                whole.facts.entity_tag.starts_with('"') && whole.facts.entity_tag.ends_with('"')
            );
            assert_eq!(whole.facts, store.facts(&key).await.expect("found"));
            assert_eq!(read(whole).await, b"0123456789");
            let part = store.get(&key, Some(2..5)).await.expect("found");
            assert_eq!((part.facts.length, part.range.clone()), (10, 2..5));
            assert_eq!(read(part).await, b"234");
        }
    }

    #[tokio::test]
    async fn an_empty_file_is_a_file() {
        let (local, _folder) = store();
        for store in [local, in_memory()] {
            let key = key("empty");
            store.put_bytes(&key, Bytes::new()).await.expect("stored");
            assert_eq!(read(store.get(&key, None).await.expect("found")).await, b"");
        }
    }

    #[tokio::test]
    async fn a_long_file_is_stored_from_disk() {
        let (store, folder) = store();
        let content: Vec<u8> = (0..12_000_000_u32).map(|n| (n % 251).to_le_bytes()[0]).collect();
        let source = folder.path().join("source");
        std::fs::write(&source, &content).expect("written");
        let key = key("model.gguf");
        store.put_file(&key, &source).await.expect("stored");
        assert!(read(store.get(&key, None).await.expect("found")).await == content);
        let part = store.get(&key, Some(11_000_000..11_100_000)).await.expect("found");
        assert!(read(part).await == content[11_000_000..11_100_000]);
        assert!(source.exists());
    }

    #[tokio::test]
    async fn a_failed_put_leaves_the_old_file_and_nothing_else() {
        let (store, folder) = store();
        let key = key("artifact.txt");
        store.put_bytes(&key, Bytes::from_static(b"old")).await.expect("stored");
        // A folder opens like a file and fails when it is read.
        let error = store.put_file(&key, folder.path()).await.expect_err("unreadable");
        assert!(matches!(error, StoreError::Io(_)));
        assert_eq!(store.read_all(&key, 10).await.expect("found"), "old");
        let missing = store.put_file(&key, FilePath::new("/does/not/exist")).await;
        assert!(matches!(missing, Err(StoreError::Io(_))));
    }

    #[tokio::test]
    async fn a_half_written_file_is_not_readable_and_goes_with_its_generation() {
        let (store, folder) = store();
        let key = key("artifact.txt");
        let staged = folder.path().join(format!("{key}#1"));
        std::fs::create_dir_all(staged.parent().expect("a parent")).expect("made");
        std::fs::write(&staged, "half").expect("written");
        assert!(matches!(store.get(&key, None).await, Err(StoreError::NotFound)));
        store.put_bytes(&key, Bytes::from_static(b"whole")).await.expect("stored");
        assert_eq!(store.read_all(&key, 10).await.expect("found"), "whole");
        store
            .delete_generation(key.tenant(), key.board(), key.generation())
            .await
            .expect("deleted");
        assert!(!staged.exists());
        assert!(!staged.parent().expect("a parent").exists());
    }

    #[tokio::test]
    async fn deleting_takes_what_was_named_and_nothing_more() {
        let (local, _folder) = store();
        for store in [local, in_memory()] {
            let first = key("a");
            let (second, other_board) = (sibling(&first), key("a"));
            for key in [&first, &second, &other_board] {
                store.put_bytes(key, Bytes::from_static(b"x")).await.expect("stored");
            }
            for _ in 0..2 {
                store
                    .delete_generation(first.tenant(), first.board(), first.generation())
                    .await
                    .expect("deleted");
            }
            assert!(matches!(store.facts(&first).await, Err(StoreError::NotFound)));
            assert!(store.facts(&second).await.is_ok());
            for _ in 0..2 {
                store.delete_board(first.tenant(), first.board()).await.expect("deleted");
            }
            assert!(matches!(store.facts(&second).await, Err(StoreError::NotFound)));
            assert!(store.facts(&other_board).await.is_ok());
        }
    }

    #[tokio::test]
    async fn a_file_that_is_too_long_is_not_read() {
        let (store, _folder) = store();
        let key = key("a");
        store.put_bytes(&key, Bytes::from_static(b"12345")).await.expect("stored");
        assert_eq!(store.read_all(&key, 5).await.expect("short enough"), "12345");
        assert!(matches!(store.read_all(&key, 4).await, Err(StoreError::TooLarge(4))));
    }

    #[test]
    fn errors_tell_clients_nothing() {
        assert_eq!(Error::from(StoreError::NotFound).code(), "NOT_FOUND");
        let inside = StoreError::Io(io::Error::other("/srv/secret"));
        assert_eq!(Error::from(inside).to_string(), "Internal server error");
    }

    #[rstest]
    #[case("file:///srv/boards", "/srv/boards")]
    #[case("FILE:///srv/boards", "/srv/boards")]
    #[case("file:///srv/my%20boards", "/srv/my boards")]
    #[case("file://localhost/srv/boards", "/srv/boards")]
    #[case("file://./data/storage", "./data/storage")]
    #[case("file://../data", "../data")]
    #[case("/srv/boards", "/srv/boards")]
    #[case("data/storage", "data/storage")]
    fn locations(#[case] location: &str, #[case] folder: &str) {
        assert_eq!(folder_of(location).expect("a folder"), FilePath::new(folder));
    }

    #[rstest]
    #[case("", "it is empty")]
    #[case("s3://bucket", "only file:// is supported")]
    #[case("https://example.com", "only file:// is supported")]
    #[case("file://server/share", "it names another host")]
    #[case("file:///srv/a?b", "percent-encoded")]
    fn refused_locations(#[case] location: &str, #[case] reason: &str) {
        let error = ArtifactStore::open(location).expect_err("refused").to_string();
        assert!(error.contains(reason), "{error}");
    }
}
