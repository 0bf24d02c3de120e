//! Text as search and addresses need it.

use unicode_normalization::UnicodeNormalization;

/// The form in which text is searched: compatibility-normalised (NFKC) and without case, so that
/// case, width and composition do not matter. By way of the capitals, because some letters have
/// only one form in one of the cases: ß and SS, σ and ς.
#[must_use]
pub fn fold(text: &str) -> String {
    let lower = text.nfkc().flat_map(char::to_lowercase);
    lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfkc().collect()
}

/// A pattern for `LIKE … ESCAPE '\'` that finds `text` anywhere and takes `%` and `_` as letters.
#[must_use]
pub fn like_pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

/// The slug of a name: lower-case ASCII letters, digits and single hyphens, other scripts
/// transliterated. Empty when nothing of the name can be written so.
#[must_use]
pub fn slug_from(name: &str) -> String {
    let mut slug = slug::slugify(name);
    slug.truncate(100);
    slug.trim_end_matches('-').to_owned()
}

/// Whether `slug` may name a tenant: `^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`, at most 255 characters.
#[must_use]
pub fn tenant_slug_is_valid(slug: &str) -> bool {
    let inner = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    let bytes = slug.as_bytes();
    bytes.len() <= 255
        && bytes.first().copied().is_some_and(inner)
        && bytes.last().copied().is_some_and(inner)
        && bytes.iter().all(|&c| inner(c) || c == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_ignores_case_width_and_composition() {
        assert_eq!(fold("ÄPFEL"), fold("a\u{308}pfel"));
        assert_eq!(fold("ＡＢＣ"), "abc");
        assert_eq!((fold("Straße"), fold("STRAẞE")), (fold("STRASSE"), fold("strasse")));
        assert_eq!(fold("Σίσυφος"), fold("ΣΊΣΥΦΟΣ"));
    }

    #[test]
    fn patterns_take_wildcards_as_letters() {
        assert_eq!(like_pattern(r"50%_\"), r"%50\%\_\\%");
    }

    #[test]
    fn slugs_come_from_any_script() {
        assert_eq!(slug_from("  Straße & Café  "), "strasse-cafe");
        assert_eq!(slug_from("北京"), "bei-jing");
        assert_eq!(slug_from("🎉"), "tada");
        assert_eq!(slug_from("---"), "");
    }

    #[test]
    fn tenant_slugs() {
        for good in ["a", "acme", "a-1", "0"] {
            assert!(tenant_slug_is_valid(good), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a_b", "ä"] {
            assert!(!tenant_slug_is_valid(bad), "{bad}");
        }
    }
}
