//! What of a provider's words may reach a user.

use secrecy::ExposeSecret;

use super::super::ApiKey;

/// Most characters of a message.
const MOST_CHARACTERS: usize = 500;
/// Most bytes of the provider's words that are looked at.
const MOST_BYTES: usize = 4096;
/// So many characters of a key that stand in a message give it away. Providers like to repeat keys with
/// stars in their middle.
const TELLING_BYTES: usize = 6;

/// The words as one line of at most 500 characters, or none where nothing is left of them, or where they
/// repeat part of the key.
pub(in super::super) fn presentable(words: &str, key: Option<&ApiKey>) -> Option<String> {
    let words = &words[..words.floor_char_boundary(MOST_BYTES)];
    if key.is_some_and(|key| gives_away(words, key.expose_secret())) {
        return None;
    }
    let mut line = String::new();
    let mut count = 0;
    for word in words.split(|c: char| c.is_whitespace() || c.is_control()) {
        for character in separated(&line, word).chain(word.chars().filter(|c| !is_invisible(*c))) {
            if count + 1 == MOST_CHARACTERS {
                line.push('…');
                return Some(line);
            }
            line.push(character);
            count += 1;
        }
    }
    let line = line.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

/// The space before a word that is not the first.
fn separated(line: &str, word: &str) -> impl Iterator<Item = char> + use<> {
    let space = (!line.is_empty() && !line.ends_with(' ') && !word.is_empty()).then_some(' ');
    space.into_iter()
}

/// Characters that turn the direction of others or cannot be seen (Unicode, chapter 23.2).
fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
    )
}

fn gives_away(words: &str, key: &str) -> bool {
    if key.len() <= TELLING_BYTES {
        return !key.is_empty() && words.contains(key);
    }
    key.as_bytes().windows(TELLING_BYTES).any(|part| {
        words.as_bytes().windows(TELLING_BYTES).any(|seen| seen.eq_ignore_ascii_case(part))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(words: &str) -> Option<String> {
        presentable(words, None)
    }

    #[test]
    fn words_become_one_short_line() {
        assert_eq!(plain(" a\r\n\tb\u{0}c \u{1b}[31md ").as_deref(), Some("a b c [31md"));
        assert_eq!(plain("\u{202e}txt.exe\u{200b}").as_deref(), Some("txt.exe"));
        assert_eq!(plain(" \n \u{feff} "), None);
        let long = plain(&"ä".repeat(10_000)).expect("a message");
        assert_eq!(long.chars().count(), 500);
        assert!(long.ends_with('…'));
        assert_eq!(plain(&"x".repeat(499)).map(|line| line.len()), Some(499));
    }

    #[test]
    fn words_that_repeat_the_key_are_dropped() {
        let key = ApiKey::from("sk-proj-0123456789abcdef");
        for words in [
            "bad key sk-proj-0123456789abcdef",
            "Incorrect API key provided: sk-proj-********cdef",
            "got BEARER SK-PROJ-0123",
            "ends with 9abcdef",
        ] {
            assert_eq!(presentable(words, Some(&key)), None, "{words}");
        }
        assert_eq!(presentable("no such model", Some(&key)).as_deref(), Some("no such model"));
        let short = ApiKey::from("abc");
        assert_eq!(presentable("key abc is wrong", Some(&short)), None);
        assert_eq!(presentable("ok", Some(&ApiKey::from(""))).as_deref(), Some("ok"));
    }
}
