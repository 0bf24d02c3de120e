//! One place where files of generations are kept: a folder on local disk, or a bucket of a cloud.

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
    Stream, StreamExt, TryStreamExt,
    stream::{self, BoxStream},
};
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, GetResult, GetResultPayload, ObjectMeta,
    ObjectStore, ObjectStoreExt, PutMultipartOptions, PutOptions, PutPayload,
    local::LocalFileSystem, path::Path,
};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;
use url::Url;

use crate::{
    config::{BucketUrl, StorageUrl},
    domain::{BoardId, GenerationId, TenantId},
    error::Error,
};

use super::{
    CloudAccess, HandOut, MediaType, StorageKey,
    bucket::{unusable, without_secrets},
    parts::{self, PART_BYTES},
    presigner::{Presigner, is_inert},
};

/// How much is read from a file at once, in bytes.
const READ_CHUNK_BYTES: usize = 64 * 1024;

/// How often what is below a prefix is deleted while others still store files there.
const DELETE_ATTEMPTS: u32 = 100;
/// How long they get in between.
const DELETE_PAUSE: Duration = Duration::from_millis(20);

/// How long a bucket may take to show that it can be written to.
const TRIAL_TIMEOUT: Duration = Duration::from_secs(15);
/// What the names of files begin with that only try a bucket.
const TRIAL: &str = "boards-trial-";

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
    /// The store failed; says how, without what a log must not hold.
    #[error("the store failed: {0}")]
    Failed(String),
    /// The file that should be stored could not be read, or the store's folder not be cleaned.
    #[error("a file could not be read or removed")]
    Io(#[from] io::Error),
}

impl StoreError {
    fn from_store(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            error => error.into(),
        }
    }
}

impl From<object_store::Error> for StoreError {
    fn from(error: object_store::Error) -> Self {
        Self::Failed(without_secrets(&error.to_string()))
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

/// Keeps files of generations. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ArtifactStore {
    objects: Arc<dyn ObjectStore>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// The folder, which takes no attributes and keeps what the cloud would not.
    Folder(PathBuf),
    Bucket {
        url: BucketUrl,
        prefix: Path,
        presigner: Option<Presigner>,
        access: CloudAccess,
    },
}

/// A file as a listing shows it.
#[derive(Clone, Debug)]
pub struct ListedFile {
    /// Its key; none for what is no file of a generation.
    pub key: Option<StorageKey>,
    /// Whether it is what a trial left behind when its process was killed.
    pub is_trial: bool,
    /// Its name in the store, below the prefix.
    pub name: String,
    /// Its length in bytes.
    pub length: u64,
    /// When it was stored.
    pub last_modified: DateTime<Utc>,
}

impl ArtifactStore {
    /// Opens a store. A folder is made; of a bucket nothing is asked before it is needed, see
    /// [`ArtifactStore::try_out`].
    ///
    /// # Errors
    /// [`StoreError::Location`] for a folder that cannot be made, or a bucket that is not
    /// described as it must be.
    pub fn open(location: &StorageUrl, access: &CloudAccess) -> Result<Self, StoreError> {
        match location {
            StorageUrl::Directory(folder) => Self::open_folder(folder),
            StorageUrl::Bucket(url) => {
                let opened = access.open(url)?;
                let (prefix, presigner) = (opened.prefix, opened.presigner);
                let kind =
                    Kind::Bucket { url: url.clone(), prefix, presigner, access: access.clone() };
                Ok(Self { objects: opened.objects, kind })
            }
        }
    }

    /// Opens the store in a folder and makes the folder.
    ///
    /// # Errors
    /// [`StoreError::Location`] when it cannot be made.
    pub fn open_folder(folder: &FilePath) -> Result<Self, StoreError> {
        let unusable = |cause: &dyn std::fmt::Display| {
            StoreError::Location(format!("cannot keep files in {}: {cause}", folder.display()))
        };
        std::fs::create_dir_all(folder).map_err(|error| unusable(&error))?;
        let folder = folder.canonicalize().map_err(|error| unusable(&error))?;
        // A generation is called complete in the database only when its file will survive a
        // power failure too.
        let objects = LocalFileSystem::new_with_prefix(&folder)?.with_fsync(true);
        Ok(Self { objects: Arc::new(objects), kind: Kind::Folder(folder) })
    }

