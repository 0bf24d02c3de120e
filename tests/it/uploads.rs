//! Uploads: by form and by URL, and all that is refused without a trace.

use std::time::Duration;

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use uuid::Uuid;

use crate::support::{Client, FileServer, TestApp, eventually, png, text, upload_form};

const READ: &str = "query($id: UUID!) { generation(id: $id) {
    status progress artifactType generatorName inputParams outputMetadata storageUrl thumbnailUrl
    startedAt completedAt inputArtifacts { generationId role artifactType } } }";
const FETCH: &str = "mutation($i: UploadArtifactInput!) { uploadArtifact(input: $i) {
    id status artifactType generatorName inputParams storageUrl thumbnailUrl
    inputArtifacts { generationId role } } }";

async fn read(client: &Client, id: &Value) -> Value {
    client.data(READ, json!({ "id": id })).await["generation"].clone()
}

/// The status of a refusal, whose body must be as REST clients expect it.
async fn refusal(client: &Client, form: Form) -> u16 {
    let response = client.send_form(form).await;
    let status = response.status().as_u16();
    let body: Value = response.json().await.expect("JSON");
    assert!(body["error"].is_string() && body["detail"].is_string(), "{body}");
    status
}

async fn is_untouched(app: &TestApp, client: &Client, board: &str) {
    let query = "query($id: UUID!) { board(id: $id) { generationCount } }";
    let found = client.data(query, json!({ "id": board })).await;
    assert_eq!(found["board"]["generationCount"], 0);
    eventually("nothing is left on disk", async || app.files().is_empty().then_some(())).await;
}

#[tokio::test]
async fn the_answer_is_what_front_ends_expect() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let form = Form::new()
        .text("board_id", board.clone())
        .text("artifact_type", "image")
        .text("user_description", " a dot ")
        .text("unknown", "is passed over")
        .part(
            "file",
            Part::bytes(png(8, 6)).file_name("my dot.png").mime_str("text/html").expect("a type"),
        );
    let response = ada.send_form(form).await;
    assert_eq!(response.status().as_u16(), 200);
    let answer: Value = response.json().await.expect("JSON");
    let mut names: Vec<&String> = answer.as_object().expect("an object").keys().collect();
    names.sort_unstable();
    let expected = ["artifactType", "generatorName", "id", "status", "storageUrl", "thumbnailUrl"];
    assert_eq!(names, expected);
    assert_eq!(answer["status"], "completed");
    assert_eq!(answer["artifactType"], "image");
    assert_eq!(answer["generatorName"], "user-upload-image");
    for link in ["storageUrl", "thumbnailUrl"] {
        let link = text(&answer[link]);
        assert!(link.starts_with(&app.url("/api/storage/")), "{link}");
        assert_eq!(ada.follow(&link).await.status(), 200);
    }
    let stored = ada.follow(&text(&answer["storageUrl"])).await;
    assert_eq!(stored.headers()["content-type"], "image/png", "by the bytes");
    assert_eq!(stored.bytes().await.expect("bytes"), png(8, 6));

    let row = read(&ada, &answer["id"]).await;
    assert_eq!((&row["status"], &row["progress"]), (&json!("COMPLETED"), &json!(1.0)));
    assert!(row["startedAt"].is_string() && row["completedAt"].is_string());
    let said = json!({ "original_filename": "my dot.png", "user_description": "a dot" });
    assert_eq!(row["inputParams"], said);
    let facts = &row["outputMetadata"];
    assert_eq!((&facts["width"], &facts["height"]), (&json!(8), &json!(6)));
    assert_eq!(
        (&facts["file_size"], &facts["content_type"]),
        (&json!(png(8, 6).len()), &json!("image/png"))
    );
}

#[tokio::test]
async fn fields_come_in_any_order() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let fields = ["file", "board_id", "artifact_type", "parent_generation_id"];
    for first in 0..fields.len() {
        let mut form = Form::new();
        for offset in 0..fields.len() {
            form = match fields[(first + offset) % fields.len()] {
                "file" => form.part("file", Part::bytes(b"words".to_vec())),
                "board_id" => form.text("board_id", board.clone()),
                "artifact_type" => form.text("artifact_type", "TEXT"),
                name => form.text(name, ""),
            };
        }
        let response = ada.send_form(form).await;
        assert_eq!(response.status(), 200, "{} first", fields[first]);
        let answer: Value = response.json().await.expect("JSON");
        assert_eq!(answer["thumbnailUrl"], Value::Null);
        assert_eq!(read(&ada, &answer["id"]).await["inputParams"], json!({}));
    }
}

