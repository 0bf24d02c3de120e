//! Sounds decoded from their first sample to their last, by decoders in safe Rust, to see how long
//! they are and how they swing. No more than a block of samples is in memory.
//!
//! Vorbis, AAC and Opus are not among them: the decoders that there are under a licence that we can
//! take let a header of some hundred bytes ask for terabytes.

use std::{
    io::{BufRead, Chain, Cursor, Read, Seek, SeekFrom},
    time::Instant,
};

use flac_codec::{decode::FlacSampleReader, metadata::Metadata};

use super::peaks::Peaks;

/// The longest sound that is decoded, in seconds.
pub(super) const MOST_SECONDS: u64 = 2 * 3600;
/// Samples of a WAV that are read between two looks at the clock.
const SAMPLES_AT_ONCE: usize = 16 * 1024;
/// The first block of a FLAC file, whose form is fixed, in bytes.
const STREAM_INFO_BYTES: usize = 34;
/// Blocks of facts before the sound in a FLAC file, at most.
const MOST_FLAC_BLOCKS: usize = 1000;

/// A sound, as far as it was decoded.
#[derive(Clone, Debug)]
pub(super) struct Sound {
    /// Samples a second in each channel.
    pub(super) sample_rate: u32,
    pub(super) channels: u16,
    pub(super) peaks: Peaks,
    /// Whether it was decoded to its end, or to where it is damaged.
    pub(super) whole: bool,
}

impl Sound {
    fn new(sample_rate: u32, channels: u16) -> Option<Self> {
        let heard = Self { sample_rate, channels, peaks: Peaks::new(), whole: false };
        (sample_rate > 0 && channels > 0).then_some(heard)
    }

    /// In seconds; none when it was not decoded to its end.
    pub(super) fn duration(&self) -> Option<f64> {
        let milliseconds =
            u128::from(self.peaks.frames()) * 1000 / u128::from(self.sample_rate.max(1));
        let milliseconds = u32::try_from(milliseconds).ok()?;
        self.whole.then(|| f64::from(milliseconds) / 1000.0)
    }

    /// Takes samples in which the channels alternate. Whether more may come.
    fn hear(&mut self, samples: &[f32], deadline: Instant) -> bool {
        for frame in samples.chunks_exact(usize::from(self.channels)) {
            self.peaks.push(frame.iter().copied());
        }
        let most = MOST_SECONDS * u64::from(self.sample_rate);
        self.peaks.frames() < most && Instant::now() < deadline
    }
}

/// Decodes a WAV.
pub(super) fn wav(source: impl Read, deadline: Instant) -> Option<Sound> {
    let mut reader = hound::WavReader::new(source).ok()?;
    let spec = reader.spec();
    let mut sound = Sound::new(spec.sample_rate, spec.channels)?;
    let full = 2_f32.powi(i32::from(spec.bits_per_sample.clamp(1, 32)) - 1);
    let mut samples: Box<dyn Iterator<Item = f32>> = match spec.sample_format {
        hound::SampleFormat::Float => Box::new(reader.samples::<f32>().map_while(Result::ok)),
        hound::SampleFormat::Int => {
            Box::new(reader.samples::<i32>().map_while(Result::ok).map(move |n| share(n, full)))
        }
    };
    let at_once = SAMPLES_AT_ONCE.next_multiple_of(usize::from(spec.channels));
    let mut block = Vec::with_capacity(at_once);
    loop {
        block.clear();
        block.extend(samples.by_ref().take(at_once));
        let more = sound.hear(&block, deadline);
        sound.whole = block.len() < at_once && Instant::now() < deadline;
        if block.len() < at_once || !more {
            return Some(sound);
        }
    }
}

