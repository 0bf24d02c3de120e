//! The preview of an image that is decoded here.

use std::time::Instant;

use serde_json::Value;

use super::{
    Preview,
    animation::{self, Animation},
    facts::seconds,
    kind::PictureFormat,
    picture::{ImageFacts, image_facts, thumbnail},
    source::Source,
};
use crate::domain::JsonObject;

/// What may be read of an image, in bytes.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// Its thumbnail and facts. An image that is damaged further on has the facts of its header; one
/// that is too large to be decoded has none.
pub(super) fn still(source: &Source, format: PictureFormat, deadline: Instant) -> Preview {
    let open = || source.open(deadline, MOST_BYTES).ok();
    let Some(file) = open() else { return Preview::default() };
    let (thumbnail, image) = match thumbnail(file) {
        Ok((thumbnail, facts)) => (Some(thumbnail), Some(facts)),
        Err(error) => {
            tracing::debug!(%error, "no thumbnail");
            (None, open().and_then(|file| image_facts(file).ok()))
        }
    };
    let animation = open().and_then(|file| match format {
        PictureFormat::Gif => animation::gif(file),
        PictureFormat::WebP => animation::webp(file),
        PictureFormat::Other => None,
    });
    Preview { thumbnail, facts: image.map(|image| written(image, animation)).unwrap_or_default() }
}

fn written(image: ImageFacts, animation: Option<Animation>) -> JsonObject {
    let mut facts = JsonObject::new();
    facts.insert("width".to_owned(), Value::from(image.width));
    facts.insert("height".to_owned(), Value::from(image.height));
    facts.insert("format".to_owned(), Value::from(image.format));
    if let Some(animation) = animation {
        facts.insert("frames".to_owned(), Value::from(animation.frames));
        if let Some(duration) = seconds(animation.duration.as_secs_f64()) {
            facts.insert("duration".to_owned(), duration);
        }
    }
    facts
}
