//! What is counted under: a user, a token or an address, as 128 bits.

use std::net::IpAddr;

use aws_lc_rs::digest::{Context, SHA256};

use crate::domain::UserId;

/// What one bucket belongs to. Keys of different kinds are kept apart by their limiters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(pub(super) u128);

/// Callers whose address is not known share one bucket: no address has these bits.
const UNKNOWN_ADDRESS: u128 = u128::MAX;
/// The half of an IPv6 address that names the network. A household or a machine has at least one
/// whole /64 to choose addresses from (RFC 6177).
const NETWORK: u128 = (u64::MAX as u128) << 64;

impl Key {
    pub(super) fn of_user(user: UserId) -> Self {
        Self(user.0.as_u128())
    }

    pub(super) fn of_token(token: Token) -> Self {
        Self(token.0)
    }

    /// IPv4 by address, IPv6 by /64; an IPv4 address within IPv6 is the same as without.
    pub(super) fn of_address(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => Self(address.to_ipv6_mapped().to_bits()),
            Some(IpAddr::V6(address)) => Self(address.to_bits() & NETWORK),
            None => Self(UNKNOWN_ADDRESS),
        }
    }
}

/// A token that was found good, as far as it must be told from others: nothing leads back to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Token(u128);

impl Token {
    /// Half of the SHA-256 of this process's seed and the token.
    pub(super) fn of(seed: &[u8; 32], token: &str) -> Self {
        let mut context = Context::new(&SHA256);
        context.update(seed);
        context.update(token.as_bytes());
        let mut half = [0; 16];
        half.copy_from_slice(&context.finish().as_ref()[..16]);
        Self(u128::from_be_bytes(half))
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn key(address: &str) -> Key {
        Key::of_address(Some(address.parse().expect("an address")))
    }

    #[rstest]
    #[case("192.0.2.1", "192.0.2.1", true)]
    #[case("192.0.2.1", "192.0.2.2", false)]
    #[case("192.0.2.1", "::ffff:192.0.2.1", true)]
    #[case("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff", true)]
    #[case("2001:db8:1:2::1", "2001:db8:1:3::1", false)]
    #[case("::1", "0.0.0.0", false)]
    #[case("::1", "127.0.0.1", false)]
    fn addresses_that_count_as_one(#[case] one: &str, #[case] other: &str, #[case] same: bool) {
        assert_eq!(key(one) == key(other), same);
    }

    #[test]
    fn no_address_is_no_other_address() {
        let unknown = Key::of_address(None);
        assert_eq!(unknown, Key::of_address(None));
        assert_ne!(unknown, key("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"));
    }

    #[test]
    fn tokens_differ_by_text_and_by_process() {
        let (seed, other) = ([1; 32], [2; 32]);
        assert!(Token::of(&seed, "a") == Token::of(&seed, "a"));
        assert!(Token::of(&seed, "a") != Token::of(&seed, "b"));
        assert!(Token::of(&seed, "a") != Token::of(&other, "a"));
    }
}
