//! What the handlers share.

use std::{sync::Arc, time::Duration};

use axum::http::HeaderMap;
use ipnet::IpNet;
use tokio_util::sync::CancellationToken;

use super::{credentials, request_log::RequestFacts, well_known::ProtectedResource};
use crate::{
    artifacts::Artifacts,
    audit::{AuditEvent, AuditLog},
    auth::{
        AuthContext, Authenticator, Credentials, PlatformCaller, TokenUses,
        bearer::{self, TokenSyntax},
    },
    domain::TokenScope,
    error::{Error, Result},
    graphql::{Engine, Limits},
    platform::{Platform, PlatformSettings},
    rate_limit::{Attempt, Meter, Payer, Points, RateLimits},
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
    /// What the deployment says about its tenants.
    pub platform: PlatformSettings,
    /// Time of one request.
    pub request_timeout: Duration,
    /// Whether to serve GraphiQL.
    pub playground: bool,
    /// Under provider none on a loopback address: the host of the server's own URL, beside which only
    /// loopback hosts may be named.
    pub local_only: Option<String>,
    /// Origins of front ends that may call from a browser.
    pub cors_origins: Vec<String>,
    /// Proxies that are believed about the client's address and host.
    pub trusted_proxies: Vec<IpNet>,
    /// The domain whose subdomains name tenants.
    pub tenant_domain: Option<String>,
    /// What clients may know before they have a token.
    pub resource: ProtectedResource,
}

/// What the handlers work with.
pub struct HttpServices {
    /// The database.
    pub store: Store,
    /// Who judges callers.
    pub authenticator: Authenticator,
    /// What answers GraphQL.
    pub engine: Engine,
    /// Where files are kept.
    pub artifacts: Artifacts,
    /// How much callers may ask for.
    pub rate_limits: RateLimits,
    /// Where changes and refusals are recorded.
    pub audit: AuditLog,
}

/// What the handlers share. Cheap to clone.
#[derive(Clone)]
pub struct HttpState(Arc<Shared>);

/// See [`HttpState`].
pub struct Shared {
    pub(super) store: Store,
    pub(super) engine: Engine,
    pub(super) artifacts: Artifacts,
    pub(super) settings: HttpSettings,
    /// Where changes and refusals are recorded.
    pub(super) audit: AuditLog,
    /// Set when the server stops: what lives longer than a request then ends.
    pub(super) stopping: CancellationToken,
    pub(super) platform: Platform,
    authenticator: Authenticator,
    rate_limits: RateLimits,
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
        services: HttpServices,
        settings: HttpSettings,
        stopping: CancellationToken,
    ) -> Self {
        let HttpServices { store, authenticator, engine, artifacts, rate_limits, audit } = services;
        let platform = Platform::new(store.clone(), settings.platform.clone());
        Self(Arc::new(Shared {
            store,
            engine,
            artifacts,
            settings,
            audit,
            stopping,
            platform,
            authenticator,
            rate_limits,
        }))
    }

    /// The uses of access tokens that are still to be written.
    #[must_use]
    pub fn token_uses(&self) -> &TokenUses {
        self.authenticator.token_uses()
    }

    /// Judges the headers of a request and notes the caller for its log line.
    pub(super) async fn authenticate(
        &self,
        headers: &HeaderMap,
        facts: &RequestFacts,
    ) -> Result<AuthContext> {
        self.authenticate_with(&credentials::from_headers(headers, facts), facts).await
    }

    pub(super) async fn authenticate_with(
        &self,
        credentials: &Credentials,
        facts: &RequestFacts,
    ) -> Result<AuthContext> {
        let attempt = self.attempt(credentials, facts).await?;
        let outcome = Box::pin(self.judge(credentials)).await;
        match &outcome {
            Ok(caller) => {
                facts.set_caller(caller);
                facts.set_payer(self.payer(caller, credentials, facts));
            }
            Err(_) => facts.set_recorded(),
        }
        self.settle(attempt, facts, outcome)
    }

    /// Asks whether the address may have a token judged that costs something to judge.
    async fn attempt(&self, credentials: &Credentials, facts: &RequestFacts) -> Result<Attempt> {
        let Some(token) = self.authenticator.costly_token(credentials).await else {
            return Ok(Attempt::default());
        };
        self.rate_limits.may_try(facts.origin.address, token).await.inspect_err(|error| {
            facts.set_recorded();
            self.note_refusal(facts, AuditEvent::new("authenticate"), error.code());
        })
    }

    /// Counts a failure unless it is paid for; an answer that nobody gave costs whoever asked for it
    /// as much as a bad one.
    fn settle<T>(&self, attempt: Attempt, facts: &RequestFacts, outcome: Result<T>) -> Result<T> {
        match &outcome {
            Err(Error::InvalidToken | Error::AuthUnavailable) if attempt.is_paid() => {}
            Err(Error::InvalidToken) => self.rate_limits.failed(facts.origin.address)?,
            _ => attempt.succeeded(),
        }
        outcome
    }

    /// Judges the headers of a request that is in no tenant. Whom the
    /// provider names pays for it.
    pub(super) async fn authenticate_platform(
        &self,
        headers: &HeaderMap,
        facts: &RequestFacts,
        scope: TokenScope,
    ) -> Result<PlatformCaller> {
        let credentials = credentials::from_headers(headers, facts);
        let attempt = self.attempt(&credentials, facts).await?;
        let outcome = self.authenticator.authenticate_platform(&credentials).await;
        let caller = self.settle(attempt, facts, outcome)?;
        facts.set_actor(caller.actor(&facts.origin));
        facts.set_payer(self.rate_limits.subject(caller.provider(), caller.subject()));
        caller.require_scope(scope)?;
        self.charge(facts, Points::PLATFORM)?;
        Ok(caller)
    }

    /// Judges credentials, as if for a new request.
    pub(super) async fn judge(&self, credentials: &Credentials) -> Result<AuthContext> {
        self.authenticator.authenticate(credentials).await
    }

    /// Takes points from whoever pays for a request.
    pub(super) fn charge(&self, facts: &RequestFacts, points: Points) -> Result<()> {
        self.rate_limits.charge(&facts.payer(), points)
    }

    /// What goes on charging whoever pays for a request.
    pub(super) fn meter(&self, facts: &RequestFacts) -> Meter {
        Meter::new(self.rate_limits.clone(), facts.payer())
    }

    fn payer(
        &self,
        caller: &AuthContext,
        credentials: &Credentials,
        facts: &RequestFacts,
    ) -> Payer {
        let Some(user) = caller.user() else { return Payer::Address(facts.origin.address) };
        // The token alone: spaces around it would make one token many.
        let token = bearer::token(&credentials.authorization, TokenSyntax::AnyText).ok().flatten();
        Payer::User { user: user.id, token: token.and_then(|token| self.rate_limits.token(token)) }
    }
}
