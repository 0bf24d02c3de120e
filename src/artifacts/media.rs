//! What kind of media a file is, judged by its bytes and never by its name or by what the sender
//! calls it.

use crate::domain::ArtifactType;

use super::text_scanner::TextScanner;

/// How much of the beginning of a file is kept to be judged, in bytes.
const HEAD_BYTES: usize = 8 * 1024;

/// The largest header that the safetensors format allows, in bytes.
const SAFETENSORS_MAX_HEADER_BYTES: u64 = 100_000_000;

/// The media type and file name extension under which a file is kept and served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaType {
    /// For the Content-Type header: `image/png`.
    pub content_type: &'static str,
    /// For the file name, without a dot: `png`.
    pub extension: &'static str,
}

impl MediaType {
    /// Text of every kind. HTML too, so that no browser takes it for a page.
    pub const TEXT: Self = Self { content_type: "text/plain; charset=utf-8", extension: "txt" };

    /// The content type of a file that was kept under this extension.
    #[must_use]
    pub fn content_type_of(extension: &str) -> &'static str {
        if extension == Self::TEXT.extension {
            return Self::TEXT.content_type;
        }
        FORMATS
            .iter()
            .find(|format| format.media_type.extension == extension)
            .map_or(BINARY, |format| format.media_type.content_type)
    }
}

/// A format that is accepted.
#[derive(Debug)]
struct Format {
    /// Its name in the `infer` crate, or of this module's own making.
    detected: &'static str,
    accepted_as: &'static [ArtifactType],
    media_type: MediaType,
    /// With its article, for messages.
    noun: &'static str,
}

const fn format(
    detected: &'static str,
    accepted_as: &'static [ArtifactType],
    content_type: &'static str,
    extension: &'static str,
    noun: &'static str,
) -> Format {
    Format { detected, accepted_as, media_type: MediaType { content_type, extension }, noun }
}

const IMAGE: &[ArtifactType] = &[ArtifactType::Image];
const VIDEO: &[ArtifactType] = &[ArtifactType::Video];
const AUDIO: &[ArtifactType] = &[ArtifactType::Audio];
const WEIGHTS: &[ArtifactType] = &[ArtifactType::Lora, ArtifactType::Model];

const SVG: &str = "image/svg+xml";
const SAFETENSORS: &str = "safetensors";
const GGUF: &str = "gguf";
const BINARY: &str = "application/octet-stream";

static FORMATS: [Format; 25] = [
    format("image/png", IMAGE, "image/png", "png", "a PNG image"),
    format("image/jpeg", IMAGE, "image/jpeg", "jpg", "a JPEG image"),
    format("image/webp", IMAGE, "image/webp", "webp", "a WebP image"),
    format("image/gif", IMAGE, "image/gif", "gif", "a GIF image"),
    format("image/bmp", IMAGE, "image/bmp", "bmp", "a BMP image"),
    format("image/tiff", IMAGE, "image/tiff", "tiff", "a TIFF image"),
    format("image/vnd.microsoft.icon", IMAGE, "image/x-icon", "ico", "an icon"),
    format("image/heif", IMAGE, "image/heic", "heic", "a HEIC image"),
    format("image/avif", IMAGE, "image/avif", "avif", "an AVIF image"),
    format(SVG, IMAGE, SVG, "svg", "an SVG image"),
    format("video/mp4", VIDEO, "video/mp4", "mp4", "an MP4 video"),
    format("video/x-m4v", VIDEO, "video/mp4", "m4v", "an M4V video"),
    format("video/webm", VIDEO, "video/webm", "webm", "a WebM video"),
    format("video/quicktime", VIDEO, "video/quicktime", "mov", "a QuickTime video"),
    format("video/x-matroska", VIDEO, "video/x-matroska", "mkv", "a Matroska video"),
    format("audio/mpeg", AUDIO, "audio/mpeg", "mp3", "an MP3 sound"),
    format("audio/m4a", AUDIO, "audio/mp4", "m4a", "an M4A sound"),
    format("audio/opus", AUDIO, "audio/ogg", "opus", "an Opus sound"),
    format("audio/ogg", AUDIO, "audio/ogg", "ogg", "an Ogg sound"),
    format("audio/x-flac", AUDIO, "audio/flac", "flac", "a FLAC sound"),
    format("audio/x-wav", AUDIO, "audio/wav", "wav", "a WAV sound"),
    format("audio/aac", AUDIO, "audio/aac", "aac", "an AAC sound"),
    format(SAFETENSORS, WEIGHTS, BINARY, "safetensors", "a safetensors file"),
    format(GGUF, WEIGHTS, BINARY, "gguf", "a GGUF file"),
    format("application/zip", WEIGHTS, BINARY, "zip", "a ZIP archive"),
];

