//! A server that speaks the protocol of S3, in this process, on a free port. It keeps objects as files
//! below a folder.

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use async_trait::async_trait;
use boards::config::{CloudVariables, Config};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    S3Result,
    access::{S3Access, S3AccessContext},
    auth::SimpleAuth,
    s3_error,
    service::S3ServiceBuilder,
};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{net::TcpListener, task::JoinHandle};

use super::files_below;

/// The bucket that there is from the beginning.
pub(crate) const BUCKET: &str = "boards";
const ACCESS_KEY: &str = "AKIAMADEUP";
const SECRET_KEY: &str = "made-up-for-the-tests";

/// A running server. It is stopped, and its files deleted, when this is dropped.
pub(crate) struct ObjectServer {
    pub(crate) endpoint: String,
    folder: TempDir,
    desk: Arc<Desk>,
    task: JoinHandle<()>,
}

/// Sees each request.
#[derive(Default)]
struct Desk {
    operations: Mutex<Vec<String>>,
    refuses_parts: AtomicBool,
}

struct AtDesk(Arc<Desk>);

#[async_trait]
impl S3Access for AtDesk {
    async fn check(&self, context: &mut S3AccessContext<'_>) -> S3Result<()> {
        if context.credentials().is_none() {
            return Err(s3_error!(AccessDenied));
        }
        let operation = context.s3_op().name().to_owned();
        // The first part may come, so that there is something to be taken back.
        let is_later_part = operation == "UploadPart"
            && context.uri().query().is_some_and(|query| !query.contains("partNumber=1&"));
        self.0.operations.lock().expect("operations").push(operation);
        if is_later_part && self.0.refuses_parts.load(Ordering::SeqCst) {
            return Err(s3_error!(AccessDenied));
        }
        Ok(())
    }
}

impl ObjectServer {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        std::fs::create_dir(folder.path().join(BUCKET)).expect("a bucket");
        let desk = Arc::new(Desk::default());
        let files = FileSystem::new(folder.path()).expect("a file system");
        let mut service = S3ServiceBuilder::new(files);
        service.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        service.set_access(AtDesk(Arc::clone(&desk)));
        let service = service.build();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("bound"));
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let server = Builder::new(TokioExecutor::new());
                    let _ = server.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Self { endpoint, folder, desk, task }
    }

    /// Makes another bucket.
    pub(crate) fn make_bucket(&self, name: &str) {
        std::fs::create_dir(self.folder.path().join(name)).expect("a bucket");
    }

    /// The variables that open it.
    pub(crate) fn variables() -> [(&'static str, &'static str); 3] {
        [
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
            ("AWS_REGION", "us-east-1"),
        ]
    }

    /// Has a server keep its files here.
    pub(crate) fn use_by(&self) -> impl FnOnce(&mut Config) + 'static {
        let endpoint = self.endpoint.clone();
        move |config| {
            config.storage_url = format!("s3://{BUCKET}/files").parse().expect("an address");
            config.storage_endpoint = Some(endpoint);
            config.cloud_variables = Self::variables().into_iter().collect::<CloudVariables>();
        }
    }

    /// The objects of a bucket, as files.
    pub(crate) fn objects(&self, bucket: &str) -> Vec<PathBuf> {
        files_below(&self.folder.path().join(bucket))
    }

    /// Parts of uploads that were neither finished nor taken back.
    pub(crate) fn parts(&self) -> Vec<PathBuf> {
        let mut files = files_below(self.folder.path());
        files.retain(|path| path.to_string_lossy().contains("upload"));
        files
    }

    /// What was asked for so far, by the names of the protocol; it is forgotten.
    pub(crate) fn take_operations(&self) -> Vec<String> {
        std::mem::take(&mut *self.desk.operations.lock().expect("operations"))
    }

    /// Takes no part of an upload any more, but for the first.
    pub(crate) fn refuse_parts(&self) {
        self.desk.refuses_parts.store(true, Ordering::SeqCst);
    }
}

impl Drop for ObjectServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}
