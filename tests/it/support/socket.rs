//! A WebSocket client that speaks graphql-transport-ws.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        Message,
        client::IntoClientRequest,
        http::{HeaderName, HeaderValue},
    },
};

use super::Client;

const BOUND: Duration = Duration::from_secs(20);

/// One connection.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    /// Connects and initialises as a caller, whose credentials go into connectionParams.
    pub(crate) async fn open(client: &Client) -> Self {
        let mut socket = Self::connect(client).await;
        let mut params = json!({});
        if let Some(token) = &client.token {
            params["Authorization"] = json!(format!("Bearer {token}"));
        }
        if let Some(tenant) = &client.tenant {
            params["X-Tenant"] = json!(tenant);
        }
        socket.send(json!({ "type": "connection_init", "payload": params })).await;
        assert_eq!(socket.next().await.expect("an answer")["type"], "connection_ack");
        socket
    }

    /// Connects and says nothing yet.
    pub(crate) async fn connect(client: &Client) -> Self {
        let url = format!("ws://{}/graphql", client.address());
        let mut request = url.into_client_request().expect("a request");
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request.headers_mut().insert("sec-websocket-protocol", protocol);
        for (name, value) in client.headers() {
            let name: HeaderName = name.parse().expect("a header");
            request.headers_mut().insert(name, value.parse().expect("a header"));
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await.expect("a WebSocket");
        Self(socket)
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.expect("sent");
    }

    /// Starts an operation.
    pub(crate) async fn start(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({ "query": query, "variables": variables });
        self.send(json!({ "type": "subscribe", "id": id, "payload": payload })).await;
    }

    /// The next protocol message; none when the server closes.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        loop {
            let message = tokio::time::timeout(BOUND, self.0.next()).await.expect("in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    return Some(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Close(_)) | Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }

    /// What the server says of one operation, to its end.
    pub(crate) async fn rest(&mut self, id: &str) -> Vec<Value> {
        let mut payloads = Vec::new();
        loop {
            let message = self.next().await.expect("the connection stays open");
            if message["id"] != id {
                continue;
            }
            match message["type"].as_str() {
                Some("complete") => return payloads,
                Some("error") => {
                    payloads.push(json!({ "errors": message["payload"] }));
                    return payloads;
                }
                _ => payloads.push(message["payload"].clone()),
            }
        }
    }

    /// The code with which the server closes, after whatever else it says.
    pub(crate) async fn close_code(&mut self) -> Option<u16> {
        self.close().await.map(|(code, _)| code)
    }

    /// The same with the reason.
    pub(crate) async fn close(&mut self) -> Option<(u16, String)> {
        loop {
            let message = tokio::time::timeout(BOUND, self.0.next()).await.expect("in time");
            match message {
                Some(Ok(Message::Close(frame))) => {
                    return frame.map(|frame| (frame.code.into(), frame.reason.to_string()));
                }
                Some(Err(_)) | None => return None,
                Some(Ok(_)) => {}
            }
        }
    }
}
