//! Small pictures of large ones, and the facts about an image, from bytes that nobody vouches for.

use std::io::{BufRead, Seek};

use image::{
    DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, metadata::Orientation,
};

use super::thumbnail::{THUMBNAIL_SIDE, Thumbnail};

/// The longest side of an image that is decoded, in pixels.
const MAX_SIDE: u32 = 12_000;

/// The most pixels of an image that is decoded.
const MAX_PIXELS: u64 = 64_000_000;

/// The most memory that one image may take while it is decoded, in bytes.
const MAX_MEMORY_BYTES: u64 = 256 * 1024 * 1024;

/// What the header of an image says, after it was turned upright.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ImageFacts {
    /// In pixels.
    pub(super) width: u32,
    /// In pixels.
    pub(super) height: u32,
    /// `png`, `jpeg`, and so on.
    pub(super) format: &'static str,
}

/// Why there is no thumbnail. The messages are for the user.
#[derive(Debug, thiserror::Error)]
pub(super) enum ThumbnailError {
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

/// Draws the thumbnail of an image. It blocks for up to some seconds and takes up to 256 MiB.
///
/// # Errors
/// [`ThumbnailError`]; a decompression bomb is refused from its header, before any decoding.
pub(super) fn thumbnail(
    source: impl BufRead + Seek,
) -> Result<(Thumbnail, ImageFacts), ThumbnailError> {
    let (decoder, facts, orientation) = open(source)?;
    let image = DynamicImage::from_decoder(decoder)?;
    let mut small = if facts.width.max(facts.height) > THUMBNAIL_SIDE {
        image.thumbnail(THUMBNAIL_SIDE, THUMBNAIL_SIDE)
    } else {
        image
    };
    small.apply_orientation(orientation);
    Ok((Thumbnail::encode(small)?, facts))
}

/// Reads the header of an image. Cheap, whatever the header claims.
///
/// # Errors
/// [`ThumbnailError`], also for an image that is too large to be decoded.
pub(super) fn image_facts(source: impl BufRead + Seek) -> Result<ImageFacts, ThumbnailError> {
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
        ImageFormat::Bmp => "bmp",
        ImageFormat::Tiff => "tiff",
        ImageFormat::Ico => "ico",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageEncoder, Rgb, RgbImage, Rgba, RgbaImage};
    use rstest::rstest;
    use std::io::Cursor;

    const RED: Rgb<u8> = Rgb([255, 0, 0]);
    const BLUE: Rgb<u8> = Rgb([0, 0, 255]);

    fn thumbnail(bytes: &[u8]) -> Result<(Thumbnail, ImageFacts), ThumbnailError> {
        super::thumbnail(Cursor::new(bytes))
    }