#[tokio::test]
async fn forms_that_are_not_complete_are_refused() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let file = || Part::bytes(b"words".to_vec());
    let form = |board: &str, kind: &str| {
        Form::new().text("board_id", board.to_owned()).text("artifact_type", kind.to_owned())
    };
    let too_many = (0..20).fold(Form::new(), |form, n| form.text(format!("f{n}"), "x"));
    for (what, form) in [
        ("nothing", Form::new()),
        ("no file", form(&board, "text")),
        ("no kind", Form::new().text("board_id", board.clone()).part("file", file())),
        ("no board", Form::new().text("artifact_type", "text").part("file", file())),
        ("no such kind", form(&board, "sculpture").part("file", file())),
        ("a board that is no id", form("1", "text").part("file", file())),
        ("two files", form(&board, "text").part("file", file()).part("file", file())),
        (
            "a parent that is no id",
            form(&board, "text").text("parent_generation_id", "x").part("file", file()),
        ),
        (
            "a long field",
            form(&board, "text").text("user_description", "x".repeat(70_000)).part("file", file()),
        ),
        (
            "a long description",
            form(&board, "text").text("user_description", "x".repeat(10_001)).part("file", file()),
        ),
        ("NUL", form(&board, "text").text("user_description", "a\0b").part("file", file())),
        ("too many parts", too_many),
    ] {
        assert_eq!(refusal(&ada, form).await, 400, "{what}");
    }
    let response =
        ada.post("/api/uploads/artifact").json(&json!({ "board_id": board })).send().await;
    assert_eq!(response.expect("an answer").status(), 415);
    let cut_off =
        "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\nhalf";
    let response = ada
        .post("/api/uploads/artifact")
        .header("Content-Type", "multipart/form-data; boundary=x")
        .body(cut_off)
        .send()
        .await;
    assert_eq!(response.expect("an answer").status(), 400);
    is_untouched(&app, &ada, &board).await;
}

#[tokio::test]
async fn who_may_not_add_to_the_board_is_refused_wherever_the_board_stands() {
    let app = TestApp::two_tenants().await;
    let (ada, bob) = (app.user_of("one", "ada"), app.user_of("one", "bob"));
    let eve = app.user_of("one", "eve");
    let stranger = app.user_of("two", "ada");
    let board = ada.board("t", true).await;
    ada.add_member(&board, &bob, "VIEWER").await;
    let anonymous = app.anonymous().with_tenant("one");
    let nothing = Uuid::now_v7().to_string();
    let board_last = |board: &str| {
        Form::new()
            .part("file", Part::bytes(png(8, 8)))
            .text("artifact_type", "image")
            .text("board_id", board.to_owned())
    };
    for (who, client, board, status) in [
        ("no token", &anonymous, &board, 401),
        ("a bad token", &app.anonymous().with_tenant("one").with_token("x"), &board, 401),
        ("a viewer", &bob, &board, 403),
        ("a reader", &eve, &board, 403),
        ("another tenant", &stranger, &board, 404),
        ("no such board", &ada, &nothing, 404),
    ] {
        assert_eq!(refusal(client, upload_form(board, "image", png(8, 8))).await, status, "{who}");
        assert_eq!(refusal(client, board_last(board)).await, status, "{who}, board last");
    }
    is_untouched(&app, &ada, &board).await;
}

#[tokio::test]
async fn the_bytes_decide_what_a_file_is() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let html = b"<!doctype html><html><script>alert(1)</script></html>".to_vec();
    let wav = [b"RIFF\x24\0\0\0WAVEfmt ".as_slice(), &[0; 40]].concat();
    let program = [b"\x7fELF\x02\x01\x01".as_slice(), &[0; 100]].concat();
    let gif_trick = b"GIF89a<script>alert(1)</script>".to_vec();
    for (what, kind, bytes) in [
        ("a PNG as sound", "audio", png(8, 8)),
        ("a PNG as text", "text", png(8, 8)),
        ("HTML as a picture", "image", html.clone()),
        ("HTML that begins like a GIF", "image", gif_trick),
        ("a sound as a picture", "image", wav.clone()),
        ("a program as weights", "model", program),
        ("nothing", "image", Vec::new()),
        ("text that is not UTF-8", "text", vec![0xff, 0xfe, 0x41]),
    ] {
        let form = Form::new().text("board_id", board.clone()).text("artifact_type", kind).part(
            "file",
            Part::bytes(bytes).file_name("f.png").mime_str("image/png").expect("a type"),
        );
        assert_eq!(refusal(&ada, form).await, 415, "{what}");
    }
    is_untouched(&app, &ada, &board).await;
    for (kind, bytes, served) in [
        ("text", html, "text/plain; charset=utf-8"),
        ("audio", wav, "audio/wav"),
        ("image", png(8, 8), "image/png"),
    ] {
        let answer = ada.upload(&board, kind, bytes).await;
        let response = ada.follow(&text(&answer["storageUrl"])).await;
        assert_eq!(response.headers()["content-type"], served);
    }
}

