//! Serves GraphiQL, the browser page for trying the API: embedded whole with the `playground`
//! feature, otherwise a page that takes the same pinned files from a CDN. Both come from
//! `playground/` at the top of the repository.

use std::borrow::Cow;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// How long a browser may keep a file: the paths of third-party files contain their version, our own do not.
const CACHE_FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const CACHE_REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

/// The policy of a single file: licence texts and icons are documents too, and nothing in them may run.
const FILE_POLICY: HeaderValue =
    HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");

/// The policy of the page, made once: the page is the same for the life of the process.
static PAGE_POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    // A page with a policy of nothing does not work, a page without a policy is not safe.
    HeaderValue::from_str(&page_policy(&files::page())).unwrap_or(FILE_POLICY)
});

/// A file of the playground: its bytes, and a validator where one is known.
struct File {
    bytes: Cow<'static, [u8]>,
    etag: Option<String>,
}

/// The routes of the playground: the page at `/` and its files below `/playground/`.
pub(crate) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    Router::new().route("/", get(async || page())).route("/playground/{*path}", get(file))
}

/// The page itself, also the answer to a browser that opens `/graphql`.
///
/// Its addresses are relative to the directory of the request's path, so it may be served at any path beside
/// `playground/` and `graphql`.
pub(crate) fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8")),
        (header::CACHE_CONTROL, CACHE_REVALIDATE),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY.clone()),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        // At /graphql the same address answers a program differently.
        (header::VARY, HeaderValue::from_static("accept")),
    ];
    (headers, files::page()).into_response()
}

async fn file(Path(path): Path<String>, request: HeaderMap) -> Response {
    let Some(file) = files::get(&path) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let cache = if path.starts_with("vendor/") { CACHE_FOREVER } else { CACHE_REVALIDATE };
    let mut headers = HeaderMap::new();
    headers.insert(header::CACHE_CONTROL, cache);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Some(etag) = file.etag.as_deref().and_then(|etag| HeaderValue::from_str(etag).ok()) {
        let known = request.get(header::IF_NONE_MATCH) == Some(&etag);
        headers.insert(header::ETAG, etag);
        if known {
            return (StatusCode::NOT_MODIFIED, headers).into_response();
        }
    }
    headers.insert(header::CONTENT_TYPE, content_type(&path));
    headers.insert(header::CONTENT_SECURITY_POLICY, FILE_POLICY);
    (headers, file.bytes).into_response()
}

fn content_type(path: &str) -> HeaderValue {
    HeaderValue::from_static(match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("html") => "text/html; charset=utf-8",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    })
}

/// The Content-Security-Policy of a page: this origin, and exactly those addresses elsewhere that the page names.
///
/// Whole addresses, not the CDN's host: that host serves anybody's script. Inline styles are needed by the editor.
fn page_policy(page: &str) -> String {
    let elsewhere = |suffix: &str| -> String {
        page.split('"')
            .filter(|address| address.starts_with("https://") && address.ends_with(suffix))
            .flat_map(|address| [" ", address])
            .collect()
    };
    format!(
        "default-src 'none'; script-src 'self'{}; style-src 'self' 'unsafe-inline'{}; font-src data:; \
         img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        elsewhere(".js"),
        elsewhere(".css"),
    )
}

/// The bundle that `npm run build` makes, inside the binary.
#[cfg(feature = "playground")]
mod files {
    use std::borrow::Cow;
    use std::fmt::Write as _;

    use rust_embed::RustEmbed;

    use super::File;

    #[derive(RustEmbed)]
    #[folder = "playground/dist"]
    struct Bundle;

    pub(super) fn page() -> Cow<'static, str> {
        Bundle::get("index.html").map_or(Cow::Borrowed(""), |file| match file.data {
            Cow::Borrowed(bytes) => String::from_utf8_lossy(bytes),
            Cow::Owned(bytes) => Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()),
        })
    }

    pub(super) fn get(path: &str) -> Option<File> {
        let file = Bundle::get(path)?;
        let mut etag = String::from("\"");
        for byte in &file.metadata.sha256_hash()[..16] {
            write!(etag, "{byte:02x}").ok()?;
        }
        etag.push('"');
        Some(File { bytes: file.data, etag: Some(etag) })
    }
}

