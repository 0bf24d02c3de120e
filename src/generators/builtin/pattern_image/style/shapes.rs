//! Patterns of shapes: circles and Truchet tiles.

use super::{super::palette::tone, Painter, Random};

struct Disc {
    x: i64,
    y: i64,
    radius: i64,
    tone: u8,
}

/// Discs and rings that lie over one another.
pub(super) struct Circles {
    background: u8,
    discs: Vec<Disc>,
}

impl Circles {
    pub(super) fn new(width: u32, height: u32, mut random: Random) -> Self {
        let background = random.below(5);
        let widest = (width.min(height) / 3).max(4);
        let mut discs = Vec::new();
        for _ in 0..random.between(24, 48) {
            let (x, y) = (random.below(width).into(), random.below(height).into());
            let mut colour = background + random.between(1, 4);
            let mut radius = random.between(2, widest);
            for _ in 0..random.between(1, 4) {
                discs.push(Disc { x, y, radius: radius.into(), tone: tone(colour) });
                colour += random.between(1, 4);
                radius = radius * 2 / 3;
            }
        }
        Self { background: tone(background), discs }
    }
}

impl Painter for Circles {
    fn row(&self, y: u32, tones: &mut [u8]) {
        tones.fill(self.background);
        let width = i64::try_from(tones.len()).unwrap_or(i64::MAX);
        for disc in &self.discs {
            let rise = i64::from(y) - disc.y;
            let Some(half) = (disc.radius * disc.radius - rise * rise).checked_isqrt() else {
                continue;
            };
            let inside = |x: i64| usize::try_from(x.clamp(0, width)).unwrap_or(0);
            tones[inside(disc.x - half)..inside(disc.x + half + 1)].fill(disc.tone);
        }
    }
}

/// Tiles with two quarter circles, each turned one way or the other: together they make loops
/// (Truchet's tiles in the form that C. S. Smith gave them in 1987).
pub(super) struct Truchet {
    side: usize,
    columns: usize,
    turned: Vec<bool>,
    straight: Vec<u8>,
    mirrored: Vec<u8>,
}

impl Truchet {
    pub(super) fn new(width: u32, height: u32, mut random: Random) -> Self {
        let shortest = width.min(height);
        let side = random.between((shortest / 16).max(6), (shortest / 6).max(8)) as usize;
        let (columns, rows) = ((width as usize).div_ceil(side), (height as usize).div_ceil(side));
        let turned = (0..columns * rows).map(|_| random.below(2) == 1).collect();
        let ground = random.below(5);
        let line = ground + random.between(1, 4);
        let (ground, line) = (tone(ground), tone(line));
        let straight = tile(side, ground, line);
        let mirrored = straight.chunks(side).flat_map(|row| row.iter().rev().copied()).collect();
        Self { side, columns, turned, straight, mirrored }
    }
}

/// A tile with quarter circles round its first and its last corner.
fn tile(side: usize, ground: u8, line: u8) -> Vec<u8> {
    // Distances are doubled, so that pixels have their centres on odd numbers.
    let on_line = |x: usize, y: usize| {
        let squared = x * x + y * y;
        let (inner, outer) = (side - side / 3, side + side / 3);
        (inner * inner..=outer * outer).contains(&squared)
    };
    let mut tones = Vec::with_capacity(side * side);
    for y in (1..2 * side).step_by(2) {
        for x in (1..2 * side).step_by(2) {
            let drawn = on_line(x, y) || on_line(2 * side - x, 2 * side - y);
            tones.push(if drawn { line } else { ground });
        }
    }
    tones
}

impl Painter for Truchet {
    fn row(&self, y: u32, tones: &mut [u8]) {
        let (tile_row, line) = (y as usize / self.side, y as usize % self.side);
        let turned = &self.turned[tile_row * self.columns..];
        for (part, turned) in tones.chunks_mut(self.side).zip(turned) {
            let tile = if *turned { &self.mirrored } else { &self.straight };
            let start = line * self.side;
            part.copy_from_slice(&tile[start..start + part.len()]);
        }
    }
}