/// Why a file is not what it was said to be. Displays as a sentence for the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MediaMismatch {
    /// There is nothing in it.
    #[error("The file is empty")]
    Empty,
    /// It is something else, or of a format that is not accepted.
    #[error("The file is {found}, not {}", wanted_noun(*.wanted))]
    Other {
        /// What it is: "a PNG image".
        found: String,
        /// What it was said to be.
        wanted: ArtifactType,
    },
}

fn wanted_noun(artifact_type: ArtifactType) -> &'static str {
    match artifact_type {
        ArtifactType::Image => "an image (PNG, JPEG, WebP, GIF, BMP, TIFF, ICO, AVIF, HEIC or SVG)",
        ArtifactType::Video => "a video (MP4, WebM, QuickTime or Matroska)",
        ArtifactType::Audio => "audio (MP3, M4A, Ogg, Opus, FLAC, WAV or AAC)",
        ArtifactType::Text => "text (in UTF-8)",
        ArtifactType::Lora | ArtifactType::Model => "model weights (safetensors, GGUF or ZIP)",
    }
}

/// Fed with the chunks of a file as they arrive; keeps the first 8 KiB of them at most.
#[derive(Clone, Debug, Default)]
pub struct MediaScanner {
    head: Vec<u8>,
    text: TextScanner,
}

impl MediaScanner {
    /// Nothing read yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges a file that is in memory anyway.
    #[must_use]
    pub fn scan(bytes: &[u8]) -> ScannedMedia {
        let mut scanner = Self::new();
        scanner.push(bytes);
        scanner.finish()
    }

    /// Reads the next chunk.
    pub fn push(&mut self, chunk: &[u8]) {
        let missing = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&chunk[..chunk.len().min(missing)]);
        self.text.push(chunk);
    }

    /// The judgement, once the whole file was read.
    #[must_use]
    pub fn finish(&self) -> ScannedMedia {
        if self.head.is_empty() {
            return ScannedMedia(Found::Nothing);
        }
        let detected = if self.text.is_text() {
            // No binary format is all text: what begins like one ("GIF89a<script>") is a trick.
            if !is_svg(&self.head) {
                return ScannedMedia(Found::Text);
            }
            Some(SVG)
        } else {
            detect_binary(&self.head)
        };
        ScannedMedia(match detected {
            None => Found::Unknown,
            Some(name) => match FORMATS.iter().find(|format| format.detected == name) {
                Some(format) => Found::Accepted(format),
                None => Found::Refused(name),
            },
        })
    }
}

/// What a file turned out to be.
#[derive(Clone, Copy, Debug)]
pub struct ScannedMedia(Found);