    /// Lists, stores, reads and deletes in a bucket, so that a wrong address or key shows before the
    /// first upload. A folder has shown it when it was opened.
    ///
    /// # Errors
    /// [`StoreError::Location`] with what to change.
    pub async fn try_out(&self) -> Result<(), StoreError> {
        let Kind::Bucket { url, access, .. } = &self.kind else { return Ok(()) };
        let objects = CloudAccess { at_once: true, ..access.clone() }.open(url)?.objects;
        // Processes that start together must not be in each other's way.
        let path = Path::from(format!("{TRIAL}{}", uuid::Uuid::new_v4()));
        let trial = async {
            // Deletions need the right to list; and some servers make a bucket by what is put there.
            objects.list(Some(&path)).next().await.transpose()?;
            objects.put(&path, PutPayload::from_static(b"boards")).await?;
            objects.get(&path).await?.bytes().await?;
            objects.delete(&path).await
        };
        let tried = tokio::time::timeout(TRIAL_TIMEOUT, trial).await.unwrap_or_else(|_| {
            let silence = format!("it did not answer within {} seconds", TRIAL_TIMEOUT.as_secs());
            Err(object_store::Error::Generic { store: "bucket", source: silence.into() })
        });
        tried.map_err(|error| unusable(url, &error))
    }

    /// Stores `bytes`, in place of what was there. Nobody sees a part of them.
    ///
    /// # Errors
    /// [`StoreError::Failed`]; then what was there before is still there.
    pub async fn put_bytes(&self, key: &StorageKey, bytes: Bytes) -> Result<(), StoreError> {
        let length = bytes.len() as u64;
        if length <= PART_BYTES as u64 {
            return self.put_whole(key, bytes.into()).await;
        }
        let chunks = std::iter::successors(Some(bytes), |rest| {
            Some(rest.slice(rest.len().min(PART_BYTES)..))
        });
        let chunks = chunks.take_while(|rest| !rest.is_empty());
        let chunks = chunks.map(|rest| Ok(rest.slice(..rest.len().min(PART_BYTES))));
        self.put_parts(key, length, stream::iter(chunks)).await
    }

    /// Stores the content of the file at `source`, without holding it in memory. Nobody sees a
    /// part of it. The source stays where it is.
    ///
    /// # Errors
    /// [`StoreError::Io`] when the source cannot be read, [`StoreError::Failed`]; then what was
    /// there before is still there.
    pub async fn put_file(&self, key: &StorageKey, source: &FilePath) -> Result<(), StoreError> {
        let source = tokio::fs::File::open(source).await?;
        let length = source.metadata().await?.len();
        let chunks = ReaderStream::with_capacity(source, READ_CHUNK_BYTES);
        if length <= PART_BYTES as u64 {
            let chunks: Vec<Bytes> = chunks.try_collect().await?;
            return self.put_whole(key, chunks.into_iter().collect()).await;
        }
        self.put_parts(key, length, chunks).await
    }

    async fn put_whole(&self, key: &StorageKey, payload: PutPayload) -> Result<(), StoreError> {
        let options = PutOptions { attributes: self.attributes(key), ..PutOptions::default() };
        self.objects.put_opts(&object_path(key), payload, options).await?;
        Ok(())
    }

    async fn put_parts(
        &self,
        key: &StorageKey,
        length: u64,
        chunks: impl Stream<Item = io::Result<Bytes>> + Send,
    ) -> Result<(), StoreError> {
        let attributes = self.attributes(key);
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let upload = self.objects.put_multipart_opts(&object_path(key), options).await?;
        parts::send(upload, length, chunks).await
    }

    /// What a cloud shall answer with, should anybody read the file without this server.
    fn attributes(&self, key: &StorageKey) -> Attributes {
        let mut attributes = Attributes::new();
        if let Kind::Bucket { .. } = self.kind {
            let content_type = MediaType::content_type_of(key.extension());
            attributes.insert(Attribute::ContentType, content_type.into());
            if !is_inert(content_type) {
                attributes.insert(Attribute::ContentDisposition, "attachment".into());
            }
        }
        attributes
    }

    /// An address of the cloud's own that opens the file for `lifetime`; none where there is none,
    /// or where a browser would get the file otherwise than it shall.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the cloud's credentials cannot be had.
    pub async fn presigned(
        &self,
        key: &StorageKey,
        lifetime: Duration,
        hand_out: &HandOut,
    ) -> Result<Option<Url>, StoreError> {
        match &self.kind {
            Kind::Bucket { prefix, presigner: Some(presigner), .. } => {
                let path = prefix.parts().chain(object_path(key).parts()).collect();
                presigner.sign(&path, lifetime, hand_out).await
            }
            _ => Ok(None),
        }
    }

