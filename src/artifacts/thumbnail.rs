//! Small pictures of large ones, and the facts about an image, from bytes that nobody vouches for.

use std::io::{BufRead, Cursor, Seek};

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, metadata::Orientation,
};

/// The longest side of a thumbnail, in pixels.
const THUMBNAIL_SIDE: u32 = 512;

/// The longest side of an image that is decoded, in pixels.
const MAX_SIDE: u32 = 12_000;

/// The most pixels of an image that is decoded.
const MAX_PIXELS: u64 = 64_000_000;

/// The most memory that one image may take while it is decoded, in bytes.
const MAX_MEMORY_BYTES: u64 = 256 * 1024 * 1024;

/// What the header of an image says, after it was turned upright.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageFacts {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// `png`, `jpeg`, `webp` or `gif`.
    pub format: &'static str,
}

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
    /// What it was made from.
    pub original: ImageFacts,
}

/// Why there is no thumbnail. The messages are for the user.
#[derive(Debug, thiserror::Error)]
pub enum ThumbnailError {
    /// It is no image of a format that can be drawn, or it is broken.
    #[error("The image cannot be read: it is damaged or of another format")]
    Unreadable(#[source] ImageError),
    /// It would take too much memory.
    #[error(
        "The image is too large: at most {MAX_SIDE} pixels a side and {} million in all",
        MAX_PIXELS / 1_000_000
    )]
    TooLarge,
}

impl From<ImageError> for ThumbnailError {
    fn from(error: ImageError) -> Self {
        match error {
            ImageError::Limits(_) => Self::TooLarge,
            error => Self::Unreadable(error),
        }
    }
}

/// Draws the thumbnail of an image in memory. It blocks for up to some seconds and takes up to
/// 256 MiB, so call it through `spawn_blocking`, few at a time.
///
/// # Errors
/// [`ThumbnailError`]; a decompression bomb is refused from its header, before any decoding.
pub fn thumbnail(bytes: &[u8]) -> Result<Thumbnail, ThumbnailError> {
    thumbnail_from(Cursor::new(bytes))
}

