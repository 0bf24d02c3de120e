//! Files in a bucket, of a real server that speaks the protocol of S3.

use std::path::Path;

use boards::{
    app::{App, StartError},
    artifacts::{ArtifactStore, CloudAccess, StorageKey},
    config::Config,
    domain::{BoardId, GenerationId, TenantId},
};
use chrono::Utc;
use reqwest::{
    Client as Browser, Method, Response,
    header::{HeaderMap, LOCATION},
    redirect::Policy,
};
use serde_json::json;
use tempfile::TempDir;

use crate::support::{BUCKET, Client, ObjectServer, TestApp, eventually, png, text, upload_form};

/// Longer than what is sent in one piece.
const LONG: usize = 12_000_000;

fn browser() -> Browser {
    Browser::builder().no_proxy().redirect(Policy::none()).build().expect("a client")
}

async fn open(link: &str, headers: &[(&str, &str)]) -> Response {
    let request = headers
        .iter()
        .fold(browser().get(link), |request, (name, value)| request.header(*name, *value));
    request.send().await.expect("an answer")
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().expect("readable"))
}

fn location(response: &Response) -> String {
    header(response.headers(), LOCATION.as_str()).to_owned()
}

fn parameter(address: &str, wanted: &str) -> String {
    let address = reqwest::Url::parse(address).expect("a URL");
    let mut pairs = address.query_pairs();
    pairs.find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned()).expect("there")
}

/// How many seconds the cloud opens an address for.
fn lifetime(address: &str) -> i64 {
    parameter(address, "X-Amz-Expires").parse().expect("seconds")
}

/// And how many a link of ours had left a moment ago, at least.
fn seconds_left(link: &str) -> i64 {
    let end: i64 = parameter(link, "expires").parse().expect("seconds");
    end - Utc::now().timestamp() + 30
}

async fn start(server: &ObjectServer) -> (TestApp, Client, String) {
    let app = TestApp::builder().config(server.use_by()).start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    (app, ada, board)
}

#[tokio::test]
async fn a_picture_is_kept_in_the_bucket_and_a_link_leads_to_it() {
    let server = ObjectServer::start().await;
    let (app, ada, board) = start(&server).await;
    assert_eq!(server.objects(BUCKET).len(), 0, "the trial leaves nothing");
    let bytes = png(8, 8);
    let uploaded = ada.upload(&board, "image", bytes.clone()).await;
    let kept = server.objects(BUCKET);
    assert_eq!(kept.len(), 2, "{kept:?}");
    let tenant = app.tenant_of(&ada).await;
    let prefix = format!("{BUCKET}/files/{tenant}/{board}/");
    assert!(kept.iter().all(|path| path.to_string_lossy().contains(&prefix)), "{kept:?}");

    let link = text(&uploaded["storageUrl"]);
    assert!(link.starts_with(&app.url("/api/storage/")), "lists hold our own links: {link}");
    let led = open(&link, &[]).await;
    assert_eq!(led.status(), 302);
    assert!(header(led.headers(), "cache-control").starts_with("private, max-age="));
    assert_eq!(header(led.headers(), "x-content-type-options"), "nosniff");
    let address = location(&led);
    assert!(address.starts_with(&format!("{}/{BUCKET}/files/", server.endpoint)), "{address}");
    assert!(lifetime(&address) <= seconds_left(&link), "no longer than the link: {address}");
    let whole = open(&address, &[]).await;
    assert_eq!(
        (whole.status().as_u16(), header(whole.headers(), "content-type")),
        (200, "image/png")
    );
    assert_eq!(whole.bytes().await.expect("bytes"), bytes);
    let part = open(&address, &[("Range", "bytes=1-3")]).await;
    assert_eq!((part.status().as_u16(), part.text().await.expect("text").as_str()), (206, "PNG"));
    assert_eq!(open(&address.replace("artifact.png", "thumbnail.webp"), &[]).await.status(), 403);

    let saved = location(&open(&format!("{link}&download=true&filename=sea"), &[]).await);
    assert!(saved.contains("response-content-disposition=attachment"), "{saved}");
    let forged = link.replace("signature=", "signature=x");
    assert_eq!(open(&forged, &[]).await.status(), 403);
}