    /// All files, in no order.
    pub fn list(&self) -> BoxStream<'_, Result<ListedFile, StoreError>> {
        let file = |meta: ObjectMeta| {
            let name = meta.location.to_string();
            ListedFile {
                key: name.parse().ok(),
                is_trial: name.starts_with(TRIAL),
                name,
                length: meta.size,
                last_modified: meta.last_modified,
            }
        };
        self.objects.list(None).map_ok(file).map_err(StoreError::from_store).boxed()
    }

    /// Deletes one listed file; well if it is gone already.
    ///
    /// # Errors
    /// [`StoreError::Failed`].
    pub async fn delete_listed_file(&self, file: &ListedFile) -> Result<(), StoreError> {
        let path = Path::parse(&file.name).map_err(object_store::Error::from)?;
        match self.objects.delete(&path).await.map_err(StoreError::from_store) {
            Ok(()) | Err(StoreError::NotFound) => {}
            Err(error) => return Err(error),
        }
        if let (Kind::Folder(folder), Some(below)) =
            (&self.kind, FilePath::new(&file.name).parent())
        {
            // A folder that still holds files stays, and one that goes is made anew when needed.
            let _ = tokio::fs::remove_dir(folder.join(below)).await;
        }
        Ok(())
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
            if self.delete_all_listed(prefix).await? {
                return Ok(());
            }
            tokio::time::sleep(DELETE_PAUSE).await;
        }
        Err(io::Error::from(io::ErrorKind::DirectoryNotEmpty).into())
    }

    /// False when somebody stored a file meanwhile.
    async fn delete_all_listed(&self, prefix: &str) -> Result<bool, StoreError> {
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
        let Kind::Folder(folder) = &self.kind else { return Ok(true) };
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

#[cfg(test)]
mod tests {
    use super::*;
    use object_store::memory::InMemory;
    use tempfile::TempDir;

    fn store() -> (ArtifactStore, TempDir) {
        let folder = TempDir::new().expect("a folder");
        let store = ArtifactStore::open_folder(folder.path()).expect("a store");
        (store, folder)
    }

    fn bucket(objects: Arc<dyn ObjectStore>) -> ArtifactStore {
        let Ok(StorageUrl::Bucket(url)) = "s3://boards".parse() else { panic!("a bucket") };
        let (prefix, access) = (Path::default(), CloudAccess::default());
        ArtifactStore { objects, kind: Kind::Bucket { url, prefix, presigner: None, access } }
    }

    fn in_memory() -> ArtifactStore {
        bucket(Arc::new(InMemory::new()))
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
    async fn a_cloud_is_told_what_kind_of_file_it_keeps() {
        let objects = Arc::new(InMemory::new());
        let store = bucket(objects.clone());
        let folder = TempDir::new().expect("a folder");
        let source = folder.path().join("source");
        std::fs::write(&source, vec![7; 6_000_000]).expect("written");
        for (name, content_type, disposition) in [
            ("artifact.png", "image/png", None),
            ("artifact.svg", "image/svg+xml", Some("attachment")),
            ("artifact.txt", "text/plain; charset=utf-8", Some("attachment")),
        ] {
            let (whole, parts) = (key(name), key(name));
            store.put_bytes(&whole, Bytes::from_static(b"x")).await.expect("stored");
            store.put_file(&parts, &source).await.expect("stored");
            for key in [whole, parts] {
                let attributes = objects.get(&object_path(&key)).await.expect("found").attributes;
                let value = |attribute| attributes.get(&attribute).map(AsRef::as_ref);
                assert_eq!(value(Attribute::ContentType), Some(content_type));
                assert_eq!(value(Attribute::ContentDisposition), disposition);
            }
        }
    }

    #[tokio::test]
    async fn all_files_are_listed_and_each_can_go_alone() {
        let (local, _folder) = store();
        for store in [local, in_memory()] {
            let keys = [key("a.png"), key("b.png")];
            for key in &keys {
                store.put_bytes(key, Bytes::from_static(b"x")).await.expect("stored");
            }
            let listed: Vec<ListedFile> = store.list().try_collect().await.expect("listed");
            assert_eq!(listed.len(), 2);
            let first = listed.iter().find(|file| file.key.as_ref() == Some(&keys[0]));
            let first = first.expect("listed");
            assert_eq!((first.length, first.is_trial), (1, false));
            for _ in 0..2 {
                store.delete_listed_file(first).await.expect("deleted");
            }
            assert!(matches!(store.facts(&keys[0]).await, Err(StoreError::NotFound)));
            assert!(store.facts(&keys[1]).await.is_ok());
        }
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
}
