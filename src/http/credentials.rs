//! Reading credentials from headers and from a WebSocket's `connectionParams`.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, header};
use serde_json::Value;

use super::request_log::RequestFacts;
use crate::auth::Credentials;

pub(super) const X_TENANT: HeaderName = HeaderName::from_static("x-tenant");

/// The credentials of a request. A value that is not text stands for one that cannot be right.
pub(super) fn from_headers(headers: &HeaderMap, facts: &RequestFacts) -> Credentials {
    let values = |name: &HeaderName| {
        let text =
            |value: &axum::http::HeaderValue| value.to_str().unwrap_or("\u{fffd}").to_owned();
        headers.get_all(name).iter().map(text).collect()
    };
    Credentials {
        authorization: values(&header::AUTHORIZATION),
        tenant: values(&X_TENANT),
        hosts: facts.hosts.to_vec(),
        origin: Arc::clone(&facts.origin),
    }
}

/// The credentials of a WebSocket connection: `connectionParams` as headers would carry them, in
/// any case, at the top or under `headers`. What they leave out, the upgrade request may carry.
pub(super) fn from_connection_params(params: &Value, upgrade: &Credentials) -> Credentials {
    let values = |name: &str| {
        let top = member(params, name);
        top.or_else(|| member(params.get("headers")?, name))
    };
    Credentials {
        authorization: values("authorization").unwrap_or_else(|| upgrade.authorization.clone()),
        tenant: values("x-tenant").unwrap_or_else(|| upgrade.tenant.clone()),
        hosts: upgrade.hosts.clone(),
        origin: Arc::clone(&upgrade.origin),
    }
}

/// All members of that name. Null is as good as absent; anything but text cannot be right.
fn member(params: &Value, name: &str) -> Option<Vec<String>> {
    let found: Vec<String> = params
        .as_object()?
        .iter()
        .filter(|(key, value)| key.eq_ignore_ascii_case(name) && !value.is_null())
        .map(|(_, value)| value.as_str().unwrap_or("\u{fffd}").to_owned())
        .collect();
    (!found.is_empty()).then_some(found)
}
