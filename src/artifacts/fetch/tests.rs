//! Downloads from servers on loopback, and attempts at reaching what must not be reached.

use std::{
    future::pending,
    net::Ipv4Addr,
    sync::{Arc, Mutex},
};

use rstest::rstest;
use tempfile::TempDir;
use tokio::{
    io::AsyncReadExt,
    net::{TcpListener, TcpStream},
};

use super::*;
use crate::domain::ArtifactType;

/// A server that answers each path with fixed bytes, and notes what it was asked.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// What stands at the end of an answer that is not finished.
    const STALL: &str = "<stall>";

    async fn start(answers: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let requests = Arc::<Mutex<Vec<String>>>::default();
        let notes = Arc::clone(&requests);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                answer(stream, &answers, &notes).await;
            }
        });
        Self { address, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("not poisoned").clone()
    }

    fn fetcher(&self) -> Fetcher {
        Fetcher::allowing_loopback(limits(), &[self.address]).expect("a fetcher")
    }
}

async fn answer(
    mut stream: TcpStream,
    answers: &impl Fn(&str) -> String,
    notes: &Mutex<Vec<String>>,
) {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => request.push(byte),
            Err(_) => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
    notes.lock().expect("not poisoned").push(request);
    let full = answers(&path);
    let answer = full.trim_end_matches(Server::STALL);
    // The client hangs up early when it has seen enough.
    let _ = stream.write_all(answer.as_bytes()).await;
    if answer.len() < full.len() {
        tokio::spawn(async move {
            pending::<()>().await;
            drop(stream);
        });
    }
}

fn limits() -> FetchLimits {
    FetchLimits { max_bytes: 1000, ..FetchLimits::new(1000) }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\ncontent-length: 0\r\nset-cookie: a=b\r\nlocation: {to}\r\n\r\n")
}

async fn refusal(fetcher: &Fetcher, url: &str) -> FetchError {
    match fetcher.fetch(url).await {
        Ok(_) => panic!("{url} was fetched"),
        Err(error) => error,
    }
}

fn text(fetched: &Fetched) -> String {
    std::fs::read_to_string(fetched.file.path()).expect("readable")
}

#[tokio::test]
async fn a_file_is_downloaded_measured_and_judged() {
    let server = Server::start(|_| ok("hello")).await;
    let fetched = server.fetcher().fetch(&server.url("/a")).await.expect("fetched");
    assert_eq!((text(&fetched).as_str(), fetched.length), ("hello", 5));
    assert!(fetched.media.accept_as(ArtifactType::Text).is_ok());
    assert!(fetched.media.accept_as(ArtifactType::Image).is_err());
    let path = fetched.file.path().to_owned();
    drop(fetched);
    assert!(!path.exists());
}

#[rstest]
#[case("http://127.0.0.1:8088/")]
#[case("http://127.0.0.1./")]
#[case("http://127.1/")]
#[case("http://2130706433/")]
#[case("http://0x7f000001/")]
#[case("http://0x7f.1/")]
#[case("http://0177.0.0.1/")]
#[case("http://017700000001/")]
#[case("http://%31%32%37.0.0.1/")]
#[case("http://①②⑦.⓪.⓪.①/")]
#[case("http://127。0。0。1/")]
#[case("http:\\\\127.0.0.1\\a")]
#[case("http:127.0.0.1")]
#[case("http://0/")]
#[case("http://169.254.169.254/latest/meta-data/")]
#[case("http://0xa9fea9fe/")]
#[case("http://10.0.0.1/")]
#[case("https://192.168.1.1/")]
#[case("http://[::1]/")]
#[case("http://[::]/")]
#[case("http://[::ffff:127.0.0.1]/")]
#[case("http://[::ffff:7f00:1]/")]
#[case("http://[64:ff9b::169.254.169.254]/")]
#[case("http://[fd00:ec2::254]/")]
#[tokio::test]
async fn every_spelling_of_an_inside_address_is_refused(#[case] url: &str) {
    let parsed = Url::parse(url).expect("a URL");
    let refused = Rules::default().check_url(&parsed);
    assert!(matches!(refused, Err(FetchError::HostNotPublic)), "without looking anything up");
    let fetcher = Fetcher::new(limits()).expect("a fetcher");
    let error = refusal(&fetcher, url).await;
    assert!(matches!(error, FetchError::HostNotPublic), "{error:?}");
}

#[rstest]
#[case("http://localhost/")]
#[case("http://LOCALHOST.:8088/")]
#[case("http://does-not-exist.invalid/")]
#[tokio::test]
async fn a_name_inside_looks_like_one_that_does_not_exist(#[case] url: &str) {
    let fetcher = Fetcher::new(limits()).expect("a fetcher");
    let error = refusal(&fetcher, url).await;
    assert!(matches!(error, FetchError::HostNotPublic), "{error:?}");
}

