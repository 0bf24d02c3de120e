//! Email addresses as they are compared.

use std::fmt;

/// Most characters of an address: what the columns hold.
const MAX_CHARACTERS: usize = 255;

/// An address with its ASCII letters in lower case, in the domain (RFC 4343) and, by decision, in
/// the local part too: nobody is told apart by case, and no invitation misses its guest for it.
/// `Debug` hides it, since it is personal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

impl EmailAddress {
    /// Reads one address; none where the text is anything else, a name with an address included.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        is_address(text).then(|| Self(text.to_ascii_lowercase()))
    }

    /// The folded address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for EmailAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("EmailAddress(…)")
    }
}

/// One `@` only: a quoted local part may hold a second one, and then two readers could see two
/// domains, of which one may be in a tenant's list.
fn is_address(text: &str) -> bool {
    let is_foreign =
        |c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | ',' | '<' | '>');
    text.chars().count() <= MAX_CHARACTERS
        && !text.contains(is_foreign)
        && text.split_once('@').is_some_and(|(local, domain)| {
            !local.is_empty() && !domain.is_empty() && !domain.contains('@')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_and_nothing_else() {
        let read = |text| EmailAddress::parse(text).expect("an address");
        assert_eq!(read("Ada@Example.COM"), read("ada@example.com"));
        assert_eq!(read("Ä@x.example").as_str(), "Ä@x.example");
        assert_ne!(read("\u{212a}@x.example"), read("k@x.example"), "the Kelvin sign is no k");
        assert_ne!(read("a.da@example.com"), read("ada@example.com"));
    }

    #[test]
    fn what_is_no_address() {
        let long = format!("{}@b.example", "a".repeat(250));
        for text in ["", "ada", "@b", "a@", "a@b@c", "Ada <a@b>", "a@b,c", "a @b", "a@b\0", &long] {
            assert_eq!(EmailAddress::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn debug_hides_it() {
        let address = EmailAddress::parse("ada@example.com");
        assert!(!format!("{address:?}").contains("ada"));
    }
}
