//! The small picture that stands for an artifact.

use std::io::Cursor;

use image::{DynamicImage, ImageFormat, ImageResult};

/// The longest side of a thumbnail, in pixels.
pub(super) const THUMBNAIL_SIDE: u32 = 512;

/// A small picture. Its sides are at most 512 pixels, and never longer than the original's.
#[derive(Clone, Debug)]
pub struct Thumbnail {
    /// The encoded picture, without any metadata of the original.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub content_type: &'static str,
    /// Its file name extension, without a dot.
    pub extension: &'static str,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
}

impl Thumbnail {
    /// Encodes a picture that is small already. Only its pixels are written: no metadata comes along.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub(super) fn encode(small: DynamicImage) -> ImageResult<Self> {
        // The encoder takes eight bits a channel.
        let small: DynamicImage = if small.color().has_alpha() {
            small.into_rgba8().into()
        } else {
            small.into_rgb8().into()
        };
        let mut bytes = Cursor::new(Vec::new());
        small.write_to(&mut bytes, ImageFormat::WebP)?;
        Ok(Self {
            bytes: bytes.into_inner(),
            content_type: "image/webp",
            extension: "webp",
            width: small.width(),
            height: small.height(),
        })
    }
}
