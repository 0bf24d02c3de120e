//! What the containers of videos say about themselves, for machines without ffmpeg: size, duration,
//! whether there is sound. No picture is decoded.

use std::io::{BufRead, Read, Seek, SeekFrom};

use matroska_demuxer::{MatroskaFile, TrackType};
use mp4_atom::{Atom, Header, Mvhd, ReadFrom, Tkhd};
use serde_json::Value;

use super::facts::seconds;
use crate::domain::JsonObject;

/// What is read of one atom, in bytes; those that are looked at are shorter.
const ATOM_BYTES: u64 = 256;
/// Atoms that are looked at in one file.
const MOST_ATOMS: u32 = 10_000;
/// Offset of the kind of a track in the body of its `hdlr` (ISO/IEC 14496-12, 8.4.3).
const HANDLER_KIND: std::ops::Range<usize> = 8..12;

/// What was found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct VideoFacts {
    /// In seconds.
    pub(super) duration: Option<f64>,
    /// Width and height in pixels, upright.
    pub(super) size: Option<(u32, u32)>,
    pub(super) has_audio: bool,
}

impl VideoFacts {
    /// For `outputMetadata`.
    pub(super) fn into_facts(self) -> JsonObject {
        let mut facts = JsonObject::new();
        if let Some((width, height)) = self.size {
            facts.insert("width".to_owned(), Value::from(width));
            facts.insert("height".to_owned(), Value::from(height));
        }
        if let Some(duration) = self.duration.and_then(seconds) {
            facts.insert("duration".to_owned(), duration);
        }
        facts.insert("has_audio".to_owned(), Value::from(self.has_audio));
        facts
    }
}

/// Reads Matroska and `WebM`. None when it is not one.
pub(super) fn matroska(source: impl BufRead + Seek) -> Option<VideoFacts> {
    let file = MatroskaFile::open(source).ok()?;
    let of_kind = |kind| file.tracks().iter().find(move |track| track.track_type() == kind);
    let size = of_kind(TrackType::Video).and_then(|track| {
        let video = track.video()?;
        let side = |length: std::num::NonZeroU64| u32::try_from(length.get()).ok();
        Some((side(video.pixel_width())?, side(video.pixel_height())?))
    });
    // In units of so many nanoseconds.
    let unit = u32::try_from(file.info().timestamp_scale().get()).ok().map(f64::from);
    let duration = file.info().duration().zip(unit).map(|(length, unit)| length * unit / 1e9);
    Some(VideoFacts { duration, size, has_audio: of_kind(TrackType::Audio).is_some() })
}

/// Reads MP4 and `QuickTime`. None when it is not one.
pub(super) fn mp4(mut source: impl BufRead + Seek) -> Option<VideoFacts> {
    let end = source.seek(SeekFrom::End(0)).ok()?;
    let mut walk = Walk { source, atoms_left: MOST_ATOMS };
    let moov = walk.find(0..end, *b"moov")?;
    let mut facts = VideoFacts::default();
    let mut next = moov.start;
    while let Some((kind, body)) = walk.atom(next, moov.end) {
        next = body.end;
        match &kind {
            b"mvhd" => facts.duration = walk.read::<Mvhd>(body).and_then(|mvhd| length(&mvhd)),
            b"trak" => {
                let Some(track) = walk.track(body) else { continue };
                facts.has_audio |= &track.kind == b"soun";
                if &track.kind == b"vide" {
                    facts.size = facts.size.or(track.size);
                }
            }
            _ => {}
        }
    }
    Some(facts)
}

/// In seconds. All ones is "unknown" (ISO/IEC 14496-12, 8.2.2).
#[expect(clippy::cast_precision_loss, reason = "milliseconds are left over")]
fn length(mvhd: &Mvhd) -> Option<f64> {
    let is_known = mvhd.duration != u64::from(u32::MAX) && mvhd.duration != u64::MAX;
    (is_known && mvhd.timescale > 0).then(|| mvhd.duration as f64 / f64::from(mvhd.timescale))
}

struct Track {
    kind: [u8; 4],
    size: Option<(u32, u32)>,
}

type Body = std::ops::Range<u64>;

/// Goes from atom to atom without reading what lies between.
struct Walk<R> {
    source: R,
    atoms_left: u32,
}

impl<R: Read + Seek> Walk<R> {
    /// The atom that begins at `start`: its kind, and where its body is. It never reaches over `end`.
    fn atom(&mut self, start: u64, end: u64) -> Option<([u8; 4], Body)> {
        self.atoms_left = self.atoms_left.checked_sub(1)?;
        if start >= end {
            return None;
        }
        self.source.seek(SeekFrom::Start(start)).ok()?;
        let header = <Option<Header> as ReadFrom>::read_from(&mut self.source).ok()??;
        let body = self.source.stream_position().ok()?;
        let length = match header.size {
            Some(size) => u64::try_from(size).ok()?,
            None => end.checked_sub(body)?,
        };
        Some((header.kind.into(), body..body.checked_add(length)?.min(end)))
    }