#[tokio::test]
async fn scripts_tokens_and_head_are_answered_by_this_server() {
    let server = ObjectServer::start().await;
    let (_app, ada, board) = start(&server).await;
    let bytes = png(8, 8);
    let link = text(&ada.upload(&board, "image", bytes.clone()).await["storageUrl"]);
    let token = format!("Bearer {}", ada.token.as_deref().expect("a token"));
    for headers in
        [vec![("Origin", "https://app.example")], vec![("Authorization", token.as_str())]]
    {
        let response = open(&link, &headers).await;
        assert_eq!(response.status(), 200, "{headers:?}");
        assert!(!header(response.headers(), "content-security-policy").is_empty());
        assert_eq!(response.bytes().await.expect("bytes"), bytes);
    }
    let path = link.split_once('?').expect("signed").0.split_once("/api/").expect("a path").1;
    let by_token = ada.get(&format!("/api/{path}")).send().await.expect("an answer");
    assert_eq!(by_token.status(), 200);
    let head = browser().request(Method::HEAD, &link).send().await.expect("an answer");
    assert_eq!(head.status(), 200);
    assert_eq!(header(head.headers(), "content-length"), bytes.len().to_string());
    assert_eq!(header(head.headers(), "accept-ranges"), "bytes");
}

#[tokio::test]
async fn what_could_run_never_leaves_by_the_buckets_own_address() {
    let server = ObjectServer::start().await;
    let (_app, ada, board) = start(&server).await;
    let svg = "<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"></svg>";
    for (kind, content) in [("image", svg), ("text", "<!doctype html><script>alert(1)</script>")] {
        let link = text(&ada.upload(&board, kind, content.into()).await["storageUrl"]);
        for link in [link.clone(), format!("{link}&download=true")] {
            let response = open(&link, &[("Range", "bytes=0-1")]).await;
            assert_eq!(response.status(), 206, "{kind}");
            assert_eq!(header(response.headers(), "x-content-type-options"), "nosniff");
            assert!(header(response.headers(), "content-security-policy").contains("sandbox"));
            assert_eq!(response.text().await.expect("text"), content[..2]);
        }
    }
}

#[tokio::test]
async fn nobody_is_led_on_where_that_is_switched_off() {
    let server = ObjectServer::start().await;
    let app = TestApp::builder()
        .config(server.use_by())
        .config(|config| config.storage_redirect = false)
        .start()
        .await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let link = text(&ada.upload(&board, "image", png(8, 8)).await["storageUrl"]);
    let response = open(&link, &[("Range", "bytes=1-3")]).await;
    assert_eq!(response.status(), 206);
    let tag = header(response.headers(), "etag").to_owned();
    assert_eq!(response.text().await.expect("text"), "PNG");
    assert_eq!(open(&link, &[("If-None-Match", &tag)]).await.status(), 304);
}

#[tokio::test]
async fn what_a_worker_makes_is_kept_there_and_read_from_there() {
    let server = ObjectServer::start().await;
    let app = TestApp::builder().worker().config(server.use_by()).start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let generation = ada.generate(&board, "pattern-image", json!({ "prompt": "a calm sea" })).await;
    let ended = ada.ended(&generation).await;
    assert_eq!(ended["status"], "COMPLETED", "{ended}");
    assert_eq!(server.objects(BUCKET).len(), 2);
    let link = text(&ended["storageUrl"]);
    let address = location(&open(&link, &[]).await);
    let picture = open(&address, &[]).await.bytes().await.expect("bytes");
    image::load_from_memory(&picture).expect("a picture");
}

async fn delete(user: &Client, field: &str, id: &str) {
    let query = format!("mutation($id: UUID!) {{ {field}(id: $id) }}");
    user.data(&query, json!({ "id": id })).await;
}

#[tokio::test]
async fn deletions_reach_every_store() {
    let server = ObjectServer::start().await;
    server.make_bucket("texts");
    let app = TestApp::builder()
        .config(server.use_by())
        .config(|config| {
            config.stores = vec!["texts=s3://texts".parse().expect("a store")];
            config.storage_rules = vec!["text=texts".parse().expect("a rule")];
        })
        .start()
        .await;
    let ada = app.user("ada");
    let count = || (server.objects(BUCKET).len(), server.objects("texts").len());
    let (board, other) = (ada.board("t", false).await, ada.board("u", false).await);
    let picture = ada.upload_png(&board).await;
    let words = ada.upload_text(&board, "words").await;
    ada.upload_png(&board).await;
    ada.upload_text(&other, "more words").await;
    assert_eq!(count(), (4, 2));
    delete(&ada, "deleteGeneration", &picture).await;
    assert_eq!(count(), (2, 2));
    delete(&ada, "deleteGeneration", &words).await;
    assert_eq!(count(), (2, 1));
    delete(&ada, "deleteBoard", &board).await;
    assert_eq!(count(), (0, 1));
    delete(&ada, "deleteBoard", &other).await;
    assert_eq!(count(), (0, 0));
}

