//! Reading a JSON body strictly: small, of the right type, with known members alone.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header},
};
use serde::de::{Deserialize, DeserializeOwned, Deserializer};

use crate::error::{Error, Result};

/// Longest body, in bytes; the routes' layer holds to it.
pub(super) const MAX_BYTES: usize = 64 * 1024;
/// Characters that are repeated of what a parser says, which may quote the body.
const SHOWN_CHARACTERS: usize = 200;

/// Reads the body of a request.
///
/// # Errors
/// [`Error::UnsupportedMedia`] unless it is said to be JSON, [`Error::TooLarge`],
/// [`Error::BadUserInput`] for anything but the members that `T` knows.
pub(super) async fn read<T: DeserializeOwned>(request: Request) -> Result<T> {
    if !is_json(request.headers()) {
        return Err(Error::UnsupportedMedia("Send the body as application/json".to_owned()));
    }
    let bytes = Bytes::from_request(request, &()).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            Error::TooLarge(format!("The body is longer than {MAX_BYTES} bytes"))
        } else {
            Error::bad_input("body", "The body broke off")
        }
    })?;
    // serde would read a list as members without names.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(Error::bad_input("body", "The body must be a JSON object"));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        let said: String = error.to_string().chars().take(SHOWN_CHARACTERS).collect();
        Error::bad_input("body", format!("The body is not what is expected: {said}"))
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok())
    else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or(value).trim();
    essence.eq_ignore_ascii_case("application/json")
}

/// A member that may be left out, but not be null: for `deserialize_with`.
pub(super) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}
