//! Keys at providers of generators, which a tenant may have of its own.

use secrecy::{ExposeSecret, SecretString};

use super::Validator;

/// The providers that take a key, as generators name them.
pub const KEYED_PROVIDERS: [&str; 4] = ["fal", "replicate", "openai", "kie"];

/// Characters that a key may have at most.
const KEY_MAX: usize = 500;

/// The provider with that name, if it takes a key; others are reported.
pub fn keyed_provider(path: &str, name: &str, validator: &mut Validator) -> &'static str {
    let known = KEYED_PROVIDERS.into_iter().find(|known| *known == name);
    validator.check(known.is_some(), path, || {
        format!("{path} must be one of {}", KEYED_PROVIDERS.join(", "))
    });
    known.unwrap_or_default()
}

/// A key as providers give them out: 1 to 500 visible ASCII characters, spaces around it apart. What is
/// wrong with another is reported without a part of it.
pub fn provider_key(path: &str, key: &SecretString, validator: &mut Validator) -> SecretString {
    let key = key.expose_secret().trim();
    let is_key =
        (1..=KEY_MAX).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    validator.check(is_key, path, || {
        format!("{path} must be 1 to {KEY_MAX} visible ASCII characters without spaces")
    });
    SecretString::from(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_visible_ascii() {
        for (key, is_good) in [
            ("k", true),
            (" sk-proj_A1+/=.:~ \n", true),
            (&*"x".repeat(500), true),
            (&*"x".repeat(501), false),
            ("", false),
            (" ", false),
            ("a b", false),
            ("a\nb", false),
            ("schlüssel", false),
        ] {
            let mut validator = Validator::new();
            let read = provider_key("key", &key.into(), &mut validator);
            assert_eq!(validator.finish().is_ok(), is_good, "{key:?}");
            assert_eq!(read.expose_secret(), key.trim());
        }
    }

    #[test]
    fn providers_are_known_by_name() {
        let mut validator = Validator::new();
        assert!(
            KEYED_PROVIDERS.iter().all(|name| keyed_provider("p", name, &mut validator) == *name)
        );
        validator.finish().expect("all known");
        for name in ["", "Fal", "fal ", "other"] {
            let mut validator = Validator::new();
            keyed_provider("provider", name, &mut validator);
            assert!(validator.finish().is_err(), "{name:?}");
        }
    }
}