    /// Red on the left, blue on the right.
    fn picture(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let image = RgbImage::from_fn(width, height, |x, _| if x < width / 2 { RED } else { BLUE });
        let mut image = DynamicImage::from(image);
        if format == ImageFormat::Ico {
            image = image.into_rgba8().into();
        }
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, format).expect("encoded");
        bytes.into_inner()
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
        let (thumbnail, facts) =
            thumbnail(&picture(width, height, ImageFormat::Png)).expect("a thumbnail");
        assert_eq!((thumbnail.width, thumbnail.height), (small, low));
        assert_eq!(facts, ImageFacts { width, height, format: "png" });
        let drawn = image::load_from_memory(&thumbnail.bytes).expect("a picture");
        assert_eq!((drawn.width(), drawn.height()), (small, low));
    }

    #[rstest]
    #[case(ImageFormat::Png, "png")]
    #[case(ImageFormat::Jpeg, "jpeg")]
    #[case(ImageFormat::WebP, "webp")]
    #[case(ImageFormat::Gif, "gif")]
    #[case(ImageFormat::Bmp, "bmp")]
    #[case(ImageFormat::Tiff, "tiff")]
    #[case(ImageFormat::Ico, "ico")]
    fn formats(#[case] format: ImageFormat, #[case] name: &str) {
        let (thumbnail, facts) = thumbnail(&picture(256, 128, format)).expect("a thumbnail");
        assert_eq!(facts, ImageFacts { width: 256, height: 128, format: facts.format });
        assert_eq!(facts.format, name);
        assert!(thumbnail.bytes.starts_with(b"RIFF"));
    }

    #[test]
    fn transparency_and_sixteen_bits_survive() {
        let clear = RgbaImage::from_pixel(4, 4, Rgba([1, 2, 3, 0]));
        let deep: DynamicImage = DynamicImage::from(clear).into_rgba16().into();
        let mut bytes = Cursor::new(Vec::new());
        deep.write_to(&mut bytes, ImageFormat::Png).expect("encoded");
        let (thumbnail, _) = thumbnail(bytes.get_ref()).expect("a thumbnail");
        let drawn = image::load_from_memory(&thumbnail.bytes).expect("a picture").into_rgba8();
        assert_eq!(drawn.get_pixel(0, 0)[3], 0);
    }

    /// EXIF with the orientation "turned to the left" and a text where a camera writes its place.
    fn exif() -> Vec<u8> {
        let mut exif = b"MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\x06\0\0".to_vec();
        exif.extend_from_slice(b"\x01\x0e\0\x02\0\0\0\x10\0\0\0\x26\0\0\0\0SECRET LATITUDE\0");
        exif
    }

    /// A TIFF of grey pixels, dark on the left, with this orientation.
    fn turned_tiff(width: u16, height: u16, orientation: u16) -> Vec<u8> {
        let pixels = u32::from(width) * u32::from(height);
        let entries = [
            (256, 3, u32::from(width)),
            (257, 3, u32::from(height)),
            (258, 3, 8),
            (259, 3, 1),
            (262, 3, 1),
            (273, 4, 122),
            (274, 3, u32::from(orientation)),
            (278, 3, u32::from(height)),
            (279, 4, pixels),
        ];
        let mut tiff = b"II*\0\x08\0\0\0\x09\0".to_vec();
        for (tag, kind, value) in entries {
            let (tag, kind): (u16, u16) = (tag, kind);
            tiff.extend(tag.to_le_bytes());
            tiff.extend(kind.to_le_bytes());
            tiff.extend(1_u32.to_le_bytes());
            tiff.extend(value.to_le_bytes());
        }
        tiff.extend([0; 4]);
        tiff.extend((0..pixels).map(|at| if at % u32::from(width) < 20 { 0 } else { 255 }));
        tiff
    }

    fn is_upright(turned: &[u8], name: &str) {
        let (thumbnail, facts) = thumbnail(turned).expect("a thumbnail");
        assert_eq!((thumbnail.width, thumbnail.height), (20, 40), "{name}");
        assert_eq!((facts.width, facts.height), (20, 40), "{name}");
        let drawn = image::load_from_memory(&thumbnail.bytes).expect("a picture").into_rgb8();
        let (top, bottom) = (drawn.get_pixel(10, 2), drawn.get_pixel(10, 37));
        assert!(top[2] < 60 && bottom[2] > 190, "{name}: what was left is on top");
        let secret = thumbnail.bytes.windows(6).any(|bytes| bytes == b"SECRET");
        assert!(!secret && !thumbnail.bytes.windows(4).any(|bytes| bytes == b"EXIF"), "{name}");
    }

    #[test]
    fn a_photograph_is_turned_upright_and_keeps_its_secrets() {
        let image = RgbImage::from_fn(40, 20, |x, _| if x < 20 { RED } else { BLUE });
        let (mut png, mut jpeg, mut webp) = (Vec::new(), Vec::new(), Vec::new());
        let mut encoder = image::codecs::png::PngEncoder::new(&mut png);
        encoder.set_exif_metadata(exif()).expect("EXIF");
        image.write_with_encoder(encoder).expect("encoded");
        let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
        encoder.set_exif_metadata(exif()).expect("EXIF");
        image.write_with_encoder(encoder).expect("encoded");
        let mut encoder = image::codecs::webp::WebPEncoder::new_lossless(&mut webp);
        encoder.set_exif_metadata(exif()).expect("EXIF");
        image.write_with_encoder(encoder).expect("encoded");
        for (bytes, name) in [(png, "png"), (jpeg, "jpeg"), (webp, "webp")] {
            assert!(bytes.windows(6).any(|part| part == b"SECRET"), "{name} has a secret");
            is_upright(&bytes, name);
        }
        is_upright(&turned_tiff(40, 20, 6), "tiff");
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

    /// Headers of a few bytes that claim hundreds of millions of pixels, or a part of a bomb.
    #[test]
    fn bombs_of_all_formats_are_refused() {
        let mut bmp = picture(1, 1, ImageFormat::Bmp);
        bmp[18..22].copy_from_slice(&30_000_u32.to_le_bytes());
        bmp[22..26].copy_from_slice(&30_000_u32.to_le_bytes());
        let mut gif = picture(1, 1, ImageFormat::Gif);
        gif[6..10].fill(0xff);
        // Behind the signature are width and height, less one, of fourteen bits each.
        let webp =
            b"RIFF\x1a\0\0\0WEBPVP8L\x0e\0\0\0\x2f\xfe\xbf\xff\x0f\0\0\0\0\0\0\0\0\0".to_vec();
        let tiff = turned_tiff(40_000, 2, 1);
        for (bytes, name) in [(bmp, "bmp"), (gif, "gif"), (webp, "webp"), (tiff, "tiff")] {
            let refused = thumbnail(&bytes).map(|(_, facts)| facts);
            assert!(matches!(refused, Err(ThumbnailError::TooLarge)), "{name}: {refused:?}");
        }
    }

    /// 300 MiB of nothing in a chunk beside the picture, compressed to a thousandth: more than what a
    /// picture may take, and the picture can be seen all the same.
    #[test]
    fn a_bomb_beside_the_picture_is_left_aside() {
        let mut nothing = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        for _ in 0..300 {
            std::io::Write::write_all(&mut nothing, &vec![0; 1 << 20]).expect("packed");
        }
        let packed = nothing.finish().expect("packed");
        for name in [b"iCCP", b"zTXt"] {
            let mut chunk = name.to_vec();
            chunk.extend(b"name\0\0");
            chunk.extend(&packed);
            let length = u32::try_from(chunk.len() - 4).expect("short").to_be_bytes();
            let crc = crc32fast::hash(&chunk).to_be_bytes();
            let png = picture(8, 8, ImageFormat::Png);
            let bomb = [&png[..33], &length, &chunk, &crc, &png[33..]].concat();
            let (thumbnail, _) = thumbnail(&bomb).expect("a thumbnail");
            assert_eq!((thumbnail.width, thumbnail.height), (8, 8));
        }
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
