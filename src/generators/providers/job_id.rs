//! Ids that providers give to jobs, before they go into an address.

/// Longest id: what its column holds.
const MOST_BYTES: usize = 255;

/// Whether an id may stand in an address: nothing in it could lead elsewhere, not even once it was
/// decoded by somebody on the way.
pub(super) fn is_job_id(id: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:~".contains(&byte);
    let is_dots = id.bytes().all(|byte| byte == b'.');
    id.len() <= MOST_BYTES && !is_dots && id.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_lead_elsewhere() {
        for right in ["019abc-def", "gm3qorzdhgbfurvjtvhg6dckhu", "veo_task_1:2", "a.b~c"] {
            assert!(is_job_id(right), "{right}");
        }
        for wrong in
            ["", ".", "..", "a/b", "../x", "a%2fb", "a?b", "a#b", "a b", "a\\b", "ä", "a\n"]
        {
            assert!(!is_job_id(wrong), "{wrong:?}");
        }
        assert!(is_job_id(&"a".repeat(255)) && !is_job_id(&"a".repeat(256)));
    }
}