#[tokio::test]
async fn rules_may_change_and_files_are_found_where_they_are() {
    let server = ObjectServer::start().await;
    server.make_bucket("acme");
    let with_rules = |rules: &'static [&'static str]| {
        TestApp::builder().tenants(&["acme", "other"]).config(server.use_by()).config(|config| {
            config.stores = vec!["acme=s3://acme/x".parse().expect("a store")];
            config.storage_rules = rules.iter().map(|rule| rule.parse().expect("a rule")).collect();
        })
    };
    let mut app = with_rules(&["tenant:acme/text=acme"]).start().await;
    let (acme, other) = (app.user_of("acme", "ada"), app.user_of("other", "ada"));
    let board = acme.board("t", false).await;
    let stored = acme.upload(&board, "text", b"words".to_vec()).await;
    acme.upload_png(&board).await;
    other.upload_text(&other.board("t", false).await, "other words").await;
    assert_eq!((server.objects("acme").len(), server.objects(BUCKET).len()), (1, 3));
    let link = text(&stored["storageUrl"]);
    assert!(link.contains("/api/storage/acme/"), "{link}");
    app.stop().await;

    let app = TestApp::builder()
        .beside(&app)
        .config(server.use_by())
        .config(|config| {
            config.multi_tenant_mode = true;
            config.stores = vec!["acme=s3://acme/x".parse().expect("a store")];
        })
        .start()
        .await;
    let acme = app.user_of("acme", "ada");
    let query = "query($id: UUID!) { generation(id: $id) { storageUrl } }";
    let found = acme.data(query, json!({ "id": stored["id"] })).await;
    let link = text(&found["generation"]["storageUrl"]);
    assert_eq!(open(&link, &[]).await.text().await.expect("text"), "words");
    let path = link.split_once('?').expect("signed").0;
    let path = &path[path.find("/api/").expect("a path")..];
    assert_eq!(acme.get(path).send().await.expect("an answer").status(), 200);
    let elsewhere = path.replace("/acme/", "/");
    assert_eq!(acme.get(&elsewhere).send().await.expect("an answer").status(), 404);
    acme.upload_text(&board, "more words").await;
    assert_eq!((server.objects("acme").len(), server.objects(BUCKET).len()), (1, 4));
    delete(&acme, "deleteBoard", &board).await;
    assert_eq!((server.objects("acme").len(), server.objects(BUCKET).len()), (0, 1));
}

#[tokio::test]
async fn a_closed_tenants_files_go_from_the_bucket() {
    let server = ObjectServer::start().await;
    let app = TestApp::builder().tenants(&["one", "two"]).config(server.use_by()).start().await;
    for tenant in ["one", "two"] {
        let ada = app.user_of(tenant, "ada");
        ada.upload_text(&ada.board("t", false).await, tenant).await;
    }
    let operator = app.user_with_scope("operator", "platform:admin");
    let gone = operator
        .request(Method::DELETE, "/api/setup/tenants/one")
        .json(&json!({ "confirm": "one" }))
        .send()
        .await
        .expect("an answer");
    assert!(gone.status().is_success(), "{}", gone.text().await.expect("text"));
    eventually("the files go", async || (server.objects(BUCKET).len() == 1).then_some(())).await;
}