/// The page for a CDN and our own few files, which need no Node to build.
#[cfg(not(feature = "playground"))]
mod files {
    use std::borrow::Cow;

    use super::File;

    pub(super) fn page() -> Cow<'static, str> {
        Cow::Borrowed(include_str!("../../playground/cdn.html"))
    }

    pub(super) fn get(path: &str) -> Option<File> {
        let text = match path {
            "playground.js" => include_str!("../../playground/src/playground.js"),
            "playground.css" => include_str!("../../playground/src/playground.css"),
            "icon.svg" => include_str!("../../playground/src/icon.svg"),
            _ => return None,
        };
        Some(File { bytes: Cow::Borrowed(text.as_bytes()), etag: None })
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{HeaderName, Request};
    use tower::ServiceExt as _;

    use super::*;

    async fn answer(path: &str) -> Response {
        let request = Request::get(path).body(Body::empty()).expect("a request");
        routes::<()>().oneshot(request).await.expect("an answer")
    }

    fn header<'a>(response: &'a Response, name: &HeaderName) -> &'a str {
        response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[tokio::test]
    async fn the_page_allows_no_other_scripts_than_those_it_names() {
        let response = answer("/").await;
        assert_eq!(response.status(), StatusCode::OK);
        let policy = header(&response, &header::CONTENT_SECURITY_POLICY);
        assert!(policy.starts_with("default-src 'none'; script-src 'self'"), "{policy}");
        assert!(policy.ends_with("frame-ancestors 'none'"), "{policy}");
        for source in policy.split([' ', ';']).filter(|source| source.contains("://")) {
            assert!(files::page().contains(source), "{source} is not in the page");
        }
        assert_eq!(policy.contains("https://"), cfg!(not(feature = "playground")));
    }

    #[test]
    fn everything_from_elsewhere_has_its_hash_and_its_place_in_the_policy() {
        let page = include_str!("../../playground/cdn.html");
        let policy = page_policy(page);
        let lines: Vec<_> = page.lines().filter(|line| line.contains("=\"https://")).collect();
        assert_eq!(lines.len(), 5);
        for line in lines {
            assert!(line.contains("integrity=\"sha384-"), "{line}");
            let address =
                line.split('"').find(|part| part.starts_with("https://")).expect("an address");
            assert!(policy.contains(address), "{address}");
        }
    }

    #[tokio::test]
    async fn every_file_of_the_page_is_served_with_its_type() {
        let page = files::page();
        let paths: Vec<_> =
            page.split('"').filter(|part| part.starts_with("playground/")).collect();
        assert!(paths.len() >= 3, "{paths:?}");
        for path in paths {
            let response = answer(&format!("/{path}")).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_ne!(
                header(&response, &header::CONTENT_TYPE),
                "application/octet-stream",
                "{path}"
            );
            assert_eq!(header(&response, &header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        }
    }

    #[tokio::test]
    async fn nothing_beside_the_files_is_served() {
        for path in ["", "missing.js", "..%2Fpackage.json", "%2Fetc%2Fpasswd"] {
            let path = format!("/playground/{path}");
            assert_eq!(answer(&path).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[cfg(feature = "playground")]
    #[tokio::test]
    async fn a_file_that_the_browser_has_is_not_sent_again() {
        let first = answer("/playground/playground.js").await;
        let request = Request::get("/playground/playground.js")
            .header(header::IF_NONE_MATCH, header(&first, &header::ETAG))
            .body(Body::empty())
            .expect("a request");
        let second = routes::<()>().oneshot(request).await.expect("an answer");
        assert_eq!(second.status(), StatusCode::NOT_MODIFIED);
    }
}
