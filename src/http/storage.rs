//! Handing out the bytes of artifacts, by a signed link or to a caller who may view the board.

use axum::{
    body::Body,
    extract::{Extension, Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;

use super::{HttpState, error::RestError, request_log::RequestFacts};
use crate::{
    artifacts::{
        FileFacts, Links, MediaType, StorageKey,
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

#[derive(Deserialize)]
pub(super) struct Parameters {
    expires: Option<String>,
    signature: Option<String>,
    download: Option<String>,
    filename: Option<String>,
}

/// GET and HEAD /api/storage/{key}.
pub(super) async fn get(
    State(state): State<HttpState>,
    Extension(facts): Extension<RequestFacts>,
    Path(key): Path<String>,
    Query(parameters): Query<Parameters>,
    headers: HeaderMap,
) -> Result<Response, RestError> {
    let key: StorageKey = key.parse().map_err(|_| Error::NotFound("File"))?;
    authorize(&state, &facts, &key, &parameters, &headers).await?;
    let store = state.artifacts.store();
    let file = store.facts(&key).await?;
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let mut response_headers = file_headers(&key, &file, &parameters)?;
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
    let stored = store.get(&key, range).await?;
    let length = stored.range.end - stored.range.start;
    response_headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    Ok((status, response_headers, Body::from_stream(stored.bytes)).into_response())
}

async fn authorize(
    state: &HttpState,
    facts: &RequestFacts,
    key: &StorageKey,
    parameters: &Parameters,
    headers: &HeaderMap,
) -> Result<(), Error> {
    if let (Some(expires), Some(signature)) = (&parameters.expires, &parameters.signature) {
        if state.artifacts.links().verify(key, expires, signature) {
            return Ok(());
        }
        return Err(Error::forbidden("open this link: it is not valid or has expired"));
    }
    let caller = state.authenticate(headers, facts).await?;
    state.charge(facts, Points::FILE)?;
    caller.require_scope(TokenScope::GenerationsRead)?;
    let generation = caller.scope().generation(key.generation()).await?;
    // The row decides which files are the generation's, not the ids in the key.
    match generation {
        Some(generation) if names(&generation, key) => Ok(()),
        _ => Err(Error::NotFound("File")),
    }
}

fn names(generation: &Generation, key: &StorageKey) -> bool {
    let stored = Links::stored(key);
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
    let (_, extension) = key.file_name().rsplit_once('.').unwrap_or((key.file_name(), ""));
    let modified = file.last_modified.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
    let mut headers = HeaderMap::new();
    let fixed = [
        (header::CONTENT_TYPE, MediaType::content_type_of(extension)),
        (header::ACCEPT_RANGES, "bytes"),
        (header::CACHE_CONTROL, "private, max-age=300"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, text) in fixed {
        headers.insert(name, HeaderValue::from_static(text));
    }
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("cross-origin"));
    headers.insert(header::ETAG, value(&file.entity_tag)?);
    headers.insert(header::LAST_MODIFIED, value(&modified)?);
    headers.insert(header::CONTENT_DISPOSITION, disposition(key, parameters, extension)?);
    Ok(headers)
}

/// RFC 6266: an ASCII name, and the real one in UTF-8 (RFC 8187). The extension is always the
/// file's own, so that a link cannot make an image into a program.
fn disposition(
    key: &StorageKey,
    parameters: &Parameters,
    extension: &str,
) -> Result<HeaderValue, Error> {
    let wants = parameters.download.as_deref().is_some_and(|text| matches!(text, "true" | "1"));
    let kind = if wants { "attachment" } else { "inline" };
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