#[tokio::test]
async fn a_long_file_comes_in_parts_and_goes_out_as_a_stream() {
    let server = ObjectServer::start().await;
    let (_app, ada, board) = start(&server).await;
    server.take_operations();
    let content: Vec<u8> = (0..LONG).map(|n| b'a' + u8::try_from(n % 26).unwrap_or(0)).collect();
    let link = text(&ada.upload(&board, "text", content.clone()).await["storageUrl"]);
    let operations = server.take_operations();
    let parts = operations.iter().filter(|operation| *operation == "UploadPart").count();
    assert_eq!(parts, 3, "{operations:?}");
    assert_eq!(open(&link, &[]).await.bytes().await.expect("bytes"), content);
    assert_eq!(server.parts(), Vec::<std::path::PathBuf>::new());

    server.refuse_parts();
    let refused = ada.send_form(upload_form(&board, "text", content)).await;
    assert_eq!(refused.status(), 500);
    let body = refused.text().await.expect("text");
    assert!(!body.contains("Access") && !body.contains(BUCKET), "{body}");
    assert!(server.take_operations().contains(&"AbortMultipartUpload".to_owned()));
    assert_eq!(server.parts(), Vec::<std::path::PathBuf>::new());
    assert_eq!(server.objects(BUCKET).len(), 1);
}

#[tokio::test]
async fn what_is_stopped_in_the_middle_leaves_no_parts() {
    let server = ObjectServer::start().await;
    let variables = ObjectServer::variables().into_iter().collect();
    let endpoint = Some(server.endpoint.clone());
    let access = CloudAccess { variables, endpoint, ..CloudAccess::default() };
    let address = format!("s3://{BUCKET}").parse().expect("an address");
    let store = ArtifactStore::open(&address, &access).expect("a store");
    let folder = TempDir::new().expect("a folder");
    let source = folder.path().join("long");
    // Longer than any machine sends before it is stopped.
    std::fs::File::create(&source).and_then(|file| file.set_len(1 << 36)).expect("a file");
    let key = StorageKey::new(TenantId::new(), BoardId::new(), GenerationId::new(), "artifact.zip");
    let key = key.expect("a key");
    let began = eventually("a part is kept", async || (!server.parts().is_empty()).then_some(()));
    tokio::select! {
        ended = store.put_file(&key, &source) => panic!("{ended:?}"),
        () = began => {}
    }
    eventually("it is taken back", async || {
        server.take_operations().contains(&"AbortMultipartUpload".to_owned()).then_some(())
    })
    .await;
    eventually("nothing is left", async || server.parts().is_empty().then_some(())).await;
    assert_eq!(server.objects(BUCKET).len(), 0);
}

/// How a server fails to start whose configuration differs so from one that works.
async fn refusal(server: &ObjectServer, folder: &Path, tweak: impl FnOnce(&mut Config)) -> String {
    let mut config = Config::for_tests(folder);
    server.use_by()(&mut config);
    tweak(&mut config);
    let bound = "127.0.0.1:1".parse().expect("an address");
    match App::start(config, bound).await {
        Err(error @ StartError::Storage { .. }) => error.to_string(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it starts"),
    }
}

#[tokio::test]
async fn a_store_that_cannot_be_used_stops_the_start_and_says_why() {
    let server = ObjectServer::start().await;
    let folder = TempDir::new().expect("a folder");
    let wrong_key =
        [("AWS_ACCESS_KEY_ID", "AKIAMADEUP"), ("AWS_SECRET_ACCESS_KEY", "wr0ng-s3cr3t")];
    let wrong_key = wrong_key.into_iter().collect();
    let message =
        refusal(&server, folder.path(), |config| config.cloud_variables = wrong_key).await;
    for expected in
        ["s3://boards/files", "credentials", "AWS_SECRET_ACCESS_KEY", "BOARDS_STORAGE_URL"]
    {
        assert!(message.contains(expected), "{message}");
    }
    assert!(!message.contains("wr0ng") && !message.contains('\n'), "{message}");

    let message = refusal(&server, folder.path(), |config| {
        config.stores = vec!["more=s3://no-such-bucket".parse().expect("a store")];
    })
    .await;
    assert!(
        message.contains("no such bucket") && message.contains("more in BOARDS_STORES"),
        "{message}"
    );

    // Without keys the machine's own identity is asked for; here nobody answers to that.
    let nobody = [("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")].into_iter().collect();
    let message = refusal(&server, folder.path(), |config| config.cloud_variables = nobody).await;
    assert!(message.contains("AWS_ACCESS_KEY_ID"), "{message}");

    let message = refusal(&server, folder.path(), |config| {
        config.storage_endpoint = Some("http://127.0.0.1:9".to_owned());
    })
    .await;
    assert!(message.contains("BOARDS_STORAGE_ENDPOINT"), "{message}");
}
