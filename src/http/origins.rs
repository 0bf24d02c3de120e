//! Which web pages may call: origins as they are configured, or all subdomains of one.

/// Whether an origin (RFC 6454, section 6.2) is one of those listed. `https://*.example.com` stands
/// for every host with one label more than `example.com`.
pub(super) fn is_listed(origin: &str, listed: &[String]) -> bool {
    listed.iter().any(|listed| match listed.split_once("*.") {
        None => origin == listed,
        Some((scheme, parent)) => is_subdomain(origin, scheme, parent).unwrap_or(false),
    })
}

fn is_subdomain(origin: &str, scheme: &str, parent: &str) -> Option<bool> {
    let label = origin.strip_prefix(scheme)?.strip_suffix(parent)?.strip_suffix('.')?;
    let is_one_label = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    Some(!label.is_empty() && is_one_label)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://app.example.com", true)]
    #[case("http://app.example.com", false)]
    #[case("https://acme.boards.example.com", true)]
    #[case("https://a-1.boards.example.com", true)]
    #[case("https://boards.example.com", false)]
    #[case("https://.boards.example.com", false)]
    #[case("https://a.b.boards.example.com", false)]
    #[case("https://evil.example/.boards.example.com", false)]
    #[case("https://evilboards.example.com", false)]
    #[case("https://acme.boards.example.com.evil.example", false)]
    #[case("https://acme.boards.example.com:8443", false)]
    #[case("http://acme.boards.example.com", false)]
    #[case("http://acme.localhost:3033", true)]
    #[case("http://acme.localhost", false)]
    #[case("null", false)]
    fn origins(#[case] origin: &str, #[case] expected: bool) {
        let listed =
            ["https://app.example.com", "https://*.boards.example.com", "http://*.localhost:3033"]
                .map(str::to_owned);
        assert_eq!(is_listed(origin, &listed), expected);
    }
}
