//! Handing out the bytes of artifacts, by a signed link or to a caller who may view the board.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::{
    body::Body,
    extract::{Extension, Path, Query, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{HttpState, error::RestError, request_log::RequestFacts};
use crate::{
    artifacts::{
        ArtifactStore, FileFacts, HandOut, Location, MediaType, StorageKey,
        range::{ByteRange, is_not_modified, parse_range, range_applies},
    },
    domain::TokenScope,
    error::Error,
    rate_limit::Points,
    store::Generation,
};

/// Nothing in a file runs, loads or frames anything, whatever the file is: an SVG or HTML that
/// someone uploaded is a picture or a text.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'none'";
const FILENAME_MAX: usize = 150;
/// Nobody is led on to what ends before a slow client is there, or a cloud's clock is ahead of.
const SHORTEST_LEAD: Duration = Duration::from_secs(20);
/// How long a browser may remember where it was led on to.
const LONGEST_CACHED: Duration = Duration::from_mins(5);

#[derive(Deserialize)]
pub(super) struct Parameters {
    expires: Option<String>,
    signature: Option<String>,
    download: Option<String>,
    filename: Option<String>,
}

impl Parameters {
    fn wants_download(&self) -> bool {
        self.download.as_deref().is_some_and(|text| matches!(text, "true" | "1"))
    }
}

/// How a caller was let in.
enum Entrance {
    /// By a link that is valid for so long.
    Link(Duration),
    /// By what its token may see.
    Token,
}

/// GET and HEAD /api/storage/{key}, and /api/storage/{store}/{key} for stores beside the main one.
pub(super) async fn get(
    State(state): State<HttpState>,
    method: Method,
    Extension(facts): Extension<RequestFacts>,
    Path(path): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, RestError> {
    let location: Location = path.parse().map_err(|_| Error::NotFound("File"))?;
    let entrance = authorize(&state, &facts, &location, &parameters, &headers).await?;
    let (store, key) = (state.artifacts.stores().of(&location)?, location.key());
    if let Some(lifetime) = may_lead_on(&method, &headers, &entrance)
        && let Some(response) = lead_on(store, key, &parameters, lifetime).await?
    {
        return Ok(response);
    }
    let file = store.facts(key).await?;
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let mut response_headers = file_headers(key, &file, &parameters)?;
    if is_not_modified(text(header::IF_NONE_MATCH), &file.entity_tag) {
        return Ok((StatusCode::NOT_MODIFIED, response_headers).into_response());
    }
    let applies = range_applies(text(header::IF_RANGE), &file.entity_tag);
    let range = text(header::RANGE).filter(|_| applies);
    let (status, range) = match parse_range(range, file.length) {
        ByteRange::Full => (StatusCode::OK, None),
        ByteRange::Partial(range) => {
            let content_range = format!("bytes {}-{}/{}", range.start, range.end - 1, file.length);
            response_headers.insert(header::CONTENT_RANGE, value(&content_range)?);
            (StatusCode::PARTIAL_CONTENT, Some(range))
        }
        ByteRange::Unsatisfiable => {
            let content_range = value(&format!("bytes */{}", file.length))?;
            let headers = [(header::CONTENT_RANGE, content_range)];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, headers).into_response());
        }
    };
    let stored = store.get(key, range).await?;
    let length = stored.range.end - stored.range.start;
    response_headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok((status, response_headers, Body::from_stream(stored.bytes)).into_response())
}

/// For how long the caller may be led on to an address of the cloud's own, which opens the file for
/// as long as the link would have: none when this server hands the file out itself. That is so for
/// HEAD, since a cloud's signature is for one method; for scripts, since the cloud would not answer
/// with the headers that let a page read it (browsers say so by Origin); and for who comes with a
/// token, which some clients would take along.
fn may_lead_on(method: &Method, headers: &HeaderMap, entrance: &Entrance) -> Option<Duration> {
    let Entrance::Link(lifetime) = entrance else { return None };
    let is_plain = method == Method::GET
        && !headers.contains_key(header::ORIGIN)
        && !headers.contains_key(header::AUTHORIZATION);
    Some(*lifetime).filter(|lifetime| is_plain && *lifetime >= SHORTEST_LEAD)
}

/// The way to the cloud's own address, where there is one that is as good as ours.
async fn lead_on(
    store: &ArtifactStore,
    key: &StorageKey,
    parameters: &Parameters,
    lifetime: Duration,
) -> Result<Option<Response>, Error> {
    let extension = key.extension();
    let disposition = disposition(key, parameters, extension)?;
    let hand_out = HandOut {
        content_type: MediaType::content_type_of(extension),
        disposition: disposition.to_str().map_err(Error::internal)?.to_owned(),
        disposition_matters: parameters.wants_download() || parameters.filename.is_some(),
    };
    let address = match store.presigned(key, lifetime, &hand_out).await {
        Ok(Some(address)) => address,
        Ok(None) => return Ok(None),
        Err(error) => {
            // The file may still be had.
            tracing::warn!(%error, "a cloud's address could not be signed");
            return Ok(None);
        }
    };
    let mut headers = safe_headers();
    headers.insert(header::LOCATION, value(address.as_str())?);
    // What a browser remembers must not outlive the address.
    let seconds = (lifetime / 2).min(LONGEST_CACHED).as_secs();
    headers.insert(header::CACHE_CONTROL, value(&format!("private, max-age={seconds}"))?);
    headers.insert(header::VARY, HeaderValue::from_static("origin, authorization"));
    Ok(Some((StatusCode::FOUND, headers).into_response()))
}

