//! Links to stored files: who may follow them, what they open, and with which headers.

use std::time::Duration;

use boards::artifacts::LinkSigner;
use chrono::{TimeDelta, Utc};
use reqwest::{Response, header::HeaderMap};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Client, SIGNING_SECRET, TestApp, png, text};

const HOUR: Duration = Duration::from_hours(1);
const DIGITS: &str = "0123456789";

fn signer(secret: &str) -> LinkSigner {
    LinkSigner::new(secret.as_bytes(), HOUR).expect("a signer")
}

/// A link's key, without its signature.
fn key_of(link: &str) -> String {
    let (path, _) = link.split_once('?').expect("signed");
    path.split_once("/api/storage/").expect("a storage link").1.to_owned()
}

/// A text of ten digits on a board of its own; its link.
async fn digits(ada: &Client) -> String {
    let board = ada.board("t", false).await;
    text(&ada.upload(&board, "text", DIGITS.as_bytes().to_vec()).await["storageUrl"])
}

async fn get(link: &str, headers: &[(&str, &str)]) -> Response {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let request = headers
        .iter()
        .fold(client.get(link), |request, (name, value)| request.header(*name, *value));
    request.send().await.expect("an answer")
}

/// A request whose target nobody tidies up on the way.
async fn raw(app: &TestApp, target: &str, more: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(app.address).await.expect("connected");
    let request =
        format!("GET {target} HTTP/1.1\r\nHost: boards\r\nConnection: close\r\n{more}\r\n");
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer)
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().expect("readable"))
}

#[tokio::test]
async fn only_a_signature_of_this_server_for_this_file_opens_it_in_time() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let link = digits(&ada).await;
    let (key, other) = (key_of(&link), key_of(&digits(&ada).await));
    let ours = signer(SIGNING_SECRET);
    let foreign = signer("a third secret that this server has not seen");
    let now = Utc::now();
    let good = ours.sign(&key, now);
    let (expires, signature) = (good.expires(), good.signature());
    let swapped: String = signature.chars().rev().collect();
    let open = async |key: &str, query: String| {
        get(&app.url(&format!("/api/storage/{key}?{query}")), &[]).await
    };
    let response = open(&key, good.to_string()).await;
    assert_eq!(response.status(), 200, "the test signs as the server does");
    assert_eq!(response.text().await.expect("text"), DIGITS);
    for (what, key, query, status) in [
        ("expired", &key, ours.sign(&key, now - TimeDelta::hours(2)).to_string(), 403),
        ("another server's", &key, foreign.sign(&key, now).to_string(), 403),
        ("another file's", &key, ours.sign(&other, now).to_string(), 403),
        ("used for another file", &other, good.to_string(), 403),
        ("prolonged", &key, format!("expires={}&signature={signature}", expires + 1), 403),
        (
            "another spelling of the time",
            &key,
            format!("expires=%2B{expires}&signature={signature}"),
            403,
        ),
        ("no time", &key, format!("expires=&signature={signature}"), 403),
        ("turned round", &key, format!("expires={expires}&signature={swapped}"), 403),
        ("shortened", &key, format!("expires={expires}&signature={}", &signature[..20]), 403),
        ("padded", &key, format!("expires={expires}&signature={signature}="), 403),
        ("empty", &key, format!("expires={expires}&signature="), 403),
        ("without a signature", &key, format!("expires={expires}"), 401),
        ("without a time", &key, format!("signature={signature}"), 401),
        ("without anything", &key, String::new(), 401),
        ("in capitals", &key.to_uppercase(), good.to_string(), 404),
    ] {
        let response = open(key, query).await;
        assert_eq!(response.status(), status, "{what}");
        let body: Value = response.json().await.expect("JSON");
        assert!(body["error"].is_string() && body["detail"].is_string(), "{what}: {body}");
    }
    let twice = format!("expires={expires}&signature={signature}&signature=x");
    assert_ne!(open(&key, twice).await.status(), 200);
    let extension = key.replace(".txt", ".html");
    assert_eq!(open(&extension, ours.sign(&extension, now).to_string()).await.status(), 404);
}

