//! Subscriptions over WebSocket, subprotocol graphql-transport-ws. The caller is judged once, from
//! `connectionParams`; what they may see is asked again for every item.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_graphql::{
    Data, Executor, Request, Response as GraphqlResponse,
    http::{WebSocket as GraphqlWebSocket, WebSocketProtocols, WsMessage},
    parser::types::OperationType,
};
use axum::{
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::Utc;
use futures_util::{
    FutureExt, SinkExt, StreamExt,
    stream::{self, BoxStream},
};

use tracing::{Instrument, Span};

use super::{
    HttpState, credentials,
    error::refusal,
    graphql::{execute, operation_type, refuse},
    local::origin_is_allowed,
    request_log::RequestFacts,
};
use crate::{
    auth::Credentials,
    error::Error,
    graphql::{Session, request_error},
};

const PROTOCOL: &str = "graphql-transport-ws";
/// How long a client may take until `connection_init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the server asks whether the client is still there.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// Pings that may stay without any sign of life.
const MAX_SILENT_PINGS: u8 = 2;
/// How long a client may leave what it is sent unread.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);
/// Operations at once on one connection.
const MAX_OPERATIONS: usize = 100;

/// Answers the upgrade request.
pub(super) fn upgrade(
    state: HttpState,
    facts: RequestFacts,
    headers: &HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    // Browsers let any page open a WebSocket to anywhere.
    if !origin_is_allowed(&state, headers) {
        return refusal(
            StatusCode::FORBIDDEN,
            "FORBIDDEN",
            "Pages of this origin may not connect; see BOARDS_CORS_ORIGINS",
        );
    }
    if !offers_protocol(headers) {
        let detail = "Offer the subprotocol graphql-transport-ws";
        return refusal(StatusCode::BAD_REQUEST, "BAD_REQUEST", detail);
    }
    let credentials = credentials::from_headers(headers);
    let limit = state.settings.max_body_bytes;
    let span = Span::current();
    upgrade
        .protocols([PROTOCOL])
        .max_message_size(limit)
        .max_frame_size(limit)
        .on_upgrade(move |socket| serve(state, facts, credentials, socket).instrument(span))
        .into_response()
}

fn offers_protocol(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offered| offered.trim() == PROTOCOL)
}

/// Runs the operations of one connection.
#[derive(Clone)]
struct Connection {
    state: HttpState,
    facts: RequestFacts,
    session: Arc<OnceLock<Session>>,
    operations: Arc<AtomicUsize>,
}

/// One running operation; counts down when it ends.
struct Running(Arc<AtomicUsize>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Connection {
    /// The session, which ends with its token.
    fn session(&self) -> Session {
        let Some(session) = self.session.get() else {
            return Session::new(Err(Error::NotAuthenticated));
        };
        let expires_at = session.caller().ok().and_then(crate::auth::AuthContext::expires_at);
        if expires_at.is_some_and(|end| end <= Utc::now()) {
            return Session::new(Err(Error::InvalidToken));
        }
        session.clone()
    }

    fn start(&self) -> Option<Running> {
        let before = self.operations.fetch_add(1, Ordering::Relaxed);
        let running = Running(Arc::clone(&self.operations));
        (before < MAX_OPERATIONS).then_some(running)
    }
}

impl Executor for Connection {
    async fn execute(&self, request: Request) -> GraphqlResponse {
        execute(&self.state, &self.session(), &self.facts, request).await
    }

    fn execute_stream(
        &self,
        mut request: Request,
        _session_data: Option<Arc<Data>>,
    ) -> BoxStream<'static, GraphqlResponse> {
        let Some(running) = self.start() else {
            let message = format!("At most {MAX_OPERATIONS} operations may run on a connection");
            let error = request_error(&Error::Conflict(message));
            return stream::iter([GraphqlResponse::from_errors(vec![error])]).boxed();
        };
        if let Some(refused) = refuse(&self.state, &mut request) {
            return stream::iter([refused]).boxed();
        }
        let answers = if operation_type(&mut request) == Some(OperationType::Subscription) {
            let request = self.session().attach(request).data(self.facts.operation.clone());
            self.state.schema.execute_stream(request).boxed()
        } else {
            let connection = self.clone();
            async move { connection.execute(request).await }.into_stream().boxed()
        };
        answers
            .map(move |answer| {
                let _running = &running;
                answer
            })
            .boxed()
    }
}

async fn serve(state: HttpState, facts: RequestFacts, upgrade: Credentials, socket: WebSocket) {
    let (mut sink, incoming) = socket.split();
    let alive = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&alive);
    let incoming = incoming.take_while(|message| std::future::ready(message.is_ok())).filter_map(
        move |message| {
            seen.store(0, Ordering::Relaxed);
            std::future::ready(match message {
                Ok(Message::Text(text)) => Some(text.as_bytes().to_vec()),
                Ok(Message::Binary(bytes)) => Some(bytes.to_vec()),
                _ => None,
            })
        },
    );
    let connection = Connection {
        state: state.clone(),
        facts: facts.clone(),
        session: Arc::new(OnceLock::new()),
        operations: Arc::new(AtomicUsize::new(0)),
    };
    let session = Arc::clone(&connection.session);
    let on_init = {
        let (state, session) = (state.clone(), Arc::clone(&session));
        move |params: serde_json::Value| async move {
            let credentials = credentials::from_connection_params(&params, &upgrade);
            let outcome = state.authenticate_with(&credentials, &facts).await;
            let _ = session.set(Session::new(outcome));
            Ok(Data::default())
        }
    };
    let mut protocol = std::pin::pin!(
        GraphqlWebSocket::new(connection, incoming, WebSocketProtocols::GraphQLWS)
            .on_connection_init(on_init)
    );
    let mut ping = tokio::time::interval(PING_INTERVAL);
    ping.reset();
    let mut init_deadline = std::pin::pin!(tokio::time::sleep(INIT_TIMEOUT));
    let mut silent_pings = 0_u8;
    loop {
        let message = tokio::select! {
            message = protocol.next() => match message {
                Some(WsMessage::Text(text)) => Message::Text(text.into()),
                // The protocol has codes of its own where the library has general ones: for an
                // operation before `connection_init`, and for what is no message.
                Some(WsMessage::Close(1011, _)) => close(4401, "Unauthorized".to_owned()),
                Some(WsMessage::Close(1002, _)) => close(4400, "Invalid message".to_owned()),
                Some(WsMessage::Close(code, reason)) => close(code, reason),
                None => break,
            },
            () = state.stopping.cancelled() => close(1001, "the server is stopping".to_owned()),
            () = &mut init_deadline, if session.get().is_none() => {
                close(4408, "Connection initialisation timeout".to_owned())
            }
            _ = ping.tick() => {
                silent_pings = if alive.swap(1, Ordering::Relaxed) == 0 { 0 } else { silent_pings + 1 };
                if silent_pings > MAX_SILENT_PINGS {
                    break;
                }
                Message::Ping(axum::body::Bytes::new())
            }
        };
        let closing = matches!(message, Message::Close(_));
        let sent = tokio::time::timeout(SEND_TIMEOUT, sink.send(message)).await;
        if !matches!(sent, Ok(Ok(()))) || closing {
            break;
        }
    }
    let _ = tokio::time::timeout(SEND_TIMEOUT, sink.close()).await;
}

fn close(code: u16, reason: String) -> Message {
    Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from(reason) }))
}
