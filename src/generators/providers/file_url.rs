//! URLs of files that a provider keeps.

use serde_json::Value;
use url::Url;

/// Longest URL.
const MOST_BYTES: usize = 4096;

/// The URL, where it is one that requests can name.
pub(super) fn file_url(value: &Value) -> Option<String> {
    let text = value.as_str().filter(|text| text.len() <= MOST_BYTES)?;
    let url = Url::parse(text).ok()?;
    let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    is_web.then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_the_web_has() {
        assert!(file_url(&json!("https://v3.fal.media/files/a.png")).is_some());
        assert!(file_url(&json!("http://127.0.0.1:9/a.png")).is_some());
        for wrong in [json!("file:///etc/passwd"), json!("data:,x"), json!("a.png"), json!(1)] {
            assert_eq!(file_url(&wrong), None, "{wrong}");
        }
        assert_eq!(file_url(&json!(format!("https://a.example/{}", "a".repeat(5000)))), None);
    }
}