#[tokio::test]
async fn a_token_opens_what_its_user_may_view() {
    let app = TestApp::builder().tenants(&["one", "two"]).start().await;
    let (ada, bob, eve) =
        (app.user_of("one", "ada"), app.user_of("one", "bob"), app.user_of("one", "eve"));
    let (private, public) = (ada.board("t", false).await, ada.board("u", true).await);
    ada.add_member(&private, &bob, "VIEWER").await;
    let anonymous = app.anonymous().with_tenant("one");
    for (board, expected) in
        [(&private, [200, 200, 403, 401, 404]), (&public, [200, 200, 200, 200, 404])]
    {
        let uploaded = ada.upload(board, "image", png(8, 8)).await;
        for link in ["storageUrl", "thumbnailUrl"] {
            let path = format!("/api/storage/{}", key_of(&text(&uploaded[link])));
            let callers = [&ada, &bob, &eve, &anonymous, &app.user_of("two", "ada")];
            for (caller, expected) in callers.into_iter().zip(expected) {
                let status = caller.get(&path).send().await.expect("an answer").status();
                assert_eq!(status, expected, "{path}");
            }
            // The ids in a key are not what is asked: the row names its files.
            let unknown = path.replace("artifact.", "other.").replace("thumbnail.", "other.");
            assert_eq!(ada.get(&unknown).send().await.expect("an answer").status(), 404);
        }
    }
}

#[tokio::test]
async fn no_path_leads_out_of_the_store() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let link = digits(&ada).await;
    let key = key_of(&link);
    let (folder, file) = key.rsplit_once('/').expect("a folder");
    let query = link.split_once('?').expect("signed").1;
    std::fs::write(app.config.data_dir.join("secret.txt"), "the secret").expect("written");
    std::fs::write(app.storage().join("secret.txt"), "the secret").expect("written");
    let token = format!("Authorization: Bearer {}\r\n", ada.token.as_deref().expect("a token"));
    let absolute = app.config.data_dir.join("secret.txt").display().to_string();
    for path in [
        "../secret.txt".to_owned(),
        "secret.txt".to_owned(),
        format!("{folder}/../../../../secret.txt"),
        format!("{folder}/%2e%2e/%2e%2e/%2e%2e/%2e%2e/secret.txt"),
        format!("{folder}/%252e%252e/%252e%252e/secret.txt"),
        format!("{folder}/..%2f..%2f..%2f..%2fsecret.txt"),
        format!(r"{folder}/..\..\..\..\secret.txt"),
        format!("{folder}/..%5c..%5c..%5c..%5csecret.txt"),
        format!("{folder}/./{file}"),
        format!("{folder}//{file}"),
        format!("{folder}/{file}/"),
        format!("{folder}/{file}%00.png"),
        format!("{folder}/%00"),
        format!("/{key}"),
        format!("%2f{key}"),
        absolute.clone(),
        absolute.replace('/', "%2f"),
        format!("file://{absolute}"),
        format!("{folder}/{file}%20"),
        format!("{folder}/%ff"),
        format!("{folder}/."),
        format!("{folder}/.."),
    ] {
        let target = format!("/api/storage/{path}?{query}");
        for more in ["", token.as_str()] {
            let (status, answer) = raw(&app, &target, more).await;
            assert!((400..500).contains(&status), "{target}: {answer}");
            assert!(!answer.contains("the secret") && !answer.contains(DIGITS), "{target}");
        }
    }
    assert_eq!(raw(&app, &format!("/api/storage/{key}?{query}"), "").await.0, 200);
}

#[tokio::test]
async fn there_is_no_listing() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let link = digits(&ada).await;
    let key = key_of(&link);
    let mut folder = key.as_str();
    let mut targets = vec!["/api/storage".to_owned(), "/api/storage/".to_owned()];
    while let Some((above, _)) = folder.rsplit_once('/') {
        folder = above;
        targets.extend([format!("/api/storage/{folder}"), format!("/api/storage/{folder}/")]);
    }
    for target in targets {
        let ours =
            signer(SIGNING_SECRET).sign(target.trim_start_matches("/api/storage/"), Utc::now());
        for path in [target.clone(), format!("{target}?{ours}")] {
            let response = ada.get(&path).send().await.expect("an answer");
            assert_eq!(response.status(), 404, "{path}");
            let body = response.text().await.expect("text");
            assert!(!body.contains("artifact") && !body.contains(".txt"), "{path}: {body}");
        }
    }
}

