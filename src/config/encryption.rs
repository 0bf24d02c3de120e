//! The keys that secrets are encrypted with.

use base64::{Engine, prelude::BASE64_STANDARD};

/// Bytes of a key of AES-256.
const KEY_BYTES: usize = 32;

/// The keys in a list with commas, each 32 bytes in base64, the newest first; none when one is not that.
#[must_use]
pub fn encryption_keys(list: &str) -> Option<Vec<[u8; KEY_BYTES]>> {
    let key = |text: &str| BASE64_STANDARD.decode(text.trim()).ok()?.try_into().ok();
    list.split(',').map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_32_bytes_in_base64() {
        let key = |byte: u8| BASE64_STANDARD.encode([byte; 32]);
        assert_eq!(encryption_keys(&key(7)), Some(vec![[7; 32]]));
        let two = format!("{}, {}", key(1), key(2));
        assert_eq!(encryption_keys(&two), Some(vec![[1; 32], [2; 32]]));
        let short = BASE64_STANDARD.encode([1; 31]);
        for bad in ["", ",", "secret", &short, &format!("{},", key(1)), &"x".repeat(44)] {
            assert_eq!(encryption_keys(bad), None, "{bad}");
        }
    }
}
