//! The sides of AVIF and HEIC, whose pixels are not decoded here.

use std::time::Instant;

use serde_json::Value;

use super::{kind::HeifFormat, source::Source};
use crate::domain::JsonObject;

/// What may be read to find the sides, in bytes.
const HEADER_BYTES: u64 = 1024 * 1024;
/// The longest side that is believed, in pixels.
const MAX_SIDE: usize = 65_535;

/// Width and height as the container states them, upright.
pub(super) fn facts(source: &Source, format: HeifFormat, deadline: Instant) -> JsonObject {
    let mut facts = JsonObject::new();
    let size = source.open(deadline, HEADER_BYTES).ok().and_then(|file| {
        let size = imagesize::reader_size(file).ok()?;
        let is_size = |side: usize| (1..=MAX_SIDE).contains(&side);
        (is_size(size.width) && is_size(size.height)).then_some(size)
    });
    if let Some(size) = size {
        facts.insert("width".to_owned(), Value::from(size.width));
        facts.insert("height".to_owned(), Value::from(size.height));
        facts.insert("format".to_owned(), Value::from(format.as_str()));
    }
    facts
}
