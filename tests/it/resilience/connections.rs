//! Connections: many at once, slow ones, idle ones, and no more than there may be.

use std::{io::ErrorKind, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Client, Socket, TestApp, TestAppBuilder};

const REQUEST: &str = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";

const BOUND: Duration = Duration::from_mins(1);

/// A connection that is spoken over by hand.
struct Raw(TcpStream);

impl Raw {
    async fn connect(app: &TestApp) -> Self {
        Self(TcpStream::connect(app.address).await.expect("connected"))
    }

    async fn send(&mut self, text: &str) {
        self.0.write_all(text.as_bytes()).await.expect("sent");
    }

    /// One answer to one request for health.
    async fn answer(&mut self) {
        self.answer_ending_with("{\"status\":\"ok\"}").await;
    }

    async fn answer_ending_with(&mut self, end: &str) {
        let mut answer = Vec::new();
        while !answer.ends_with(end.as_bytes()) {
            let mut bytes = [0; 1024];
            let read = tokio::time::timeout(BOUND, self.0.read(&mut bytes)).await;
            let read = read.expect("in time").expect("readable");
            assert_ne!(read, 0, "{}", String::from_utf8_lossy(&answer));
            answer.extend_from_slice(&bytes[..read]);
        }
    }

    /// Waits until the server has closed the connection.
    async fn ended(&mut self) {
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(BOUND, self.0.read_to_end(&mut rest)).await;
        match ended.expect("in time") {
            Ok(_) => {}
            Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset),
        }
    }

    fn is_silent(&self) -> bool {
        let error = self.0.try_read(&mut [0; 1]).expect_err("nothing to read");
        error.kind() == ErrorKind::WouldBlock
    }
}

#[tokio::test]
async fn headers_that_do_not_end_are_not_waited_for() {
    let app = TestApp::builder()
        .config(|config| config.header_timeout = Duration::from_secs(1))
        .start()
        .await;
    let mut mute = Raw::connect(&app).await;
    let mut slow = Raw::connect(&app).await;
    slow.send("GET /health HTTP/1.1\r\nHost: localhost\r\nX-More: ").await;
    let mut http2 = Raw::connect(&app).await;
    http2.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    // One who is quick is answered, and stays.
    let mut quick = Raw::connect(&app).await;
    quick.send(REQUEST).await;
    quick.answer().await;
    tokio::join!(mute.ended(), slow.ended(), http2.ended());
    quick.send(REQUEST).await;
    quick.answer().await;
}

#[tokio::test]
async fn a_connection_without_requests_ends() {
    let app = TestApp::builder()
        .config(|config| config.keep_alive = Duration::from_secs(1))
        .start()
        .await;
    let ada = app.user("ada");
    let board = ada.board("A board", false).await;
    let mut socket = Socket::open(&ada).await;
    let watch = "subscription($b: UUID!) { boardUpdated(boardId: $b) { title } }";
    socket.start("watch", watch, json!({ "b": board })).await;
    socket.next().await.expect("the board");
    let mut idle = Raw::connect(&app).await;
    idle.send(REQUEST).await;
    idle.answer().await;
    let mut dripping = Raw::connect(&app).await;
    dripping.send(REQUEST).await;
    dripping.answer().await;
    dripping.send("GET /health HTTP/1.1\r\nX-More: ").await;
    tokio::join!(idle.ended(), dripping.ended());
    // A WebSocket is no idle connection.
    let query = "mutation($b: UUID!) { updateBoard(input: { id: $b, title: \"New\" }) { id } }";
    ada.data(query, json!({ "b": board })).await;
    let news = socket.next().await.expect("news");
    assert_eq!(news["payload"]["data"]["boardUpdated"]["title"], "New", "{news}");
}

#[tokio::test]
async fn beyond_the_bound_connections_wait_for_their_turn() {
    let app = TestApp::builder().config(|config| config.max_connections = 2).start().await;
    let mut first = Raw::connect(&app).await;
    first.send(REQUEST).await;
    first.answer().await;
    let second = Socket::open(&app.anonymous()).await;
    let mut third = Raw::connect(&app).await;
    third.send(REQUEST).await;
    for _ in 0..20 {
        first.send(REQUEST).await;
        first.answer().await;
    }
    assert!(third.is_silent());
    // A WebSocket has a place as long as it lives.
    drop(second);
    third.answer().await;
}