async fn authorize(
    state: &HttpState,
    facts: &RequestFacts,
    location: &Location,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<Entrance, Error> {
    if let (Some(expires), Some(signature)) = (&parameters.expires, &parameters.signature) {
        if state.artifacts.links().verify(location, expires, signature) {
            return Ok(Entrance::Link(time_until(expires)));
        }
        return Err(Error::forbidden("open this link: it is not valid or has expired"));
    }
    let caller = state.authenticate(headers, facts).await?;
    state.charge(facts, Points::FILE)?;
    caller.require_scope(TokenScope::GenerationsRead)?;
    let generation = caller.scope().generation(location.key().generation()).await?;
    // The row decides which files are the generation's, not the ids in the key.
    match generation {
        Some(generation) if names(&generation, location) => Ok(Entrance::Token),
        _ => Err(Error::NotFound("File")),
    }
}

/// How long it is until that second (Unix time).
fn time_until(second: &str) -> Duration {
    let end: u64 = second.parse().unwrap_or_default();
    (UNIX_EPOCH + Duration::from_secs(end)).duration_since(SystemTime::now()).unwrap_or_default()
}

fn names(generation: &Generation, location: &Location) -> bool {
    let stored = location.stored();
    generation.storage_url.as_ref() == Some(&stored)
        || generation.thumbnail_url.as_ref() == Some(&stored)
        || generation
            .additional_files
            .value()
            .as_array()
            .is_some_and(|files| files.iter().any(|file| file["url"] == stored.as_str()))
}

fn file_headers(
    key: &StorageKey,
    file: &FileFacts,
    parameters: &Parameters,
) -> Result<HeaderMap, Error> {
    let modified = file.last_modified.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut headers = safe_headers();
    let content_type = MediaType::content_type_of(key.extension());
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(header::ETAG, value(&file.entity_tag)?);
    headers.insert(header::LAST_MODIFIED, value(&modified)?);
    headers.insert(header::CONTENT_DISPOSITION, disposition(key, parameters, key.extension())?);
    Ok(headers)
}

/// What is said about every file, and about the way to one.
fn safe_headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    let fixed = [
        (header::CACHE_CONTROL, "private, max-age=300"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, text) in fixed {
        headers.insert(name, HeaderValue::from_static(text));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    headers
}

/// RFC 6266: an ASCII name, and the real one in UTF-8 (RFC 8187). The extension is always the
/// file's own, so that a link cannot make an image into a program.
fn disposition(
    key: &StorageKey,
    parameters: &Parameters,
    extension: &str,
) -> Result<HeaderValue, Error> {
    let kind = if parameters.wants_download() { "attachment" } else { "inline" };
    let Some(name) = parameters.filename.as_deref() else {
        return value(&format!("{kind}; filename=\"{}\"", key.file_name()));
    };
    let name: String = name
        .strip_suffix(&format!(".{extension}"))
        .unwrap_or(name)
        .chars()
        .filter(|c| !c.is_control() && !matches!(c, '/' | '\\' | '"'))
        .take(FILENAME_MAX)
        .collect();
    let ascii: String = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || "-_. ".contains(c) { c } else { '_' })
        .collect();
    let encoded: String = url::form_urlencoded::byte_serialize(name.as_bytes())
        .collect::<String>()
        .replace('+', "%20");
    value(&format!(
        "{kind}; filename=\"{ascii}.{extension}\"; filename*=UTF-8''{encoded}.{extension}"
    ))
}

fn value(text: &str) -> Result<HeaderValue, Error> {
    HeaderValue::from_str(text).map_err(Error::internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_reads_by_a_link_that_lasts_is_led_on() {
        let minute = Duration::from_mins(1);
        let link = Entrance::Link(minute);
        let none = HeaderMap::new();
        assert_eq!(may_lead_on(&Method::GET, &none, &link), Some(minute));
        assert_eq!(may_lead_on(&Method::HEAD, &none, &link), None);
        assert_eq!(may_lead_on(&Method::GET, &none, &Entrance::Token), None);
        let ending = Entrance::Link(SHORTEST_LEAD / 2);
        assert_eq!(may_lead_on(&Method::GET, &none, &ending), None);
        for name in [header::ORIGIN, header::AUTHORIZATION] {
            let headers = HeaderMap::from_iter([(name, HeaderValue::from_static("x"))]);
            assert_eq!(may_lead_on(&Method::GET, &headers, &link), None);
        }
    }
}
