//! One log line for each request, with an id that the client gave or gets. No token, no query
//! string (links are signed there) and no variable reaches it.

use std::{
    net::SocketAddr,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{
    extract::{ConnectInfo, MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;
use uuid::Uuid;

use super::{
    HttpState,
    client_address::{client_address, is_trusted},
    host::hosts,
    well_known::point_to_metadata,
};
use crate::{
    audit::Actor, auth::AuthContext, domain::RequestOrigin, graphql::RequestLabel,
    rate_limit::Payer,
};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const REQUEST_ID_MAX: usize = 128;
/// What pages of other origins may read (Fetch standard, section 3.3.3); nobody else asks.
const EXPOSED_HEADERS: HeaderValue = HeaderValue::from_static(
    "x-request-id,content-range,content-disposition,retry-after,www-authenticate",
);

/// What handlers find out about a request for its log line. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct RequestFacts(Arc<Facts>);

/// See [`RequestFacts`].
#[derive(Default)]
pub(super) struct Facts {
    caller: OnceLock<Caller>,
    actor: OnceLock<Actor>,
    payer: OnceLock<Payer>,
    /// Whether the outcome is in the audit log already.
    recorded: AtomicBool,
    pub(super) operation: RequestLabel,
    pub(super) origin: Arc<RequestOrigin>,
    /// The hosts that the request names, where a host can name a tenant.
    pub(super) hosts: Arc<[String]>,
}

struct Caller {
    tenant: String,
    user: Option<Uuid>,
}

impl std::ops::Deref for RequestFacts {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.0
    }
}

impl RequestFacts {
    pub(super) fn set_caller(&self, caller: &AuthContext) {
        let user = caller.user().map(|user| user.id.into());
        let _ = self.caller.set(Caller { tenant: caller.tenant().slug.clone(), user });
        self.set_actor(caller.actor(&self.origin));
    }

    pub(super) fn set_actor(&self, actor: Actor) {
        let _ = self.actor.set(actor);
    }

    /// Who asks, as far as is known.
    pub(super) fn actor(&self) -> Actor {
        let unknown = || Actor::unknown(RequestOrigin::clone(&self.origin));
        self.actor.get().cloned().unwrap_or_else(unknown)
    }

    pub(super) fn set_recorded(&self) {
        self.recorded.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_recorded(&self) -> bool {
        self.recorded.load(Ordering::Relaxed)
    }

    pub(super) fn set_payer(&self, payer: Payer) {
        let _ = self.payer.set(payer);
    }

    /// Who pays for the request: its address, unless a user was found.
    pub(super) fn payer(&self) -> Payer {
        self.payer.get().copied().unwrap_or(Payer::Address(self.origin.address))
    }
}

/// Where no route matched.
const NO_ROUTE: &str = "(none)";

/// Logs a request when it has been answered, and a refusal in the audit log. One function for all that
/// every request goes through: each layer of its own has the routes below it cloned for each request.
pub(super) async fn log_request(
    State(state): State<HttpState>,
    mut request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    let facts = facts(&state, &request, &id);
    request.extensions_mut().insert(facts.clone());
    let from_a_page = request.headers().contains_key(header::ORIGIN);
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| NO_ROUTE.to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", id = %id);
    async move {
        let mut response = next.run(request).await;
        point_to_metadata(&state, &mut response);
        state.note_refused(&facts, &route, &response);
        if let Ok(value) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(X_REQUEST_ID, value);
        }
        if from_a_page {
            response.headers_mut().insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS);
        }
        let caller = facts.caller.get();
        tracing::info!(
            %method,
            route,
            tenant = caller.map(|caller| caller.tenant.as_str()),
            user = caller.and_then(|caller| caller.user).map(tracing::field::display),
            operation = facts.operation.get(),
            status = response.status().as_u16(),
            duration_ms = milliseconds(started.elapsed()),
            "request"
        );
        response
    }
    .instrument(span)
    .await
}

/// To the microsecond.
fn milliseconds(duration: Duration) -> f64 {
    f64::from(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)) / 1_000.0
}

/// What is known of a request before anyone has looked at it.
fn facts(state: &HttpState, request: &Request, id: &str) -> RequestFacts {
    let trusted = &state.settings.trusted_proxies;
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map(|ConnectInfo(peer)| peer.ip().to_canonical());
    let address = peer.map(|peer| client_address(peer, request.headers(), trusted));
    let hosts = if state.settings.tenant_domain.is_some() {
        hosts(request, peer.is_some_and(|peer| is_trusted(peer, trusted)))
    } else {
        Vec::new()
    };
    RequestFacts(Arc::new(Facts {
        origin: Arc::new(RequestOrigin { address, request_id: id.to_owned() }),
        hosts: hosts.into(),
        ..Facts::default()
    }))
}

/// The client's id if it is harmless, otherwise a new one.
fn request_id(request: &Request) -> String {
    let harmless = |id: &&str| {
        (1..=REQUEST_ID_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    request
        .headers()
        .get(&X_REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(harmless)
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}