/// However slow the machine is: what is counted is answers.
fn patient() -> TestAppBuilder {
    TestApp::builder()
        .config(|config| config.database_wait = Duration::from_mins(5))
        .config(|config| config.request_timeout = Duration::from_mins(5))
        .config(|config| config.header_timeout = Duration::from_mins(5))
}

/// Sends a query over many connections at the same moment; each must have the same answer.
async fn all_at_once(app: &TestApp, user: &Client, query: &str, answer: &Value) {
    let body = json!({ "query": query }).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {}\r\n\
         X-Tenant: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        user.token.as_deref().expect("a token"),
        user.tenant.as_deref().unwrap_or("default"),
        body.len(),
    );
    let mut clients = Vec::new();
    for _ in 0..500 {
        clients.push(Raw::connect(app).await);
    }
    for client in &mut clients {
        client.send(&request).await;
    }
    let expected = json!({ "data": answer }).to_string();
    for client in &mut clients {
        client.answer_ending_with(&expected).await;
    }
}

#[tokio::test]
async fn many_that_connect_at_once_are_all_answered() {
    let app = patient().start().await;
    let ada = app.user("ada");
    let id = ada.id().await;
    all_at_once(&app, &ada, "{ me { id } }", &json!({ "me": { "id": id } })).await;
}

#[tokio::test]
async fn many_that_ask_for_much_at_once_are_all_answered() {
    let app = patient().tenants(&["one", "two"]).start().await;
    let ada = app.user_of("one", "ada");
    let board = ada.board("A board", false).await;
    // Five statements that each waits for at the same time: more than there is room for, if all were
    // let in before any goes on.
    let query = format!(
        "{{ board(id: \"{board}\") {{
            owner {{ boards {{ id }} }}
            members {{ id }} membersConnection {{ totalCount edges {{ cursor }} }}
            generations {{ id }} generationsConnection {{ edges {{ cursor }} }}
        }} }}"
    );
    let answer = json!({ "board": {
        "owner": { "boards": [{ "id": board }] },
        "members": [],
        "membersConnection": { "totalCount": 0, "edges": [] },
        "generations": [],
        "generationsConnection": { "edges": [] },
    } });
    all_at_once(&app, &ada, &query, &answer).await;
}

#[tokio::test]
async fn http_2_is_spoken_too() {
    let app = TestApp::start().await;
    let client = reqwest::Client::builder().no_proxy().http2_prior_knowledge().build();
    let client = client.expect("a client");
    let answers = (0..50).map(|_| {
        let request = client.get(app.url("/health"));
        tokio::spawn(async move { request.send().await.expect("an answer") })
    });
    for answer in answers.collect::<Vec<_>>() {
        let answer = answer.await.expect("an answer");
        assert_eq!((answer.version(), answer.status().as_u16()), (reqwest::Version::HTTP_2, 200));
    }
}

#[tokio::test]
async fn an_id_in_use_ends_the_connection() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("A board", false).await;
    let watch = "subscription($b: UUID!) { boardUpdated(boardId: $b) { title } }";
    let mut socket = Socket::open(&ada).await;
    // One that has ended leaves its id, and so does one that was stopped.
    for _ in 0..2 {
        socket.start("a", "{ __typename }", json!({})).await;
        socket.rest("a").await;
    }
    for _ in 0..2 {
        socket.start("a", watch, json!({ "b": board })).await;
        assert_eq!(socket.next().await.expect("the board")["type"], "next");
        socket.send(json!({ "type": "complete", "id": "a" })).await;
        socket.rest("a").await;
    }
    socket.start("a", watch, json!({ "b": board })).await;
    socket.start("b", watch, json!({ "b": board })).await;
    socket.start("a", "{ __typename }", json!({})).await;
    assert_eq!(socket.close().await, Some((4409, "Subscriber for a already exists".to_owned())));
}
