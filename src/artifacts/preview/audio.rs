//! The facts about a sound, and its picture.

use std::{
    io::{BufRead, Seek},
    time::{Duration, Instant},
};

use lofty::{config::ParseOptions, file::AudioFile, file::FileType, probe::Probe};
use serde_json::Value;

use super::{
    Preview,
    facts::seconds,
    peaks::Peaks,
    sound::{self, Sound},
    source::Source,
    thumbnail::Thumbnail,
    waveform::waveform,
};
use crate::domain::JsonObject;

/// What may be read of a sound that is decoded: only the clock ends it, and memory does not grow.
const DECODED_BYTES: u64 = u64::MAX;
/// What may be read to find facts in headers, in bytes, and so what they may take in memory. The
/// length of an Ogg is known at its last page.
const HEADER_BYTES: u64 = 256 * 1024 * 1024;

/// The formats that a preview is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AudioFormat {
    Wav,
    Flac,
    Mp3,
    /// Vorbis, Opus and Speex.
    Ogg,
    Mp4,
    Aac,
}

/// What the server itself finds out about a sound. It blocks.
pub(super) fn audio(source: &Source, format: AudioFormat, deadline: Instant) -> Preview {
    let sound = source.open(deadline, DECODED_BYTES).ok().and_then(|file| match format {
        AudioFormat::Wav => sound::wav(file, deadline),
        AudioFormat::Flac => sound::flac(file, deadline),
        AudioFormat::Mp3 => sound::mp3(file, deadline),
        AudioFormat::Ogg | AudioFormat::Mp4 | AudioFormat::Aac => None,
    });
    if let Some(sound) = sound {
        return Preview { thumbnail: picture(&sound.peaks), facts: heard(&sound) };
    }
    let said = source.open(deadline, HEADER_BYTES).ok().and_then(|file| said(file, format));
    Preview { thumbnail: None, facts: said.unwrap_or_default() }
}

/// The waveform as a thumbnail; none for no sound.
pub(super) fn picture(peaks: &Peaks) -> Option<Thumbnail> {
    waveform(peaks).and_then(|picture| Thumbnail::encode(picture).ok())
}

/// Facts that were measured. A sound of which nothing could be decoded has no duration: its header
/// may say anything.
fn heard(sound: &Sound) -> JsonObject {
    let mut facts = JsonObject::new();
    if sound.peaks.frames() > 0
        && let Some(duration) = sound.duration()
    {
        facts.insert("duration".to_owned(), Value::from(duration));
    }
    facts.insert("sample_rate".to_owned(), Value::from(sound.sample_rate));
    facts.insert("channels".to_owned(), Value::from(sound.channels));
    facts
}

/// Facts that the headers of a file state. Texts and pictures in it are passed over.
fn said(file: impl BufRead + Seek, format: AudioFormat) -> Option<JsonObject> {
    let options = ParseOptions::new().read_tags(false).read_cover_art(false);
    let probe = match format {
        AudioFormat::Mp4 => Probe::with_file_type(file, FileType::Mp4),
        AudioFormat::Aac => Probe::with_file_type(file, FileType::Aac),
        AudioFormat::Mp3 => Probe::with_file_type(file, FileType::Mpeg),
        AudioFormat::Flac => Probe::with_file_type(file, FileType::Flac),
        AudioFormat::Wav => Probe::with_file_type(file, FileType::Wav),
        AudioFormat::Ogg => Probe::new(file).guess_file_type().ok()?,
    };
    let file = probe.options(options).read().ok()?;
    let properties = file.properties();
    let mut facts = JsonObject::new();
    if properties.duration() > Duration::ZERO
        && let Some(duration) = seconds(properties.duration().as_secs_f64())
    {
        facts.insert("duration".to_owned(), duration);
    }
    if let Some(rate) = properties.sample_rate().filter(|rate| *rate > 0) {
        facts.insert("sample_rate".to_owned(), Value::from(rate));
    }
    if let Some(channels) = properties.channels().filter(|channels| *channels > 0) {
        facts.insert("channels".to_owned(), Value::from(channels));
    }
    Some(facts)
}
