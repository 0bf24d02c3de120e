//! Who is at the other end: the peer, or whom trusted reverse proxies name in X-Forwarded-For.

use std::net::{IpAddr, SocketAddr};

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

pub(super) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Whether a peer is one of the trusted proxies.
pub(super) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    trusted.iter().any(|network| network.contains(&address))
}

/// The address of the client. Each proxy adds the address of its own peer at the end of the list, so
/// it is read from the end: as long as an address is a trusted proxy's, the one before it is
/// believed. What cannot be read ends that; so the address is always one that the server itself or
/// a trusted proxy has seen.
pub(super) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let mut client = peer.to_canonical();
    // Several headers are one list (RFC 9110, section 5.3).
    for value in headers.get_all(X_FORWARDED_FOR).iter().rev() {
        let Ok(list) = value.to_str() else { return client };
        for item in list.rsplit(',') {
            if !is_trusted(client, trusted) {
                return client;
            }
            let Some(before) = address(item.trim()) else { return client };
            client = before;
        }
    }
    client
}

/// An address, with or without a port or brackets: proxies write all of these.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = bare.unwrap_or(text).parse::<IpAddr>().ok();
    let address = address.or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip()))?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use rstest::rstest;

    use super::*;

    fn client(peer: &str, lists: &[&[u8]]) -> String {
        let trusted = ["10.0.0.0/8", "192.0.2.9/32", "2001:db8:ffff::/48"];
        let trusted = trusted.map(|network| network.parse().expect("a network"));
        let mut headers = HeaderMap::new();
        for list in lists {
            let value = HeaderValue::from_bytes(list).expect("a header");
            headers.append(X_FORWARDED_FOR, value);
        }
        client_address(peer.parse().expect("an address"), &headers, &trusted).to_string()
    }

    #[rstest]
    #[case::no_header("10.0.0.1", &[], "10.0.0.1")]
    #[case::from_anyone("203.0.113.5", &["198.51.100.1"], "203.0.113.5")]
    #[case::from_a_proxy("10.0.0.1", &["198.51.100.1"], "198.51.100.1")]
    #[case::from_a_mapped_proxy("::ffff:10.0.0.1", &["198.51.100.1"], "198.51.100.1")]
    #[case::the_client_wrote_too("10.0.0.1", &["1.1.1.1, 198.51.100.1"], "198.51.100.1")]
    #[case::two_proxies("10.0.0.1", &["198.51.100.1, 192.0.2.9"], "198.51.100.1")]
    #[case::a_forged_proxy("10.0.0.1", &["1.1.1.1, 10.9.9.9, 198.51.100.1, 10.2.2.2"], "198.51.100.1")]
    #[case::proxies_alone("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3")]
    #[case::several_headers("10.0.0.1", &["198.51.100.1", "10.0.0.2"], "198.51.100.1")]
    #[case::forged_header_first("10.0.0.1", &["1.1.1.1", "198.51.100.1"], "198.51.100.1")]
    #[case::spaces("10.0.0.1", &["  198.51.100.1 ,\t10.0.0.2 "], "198.51.100.1")]
    #[case::malformed("10.0.0.1", &["198.51.100.1, unknown, 10.0.0.2"], "10.0.0.2")]
    #[case::malformed_at_once("10.0.0.1", &["198.51.100.1, <b>"], "10.0.0.1")]
    #[case::malformed_beyond_the_client("10.0.0.1", &["unknown, 198.51.100.1"], "198.51.100.1")]
    #[case::empty("10.0.0.1", &[""], "10.0.0.1")]
    #[case::empty_item("10.0.0.1", &["198.51.100.1,"], "10.0.0.1")]
    #[case::obfuscated("10.0.0.1", &["_hidden"], "10.0.0.1")]
    #[case::with_port("10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1")]
    #[case::ipv6("2001:db8:ffff::1", &["2001:db8::7"], "2001:db8::7")]
    #[case::ipv6_brackets("10.0.0.1", &["[2001:db8::7]"], "2001:db8::7")]
    #[case::ipv6_port("10.0.0.1", &["[2001:db8::7]:443"], "2001:db8::7")]
    #[case::ipv6_zone("10.0.0.1", &["fe80::1%eth0"], "10.0.0.1")]
    #[case::mapped("10.0.0.1", &["::ffff:198.51.100.1"], "198.51.100.1")]
    #[case::mapped_proxy("10.0.0.1", &["198.51.100.1, ::ffff:10.0.0.2"], "198.51.100.1")]
    fn clients(#[case] peer: &str, #[case] lists: &[&str], #[case] expected: &str) {
        let lists: Vec<&[u8]> = lists.iter().map(|list| list.as_bytes()).collect();
        assert_eq!(client(peer, &lists), expected);
    }

    #[test]
    fn bytes_that_are_no_text_end_the_walk() {
        assert_eq!(client("10.0.0.1", &[b"198.51.100.1", b"\xff"]), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &[b"\xff", b"198.51.100.1"]), "198.51.100.1");
    }
}
