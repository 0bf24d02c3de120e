//! What the handlers share.

use std::{sync::Arc, time::Duration};

use axum::http::HeaderMap;
use tokio_util::sync::CancellationToken;

use super::{credentials, request_log::RequestFacts};
use crate::{
    artifacts::Artifacts,
    auth::{AuthContext, Authenticator, Credentials},
    error::Result,
    graphql::{BoardsSchema, Limits},
    store::Store,
};

/// Bounds and switches of the HTTP side.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Bytes of a GraphQL request.
    pub max_body_bytes: usize,
    /// Bytes of an upload.
    pub max_upload_bytes: u64,
    /// Operations in one GraphQL batch.
    pub max_batch_size: usize,
    /// Bounds on one operation.
    pub limits: Limits,
    /// Time of one request.
    pub request_timeout: Duration,
    /// Whether to serve GraphiQL.
    pub playground: bool,
    /// Under provider none on a loopback address: the host of the server's own URL, beside which only
    /// loopback hosts may be named.
    pub local_only: Option<String>,
    /// Origins of front ends that may call from a browser.
    pub cors_origins: Vec<String>,
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct HttpState(Arc<Shared>);

/// See [`HttpState`].
pub struct Shared {
    pub(super) store: Store,
    pub(super) schema: BoardsSchema,
    pub(super) artifacts: Artifacts,
    pub(super) settings: HttpSettings,
    /// Set when the server stops: what lives longer than a request then ends.
    pub(super) stopping: CancellationToken,
    authenticator: Authenticator,
}

impl std::ops::Deref for HttpState {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl HttpState {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        store: Store,
        authenticator: Authenticator,
        schema: BoardsSchema,
        artifacts: Artifacts,
        settings: HttpSettings,
        stopping: CancellationToken,
    ) -> Self {
        Self(Arc::new(Shared { store, schema, artifacts, settings, stopping, authenticator }))
    }

    /// Judges the headers of a request and notes the caller for its log line.
    pub(super) async fn authenticate(
        &self,
        headers: &HeaderMap,
        facts: &RequestFacts,
    ) -> Result<AuthContext> {
        self.authenticate_with(&credentials::from_headers(headers), facts).await
    }

    pub(super) async fn authenticate_with(
        &self,
        credentials: &Credentials,
        facts: &RequestFacts,
    ) -> Result<AuthContext> {
        let caller = self.authenticator.authenticate(credentials).await?;
        facts.set_caller(&caller);
        Ok(caller)
    }
}