#[derive(Clone, Copy, Debug)]
enum Found {
    Nothing,
    Text,
    Unknown,
    Accepted(&'static Format),
    Refused(&'static str),
}

impl ScannedMedia {
    /// The media type under which the file may be kept as an artifact of `wanted`.
    ///
    /// # Errors
    /// [`MediaMismatch`] when it is something else.
    pub fn accept_as(&self, wanted: ArtifactType) -> Result<MediaType, MediaMismatch> {
        match (self.0, wanted) {
            (Found::Nothing, _) => Err(MediaMismatch::Empty),
            (Found::Text, ArtifactType::Text) => Ok(MediaType::TEXT),
            (Found::Accepted(format), ArtifactType::Text) if format.detected == SVG => {
                Ok(MediaType::TEXT)
            }
            (Found::Accepted(format), _) if format.accepted_as.contains(&wanted) => {
                Ok(format.media_type)
            }
            _ => Err(MediaMismatch::Other { found: self.noun(), wanted }),
        }
    }

    fn noun(self) -> String {
        match self.0 {
            Found::Nothing => "empty".to_owned(),
            Found::Text => "text".to_owned(),
            Found::Unknown => "of an unknown kind".to_owned(),
            Found::Accepted(format) => format.noun.to_owned(),
            Found::Refused(media_type) => format!("of the type {media_type}"),
        }
    }
}

fn detect_binary(head: &[u8]) -> Option<&'static str> {
    // Before `infer`, because the length that begins a safetensors file may look like anything.
    if is_safetensors(head) {
        return Some(SAFETENSORS);
    }
    if head.starts_with(b"GGUF") {
        return Some(GGUF);
    }
    infer::get(head).map(|kind| kind.mime_type())
}

/// A length of eight bytes, little-endian, and a JSON object of that length.
fn is_safetensors(head: &[u8]) -> bool {
    let Some((length, header)) = head.split_first_chunk() else { return false };
    let length = u64::from_le_bytes(*length);
    (2..=SAFETENSORS_MAX_HEADER_BYTES).contains(&length) && header.starts_with(b"{\"")
}

/// Whether text begins as an SVG document: after what XML allows before it, the root is `<svg`.
/// A document type with declarations of its own is not taken: entities could make it explode.
fn is_svg(head: &[u8]) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut rest = text.trim_start_matches('\u{feff}').trim_start();
    loop {
        let end = if rest.starts_with("<?") {
            "?>"
        } else if rest.starts_with("<!--") {
            "-->"
        } else if rest.starts_with("<!DOCTYPE svg") {
            ">"
        } else {
            break;
        };
        let Some((prolog, after)) = rest.split_once(end) else { return false };
        if end == ">" && prolog.contains('[') {
            return false;
        }
        rest = after.trim_start();
    }
    rest.strip_prefix("<svg").is_some_and(|after| after.starts_with([' ', '\t', '\r', '\n', '>']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    /// Binary, as every real file of these formats is.
    fn with_body(magic: &[u8]) -> Vec<u8> {
        [magic, &[0; 300]].concat()
    }

    #[rstest]
    #[case(b"\x89PNG\r\n\x1a\n", ArtifactType::Image, "image/png", "png")]
    #[case(b"\xff\xd8\xff\xe0", ArtifactType::Image, "image/jpeg", "jpg")]
    #[case(b"RIFF\x10\0\0\0WEBPVP8 ", ArtifactType::Image, "image/webp", "webp")]
    #[case(b"GIF89a\x01\0\x01\0", ArtifactType::Image, "image/gif", "gif")]
    #[case(b"BM\x46\0\0\0\0\0", ArtifactType::Image, "image/bmp", "bmp")]
    #[case(b"II*\0\x08\0\0\0", ArtifactType::Image, "image/tiff", "tiff")]
    #[case(b"MM\0*\0\0\0\x08", ArtifactType::Image, "image/tiff", "tiff")]
    #[case(b"\0\0\x01\0\x01\0", ArtifactType::Image, "image/x-icon", "ico")]
    #[case(b"\0\0\0\x18ftypheic\0\0\0\0mif1", ArtifactType::Image, "image/heic", "heic")]
    #[case(b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", ArtifactType::Image, "image/avif", "avif")]
    #[case(b"\0\0\0\x20ftypisom\0\0\x02\0isom", ArtifactType::Video, "video/mp4", "mp4")]
    #[case(b"\0\0\0\x14ftypqt  \0\0\0\0", ArtifactType::Video, "video/quicktime", "mov")]
    #[case(b"\x1a\x45\xdf\xa3\x9fB\x82\x84webmB\x87", ArtifactType::Video, "video/webm", "webm")]
    #[case(
        b"\x1a\x45\xdf\xa3\x9fB\x82\x88matroskaB\x87",
        ArtifactType::Video,
        "video/x-matroska",
        "mkv"
    )]
    #[case(b"ID3\x04\0\0\0\0\0\0", ArtifactType::Audio, "audio/mpeg", "mp3")]
    #[case(b"\xff\xfb\x90\0", ArtifactType::Audio, "audio/mpeg", "mp3")]
    #[case(b"RIFF\x10\0\0\0WAVEfmt ", ArtifactType::Audio, "audio/wav", "wav")]
    #[case(b"OggS\0\x02\0\0", ArtifactType::Audio, "audio/ogg", "ogg")]
    #[case(b"fLaC\0\0\0\x22", ArtifactType::Audio, "audio/flac", "flac")]
    #[case(b"\0\0\0\x20ftypM4A \0\0\0\0", ArtifactType::Audio, "audio/mp4", "m4a")]
    #[case(b"\xff\xf1\x50\x80", ArtifactType::Audio, "audio/aac", "aac")]
    #[case(b"GGUF\x03\0\0\0", ArtifactType::Model, BINARY, "gguf")]
    #[case(b"\x40\0\0\0\0\0\0\0{\"__metadata__\"", ArtifactType::Lora, BINARY, "safetensors")]
    #[case(b"BM\0\0\0\0\0\0{\"weight\"", ArtifactType::Model, BINARY, "safetensors")]
    #[case(b"PK\x03\x04\x14\0archive/data.pkl", ArtifactType::Model, BINARY, "zip")]
    fn formats(
        #[case] magic: &[u8],
        #[case] wanted: ArtifactType,
        #[case] content_type: &'static str,
        #[case] extension: &'static str,
    ) {
        let media = MediaScanner::scan(&with_body(magic));
        assert_eq!(media.accept_as(wanted), Ok(MediaType { content_type, extension }));
        for other in ArtifactType::ALL {
            let weights = [ArtifactType::Lora, ArtifactType::Model];
            let alike = weights.contains(&other) && weights.contains(&wanted);
            assert_eq!(media.accept_as(other).is_ok(), other == wanted || alike, "{other}");
        }
    }

