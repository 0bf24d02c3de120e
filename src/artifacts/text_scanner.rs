//! Judges chunk by chunk whether bytes are text, so that an upload need not be held in memory.

use std::str;

/// Fed with the chunks of a file; tells at the end whether all of it is UTF-8 text without
/// control characters that no text has.
#[derive(Clone, Debug, Default)]
pub(super) struct TextScanner {
    /// The start of a character whose rest is in the next chunk: at most three bytes.
    unfinished: Vec<u8>,
    refused: bool,
}

impl TextScanner {
    /// Reads the next chunk.
    pub(super) fn push(&mut self, chunk: &[u8]) {
        let mut rest = chunk;
        while !self.refused && !self.unfinished.is_empty() {
            let Some((&byte, after)) = rest.split_first() else { return };
            self.unfinished.push(byte);
            rest = after;
            let bytes = std::mem::take(&mut self.unfinished);
            self.read(&bytes);
        }
        if !self.refused {
            self.read(rest);
        }
    }

    /// Whether everything read was text. A character cut off at the end is not.
    pub(super) fn is_text(&self) -> bool {
        !self.refused && self.unfinished.is_empty()
    }

    fn read(&mut self, bytes: &[u8]) {
        match str::from_utf8(bytes) {
            Ok(text) => self.judge(text),
            Err(error) if error.error_len().is_some() => self.refused = true,
            Err(error) => {
                let (complete, unfinished) = bytes.split_at(error.valid_up_to());
                self.unfinished = unfinished.to_vec();
                self.judge(str::from_utf8(complete).unwrap_or_default());
            }
        }
    }

    fn judge(&mut self, text: &str) {
        self.refused |= text.chars().any(is_not_text);
    }
}

/// Control characters other than white space: terminal escapes and NUL are signs of binary data.
/// U+0085 is a line break.
fn is_not_text(character: char) -> bool {
    character.is_control()
        && !matches!(character, '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scan(bytes: &[u8], chunk: usize) -> bool {
        let mut scanner = TextScanner::default();
        bytes.chunks(chunk).for_each(|chunk| scanner.push(chunk));
        scanner.is_text()
    }

    #[test]
    fn text_is_text_however_it_is_cut() {
        let text = "\u{feff}Grüße,\r\n\t北京 🎉 e\u{301}\u{c}\n";
        for chunk in 1..=text.len() {
            assert!(scan(text.as_bytes(), chunk), "{chunk}");
        }
        assert!(scan(b"", 1));
    }

    #[test]
    fn binary_is_not_text_however_it_is_cut() {
        let cases: [&[u8]; 8] = [
            b"a\0b",
            b"a\x1b[31m",
            b"a\x7f",
            "a\u{9b}".as_bytes(),
            b"ok\xff",
            b"\xc3(",
            b"\xed\xa0\x80",
            b"cut \xf0\x9f\x8e",
        ];
        for bytes in cases {
            for chunk in 1..=bytes.len() {
                assert!(!scan(bytes, chunk), "{bytes:?} by {chunk}");
            }
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_whole(bytes: Vec<u8>, text: String, chunk in 1_usize..9) {
            let mixed = [text.as_bytes(), &bytes].concat();
            for input in [text.as_bytes(), &bytes, &mixed] {
                let whole = str::from_utf8(input).is_ok_and(|text| !text.chars().any(is_not_text));
                prop_assert_eq!(scan(input, chunk), whole);
            }
        }
    }
}
