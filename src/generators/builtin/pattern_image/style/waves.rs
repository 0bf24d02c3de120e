//! Patterns of waves: plasma and stripes.

use super::{super::palette::tone, Painter, Random};

/// Four waves in four directions, added up.
pub(super) struct Plasma {
    across: Vec<u8>,
    down: Vec<u8>,
    falling: Vec<u8>,
    rising: Vec<u8>,
}

impl Plasma {
    pub(super) fn new(width: u32, height: u32, mut random: Random) -> Self {
        let (side, diagonal) = (width.min(height), width + height);
        let mut wave = |length: u32| {
            let period = random.between(side / 3 + 4, side + 8);
            let phase = random.below(period);
            (0..length).map(|at| smooth((at + phase) % period, period)).collect::<Vec<u8>>()
        };
        Self {
            across: wave(width),
            down: wave(height),
            falling: wave(diagonal),
            rising: wave(diagonal),
        }
    }
}

impl Painter for Plasma {
    fn row(&self, y: u32, tones: &mut [u8]) {
        let (y, width) = (y as usize, self.across.len());
        let falling = &self.falling[y..y + width];
        let rising = &self.rising[self.down.len() - 1 - y..];
        let down = self.down[y];
        for (x, tone) in tones.iter_mut().enumerate() {
            *tone = down + self.across[x] + falling[x] + rising[x];
        }
    }
}

/// A smooth wave from 0 up to 63 and down again over `period`, at `at` of it.
#[expect(clippy::cast_possible_truncation, reason = "at most 63")]
fn smooth(at: u32, period: u32) -> u8 {
    let half = u64::from(period.div_ceil(2)).max(1);
    let distance = u64::from(at.min(period - at)).min(half);
    // The cubic 3t² − 2t³, in integers.
    (63 * distance * distance * (3 * half - 2 * distance) / (half * half * half)) as u8
}

/// Slanted stripes of several widths.
pub(super) struct Stripes {
    tones: Vec<u8>,
    slope: usize,
    rising: bool,
    height: usize,
}

/// Pixels along a row are this many parts wide, so that a stripe can stand at any slant.
const PARTS: usize = 4;

impl Stripes {
    pub(super) fn new(width: u32, height: u32, mut random: Random) -> Self {
        let slope = random.below(2 * 4 + 1) as usize;
        let rising = random.below(2) == 1;
        let length = width as usize * PARTS + height as usize * slope;
        let widest = (width.max(height) / 6).max(3);
        let mut tones: Vec<u8> = Vec::with_capacity(length);
        let mut colour = random.below(5);
        while tones.len() < length {
            colour += random.between(1, 4);
            let stripe = random.between(2, widest) as usize * PARTS;
            tones.resize(length.min(tones.len() + stripe), tone(colour));
        }
        Self { tones, slope, rising, height: height as usize }
    }
}

impl Painter for Stripes {
    fn row(&self, y: u32, tones: &mut [u8]) {
        let y = y as usize;
        let steps = if self.rising { y } else { self.height - 1 - y };
        let mut at = steps * self.slope;
        for tone in tones {
            *tone = self.tones[at];
            at += PARTS;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_rise_smoothly_and_fall_again() {
        for period in [4, 5, 64, 2057] {
            let wave: Vec<u8> = (0..period).map(|at| smooth(at, period)).collect();
            assert_eq!(wave[0], 0);
            assert!(wave.iter().all(|value| *value <= 63));
            assert!(wave[..wave.len() / 2].is_sorted());
        }
        assert_eq!(smooth(32, 64), 63);
    }
}
