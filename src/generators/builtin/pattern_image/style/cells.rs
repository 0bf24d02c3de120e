//! Patterns of cells: a Voronoi diagram of one point in each square of a grid.

use super::{super::palette::tone, Painter, Random};

#[derive(Clone, Copy, Default)]
struct Point {
    x: i32,
    y: i32,
    tone: u8,
}

/// Each pixel has the colour of the nearest point, and the dark one between two of them.
pub(super) struct Voronoi {
    side: u32,
    columns: usize,
    points: Vec<Point>,
    border: i32,
}

impl Voronoi {
    pub(super) fn new(width: u32, height: u32, mut random: Random) -> Self {
        let shortest = width.min(height);
        let side = random.between((shortest / 14).max(6), (shortest / 6).max(8));
        // One square more on every side, so that every pixel has neighbours all round.
        let (columns, rows) = (width.div_ceil(side) + 2, height.div_ceil(side) + 2);
        let signed = |at: u32| i32::try_from(at).unwrap_or(i32::MAX);
        let mut points = Vec::with_capacity((columns * rows) as usize);
        for row in 0..rows {
            for column in 0..columns {
                points.push(Point {
                    x: signed(column * side + random.below(side)) - signed(side),
                    y: signed(row * side + random.below(side)) - signed(side),
                    tone: tone(random.between(1, 4)),
                });
            }
        }
        Self { side, columns: columns as usize, points, border: signed(side) * 2 }
    }

    /// The points of three rows of squares of which `row` is the first.
    fn near(&self, row: usize, column: usize) -> [Point; 9] {
        let mut near = [Point::default(); 9];
        for line in 0..3 {
            let start = (row + line) * self.columns + column;
            near[line * 3..line * 3 + 3].copy_from_slice(&self.points[start..start + 3]);
        }
        near
    }
}

impl Painter for Voronoi {
    fn row(&self, y: u32, tones: &mut [u8]) {
        let row = (y / self.side) as usize;
        let y = i32::try_from(y).unwrap_or(i32::MAX);
        let mut x = 0;
        for (column, part) in tones.chunks_mut(self.side as usize).enumerate() {
            // What stays the same along the row is computed once for each square.
            let near = self.near(row, column).map(|point| {
                let rise = point.y - y;
                (point.x, rise * rise, point.tone)
            });
            for tone in part {
                let (mut first, mut second, mut nearest) = (i32::MAX, i32::MAX, 0);
                for &(point, rise, tone) in &near {
                    let distance = (point - x) * (point - x) + rise;
                    if distance < first {
                        (second, first, nearest) = (first, distance, tone);
                    } else if distance < second {
                        second = distance;
                    }
                }
                // The tone of the dark colour is 0.
                *tone = if second - first < self.border { 0 } else { nearest };
                x += 1;
            }
        }
    }
}