#[tokio::test]
async fn a_file_may_be_as_long_as_the_limit_and_no_longer() {
    let app = TestApp::builder().config(|config| config.max_upload_bytes = 1000).start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    assert_eq!(refusal(&ada, upload_form(&board, "text", vec![b'x'; 1001])).await, 413);
    is_untouched(&app, &ada, &board).await;
    ada.upload(&board, "text", vec![b'x'; 1000]).await;
}

/// The server stops reading long before a client has sent everything.
#[tokio::test]
async fn a_stream_that_is_too_long_is_cut_early() {
    const SENT_AT_MOST: usize = 200 * 1024 * 1024;
    let app = TestApp::builder().config(|config| config.max_upload_bytes = 64 * 1024).start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let head = format!(
        "POST /api/uploads/artifact HTTP/1.1\r\nHost: boards\r\nAuthorization: Bearer {}\r\n\
         Content-Type: multipart/form-data; boundary=x\r\nContent-Length: {SENT_AT_MOST}\r\n\r\n\
         --x\r\nContent-Disposition: form-data; name=\"board_id\"\r\n\r\n{board}\r\n\
         --x\r\nContent-Disposition: form-data; name=\"artifact_type\"\r\n\r\ntext\r\n\
         --x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"f\"\r\n\r\n",
        ada.token.as_deref().expect("a token"),
    );
    let (mut incoming, mut outgoing) =
        TcpStream::connect(app.address).await.expect("connected").into_split();
    outgoing.write_all(head.as_bytes()).await.expect("sent");
    let chunk = vec![b'x'; 64 * 1024];
    let sending = async {
        let mut sent = 0;
        while sent < SENT_AT_MOST && outgoing.write_all(&chunk).await.is_ok() {
            sent += chunk.len();
        }
        sent
    };
    let answer = async {
        let mut answer = vec![0; 4096];
        let length = incoming.read(&mut answer).await.unwrap_or(0);
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    let (sent, said) = tokio::join!(sending, answer);
    assert!(sent < SENT_AT_MOST / 4, "{sent} bytes were taken");
    // The answer may be lost when the connection is reset; if it came, it says why.
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 413"), "{said}");
    is_untouched(&app, &ada, &board).await;
}

#[tokio::test]
async fn a_large_file_arrives_whole() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let mut weights = b"GGUF\x03\0\0\0".to_vec();
    weights.extend((0..30 * 1024 * 1024_u32).map(|n| (n % 251).to_le_bytes()[0]));
    let answer = ada.upload(&board, "model", weights.clone()).await;
    assert_eq!(answer["generatorName"], "user-upload-model");
    let response = ada.follow(&text(&answer["storageUrl"])).await;
    assert_eq!(response.headers()["content-type"], "application/octet-stream");
    assert!(response.bytes().await.expect("bytes") == weights);
    assert_eq!(app.files().len(), 1, "nothing stays in staging");
}

#[tokio::test]
async fn a_parent_is_recorded_when_the_caller_may_see_it() {
    let app = TestApp::start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let board = ada.board("t", false).await;
    let hidden = bob.upload_text(&bob.board("b", false).await, "a secret").await;
    for (parent, status) in [(hidden, 403), (Uuid::now_v7().to_string(), 404)] {
        let form =
            upload_form(&board, "text", b"words".to_vec()).text("parent_generation_id", parent);
        assert_eq!(refusal(&ada, form).await, status);
    }
    let parent = ada.upload_png(&board).await;
    let child = ada.upload_child(&board, &parent).await;
    let inputs = read(&ada, &json!(child)).await["inputArtifacts"].clone();
    assert_eq!(
        inputs,
        json!([{ "generationId": parent, "role": "parent", "artifactType": "IMAGE" }])
    );
}

fn by_url(board: &str, kind: &str, url: &str) -> Value {
    json!({ "i": { "boardId": board, "artifactType": kind, "fileUrl": url } })
}