/// As [`thumbnail()`], from a file (in a `BufReader`).
///
/// # Errors
/// As [`thumbnail()`].
pub(super) fn thumbnail_from(source: impl BufRead + Seek) -> Result<Thumbnail, ThumbnailError> {
    let (decoder, facts, orientation) = open(source)?;
    let image = DynamicImage::from_decoder(decoder)?;
    let mut small = if facts.width.max(facts.height) > THUMBNAIL_SIDE {
        image.thumbnail(THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    } else {
        image
    };
    small.apply_orientation(orientation);
    // The encoder takes eight bits a channel.
    let small: DynamicImage = if small.color().has_alpha() {
        small.into_rgba8().into()
    } else {
        small.into_rgb8().into()
    };
    let mut bytes = Cursor::new(Vec::new());
    small.write_to(&mut bytes, ImageFormat::WebP)?;
    Ok(Thumbnail {
        bytes: bytes.into_inner(),
        content_type: "image/webp",
        extension: "webp",
        width: small.width(),
        height: small.height(),
        original: facts,
    })
}

/// Reads the header of an image. Cheap, whatever the header claims.
///
/// # Errors
/// [`ThumbnailError`], also for an image that is too large to be decoded.
pub fn image_facts(source: impl BufRead + Seek) -> Result<ImageFacts, ThumbnailError> {
    open(source).map(|(_, facts, _)| facts)
}

/// The decoder of an image within the limits; no pixel has been decoded yet.
fn open<'a>(
    source: impl BufRead + Seek + 'a,
) -> Result<(impl ImageDecoder + 'a, ImageFacts, Orientation), ThumbnailError> {
    let mut reader = ImageReader::new(source).with_guessed_format().map_err(ImageError::IoError)?;
    let format = reader.format().map_or("unknown", format_name);
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    limits.max_alloc = Some(MAX_MEMORY_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    // The limits above do not count the picture itself where the decoder is taken by hand.
    if u64::from(width) * u64::from(height) > MAX_PIXELS || decoder.total_bytes() > MAX_MEMORY_BYTES
    {
        return Err(ThumbnailError::TooLarge);
    }
    // A broken EXIF block is no reason to refuse the picture.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let (width, height) = if is_sideways(orientation) { (height, width) } else { (width, height) };
    Ok((decoder, ImageFacts { width, height, format }, orientation))
}

fn is_sideways(orientation: Orientation) -> bool {
    matches!(
        orientation,
        Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH
    )
}

fn format_name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "png",
        ImageFormat::Jpeg => "jpeg",
        ImageFormat::WebP => "webp",
        ImageFormat::Gif => "gif",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{Rgb, RgbImage, Rgba, RgbaImage};
    use rstest::rstest;

    const RED: Rgb<u8> = Rgb([255, 0, 0]);
    const BLUE: Rgb<u8> = Rgb([0, 0, 255]);

    /// Red on the left, blue on the right.
    fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let image = RgbImage::from_fn(width, height, |x, _| if x < width / 2 { RED } else { BLUE });
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).expect("encoded");
        bytes.into_inner()
    }

    /// A JPEG with an EXIF block that holds nothing but the orientation.
    fn turned(jpeg: &[u8], orientation: u8) -> Vec<u8> {
        let mut exif =
            b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        exif.extend_from_slice(&[orientation, 0, 0, 0, 0, 0, 0]);
        [&jpeg[..2], &exif, &jpeg[2..]].concat()
    }

    /// The header of a PNG of this size with almost nothing behind it.
    fn bomb(width: u32, height: u32) -> Vec<u8> {
        let mut png = picture(1, 1, ImageFormat::Png);
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
        png
    }

    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        })
    }

    #[rstest]
    #[case(1024, 512, 512, 256)]
    #[case(300, 2000, 77, 512)]
    #[case(5000, 2, 512, 1)]
    #[case(100, 40, 100, 40)]
    #[case(512, 512, 512, 512)]
    #[case(1, 1, 1, 1)]
    fn sides(#[case] width: u32, #[case] height: u32, #[case] small: u32, #[case] low: u32) {
        let thumbnail = thumbnail(&picture(width, height, ImageFormat::Png)).expect("a thumbnail");
        assert_eq!((thumbnail.width, thumbnail.height), (small, low));
        assert_eq!(thumbnail.original, ImageFacts { width, height, format: "png" });
        let drawn = image::load_from_memory(&thumbnail.bytes).expect("a picture");
        assert_eq!((drawn.width(), drawn.height()), (small, low));
    }

    #[rstest]
    #[case(ImageFormat::Png, "png")]
    #[case(ImageFormat::Jpeg, "jpeg")]
    #[case(ImageFormat::WebP, "webp")]
    #[case(ImageFormat::Gif, "gif")]
    fn formats(#[case] format: ImageFormat, #[case] name: &str) {
        let thumbnail = thumbnail(&picture(600, 600, format)).expect("a thumbnail");
        assert_eq!(thumbnail.original.format, name);
        assert!(thumbnail.bytes.starts_with(b"RIFF"));
    }

    #[test]
    fn transparency_and_sixteen_bits_survive() {
        let clear = RgbaImage::from_pixel(4, 4, Rgba([1, 2, 3, 0]));
        let deep: DynamicImage = DynamicImage::from(clear).into_rgba16().into();
        let mut bytes = Cursor::new(Vec::new());
        deep.write_to(&mut bytes, ImageFormat::Png).expect("encoded");
        let thumbnail = thumbnail(bytes.get_ref()).expect("a thumbnail");
        let drawn = image::load_from_memory(&thumbnail.bytes).expect("a picture").into_rgba8();
        assert_eq!(drawn.get_pixel(0, 0)[3], 0);
    }

    #[test]
    fn a_photograph_is_turned_upright() {
        let jpeg = turned(&picture(800, 400, ImageFormat::Jpeg), 6);
        let thumbnail = thumbnail(&jpeg).expect("a thumbnail");
        assert_eq!((thumbnail.width, thumbnail.height), (256, 512));
        assert_eq!((thumbnail.original.width, thumbnail.original.height), (400, 800));
        let drawn = image::load_from_memory(&thumbnail.bytes).expect("a picture").into_rgb8();
        assert!(drawn.get_pixel(128, 10)[0] > 200, "what was left is on top");
        assert!(drawn.get_pixel(128, 500)[2] > 200, "what was right is below");
    }

    #[rstest]
    #[case(12_001, 1)]
    #[case(1, 12_001)]
    #[case(8_001, 8_000)]
    #[case(u32::MAX >> 1, u32::MAX >> 1)]
    fn bombs_are_refused_from_the_header(#[case] width: u32, #[case] height: u32) {
        let bomb = bomb(width, height);
        assert!(matches!(thumbnail(&bomb), Err(ThumbnailError::TooLarge)));
        assert!(matches!(image_facts(Cursor::new(&bomb)), Err(ThumbnailError::TooLarge)));
    }

    #[test]
    fn the_limits_themselves_are_allowed() {
        let facts = image_facts(Cursor::new(bomb(8_000, 8_000))).expect("within the limits");
        assert_eq!((facts.width, facts.height), (8_000, 8_000));
    }

    #[test]
    fn rubbish_is_unreadable() {
        let png = picture(64, 64, ImageFormat::Png);
        for bytes in [b"".as_slice(), b"hello", b"\x89PNG\r\n\x1a\n", &png[..png.len() / 2]] {
            assert!(matches!(thumbnail(bytes), Err(ThumbnailError::Unreadable(_))));
        }
    }
}
