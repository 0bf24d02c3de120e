//! The host that a request asks for, as its client named it.

use axum::{
    extract::Request,
    http::{HeaderName, HeaderValue, header},
};

const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Every host that is named: more than one cannot be right. A trusted proxy's X-Forwarded-Host
/// counts before the request's own, which may be a name inside.
pub(super) fn hosts(request: &Request, from_trusted_proxy: bool) -> Vec<String> {
    let values = |name: HeaderName| -> Vec<String> {
        let items = request.headers().get_all(name).into_iter().flat_map(items);
        items.map(|item| item.trim().to_owned()).collect()
    };
    let forwarded = if from_trusted_proxy { values(X_FORWARDED_HOST) } else { Vec::new() };
    if !forwarded.is_empty() {
        return forwarded;
    }
    // HTTP/2 has `:authority` instead of Host; in HTTP/1.1 a whole URL in the request line goes
    // before it (RFC 9112, section 3.2.2).
    match request.uri().authority() {
        Some(authority) => vec![authority.as_str().to_owned()],
        None => values(header::HOST),
    }
}

/// A value that is not text stands for one that cannot be right.
fn items(value: &HeaderValue) -> impl Iterator<Item = &str> {
    value.to_str().unwrap_or("\u{fffd}").split(',')
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/", &[("host", "a.example")], false, &["a.example"])]
    #[case("/", &[("host", "a.example"), ("x-forwarded-host", "b.example")], false, &["a.example"])]
    #[case("/", &[("host", "a.example"), ("x-forwarded-host", "b.example")], true, &["b.example"])]
    #[case("/", &[("host", "a.example")], true, &["a.example"])]
    #[case("/", &[("x-forwarded-host", "a.example, b.example")], true, &["a.example", "b.example"])]
    #[case("http://c.example/", &[("host", "a.example")], false, &["c.example"])]
    #[case("/", &[("host", "a.example"), ("host", "b.example")], false, &["a.example", "b.example"])]
    #[case("/", &[], true, &[])]
    fn the_clients_host(
        #[case] uri: &str,
        #[case] headers: &[(&str, &str)],
        #[case] from_trusted_proxy: bool,
        #[case] expected: &[&str],
    ) {
        let request = Request::builder().uri(uri);
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        let request = request.body(Body::empty()).expect("a request");
        assert_eq!(hosts(&request, from_trusted_proxy), expected);
    }
}
