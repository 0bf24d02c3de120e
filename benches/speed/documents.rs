//! Reading a document: parsed and admitted, or known already.

use std::{sync::Arc, time::Duration};

use async_graphql::Request;
use boards::{
    artifacts::{
        ArtifactStore, ArtifactStores, Artifacts, FetchLimits, Fetcher, LinkSigner, Links, Previews,
    },
    audit::AuditLog,
    config::Config,
    domain::CursorKey,
    error::Error,
    generators::{Registry, providers::Providers},
    graphql::{self, Engine, Limits, Services, Session},
    jobs::Keys,
};
use divan::Bencher;
use tempfile::TempDir;

use crate::operations::board_query;

const KEY: &[u8] = b"a key of the benches, at least 32 bytes long";
const LIMITS: Limits = Limits { depth: 20, complexity: 50_000, aliases: 50 };
const MAX_BYTES: u64 = 1024;

/// A text that was never seen.
#[divan::bench]
fn cold(bencher: Bencher) {
    let (reader, mut number) = (Reader::new(), 0);
    let new_text = || {
        number += 1;
        format!("{} # {number}", board_query())
    };
    bencher.with_inputs(new_text).bench_local_values(|text| reader.read(text));
}

/// The text of the operation before.
#[divan::bench]
fn known(bencher: Bencher) {
    let reader = Reader::new();
    reader.read(board_query());
    bencher.with_inputs(board_query).bench_values(|text| reader.read(text));
}

/// The engine, and the folder that its files would be in.
struct Reader {
    engine: Engine,
    session: Session,
    _folder: TempDir,
}

impl Reader {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let files = ArtifactStore::open_folder(folder.path()).expect("a store");
        let files = ArtifactStores::new(files);
        let signer = LinkSigner::new(KEY, Duration::from_mins(1)).expect("a signer");
        let links = Links::new(signer, "http://127.0.0.1".to_owned());
        let fetcher = Fetcher::new(FetchLimits::new(MAX_BYTES)).expect("a client");
        let staging = folder.path().to_owned();
        let previews = Previews::new(None, staging.clone());
        let services = Services {
            artifacts: Artifacts::new(files, links, fetcher, previews, staging, MAX_BYTES),
            registry: Arc::new(Registry::builtin().expect("generators")),
            keys: Keys::new(Providers::new(&Config::for_tests(folder.path())).expect("providers")),
            audit: AuditLog::default(),
            cursors: CursorKey::new(KEY),
        };
        let engine = graphql::build(services, LIMITS, true);
        let session = Session::new(Err(Error::NotAuthenticated));
        Self { engine, session, _folder: folder }
    }

    fn read(&self, text: String) -> graphql::Operation {
        self.engine.read(Request::new(text), &self.session).expect("a document")
    }
}
