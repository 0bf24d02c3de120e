//! The shape of a sound: how far it swings in each stretch of time, in memory that does not grow with
//! its length, and without knowing the length beforehand.

/// Stretches that are kept at most; there are at least half as many once the sound was that long.
const MOST_STRETCHES: usize = 2048;

/// How far a stretch of a sound swings, from -1 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Swing {
    pub(super) low: f32,
    pub(super) high: f32,
}

impl Swing {
    /// Of a moment without sound.
    const SILENCE: Self = Self { low: 0.0, high: 0.0 };

    fn with(self, other: Self) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

/// Fed with frames, one sample of each channel at a time.
#[derive(Clone, Debug)]
pub(super) struct Peaks {
    stretches: Vec<Swing>,
    /// Frames in each stretch but the last.
    frames_each: u64,
    /// Frames in the last stretch.
    frames_in_last: u64,
    frames: u64,
}

impl Peaks {
    pub(super) fn new() -> Self {
        Self { stretches: Vec::new(), frames_each: 1, frames_in_last: 1, frames: 0 }
    }

    /// How many frames came.
    pub(super) fn frames(&self) -> u64 {
        self.frames
    }

    /// Takes one sample of each channel. What is no number counts as silence.
    pub(super) fn push(&mut self, samples: impl IntoIterator<Item = f32>) {
        let swing = samples
            .into_iter()
            .filter(|sample| sample.is_finite())
            .map(|sample| sample.clamp(-1.0, 1.0))
            .fold(Swing::SILENCE, |swing, sample| swing.with(Swing { low: sample, high: sample }));
        self.frames += 1;
        if self.frames_in_last < self.frames_each
            && let Some(last) = self.stretches.last_mut()
        {
            *last = last.with(swing);
            self.frames_in_last += 1;
            return;
        }
        if self.stretches.len() == MOST_STRETCHES {
            self.stretches = self.stretches.chunks(2).map(together).collect();
            self.frames_each *= 2;
        }
        self.stretches.push(swing);
        self.frames_in_last = 1;
    }

    /// The sound in so many columns from its beginning to its end; none for no sound.
    pub(super) fn columns(&self, count: usize) -> Vec<Swing> {
        let length = self.stretches.len();
        if length == 0 {
            return Vec::new();
        }
        let column = |index: usize| {
            let from = index * length / count;
            let to = ((index + 1) * length / count).max(from + 1);
            together(&self.stretches[from..to.min(length)])
        };
        (0..count).map(column).collect()
    }
}

fn together(stretches: &[Swing]) -> Swing {
    stretches.iter().fold(Swing::SILENCE, |all, swing| all.with(*swing))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `frames` frames, all silent but the one at `loud`.
    fn one_beat(frames: u64, loud: u64) -> Peaks {
        let mut peaks = Peaks::new();
        (0..frames).for_each(|frame| peaks.push([0.0, if frame == loud { -0.5 } else { 0.0 }]));
        peaks
    }

    #[test]
    fn a_beat_is_in_the_column_of_its_time() {
        for frames in [8, 100, 2048, 2049, 100_000] {
            for eighth in 0..8 {
                let loud = frames * eighth / 8;
                let columns = one_beat(frames, loud).columns(8);
                let found: Vec<usize> = (0..8).filter(|&at| columns[at].low < -0.4).collect();
                let expected = usize::try_from(eighth).expect("small");
                // The last stretch is not full, so that a column may begin a little early.
                assert!(
                    found.len() == 1 && found[0].abs_diff(expected) <= 1,
                    "{loud} of {frames}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn memory_does_not_grow() {
        let peaks = one_beat(1_000_000, 999_999);
        assert_eq!(peaks.frames(), 1_000_000);
        assert!(peaks.stretches.len() <= MOST_STRETCHES);
        assert_eq!(peaks.columns(512).last().map(|swing| swing.low), Some(-0.5));
    }

    #[test]
    fn what_is_no_sound_is_silent() {
        let mut peaks = Peaks::new();
        peaks.push([f32::NAN, f32::INFINITY]);
        peaks.push([7.0]);
        assert_eq!(peaks.columns(2), [Swing::SILENCE, Swing { low: 0.0, high: 1.0 }]);
        assert!(Peaks::new().columns(3).is_empty());
    }
}
