//! The picture of a sound: a bar a column, from its lowest to its highest swing.

use image::{DynamicImage, Rgba, RgbaImage};

use super::peaks::Peaks;

/// In pixels; a column each.
const WIDTH: u32 = 512;
/// In pixels.
const HEIGHT: u32 = 128;
/// Of the bars; the rest is transparent. It can be seen on white and on black.
const INK: Rgba<u8> = Rgba([99, 132, 199, 255]);

/// Draws a sound; nothing when there is none. Silence is a line.
pub(super) fn waveform(peaks: &Peaks) -> Option<DynamicImage> {
    let columns = peaks.columns(WIDTH as usize);
    if columns.is_empty() {
        return None;
    }
    let mut picture = RgbaImage::new(WIDTH, HEIGHT);
    for (x, swing) in (0..WIDTH).zip(columns) {
        for y in row(swing.high)..=row(swing.low) {
            picture.put_pixel(x, y, INK);
        }
    }
    Some(picture.into())
}

/// The row of a sample: 1 is on top, 0 in the middle, -1 at the bottom.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "rows are small, and a sample lies between -1 and 1"
)]
fn row(sample: f32) -> u32 {
    let middle = (HEIGHT - 1) as f32 / 2.0;
    ((1.0 - sample) * middle).round().clamp(0.0, (HEIGHT - 1) as f32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many pixels of a column are drawn.
    fn drawn(picture: &DynamicImage, x: u32) -> usize {
        let picture = picture.as_rgba8().expect("RGBA");
        (0..HEIGHT).filter(|&y| picture.get_pixel(x, y)[3] == 255).count()
    }

    #[test]
    fn a_sound_that_grows_fills_more_and_more() {
        let mut peaks = Peaks::new();
        for step in 0..1000_u16 {
            let loudness = f32::from(step) / 1000.0;
            peaks.push([loudness, -loudness]);
        }
        let picture = waveform(&peaks).expect("a picture");
        assert_eq!((picture.width(), picture.height()), (WIDTH, HEIGHT));
        let heights = [0, 128, 256, 384, 511].map(|x| drawn(&picture, x));
        assert!(heights.is_sorted() && heights[0] <= 2 && heights[4] >= 126, "{heights:?}");
    }

    #[test]
    fn silence_is_a_line_and_nothing_is_nothing() {
        let mut peaks = Peaks::new();
        peaks.push([0.0]);
        let picture = waveform(&peaks).expect("a picture");
        assert!((0..WIDTH).all(|x| drawn(&picture, x) == 1));
        assert!(waveform(&Peaks::new()).is_none());
    }
}