    /// The first atom of this kind in a body.
    fn find(&mut self, within: Body, wanted: [u8; 4]) -> Option<Body> {
        let mut next = within.start;
        loop {
            let (kind, body) = self.atom(next, within.end)?;
            if kind == wanted {
                return Some(body);
            }
            next = body.end;
        }
    }

    fn head(&mut self, body: &Body) -> Option<Vec<u8>> {
        let length = body.end.checked_sub(body.start)?.min(ATOM_BYTES);
        let mut head = vec![0; usize::try_from(length).ok()?];
        self.source.seek(SeekFrom::Start(body.start)).ok()?;
        self.source.read_exact(&mut head).ok()?;
        Some(head)
    }

    fn read<A: Atom>(&mut self, body: Body) -> Option<A> {
        let head = self.head(&body)?;
        A::decode_body(&mut head.as_slice()).ok()
    }

    fn track(&mut self, body: Body) -> Option<Track> {
        let mdia = self.find(body.clone(), *b"mdia")?;
        let hdlr = self.find(mdia, *b"hdlr")?;
        let kind = self.head(&hdlr)?.get(HANDLER_KIND)?.try_into().ok()?;
        let tkhd = self.find(body, *b"tkhd")?;
        let size = self.read::<Tkhd>(tkhd).as_ref().and_then(upright);
        Some(Track { kind, size })
    }
}

/// The size of a track as it is shown: turned a quarter, width and height change places.
fn upright(tkhd: &Tkhd) -> Option<(u32, u32)> {
    let (width, height) = (tkhd.width.integer(), tkhd.height.integer());
    let sideways = tkhd.matrix.a == 0 && tkhd.matrix.d == 0 && tkhd.matrix.b != 0;
    let (width, height) = if sideways { (height, width) } else { (width, height) };
    (width > 0 && height > 0).then(|| (width.into(), height.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    const TURNED: &[u8] = include_bytes!("../../../tests/data/media/turned.mp4");
    const MP4: &[u8] = include_bytes!("../../../tests/data/media/video.mp4");
    const MOV: &[u8] = include_bytes!("../../../tests/data/media/video.mov");
    const WEBM: &[u8] = include_bytes!("../../../tests/data/media/video.webm");
    const MKV: &[u8] = include_bytes!("../../../tests/data/media/video.mkv");

    #[test]
    fn containers_say_size_and_duration() {
        for (name, facts, has_audio) in [
            ("mp4", mp4(Cursor::new(MP4)), true),
            ("mov", mp4(Cursor::new(MOV)), true),
            ("mkv", matroska(Cursor::new(MKV)), true),
            ("webm", matroska(Cursor::new(WEBM)), false),
        ] {
            let facts = facts.expect(name);
            assert_eq!((facts.size, facts.has_audio), (Some((160, 90)), has_audio), "{name}");
            let duration = facts.duration.expect(name);
            assert!((0.4..=1.1).contains(&duration), "{name}: {duration}");
        }
    }

    #[test]
    fn a_video_that_was_turned_is_described_upright() {
        assert_eq!(mp4(Cursor::new(TURNED)).and_then(|facts| facts.size), Some((90, 160)));
    }

    #[test]
    fn lengths_that_lie_lead_nowhere() {
        let find = |name: &[u8]| MP4.windows(4).position(|bytes| bytes == name).expect("there");
        // An atom that claims four gigabytes, one that has no end, one shorter than its header, and one
        // whose length does not fit into 64 bits.
        for size in [u32::MAX, 0, 7, 1] {
            for name in [b"moov", b"trak", b"mdia", b"tkhd"] {
                let mut bytes = MP4.to_vec();
                let at = find(name) - 4;
                bytes[at..at + 4].copy_from_slice(&size.to_be_bytes());
                mp4(Cursor::new(bytes));
            }
        }
        for length in 0..MP4.len() {
            mp4(Cursor::new(&MP4[..length]));
        }
        for length in 0..WEBM.len() {
            matroska(Cursor::new(&WEBM[..length]));
        }
    }

    #[test]
    fn a_file_of_countless_atoms_is_left_early() {
        let bytes = b"\0\0\0\x08free".repeat(200_000);
        let mut walk = Walk { source: Cursor::new(&bytes), atoms_left: MOST_ATOMS };
        assert!(walk.find(0..bytes.len() as u64, *b"moov").is_none());
        assert!(walk.source.position() < 100_000);
    }
}
