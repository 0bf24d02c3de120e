//! What a token may have been granted (RFC 6749, section 3.3): names of scopes, and sets of them.

use std::{fmt, str::FromStr};

/// A part of what a user may do, which a token can be granted alone. A scope never widens what the
/// user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenScope {
    /// Read boards, their members and the users of the tenant.
    BoardsRead,
    /// Create, change and delete boards.
    BoardsWrite,
    /// Add and remove members of boards and change their roles.
    MembersWrite,
    /// Read generations, their files, tags and the generators.
    GenerationsRead,
    /// Create, upload, cancel and delete generations.
    GenerationsWrite,
    /// Create, change and delete tags, and put them on generations.
    TagsWrite,
    /// Create, list and revoke one's access tokens.
    TokensWrite,
    /// Run the tenant: its people, invitations and audit log. Needs the tenant role ADMIN too.
    TenantAdmin,
    /// Ask what someone may do.
    AccessCheck,
    /// Run the platform: tenants as a whole. Never part of a user's full rights.
    PlatformAdmin,
}

impl TokenScope {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::BoardsRead,
        Self::BoardsWrite,
        Self::MembersWrite,
        Self::GenerationsRead,
        Self::GenerationsWrite,
        Self::TagsWrite,
        Self::TokensWrite,
        Self::TenantAdmin,
        Self::AccessCheck,
        Self::PlatformAdmin,
    ];

    /// Its name in tokens and in the schema.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BoardsRead => "boards:read",
            Self::BoardsWrite => "boards:write",
            Self::MembersWrite => "members:write",
            Self::GenerationsRead => "generations:read",
            Self::GenerationsWrite => "generations:write",
            Self::TagsWrite => "tags:write",
            Self::TokensWrite => "tokens:write",
            Self::TenantAdmin => "tenant:admin",
            Self::AccessCheck => "access:check",
            Self::PlatformAdmin => "platform:admin",
        }
    }

    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for TokenScope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for TokenScope {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name).ok_or(())
    }
}

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TokenScopes(u16);

impl TokenScopes {
    /// What a user may do with a token that is not narrowed: everything but running the platform.
    #[must_use]
    pub fn full_rights() -> Self {
        TokenScope::ALL.into_iter().filter(|scope| *scope != TokenScope::PlatformAdmin).collect()
    }

    /// The known ones among these names; others are for other servers.
    pub fn known<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        names.into_iter().filter_map(|name| name.parse::<TokenScope>().ok()).collect()
    }

    /// Whether the scope is among them.
    #[must_use]
    pub const fn allows(self, scope: TokenScope) -> bool {
        self.0 & scope.bit() != 0
    }

    /// Whether each of them is among the others.
    #[must_use]
    pub const fn is_within(self, others: Self) -> bool {
        self.0 & !others.0 == 0
    }

    /// The same without one.
    #[must_use]
    pub const fn without(self, scope: TokenScope) -> Self {
        Self(self.0 & !scope.bit())
    }

    /// Those in both sets.
    #[must_use]
    pub const fn common_with(self, others: Self) -> Self {
        Self(self.0 & others.0)
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Each of them, in the order of [`TokenScope::ALL`].
    pub fn iter(self) -> impl Iterator<Item = TokenScope> {
        TokenScope::ALL.into_iter().filter(move |scope| self.allows(*scope))
    }
}

impl FromIterator<TokenScope> for TokenScopes {
    fn from_iter<I: IntoIterator<Item = TokenScope>>(scopes: I) -> Self {
        Self(scopes.into_iter().fold(0, |bits, scope| bits | scope.bit()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for scope in TokenScope::ALL {
            assert_eq!(scope.as_str().parse(), Ok(scope));
        }
        for wrong in ["", "boards", "Boards:read", "boards:read ", "boards:*"] {
            assert_eq!(wrong.parse::<TokenScope>(), Err(()), "{wrong}");
        }
    }

    #[test]
    fn full_rights_leave_the_platform_out() {
        let full = TokenScopes::full_rights();
        assert_eq!(full.iter().count(), TokenScope::ALL.len() - 1);
        assert!(!full.allows(TokenScope::PlatformAdmin));
    }

    #[test]
    fn sets_compare() {
        let narrow = TokenScopes::known(["boards:read", "openid", "tags:write"]);
        assert_eq!(
            narrow.iter().collect::<Vec<_>>(),
            [TokenScope::BoardsRead, TokenScope::TagsWrite]
        );
        assert!(narrow.is_within(TokenScopes::full_rights()));
        assert!(!TokenScopes::full_rights().is_within(narrow));
        assert!(TokenScopes::default().is_within(narrow) && TokenScopes::default().is_empty());
        assert!(!narrow.without(TokenScope::TagsWrite).allows(TokenScope::TagsWrite));
    }
}
