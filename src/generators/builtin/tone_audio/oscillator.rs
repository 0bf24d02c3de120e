//! Waves, sample by sample.

use std::f64::consts::TAU;

use serde::Deserialize;

/// The shape of a wave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Waveform {
    Sine,
    Square,
    Triangle,
    Sawtooth,
}

/// A wave of one frequency, or silence.
pub(super) struct Oscillator {
    waveform: Waveform,
    /// Part of a period that a sample takes; 0 is silence.
    step: f64,
    /// Where in its period the wave stands, from 0 to 1.
    at: f64,
}

impl Oscillator {
    pub(super) fn new(waveform: Waveform, frequency: Option<f64>, sample_rate: u32) -> Self {
        Self { waveform, step: frequency.unwrap_or(0.0) / f64::from(sample_rate), at: 0.0 }
    }

    /// The next sample, from -1 to 1.
    pub(super) fn next(&mut self) -> f64 {
        if self.step == 0.0 {
            return 0.0;
        }
        let at = self.at;
        self.at = (at + self.step).fract();
        let level = match self.waveform {
            Waveform::Sine => (at * TAU).sin(),
            Waveform::Triangle => 1.0 - 4.0 * ((at + 0.25).fract() - 0.5).abs(),
            Waveform::Sawtooth => {
                let half = (at + 0.5).fract();
                2.0 * half - 1.0 - self.rounding(half)
            }
            Waveform::Square => {
                let side = if at < 0.5 { 1.0 } else { -1.0 };
                side + self.rounding(at) - self.rounding((at + 0.5).fract())
            }
        };
        level.clamp(-1.0, 1.0)
    }

    /// Rounds off a jump at 0, so that it holds fewer overtones that sampling cannot carry (a
    /// polynomial band-limited step; Välimäki and Huovilainen, 2007).
    fn rounding(&self, at: f64) -> f64 {
        if at < self.step {
            let t = at / self.step;
            2.0 * t - t * t - 1.0
        } else if at > 1.0 - self.step {
            let t = (at - 1.0) / self.step;
            t * t + 2.0 * t + 1.0
        } else {
            0.0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waves_stay_in_bounds_and_differ() {
        let wave = |waveform| {
            let mut oscillator = Oscillator::new(waveform, Some(1000.0), 44_100);
            (0..441).map(|_| oscillator.next()).collect::<Vec<f64>>()
        };
        let kinds = [Waveform::Sine, Waveform::Square, Waveform::Triangle, Waveform::Sawtooth];
        let waves = kinds.map(wave);
        for (index, one) in waves.iter().enumerate() {
            assert!(one.iter().all(|level| level.abs() <= 1.0));
            assert!(one.iter().sum::<f64>().abs() < 2.0, "{:?} is centred", kinds[index]);
            assert!(waves[index + 1..].iter().all(|other| one != other));
        }
    }

    #[test]
    fn rests_are_silent() {
        let mut oscillator = Oscillator::new(Waveform::Square, None, 44_100);
        assert!((0..100).all(|_| oscillator.next() == 0.0));
    }
}
