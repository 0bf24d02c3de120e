//! Artifacts: where their files are kept, how links to them are signed, and how they come in.

mod address;
mod bucket;
mod fetch;
mod intake;
mod links;
mod location;
mod media;
mod parts;
mod presigner;
mod preview;
pub mod range;
mod signing;
mod storage_key;
mod store;
mod stores;
mod text_scanner;

pub use bucket::CloudAccess;
pub use fetch::{FetchError, FetchLimits, Fetched, Fetcher};
pub use intake::{Artifacts, Incoming, Place, StoredArtifact};
pub use links::Links;
pub use location::Location;
pub use media::{MediaMismatch, MediaScanner, MediaType, ScannedMedia};
pub use presigner::HandOut;
pub use preview::{Ffmpeg, FfmpegMissing, Preview, Previews, Source, Thumbnail};
pub use signing::{LinkSigner, SignedQuery, SigningError};
pub use storage_key::{InvalidKey, StorageKey};
pub use store::{ArtifactStore, FileFacts, ListedFile, StoreError, StoredFile};
pub use stores::{ArtifactStores, ChosenStore, TenantSlugs};
