//! Named colours of patterns.

use serde::Deserialize;

/// A palette of five colours, dark to light.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Palette {
    Ocean,
    Sunset,
    Forest,
    Candy,
    Earth,
    Mono,
}

/// Colours of a palette.
const STOPS: u8 = 5;
/// Tones from one colour of a palette to the next.
const SPAN: u8 = 63;

/// The tone of the colour `index` of a palette, counted round.
#[expect(clippy::cast_possible_truncation, reason = "a remainder by five")]
pub(super) fn tone(index: u32) -> u8 {
    (index % u32::from(STOPS)) as u8 * SPAN
}

impl Palette {
    /// The names of all palettes, as the input schema lists them.
    pub(super) const NAMES: [&str; 6] = ["ocean", "sunset", "forest", "candy", "earth", "mono"];

    fn stops(self) -> [[u8; 3]; STOPS as usize] {
        match self {
            Self::Ocean => {
                [[5, 25, 55], [0, 77, 122], [0, 135, 147], [0, 191, 114], [168, 235, 18]]
            }
            Self::Sunset => {
                [[45, 10, 60], [125, 25, 90], [205, 60, 80], [250, 140, 70], [255, 220, 140]]
            }
            Self::Forest => {
                [[15, 35, 25], [35, 75, 45], [85, 120, 55], [160, 170, 80], [230, 225, 170]]
            }
            Self::Candy => {
                [[90, 60, 150], [230, 80, 150], [255, 150, 170], [140, 210, 230], [250, 250, 220]]
            }
            Self::Earth => {
                [[50, 35, 30], [110, 70, 50], [170, 110, 70], [215, 170, 115], [245, 230, 205]]
            }
            Self::Mono => {
                [[15, 15, 18], [75, 75, 80], [135, 135, 140], [195, 195, 200], [250, 250, 252]]
            }
        }
    }

    /// The colour of every tone: the palette's colours and what lies between them.
    pub(super) fn ramp(self) -> [[u8; 3]; 256] {
        let stops = self.stops();
        let mut ramp = [stops[stops.len() - 1]; 256];
        for (tone, colour) in (0..=SPAN * (STOPS - 1)).zip(&mut ramp) {
            let (from, part) = (usize::from(tone / SPAN), u16::from(tone % SPAN));
            let to = (from + 1).min(stops.len() - 1);
            for (channel, value) in colour.iter_mut().enumerate() {
                let (a, b) = (u16::from(stops[from][channel]), u16::from(stops[to][channel]));
                let span = u16::from(SPAN);
                *value = u8::try_from((a * (span - part) + b * part) / span).unwrap_or(u8::MAX);
            }
        }
        ramp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_a_palette_whose_colours_stand_on_the_ramp() {
        for name in Palette::NAMES {
            let palette: Palette = serde_json::from_value(name.into()).expect("a palette");
            let ramp = palette.ramp();
            for (index, stop) in (0..).zip(palette.stops()) {
                assert_eq!(ramp[usize::from(tone(index))], stop, "{name}");
            }
        }
    }
}
