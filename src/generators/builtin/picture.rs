//! Reading pictures that users made, within bounds, and writing PNG.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, ImageEncoder, ImageError, ImageReader, Limits,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};
use serde::{Deserialize, Deserializer, de::Error as _};
use serde_json::{Map, Value, json};

use super::{
    super::{Failure, InputArtifact, Output},
    work::message,
};

/// The longest side, in pixels, of a picture that is read or made.
pub(super) const MAX_SIDE: u32 = 12_000;
/// The most pixels of a picture that is read or made.
const MAX_PIXELS: u64 = 64 * 1024 * 1024;
/// The most memory that a decoded picture may take, in bytes.
const MAX_MEMORY: u64 = 256 * 1024 * 1024;

/// A colour that is written `#rrggbb`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Colour(pub(super) [u8; 3]);

impl<'de> Deserialize<'de> for Colour {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        let number = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let [_, red, green, blue] =
            number.ok_or_else(|| D::Error::custom("not a colour"))?.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

/// The schema of a colour parameter.
pub(super) fn colour_schema(what: &str, default: &str) -> Value {
    json!({
        "type": "string",
        "pattern": "^#[0-9a-fA-F]{6}$",
        "default": default,
        "description": format!("{what}, written #rrggbb."),
    })
}

/// The pixels of an image artifact, turned the way its camera says. `name` stands for it in
/// messages.
pub(super) fn decode(artifact: &InputArtifact, name: &str) -> Result<DynamicImage, Failure> {
    let mut reader = ImageReader::new(Cursor::new(&artifact.bytes[..]));
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let explain = |error: ImageError| explain(&error, name);
    let mut decoder = reader
        .with_guessed_format()
        .map_err(ImageError::IoError)
        .and_then(ImageReader::into_decoder)
        .map_err(explain)?;
    let (width, height) = decoder.dimensions();
    check_size(width, height).map_err(|()| too_large(name))?;
    if decoder.total_bytes() > MAX_MEMORY {
        return Err(too_large(name));
    }
    let orientation = decoder.orientation().map_err(explain)?;
    let mut image = DynamicImage::from_decoder(decoder).map_err(explain)?;
    image.apply_orientation(orientation);
    Ok(image)
}

/// Whether a picture of this size may be read or made.
pub(super) fn check_size(width: u32, height: u32) -> Result<(), ()> {
    let fits = width.max(height) <= MAX_SIDE && u64::from(width) * u64::from(height) <= MAX_PIXELS;
    if fits && width > 0 && height > 0 { Ok(()) } else { Err(()) }
}

/// A PNG, with its width and height as metadata. Formats that PNG does not know become 8 bits a
/// channel.
pub(super) fn png(image: DynamicImage) -> Result<Output, Failure> {
    let image = match image {
        DynamicImage::ImageRgb8(_) | DynamicImage::ImageRgba8(_) => image,
        other => eight_bits(other),
    };
    let (width, height) = (image.width(), image.height());
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
        .write_image(image.as_bytes(), width, height, image.color().into())
        .map_err(|_| message("The image could not be written"))?;
    let mut metadata = Map::new();
    metadata.insert("width".to_owned(), width.into());
    metadata.insert("height".to_owned(), height.into());
    Ok(Output { bytes: bytes.into(), metadata })
}

/// The picture as RGB, or RGBA where it has an alpha channel, with 8 bits a channel.
pub(super) fn eight_bits(image: DynamicImage) -> DynamicImage {
    if image.color().has_alpha() { image.into_rgba8().into() } else { image.into_rgb8().into() }
}

fn too_large(name: &str) -> Failure {
    let megapixels = MAX_PIXELS / 1024 / 1024;
    message(format!(
        "{name} is too large: at most {MAX_SIDE} pixels a side and {megapixels} megapixels can be read"
    ))
}

fn explain(error: &ImageError, name: &str) -> Failure {
    match error {
        ImageError::Limits(_) => too_large(name),
        ImageError::Unsupported(_) => message(format!(
            "{name} is of a kind that cannot be read: use PNG, JPEG, WebP, GIF, BMP or TIFF"
        )),
        _ => message(format!("{name} cannot be read: the image is damaged or incomplete")),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::artifact, *};
    use crate::domain::ArtifactType;

    fn failure(bytes: &'static [u8]) -> String {
        let artifact = artifact(ArtifactType::Image, "image/png", bytes);
        decode(&artifact, "image").expect_err("refused").to_string()
    }

    /// The start of a PNG that claims to be this large; no pixel follows.
    fn header(width: u32, height: u32) -> Vec<u8> {
        let mut chunk = b"IHDR".to_vec();
        chunk.extend(width.to_be_bytes());
        chunk.extend(height.to_be_bytes());
        chunk.extend([8, 6, 0, 0, 0]);
        let checksum = crc32(&chunk);
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
        png.extend(chunk);
        png.extend(checksum.to_be_bytes());
        png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e");
        png
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |mut crc, byte| {
            crc ^= u32::from(*byte);
            (0..8).for_each(|_| crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg()));
            crc
        })
    }

    #[test]
    fn pictures_that_would_need_too_much_memory_are_refused_before_they_are_decoded() {
        for (width, height) in [(12_001, 1), (1, 12_001), (11_999, 11_999), (u32::MAX >> 1, 9)] {
            let artifact = artifact(ArtifactType::Image, "image/png", header(width, height));
            let failure = decode(&artifact, "image").expect_err("refused").to_string();
            assert!(failure.contains("too large"), "{width}x{height}: {failure}");
        }
    }

    #[test]
    fn what_is_no_picture_says_so() {
        assert!(failure(b"hello").contains("use PNG"));
        assert!(failure(b"\x89PNG\r\n\x1a\n").contains("damaged"));
    }

    #[test]
    fn colours_are_six_hexadecimal_digits() {
        let colour: Colour = serde_json::from_value(json!("#1aB2ff")).expect("a colour");
        assert_eq!(colour, Colour([0x1a, 0xb2, 0xff]));
        assert!(serde_json::from_value::<Colour>(json!("#12345")).is_err());
    }
}
