//! How many pictures an animation has and how long it runs, without decoding one.

use std::{
    io::{BufRead, Seek},
    time::Duration,
};

/// Frames that are counted at most.
const MOST_FRAMES: u32 = 100_000;
/// Memory that one frame's header may take, in bytes: frames themselves are passed over.
const FRAME_MEMORY: u64 = 16 * 1024 * 1024;

/// What is known of an animation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Animation {
    pub(super) frames: u32,
    /// Of one run from the first frame to the last.
    pub(super) duration: Duration,
}

/// Reads a GIF; nothing for a single picture, and for one that cannot be read.
pub(super) fn gif(source: impl BufRead) -> Option<Animation> {
    let mut options = gif::DecodeOptions::new();
    options.skip_frame_decoding(true);
    options.set_memory_limit(gif::MemoryLimit::Bytes(FRAME_MEMORY.try_into().ok()?));
    let mut decoder = options.read_info(source).ok()?;
    let mut animation = Animation { frames: 0, duration: Duration::ZERO };
    while let Some(frame) = decoder.next_frame_info().ok()? {
        animation.frames += 1;
        animation.duration += Duration::from_millis(10) * u32::from(frame.delay);
        if animation.frames == MOST_FRAMES {
            return None;
        }
    }
    (animation.frames > 1).then_some(animation)
}

/// Reads a WebP, likewise.
pub(super) fn webp(source: impl BufRead + Seek) -> Option<Animation> {
    let decoder = image_webp::WebPDecoder::new(source).ok()?;
    let (frames, duration) = (decoder.num_frames(), decoder.loop_duration());
    (decoder.is_animated() && frames > 1)
        .then_some(Animation { frames, duration: Duration::from_millis(duration) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    /// A GIF of `frames` pictures of 2 × 2 pixels, a quarter of a second each.
    fn animated(frames: u16) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder =
            gif::Encoder::new(&mut bytes, 2, 2, &[0, 0, 0, 255, 255, 255]).expect("an encoder");
        for _ in 0..frames {
            let frame = gif::Frame {
                width: 2,
                height: 2,
                delay: 25,
                buffer: vec![0, 1, 1, 0].into(),
                ..gif::Frame::default()
            };
            encoder.write_frame(&frame).expect("written");
        }
        drop(encoder);
        bytes
    }

    #[test]
    fn frames_are_counted() {
        let expected = Animation { frames: 6, duration: Duration::from_millis(1500) };
        assert_eq!(gif(Cursor::new(animated(6))), Some(expected));
        assert_eq!(gif(Cursor::new(animated(1))), None);
        let cut = animated(6);
        assert_eq!(gif(Cursor::new(&cut[..cut.len() / 2])), None);
    }

    #[test]
    fn a_webp_says_it_in_its_chunks() {
        let bytes = include_bytes!("../../../tests/data/media/animated.webp");
        let expected = Animation { frames: 5, duration: Duration::from_secs(1) };
        assert_eq!(webp(Cursor::new(bytes)), Some(expected));
        assert_eq!(webp(Cursor::new(&bytes[..20])), None);
    }
}
