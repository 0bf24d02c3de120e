//! Under provider none everyone who reaches the server is the local user, and a browser lets any
//! page reach it: by a form, or by a name that is made to point at 127.0.0.1 (DNS rebinding). So the
//! request must name this machine, and a page that sends something must be one of ours.

use axum::{
    extract::{Request, State},
    http::{HeaderMap, Method, StatusCode, header, uri::Authority},
    middleware::Next,
    response::Response,
};

use super::{HttpState, error::refusal, origins::is_listed};

/// Refuses requests that a foreign page in the user's browser may have made.
pub(super) async fn only_local(
    State(state): State<HttpState>,
    request: Request,
    next: Next,
) -> Response {
    let Some(public_host) = &state.settings.local_only else { return next.run(request).await };
    let headers = request.headers();
    let domain = state.settings.tenant_domain.as_deref();
    if !names_this_machine(headers, public_host, domain) {
        let detail = "Reach this development server as localhost, or set BOARDS_PUBLIC_URL";
        return refusal(StatusCode::FORBIDDEN, "FORBIDDEN", detail);
    }
    let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !reads && !origin_is_allowed(&state, headers) {
        let detail = "Pages of this origin may not send anything; see BOARDS_CORS_ORIGINS";
        return refusal(StatusCode::FORBIDDEN, "FORBIDDEN", detail);
    }
    next.run(request).await
}

/// A request without a Host header comes from no browser. The domain whose subdomains name tenants
/// is the operator's own.
fn names_this_machine(headers: &HeaderMap, public_host: &str, domain: Option<&str>) -> bool {
    let Some(host) = headers.get(header::HOST) else { return true };
    let Some(authority) = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok()) else {
        return false;
    };
    let host = authority.host();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost")
        || host.eq_ignore_ascii_case(public_host)
        || domain.is_some_and(|domain| is_within(host, domain))
        || address.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn is_within(host: &str, domain: &str) -> bool {
    let host = host.to_ascii_lowercase();
    host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// Whether a page may act here: one without an origin is no page, one from the same host is ours,
/// and others are configured.
pub(super) fn origin_is_allowed(state: &HttpState, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let same_host = origin.split_once("://").is_some_and(|(_, authority)| Some(authority) == host);
    same_host || is_listed(origin, &state.settings.cors_origins)
}