#[tokio::test]
async fn parts_of_a_file() {
    let app = TestApp::start().await;
    let link = digits(&app.user("ada")).await;
    let tag = header(get(&link, &[]).await.headers(), "etag").to_owned();
    let weak = format!("W/{tag}");
    for (headers, status, content_range, body) in [
        (vec![("Range", "bytes=2-4")], 206, "bytes 2-4/10", "234"),
        (vec![("Range", "bytes=7-")], 206, "bytes 7-9/10", "789"),
        (vec![("Range", "bytes=-3")], 206, "bytes 7-9/10", "789"),
        (vec![("Range", "bytes=0-99")], 206, "bytes 0-9/10", DIGITS),
        (vec![("Range", "bytes=10-")], 416, "bytes */10", ""),
        (vec![("Range", "bytes=-0")], 416, "bytes */10", ""),
        (vec![("Range", "bytes=4-2")], 200, "", DIGITS),
        (vec![("Range", "bytes=0-1,4-5")], 200, "", DIGITS),
        (vec![("Range", "lines=1-2")], 200, "", DIGITS),
        (vec![("Range", "bytes=2-4"), ("If-Range", &tag)], 206, "bytes 2-4/10", "234"),
        (vec![("Range", "bytes=2-4"), ("If-Range", &weak)], 200, "", DIGITS),
        (vec![("Range", "bytes=2-4"), ("If-Range", "\"other\"")], 200, "", DIGITS),
        (vec![("If-None-Match", "\"other\"")], 200, "", DIGITS),
    ] {
        let response = get(&link, &headers).await;
        assert_eq!(response.status(), status, "{headers:?}");
        assert_eq!(header(response.headers(), "content-range"), content_range, "{headers:?}");
        assert_eq!(
            header(response.headers(), "content-length"),
            body.len().to_string(),
            "{headers:?}"
        );
        assert_eq!(response.text().await.expect("text"), body, "{headers:?}");
    }
}

#[tokio::test]
async fn a_copy_that_is_still_good_is_not_sent_again() {
    let app = TestApp::start().await;
    let link = digits(&app.user("ada")).await;
    let first = get(&link, &[]).await;
    let tag = header(first.headers(), "etag").to_owned();
    assert!(tag.starts_with('"') && tag.ends_with('"'), "a strong tag: {tag}");
    assert_eq!(header(first.headers(), "accept-ranges"), "bytes");
    assert!(header(first.headers(), "last-modified").ends_with("GMT"));
    for condition in [tag.clone(), format!("W/{tag}"), format!("\"x\", {tag}"), "*".to_owned()] {
        let response = get(&link, &[("If-None-Match", &condition)]).await;
        assert_eq!(response.status(), 304, "{condition}");
        assert_eq!(header(response.headers(), "etag"), tag);
        assert!(response.bytes().await.expect("bytes").is_empty());
    }
}

#[tokio::test]
async fn head_answers_as_get_without_the_bytes() {
    let app = TestApp::start().await;
    let link = digits(&app.user("ada")).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let got = get(&link, &[]).await;
    let head = client.head(&link).send().await.expect("an answer");
    assert_eq!(head.status(), 200);
    for name in ["content-length", "content-type", "etag", "accept-ranges", "content-disposition"] {
        assert_eq!(header(head.headers(), name), header(got.headers(), name), "{name}");
        assert!(!header(head.headers(), name).is_empty(), "{name}");
    }
    assert!(head.bytes().await.expect("bytes").is_empty());
    let forged = link.replace("signature=", "signature=x");
    assert_eq!(client.head(forged).send().await.expect("an answer").status(), 403);
}