#[rstest]
#[case("")]
#[case("/etc/passwd")]
#[case("file:///etc/passwd")]
#[case("ftp://example.com/")]
#[case("gopher://example.com/")]
#[case("data:text/plain,hello")]
#[case("http://")]
#[case("http://user@example.com/")]
#[case("http://user:secret@example.com/")]
#[case("http://:secret@example.com/")]
#[case("http://example.com:22/")]
#[case("http://example.com:0/")]
#[case("https://example.com:25/")]
#[case("http://1.2.3.4.5/")]
#[case("http://256.256.256.256/")]
#[case("http://[fe80::1%25eth0]/")]
#[tokio::test]
async fn other_urls_are_refused_before_anything_is_looked_up(#[case] url: &str) {
    let fetcher = Fetcher::new(limits()).expect("a fetcher");
    assert!(matches!(refusal(&fetcher, url).await, FetchError::Url(_)));
}

#[tokio::test]
async fn a_very_long_url_is_refused() {
    let fetcher = Fetcher::new(limits()).expect("a fetcher");
    let url = format!("http://127.0.0.1/{}", "a".repeat(MAX_URL_BYTES));
    assert!(matches!(refusal(&fetcher, &url).await, FetchError::Url("is too long")));
}

#[tokio::test]
async fn the_seam_opens_one_port_in_digits_and_nothing_else() {
    let server = Server::start(|_| ok("inside")).await;
    let other = Server::start(|_| ok("inside")).await;
    let fetcher = server.fetcher();
    let by_name = format!("http://localhost:{}/", server.address.port());
    for url in [other.url("/"), by_name] {
        assert!(matches!(refusal(&fetcher, &url).await, FetchError::HostNotPublic), "{url}");
    }
    assert!(server.requests().is_empty() && other.requests().is_empty());
    let private = SocketAddr::from(([10, 0, 0, 1], 8080));
    let fetcher = Fetcher::allowing_loopback(limits(), &[private]).expect("a fetcher");
    let error = refusal(&fetcher, "http://10.0.0.1:8080/").await;
    assert!(matches!(error, FetchError::HostNotPublic));
}

#[tokio::test]
async fn redirects_are_judged_like_the_first_url() {
    let inside = Server::start(|_| ok("secret")).await;
    let inside_url = inside.url("/secret");
    let server = Server::start(move |path| {
        redirect(match path {
            "/inside" => &inside_url,
            "/localhost" => "http://localhost:8088/",
            "/metadata" => "http://169.254.169.254/latest/meta-data/",
            "/ftp" => "ftp://127.0.0.1/",
            "/file" => "file:///etc/passwd",
            "/user" => "http://user:password@example.com/",
            _ => "http://[",
        })
    })
    .await;
    let fetcher = server.fetcher();
    for path in ["/inside", "/localhost", "/metadata"] {
        let error = refusal(&fetcher, &server.url(path)).await;
        assert!(matches!(error, FetchError::HostNotPublic), "{path}: {error:?}");
    }
    for path in ["/ftp", "/file", "/user", "/broken"] {
        let error = refusal(&fetcher, &server.url(path)).await;
        assert!(matches!(error, FetchError::Url(_)), "{path}: {error:?}");
    }
    assert!(inside.requests().is_empty(), "nothing inside was ever asked");
}

#[tokio::test]
async fn good_redirects_are_followed_with_nothing_carried_along() {
    let server = Server::start(|path| match path {
        "/start?secret=1" => redirect("/next/../second"),
        "/second" => redirect("third"),
        _ => ok("there"),
    })
    .await;
    let fetched = server.fetcher().fetch(&server.url("/start?secret=1#x")).await.expect("fetched");
    assert_eq!(text(&fetched), "there");
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        let request = request.to_lowercase();
        assert!(!request.contains("cookie:") && !request.contains("referer:"), "{request}");
        assert!(request.contains("accept-encoding: identity\r\n"), "{request}");
    }
}

#[tokio::test]
async fn redirects_end() {
    let server = Server::start(|_| redirect("/again")).await;
    let error = refusal(&server.fetcher(), &server.url("/")).await;
    assert!(matches!(error, FetchError::TooManyRedirects));
    assert_eq!(server.requests().len(), 6);
}

#[test]
fn a_redirect_keeps_https() {
    let from = Url::parse("https://example.com/a").expect("a URL");
    let target = |location| redirect_target(&from, Some(location));
    assert_eq!(target("/b").expect("allowed").as_str(), "https://example.com/b");
    assert_eq!(target("//example.org/b").expect("allowed").as_str(), "https://example.org/b");
    assert!(target("http://example.com/b").is_err());
    assert!(redirect_target(&from, None).is_err());
    let plain = Url::parse("http://example.com/a").expect("a URL");
    assert!(redirect_target(&plain, Some("https://example.com/b")).is_ok());
}