#[tokio::test]
async fn a_file_is_fetched_by_its_url() {
    let files = FileServer::start().await;
    let app = TestApp::builder().fetch_from(files.address).start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let parent = ada.upload_text(&board, "words").await;
    let input = json!({ "i": {
        "boardId": board, "artifactType": "IMAGE", "fileUrl": files.url("/dot.png"),
        "originalFilename": " dot.png ", "userDescription": "a dot", "parentGenerationId": parent,
    } });
    let made = ada.data(FETCH, input).await["uploadArtifact"].clone();
    assert_eq!(made["status"], "COMPLETED");
    assert_eq!(made["generatorName"], "user-upload-image");
    let said = json!({ "original_filename": "dot.png", "user_description": "a dot" });
    assert_eq!(made["inputParams"], said);
    assert_eq!(made["inputArtifacts"], json!([{ "generationId": parent, "role": "parent" }]));
    for link in ["storageUrl", "thumbnailUrl"] {
        assert_eq!(ada.follow(&text(&made[link])).await.status(), 200);
    }
    let moved = files.url(&format!("/moved?to={}", files.url("/dot.png")));
    ada.data(FETCH, by_url(&board, "IMAGE", &moved)).await;
    // Nothing of the caller's request reaches the other server.
    let made = ada.data(FETCH, by_url(&board, "TEXT", &files.url("/credentials"))).await;
    let response = ada.follow(&text(&made["uploadArtifact"]["storageUrl"])).await;
    assert_eq!(response.text().await.expect("text"), "secret headers: 0");
}

#[tokio::test]
async fn what_cannot_be_fetched_leaves_nothing() {
    let files = FileServer::start().await;
    let app = TestApp::builder()
        .fetch_from(files.address)
        .config(|config| {
            config.max_upload_bytes = 100 * 1024;
            config.fetch_timeout = Duration::from_secs(1);
        })
        .start()
        .await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let again = files.url(&format!("/moved?to={}", files.url("/moved")));
    for path in ["/huge", "/declared", "/slow", "/no-such", "/moved?to=file:///etc/passwd"] {
        let input = by_url(&board, "TEXT", &files.url(path));
        ada.refused_input(FETCH, input, &["input.fileUrl"]).await;
    }
    ada.refused_input(FETCH, by_url(&board, "TEXT", &again), &["input.fileUrl"]).await;
    for (kind, path) in [("IMAGE", "/page.png"), ("AUDIO", "/dot.png"), ("TEXT", "/empty")] {
        let input = by_url(&board, kind, &files.url(path));
        ada.refused_input(FETCH, input, &["input.artifactType"]).await;
    }
    is_untouched(&app, &ada, &board).await;
}

#[tokio::test]
async fn urls_that_lead_inside_are_refused() {
    let (files, inside) = (FileServer::start().await, FileServer::start().await);
    let app = TestApp::builder().fetch_from(files.address).start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let port = inside.address.port();
    let mut urls: Vec<String> = [
        "file:///etc/passwd",
        "ftp://example.com/a.png",
        "gopher://example.com/",
        "data:image/png;base64,AAAA",
        "//example.com/a.png",
        "/etc/passwd",
        "not a URL",
        "",
        "http://",
        "http://user:password@example.com/",
        "http://user@example.com/",
        "http://example.com:22/",
        "http://10.0.0.1/",
        "http://172.16.0.1/",
        "http://192.168.0.1/",
        "http://100.64.0.1/",
        "http://0.0.0.0/",
        "http://255.255.255.255/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/latest/meta-data/",
        "http://[fe80::1]/",
        "http://[::]/",
    ]
    .map(str::to_owned)
    .to_vec();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "127.0.0.2",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "１２７.0.0.1",
    ];
    urls.extend(hosts.map(|host| format!("http://{host}:{port}/dot.png")));
    // A server that may be asked leads to one that may not.
    let redirects =
        ["http://10.0.0.1/", "http://169.254.169.254/", "http://[::1]/", &inside.url("/dot.png")]
            .map(|target| files.url(&format!("/moved?to={target}")));
    urls.extend(redirects);
    for url in &urls {
        let input = by_url(&board, "IMAGE", url);
        ada.refused_input(FETCH, input, &["input.fileUrl"]).await;
    }
    let missing = json!({ "i": { "boardId": board, "artifactType": "IMAGE" } });
    ada.refused_input(FETCH, missing, &["input.fileUrl"]).await;
    assert_eq!(inside.requests(), 0);
    assert_eq!(files.requests(), 4);
    is_untouched(&app, &ada, &board).await;
}