    #[test]
    fn a_file_may_come_in_small_pieces() {
        let file = with_body(b"\x89PNG\r\n\x1a\n");
        let mut scanner = MediaScanner::new();
        file.chunks(3).for_each(|chunk| scanner.push(chunk));
        assert!(scanner.finish().accept_as(ArtifactType::Image).is_ok());
    }

    #[test]
    fn only_the_head_is_kept() {
        let mut scanner = MediaScanner::new();
        (0..100).for_each(|_| scanner.push(&[b'a'; 1000]));
        assert_eq!(scanner.head.len(), HEAD_BYTES);
        scanner.push(b"\0");
        assert!(scanner.finish().accept_as(ArtifactType::Text).is_err());
    }

    #[rstest]
    #[case("plain words")]
    #[case("<!DOCTYPE html><script>alert(1)</script>")]
    #[case("BMW, PK, MZ and ID3 begin words too")]
    #[case("GIF89a=1;alert(1)//")]
    #[case("%PDF is how it begins")]
    fn text_is_plain_text_and_nothing_else(#[case] text: &str) {
        let media = MediaScanner::scan(text.as_bytes());
        for wanted in ArtifactType::ALL {
            let expected = (wanted == ArtifactType::Text).then_some(MediaType::TEXT);
            assert_eq!(media.accept_as(wanted).ok(), expected, "{wanted}");
        }
    }

    #[rstest]
    #[case("<svg xmlns='http://www.w3.org/2000/svg'/>", true)]
    #[case("\u{feff}<?xml version='1.0'?>\n<!-- a > b -->\n<svg>\n</svg>", true)]
    #[case("<!DOCTYPE svg PUBLIC '-//W3C//DTD SVG 1.1//EN' 'x.dtd'><svg ></svg>", true)]
    #[case("<!DOCTYPE svg [<!ENTITY a 'b'>]><svg>&a;</svg>", false)]
    #[case("<!DOCTYPE svg [<!ENTITY a '><svg>'><!ENTITY b '&a;&a;'>]><svg>&b;</svg>", false)]
    #[case("<html><svg></svg></html>", false)]
    #[case("<svgx></svgx>", false)]
    #[case("<!-- <svg> ", false)]
    #[case("<?xml ", false)]
    fn svg_is_an_image_by_its_root(#[case] text: &str, #[case] expected: bool) {
        let media = MediaScanner::scan(text.as_bytes());
        let image = media.accept_as(ArtifactType::Image);
        assert_eq!(image.is_ok_and(|media| media.content_type == SVG), expected);
        assert_eq!(media.accept_as(ArtifactType::Text), Ok(MediaType::TEXT));
    }

    #[test]
    fn a_mismatch_is_told_in_a_sentence() {
        let message = |bytes: &[u8], wanted| {
            let mismatch = MediaScanner::scan(bytes).accept_as(wanted).expect_err("a mismatch");
            mismatch.to_string()
        };
        assert_eq!(
            message(&with_body(b"\x89PNG\r\n\x1a\n"), ArtifactType::Audio),
            "The file is a PNG image, not audio (MP3, M4A, Ogg, Opus, FLAC, WAV or AAC)"
        );
        assert_eq!(
            message(&with_body(b"8BPS"), ArtifactType::Image),
            "The file is of the type image/vnd.adobe.photoshop, not an image (PNG, JPEG, WebP, GIF, BMP, TIFF, ICO, AVIF, HEIC or SVG)"
        );
        assert_eq!(
            message(b"abc", ArtifactType::Model).split(',').next(),
            Some("The file is text")
        );
        assert_eq!(
            message(b"\x01\x02\x03", ArtifactType::Text),
            "The file is of an unknown kind, not text (in UTF-8)"
        );
        assert_eq!(message(b"", ArtifactType::Text), "The file is empty");
    }
}