#[tokio::test]
async fn one_bad_address_spoils_a_name() {
    let server = Server::start(|_| ok("inside")).await;
    let public = SocketAddr::from(([93, 184, 215, 14], 0));
    let loopback = SocketAddr::from(([127, 0, 0, 1], server.address.port()));
    let resolve = async |allowed: &[SocketAddr], addresses: &[SocketAddr]| {
        let names = HashMap::from([("mixed.test".to_owned(), addresses.to_vec())]);
        Rules { allowed: allowed.to_vec(), names }.look_up("mixed.test").await
    };
    assert!(resolve(&[], &[public]).await.is_ok());
    assert!(resolve(&[], &[public, loopback]).await.is_err());
    assert!(resolve(&[], &[loopback, public]).await.is_err());
    assert!(resolve(&[], &[]).await.is_err());
    assert!(resolve(&[loopback], &[loopback]).await.is_ok());
}

#[tokio::test]
async fn a_name_is_connected_to_the_address_that_was_checked() {
    let server = Server::start(|_| ok("hello")).await;
    let names = HashMap::from([
        ("good.test".to_owned(), vec![server.address]),
        ("bad.test".to_owned(), vec![SocketAddr::from(([127, 0, 0, 1], 9))]),
    ]);
    let rules = Rules { allowed: vec![server.address], names };
    let fetcher = Fetcher::with_rules(limits(), rules).expect("a fetcher");
    let download = fetcher.fetch("http://GOOD.test/a").await.expect("fetched");
    assert_eq!(text(&download), "hello");
    assert!(server.requests()[0].to_lowercase().contains("host: good.test\r\n"));
    let error = refusal(&fetcher, "http://bad.test/").await;
    assert!(matches!(error, FetchError::HostNotPublic));
}

#[tokio::test]
async fn a_file_that_is_too_long_is_refused_early_and_late() {
    let chunked = |size: usize| {
        let body = "a".repeat(size);
        format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{size:x}\r\n{body}\r\n0\r\n\r\n"
        )
    };
    let server = Server::start(move |path| match path {
        "/announced" => "HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n<stall>".to_owned(),
        "/chunked" => chunked(1001),
        "/until-close" => format!("HTTP/1.1 200 OK\r\n\r\n{}<stall>", "a".repeat(1001)),
        _ => chunked(1000),
    })
    .await;
    let folder = TempDir::new().expect("a folder");
    let fetcher = server.fetcher().in_directory(folder.path());
    for path in ["/announced", "/chunked", "/until-close"] {
        let error = refusal(&fetcher, &server.url(path)).await;
        assert!(matches!(error, FetchError::TooLarge(1000)), "{path}: {error:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
    let download = fetcher.fetch(&server.url("/just-right")).await.expect("fetched");
    assert_eq!(download.length, 1000);
    assert!(download.file.path().starts_with(folder.path()));
}

#[tokio::test]
async fn a_server_that_stalls_is_left() {
    let server = Server::start(|path| match path {
        "/headers" => "HTTP/1.1 200 OK\r\n<stall>".to_owned(),
        _ => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc<stall>".to_owned(),
    })
    .await;
    let folder = TempDir::new().expect("a folder");
    let limits = FetchLimits { total_timeout: Duration::from_millis(200), ..limits() };
    let fetcher = Fetcher::allowing_loopback(limits, &[server.address]).expect("a fetcher");
    let fetcher = fetcher.in_directory(folder.path());
    for path in ["/headers", "/body"] {
        let error = refusal(&fetcher, &server.url(path)).await;
        assert!(matches!(error, FetchError::TimedOut), "{path}: {error:?}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).expect("a folder").count(), 0);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_file() {
    let server =
        Server::start(|_| "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc".to_owned()).await;
    let error = refusal(&server.fetcher(), &server.url("/")).await;
    assert!(matches!(error, FetchError::Unreachable), "{error:?}");
}

#[rstest]
#[case(204)]
#[case(206)]
#[case(300)]
#[case(304)]
#[case(404)]
#[case(500)]
#[tokio::test]
async fn only_200_is_taken(#[case] status: u16) {
    let server =
        Server::start(move |_| format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n")).await;
    let error = refusal(&server.fetcher(), &server.url("/")).await;
    assert!(matches!(error, FetchError::Status(found) if found == status), "{error:?}");
}

#[tokio::test]
async fn nothing_is_decompressed() {
    let server = Server::start(|_| {
        "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc".to_owned()
    })
    .await;
    let fetched = server.fetcher().fetch(&server.url("/")).await.expect("fetched");
    assert_eq!(text(&fetched), "abc");
}

#[tokio::test]
async fn a_failed_connection_tells_no_address() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let closed = listener.local_addr().expect("an address");
    drop(listener);
    let fetcher = Fetcher::allowing_loopback(limits(), &[closed]).expect("a fetcher");
    let error = refusal(&fetcher, &format!("http://{closed}/")).await;
    assert_eq!(error.to_string(), "The URL could not be fetched");
}

#[test]
fn errors_become_input_errors_of_the_argument() {
    let error = FetchError::HostNotPublic.into_error("input.fileUrl");
    assert_eq!(error.code(), "BAD_USER_INPUT");
    assert!(
        matches!(error, Error::BadUserInput { violations, .. } if violations[0].path == "input.fileUrl")
    );
    let error = FetchError::internal("disk full at /srv").into_error("input.fileUrl");
    assert_eq!(error.to_string(), "Internal server error");
}