#[tokio::test]
async fn nothing_that_was_uploaded_runs_in_a_browser() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let svg = "<?xml version=\"1.0\"?><svg xmlns=\"http://www.w3.org/2000/svg\"><script>alert(1)</script></svg>";
    let html = "<!doctype html><script>alert(1)</script>";
    for (kind, bytes, content_type) in [
        ("image", svg.as_bytes().to_vec(), "image/svg+xml"),
        ("text", html.as_bytes().to_vec(), "text/plain; charset=utf-8"),
        ("image", png(8, 8), "image/png"),
    ] {
        let link = text(&ada.upload(&board, kind, bytes).await["storageUrl"]);
        for request in [vec![], vec![("Range", "bytes=0-1")]] {
            let response = get(&link, &request).await;
            assert_eq!(header(response.headers(), "content-type"), content_type);
            assert_eq!(header(response.headers(), "x-content-type-options"), "nosniff");
            let policy = header(response.headers(), "content-security-policy");
            let mut directives = policy.split(';').map(str::trim);
            assert!(
                directives.clone().any(|directive| directive == "default-src 'none'"),
                "{policy}"
            );
            assert!(directives.any(|directive| directive == "sandbox"), "{policy}");
            assert!(!policy.contains("script"), "{policy}");
            let stays = header(response.headers(), "cache-control");
            assert!(stays.contains("private"), "{stays}");
        }
    }
}

#[tokio::test]
async fn a_download_has_the_name_that_was_asked_for_and_its_own_extension() {
    let app = TestApp::start().await;
    let link = digits(&app.user("ada")).await;
    for (query, expected) in [
        ("", "inline; filename=\"artifact.txt\""),
        ("&download=false", "inline; filename=\"artifact.txt\""),
        ("&download=true", "attachment; filename=\"artifact.txt\""),
        (
            "&download=true&filename=my%20notes",
            "attachment; filename=\"my notes.txt\"; filename*=UTF-8''my%20notes.txt",
        ),
        (
            "&download=true&filename=notes.txt",
            "attachment; filename=\"notes.txt\"; filename*=UTF-8''notes.txt",
        ),
        (
            "&download=true&filename=run.exe",
            "attachment; filename=\"run.exe.txt\"; filename*=UTF-8''run.exe.txt",
        ),
        (
            "&download=true&filename=%C3%A4%E5%8C%97",
            "attachment; filename=\"__.txt\"; filename*=UTF-8''%C3%A4%E5%8C%97.txt",
        ),
        (
            "&download=true&filename=a%22;%20filename=%22b.exe",
            "attachment; filename=\"a_ filename_b.exe.txt\"; filename*=UTF-8''a%3B%20filename%3Db.exe.txt",
        ),
        (
            "&download=true&filename=a%0d%0aSet-Cookie:%20x=1",
            "attachment; filename=\"aSet-Cookie_ x_1.txt\"; filename*=UTF-8''aSet-Cookie%3A%20x%3D1.txt",
        ),
        (
            "&download=true&filename=..%2F..%5Cetc%00",
            "attachment; filename=\"....etc.txt\"; filename*=UTF-8''....etc.txt",
        ),
    ] {
        let response = get(&format!("{link}{query}"), &[]).await;
        assert_eq!(response.status(), 200, "{query}");
        assert_eq!(header(response.headers(), "content-disposition"), expected, "{query}");
        assert!(response.headers().get("set-cookie").is_none());
    }
    let long = format!("{link}&download=true&filename={}", "n".repeat(5000));
    assert!(header(get(&long, &[]).await.headers(), "content-disposition").len() < 1000);
}

#[tokio::test]
async fn files_go_with_their_generation_and_their_board() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let mut links = Vec::new();
    for _ in 0..3 {
        let uploaded = ada.upload(&board, "image", png(8, 8)).await;
        links.push((
            uploaded["id"].clone(),
            [text(&uploaded["storageUrl"]), text(&uploaded["thumbnailUrl"])],
        ));
    }
    assert_eq!(app.files().len(), 6);
    let gone = async |links: &[String; 2]| {
        for link in links {
            assert_eq!(get(link, &[]).await.status(), 404);
        }
    };
    let delete = "mutation($id: UUID!) { deleteGeneration(id: $id) }";
    ada.data(delete, json!({ "id": links[0].0 })).await;
    assert_eq!(app.files().len(), 4);
    gone(&links[0].1).await;
    assert_eq!(get(&links[1].1[0], &[]).await.status(), 200);
    let delete = "mutation($id: UUID!) { deleteBoard(id: $id) }";
    ada.data(delete, json!({ "id": board })).await;
    assert!(app.files().is_empty());
    gone(&links[1].1).await;
    gone(&links[2].1).await;
}
