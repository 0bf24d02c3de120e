//! How the preview of a file is made, by its media type.

use super::{AudioFormat, ffmpeg::Demuxer};
use crate::artifacts::MediaType;

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Decoded here.
    Picture(PictureFormat),
    /// AVIF and HEIC: their sides are read here, their pixels by ffmpeg. There is no decoder for them
    /// in safe Rust that is well kept and has a permissive licence.
    Heif(HeifFormat),
    Audio(AudioFormat),
    Video(Container),
}

/// Pictures, as far as it matters how they are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PictureFormat {
    /// May be an animation.
    Gif,
    /// May be an animation.
    WebP,
    Other,
}

/// What is in the container of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeifFormat {
    Avif,
    Heic,
}

impl HeifFormat {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Avif => "avif",
            Self::Heic => "heic",
        }
    }
}

/// The two families of containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Container {
    /// MP4 and `QuickTime`.
    Mp4,
    /// Matroska and `WebM`.
    Matroska,
}

impl Kind {
    /// None for what has no preview.
    pub(super) fn of(media: MediaType) -> Option<Self> {
        Some(match media.content_type {
            "image/gif" => Self::Picture(PictureFormat::Gif),
            "image/webp" => Self::Picture(PictureFormat::WebP),
            "image/png" | "image/jpeg" | "image/bmp" | "image/tiff" | "image/x-icon" => {
                Self::Picture(PictureFormat::Other)
            }
            "image/avif" => Self::Heif(HeifFormat::Avif),
            "image/heic" => Self::Heif(HeifFormat::Heic),
            "audio/wav" => Self::Audio(AudioFormat::Wav),
            "audio/flac" => Self::Audio(AudioFormat::Flac),
            "audio/mpeg" => Self::Audio(AudioFormat::Mp3),
            "audio/ogg" => Self::Audio(AudioFormat::Ogg),
            "audio/mp4" => Self::Audio(AudioFormat::Mp4),
            "audio/aac" => Self::Audio(AudioFormat::Aac),
            "video/mp4" | "video/quicktime" => Self::Video(Container::Mp4),
            "video/webm" | "video/x-matroska" => Self::Video(Container::Matroska),
            _ => return None,
        })
    }

    /// What ffmpeg reads it as; none where it is not asked.
    pub(super) fn demuxer(self) -> Option<Demuxer> {
        Some(match self {
            Self::Heif(_) | Self::Audio(AudioFormat::Mp4) | Self::Video(Container::Mp4) => {
                Demuxer::Mov
            }
            Self::Video(Container::Matroska) => Demuxer::Matroska,
            Self::Audio(AudioFormat::Ogg) => Demuxer::Ogg,
            Self::Audio(AudioFormat::Aac) => Demuxer::Aac,
            Self::Picture(_)
            | Self::Audio(AudioFormat::Wav | AudioFormat::Flac | AudioFormat::Mp3) => return None,
        })
    }
}
