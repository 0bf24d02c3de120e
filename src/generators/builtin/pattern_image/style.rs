//! The ways to draw a pattern. A painter settles everything once and then writes row by row, with
//! integers only, so that every machine draws the same.

mod cells;
mod shapes;
mod waves;

use serde::Deserialize;

use super::super::random::Random;

/// How a pattern is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Style {
    Plasma,
    Stripes,
    Circles,
    Voronoi,
    Truchet,
}

/// Draws one pattern.
pub(super) trait Painter {
    /// Writes the tone of every pixel of the row `y`.
    fn row(&self, y: u32, tones: &mut [u8]);
}

impl Style {
    /// The names of all styles, as the input schema lists them.
    pub(super) const NAMES: [&str; 5] = ["plasma", "stripes", "circles", "voronoi", "truchet"];

    /// The painter of a pattern of this style.
    pub(super) fn painter(self, width: u32, height: u32, random: Random) -> Box<dyn Painter> {
        match self {
            Self::Plasma => Box::new(waves::Plasma::new(width, height, random)),
            Self::Stripes => Box::new(waves::Stripes::new(width, height, random)),
            Self::Circles => Box::new(shapes::Circles::new(width, height, random)),
            Self::Voronoi => Box::new(cells::Voronoi::new(width, height, random)),
            Self::Truchet => Box::new(shapes::Truchet::new(width, height, random)),
        }
    }
}