/// Decodes a FLAC.
pub(super) fn flac(source: impl BufRead + Seek, deadline: Instant) -> Option<Sound> {
    let mut reader = FlacSampleReader::new(bare_flac(source)?).ok()?;
    let mut sound = Sound::new(reader.sample_rate(), reader.channel_count().into())?;
    let full = 2_f32.powi(i32::try_from(reader.bits_per_sample().clamp(1, 32)).ok()? - 1);
    while let Ok(block) = reader.fill_buf() {
        if block.is_empty() {
            break;
        }
        let samples: Vec<f32> = block.iter().map(|&sample| share(sample, full)).collect();
        reader.consume(samples.len());
        if !sound.hear(&samples, deadline) {
            return Some(sound);
        }
    }
    sound.whole = Instant::now() < deadline;
    Some(sound)
}

/// The same FLAC with nothing before its sound but the one block that it needs: whatever else is
/// there, pictures and texts of any length, would be read into memory. How many samples it says it
/// has goes as well, since it need not be true.
fn bare_flac<R: BufRead + Seek>(mut source: R) -> Option<Chain<Cursor<Vec<u8>>, R>> {
    let mut head = [0; 8 + STREAM_INFO_BYTES];
    source.read_exact(&mut head).ok()?;
    let mut is_last = head[4] & 0x80 != 0;
    let length = u32::from_be_bytes([0, head[5], head[6], head[7]]);
    // Its kind is zero, whether it is the last one or not.
    if !head.starts_with(b"fLaC")
        || !matches!(head[4], 0 | 0x80)
        || usize::try_from(length) != Ok(STREAM_INFO_BYTES)
    {
        return None;
    }
    for _ in 0..MOST_FLAC_BLOCKS {
        if is_last {
            break;
        }
        let mut block = [0; 4];
        source.read_exact(&mut block).ok()?;
        is_last = block[0] & 0x80 != 0;
        let length = u32::from_be_bytes([0, block[1], block[2], block[3]]);
        source.seek(SeekFrom::Current(length.into())).ok()?;
    }
    head[4] |= 0x80;
    // 36 bits: the lower half of a byte and four more. Zero is "unknown".
    head[21] &= 0xf0;
    head[22..26].fill(0);
    Some(Cursor::new(head.to_vec()).chain(source))
}

/// Decodes an MP3.
pub(super) fn mp3(source: impl Read + Seek, deadline: Instant) -> Option<Sound> {
    // A scan for the length would read the file twice.
    let options = nanomp3::Options::default().skip_scan(true);
    let mut reader = nanomp3::Reader::<_, f32>::with_options(source, options).ok()?;
    let channels = reader.channels()?;
    let mut sound = Sound::new(reader.sample_rate(), u16::from(channels as u8))?;
    while let Ok(Some(samples)) = reader.read_frame() {
        if !sound.hear(samples, deadline) {
            return Some(sound);
        }
    }
    sound.whole = Instant::now() < deadline;
    Some(sound)
}

/// Reads samples of two bytes in one channel as they come, in pieces of any length.
#[derive(Debug)]
pub(super) struct Listener {
    sound: Sound,
    half: Option<u8>,
    deadline: Instant,
}

impl Listener {
    pub(super) fn new(sample_rate: u32, deadline: Instant) -> Option<Self> {
        Some(Self { sound: Sound::new(sample_rate, 1)?, half: None, deadline })
    }

    /// Whether more may come.
    pub(super) fn push(&mut self, bytes: &[u8]) -> bool {
        let bytes: Vec<u8> = self.half.take().into_iter().chain(bytes.iter().copied()).collect();
        let pairs = bytes.chunks_exact(2);
        self.half = pairs.remainder().first().copied();
        let sample = |pair: &[u8]| f32::from(i16::from_le_bytes([pair[0], pair[1]])) / 32_768.0;
        self.sound.hear(&pairs.map(sample).collect::<Vec<_>>(), self.deadline)
    }

    pub(super) fn finish(self) -> Sound {
        self.sound
    }
}

/// A sample as a part of the loudest one.
#[expect(clippy::cast_precision_loss, reason = "a picture of 128 rows needs 8 bits")]
fn share(sample: i32, full: f32) -> f32 {
    sample as f32 / full
}
