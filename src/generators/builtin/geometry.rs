//! How a picture comes to a new size.

use image::{
    DynamicImage, GenericImageView,
    imageops::FilterType::{CatmullRom, Lanczos3},
};
use serde::Deserialize;

/// What happens to the proportions when width and height are both given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Fit {
    /// The whole picture, as large as fits inside.
    Contain,
    /// The size exactly, filled; what stands over is cut off evenly.
    Cover,
    /// The size exactly, with other proportions.
    Stretch,
}

/// A size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The size with the proportions of `from` when only one side is given.
pub(super) fn target(from: Size, width: Option<u32>, height: Option<u32>) -> Size {
    match (width, height) {
        (Some(width), _) => Size { width, height: scaled(from.height, width, from.width) },
        (None, Some(height)) => Size { width: scaled(from.width, height, from.height), height },
        (None, None) => from,
    }
}

/// `image` at the size `to`, as `fit` says.
pub(super) fn resize(image: &DynamicImage, to: Size, fit: Fit) -> DynamicImage {
    let from = Size { width: image.width(), height: image.height() };
    match fit {
        Fit::Stretch => sample(image, to),
        Fit::Contain => {
            let by_width = target(from, Some(to.width), None);
            let inside = if by_width.height <= to.height {
                by_width
            } else {
                target(from, None, Some(to.height))
            };
            sample(image, inside)
        }
        Fit::Cover => {
            // The part of the picture that will be seen is cut out first: less to compute.
            let width = scaled(to.width, from.height, to.height).min(from.width);
            let height = scaled(to.height, from.width, to.width).min(from.height);
            let (x, y) = ((from.width - width) / 2, (from.height - height) / 2);
            let seen = if (width, height) == image.dimensions() {
                None
            } else {
                Some(image.crop_imm(x, y, width, height))
            };
            sample(seen.as_ref().unwrap_or(image), to)
        }
    }
}

/// Large pictures are averaged down to twice the size first: the fine filter is slow on them.
fn sample(image: &DynamicImage, to: Size) -> DynamicImage {
    let (width, height) = image.dimensions();
    if (width, height) == (to.width, to.height) {
        return image.clone();
    }
    let (twice_width, twice_height) = (to.width.saturating_mul(2), to.height.saturating_mul(2));
    if width > twice_width && height > twice_height {
        let near = image.thumbnail_exact(twice_width, twice_height);
        return near.resize_exact(to.width, to.height, Lanczos3);
    }
    // Larger pictures gain nothing from the finer filter, which takes half as long again.
    let filter = if to.width > width { CatmullRom } else { Lanczos3 };
    image.resize_exact(to.width, to.height, filter)
}

/// `length · numerator / denominator`, rounded, at least 1.
fn scaled(length: u32, numerator: u32, denominator: u32) -> u32 {
    let product = u64::from(length) * u64::from(numerator);
    let denominator = u64::from(denominator.max(1));
    let rounded = (product + denominator / 2) / denominator;
    u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proportions_are_kept_and_nothing_vanishes() {
        let from = Size { width: 300, height: 2 };
        assert_eq!(target(from, Some(30), None), Size { width: 30, height: 1 });
        assert_eq!(target(from, None, Some(4)), Size { width: 600, height: 4 });
    }

    #[test]
    fn large_pictures_come_down_in_two_steps_to_the_same_size() {
        let image = DynamicImage::new_rgb8(400, 300);
        for fit in [Fit::Cover, Fit::Stretch] {
            let small = resize(&image, Size { width: 20, height: 31 }, fit);
            assert_eq!(small.dimensions(), (20, 31));
        }
        let size = Size { width: 20, height: 31 };
        let small = resize(&image, size, Fit::Contain);
        assert_eq!(small.dimensions(), (20, 15));
    }
}
