//! Subscriptions over WebSocket, subprotocol graphql-transport-ws. The caller is judged from
//! `connectionParams`, for each operation, and while the connection stays open; what they may see is
//! asked again for every item.

mod connection;

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_graphql::http::{
    ClientMessage, WebSocket as GraphqlWebSocket, WebSocketProtocols, WsMessage,
};
use axum::{
    extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{SinkExt, Stream, StreamExt, stream::SplitStream};
use tokio::time::Interval;
use tracing::{Instrument, Span};

use self::connection::Connection;
use super::{
    HttpState, credentials, error::refusal, local::origin_is_allowed, request_log::RequestFacts,
};
use crate::{auth::Credentials, error::Error};

const PROTOCOL: &str = "graphql-transport-ws";
/// How long a client may take until `connection_init`.
const INIT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often the server asks whether the client is still there.
const PING_INTERVAL: Duration = Duration::from_secs(15);
/// Pings that may stay without any sign of life.
const MAX_SILENT_PINGS: u8 = 2;
/// Bytes that each connection keeps for reading, and that are gathered before they are written. Larger
/// messages take more while they last.
const BUFFER: usize = 1024;
/// How long a client may leave what it is sent unread.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

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
    let credentials = credentials::from_headers(headers, &facts);
    let limit = state.settings.max_body_bytes;
    let span = Span::current();
    upgrade
        .protocols([PROTOCOL])
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
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

/// Whether the other end still says anything.
struct Pulse {
    interval: Interval,
    /// Cleared by whatever comes in.
    silent: Arc<AtomicBool>,
    silent_pings: u8,
}

impl Pulse {
    fn new() -> Self {
        let mut interval = tokio::time::interval(PING_INTERVAL);
        interval.reset();
        Self { interval, silent: Arc::default(), silent_pings: 0 }
    }

    /// Resolves when it is time for a ping; false when too many stayed unanswered.
    async fn beat(&mut self) -> bool {
        self.interval.tick().await;
        let was_silent = self.silent.swap(true, Ordering::Relaxed);
        self.silent_pings = if was_silent { self.silent_pings + 1 } else { 0 };
        self.silent_pings <= MAX_SILENT_PINGS
    }
}

/// The messages of the client as the protocol takes them, until the connection breaks. Which
/// operation is next is announced to the connection: the protocol would replace a running one of the
/// same id.
fn messages(
    incoming: SplitStream<WebSocket>,
    silent: Arc<AtomicBool>,
    connection: Connection,
) -> impl Stream<Item = serde_json::Result<ClientMessage>> + Send + Unpin {
    incoming.take_while(|message| std::future::ready(message.is_ok())).filter_map(move |message| {
        silent.store(false, Ordering::Relaxed);
        let message = match message {
            Ok(Message::Text(text)) => Some(ClientMessage::from_bytes(text.as_bytes())),
            Ok(Message::Binary(bytes)) => Some(ClientMessage::from_bytes(bytes)),
            _ => None,
        };
        std::future::ready(message.map(|message| match message {
            Ok(ClientMessage::Start { id, .. }) if !connection.announce(&id) => {
                Err(serde::de::Error::custom("the id is in use"))
            }
            message => message,
        }))
    })
}

/// Speaks over a connection until it ends. Not an `async fn`: its future would keep room for what it
/// was given beside what has become of it, as long as the connection lives.
fn serve(
    state: HttpState,
    facts: RequestFacts,
    upgrade: Credentials,
    socket: WebSocket,
) -> impl Future<Output = ()> + Send {
    let (mut sink, incoming) = socket.split();
    let mut pulse = Pulse::new();
    let (connection, mut ended) = Connection::new(&state, facts);
    let incoming = messages(incoming, Arc::clone(&pulse.silent), connection.clone());
    let initialising = connection.clone();
    let mut protocol = GraphqlWebSocket::from_message_stream(
        connection.clone(),
        incoming,
        WebSocketProtocols::GraphQLWS,
    )
    .on_connection_init(move |params| initialising.initialise(params, upgrade));
    async move {
        let mut init_deadline = pin!(tokio::time::sleep(INIT_TIMEOUT));
        loop {
            let message = tokio::select! {
                message = protocol.next() => match message {
                    Some(message) => from_protocol(message, &connection),
                    None => break,
                },
                () = state.stopping.cancelled() => close(1001, "the server is stopping".to_owned()),
                reason = &mut ended => close(close_code(&reason), reason.to_string()),
                () = &mut init_deadline, if !connection.is_initialised() => {
                    close(4408, "Connection initialisation timeout".to_owned())
                }
                is_alive = pulse.beat() => {
                    if !is_alive {
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
}

/// The protocol has codes of its own where the library has general ones: for an operation before
/// `connection_init`, for what is no message, and for an id that is in use.
fn from_protocol(message: WsMessage, connection: &Connection) -> Message {
    match message {
        WsMessage::Text(text) => Message::Text(text.into()),
        WsMessage::Close(1011, _) => close(4401, "Unauthorized".to_owned()),
        WsMessage::Close(1002, _) => match connection.taken_id() {
            Some(id) => close(4409, reason(&format!("Subscriber for {id} already exists"))),
            None => close(4400, "Invalid message".to_owned()),
        },
        WsMessage::Close(code, reason) => close(code, reason),
    }
}

/// The codes of graphql-transport-ws where it has one, and of RFC 6455, section 7.4.
fn close_code(reason: &Error) -> u16 {
    match reason {
        Error::NotAuthenticated | Error::InvalidToken => 4401,
        Error::Forbidden(_) | Error::TenantNotFound => 4403,
        Error::AuthUnavailable => 1013,
        _ => 1011,
    }
}

/// A reason may have 123 bytes (RFC 6455, section 5.5).
fn reason(text: &str) -> String {
    text[..text.floor_char_boundary(123)].to_owned()
}

fn close(code: u16, reason: String) -> Message {
    Message::Close(Some(CloseFrame { code, reason: Utf8Bytes::from(reason) }))
}
