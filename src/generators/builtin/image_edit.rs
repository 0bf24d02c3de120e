//! `image-edit`: crops, resizes, turns and colours one picture.
//!
//! The order is always the same: crop, resize, rotate, flip, grayscale, invert, blur.

use async_trait::async_trait;
use image::{DynamicImage, GenericImage, GenericImageView, imageops::invert};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{Failure, Generator, Made, Output, Run},
    geometry::{self, Fit, Size, target},
    picture::{MAX_SIDE, check_size, decode, eight_bits, png},
    work::{Phase, Work, compute, message},
};
use crate::domain::{ArtifactType, GenerationId};

/// See the module.
pub(super) struct ImageEdit;

#[derive(Deserialize)]
struct Params {
    image: GenerationId,
    crop_x: u32,
    crop_y: u32,
    crop_width: Option<u32>,
    crop_height: Option<u32>,
    width: Option<u32>,
    height: Option<u32>,
    fit: Fit,
    rotate: u32,
    flip: Flip,
    grayscale: bool,
    invert: bool,
    blur: f32,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Flip {
    None,
    Horizontal,
    Vertical,
    Both,
}

#[async_trait]
impl Generator for ImageEdit {
    fn name(&self) -> &'static str {
        "image-edit"
    }

    fn description(&self) -> &'static str {
        "An edited copy of an image. Edits apply in this order: crop, resize, rotate, flip, \
         grayscale, invert, blur."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Image
    }

    fn input_schema(&self) -> Value {
        let pixels = |maximum: u32, text: &str| json!({"type": "integer", "minimum": 1, "maximum": maximum, "description": text});
        let offset = |text: &str| {
            json!({
                "type": "integer", "minimum": 0, "maximum": MAX_SIDE - 1, "default": 0,
                "description": text,
            })
        };
        let switch = |text: &str| json!({"type": "boolean", "default": false, "description": text});
        json!({
            "type": "object",
            "properties": {
                "image": {"$ref": "#/$defs/ImageArtifact", "description": "The image to edit."},
                "crop_x": offset("Left edge of the part to keep, in pixels of the input image."),
                "crop_y": offset("Top edge of the part to keep, in pixels of the input image."),
                "crop_width": pixels(MAX_SIDE, "Width of the part to keep; without it, the rest."),
                "crop_height": pixels(MAX_SIDE, "Height of the part to keep; without it, the rest."),
                "width": pixels(4096, "New width in pixels; without it, as height demands."),
                "height": pixels(4096, "New height in pixels; without it, as width demands."),
                "fit": {
                    "type": "string", "enum": ["contain", "cover", "stretch"], "default": "contain",
                    "description": "When width and height are both given: contain keeps the whole \
                        image inside them, cover fills them and cuts what stands over, stretch \
                        ignores the proportions.",
                },
                "rotate": {
                    "type": "integer", "enum": [0, 90, 180, 270], "default": 0,
                    "description": "Turns the image clockwise, in degrees.",
                },
                "flip": {
                    "type": "string", "enum": ["none", "horizontal", "vertical", "both"],
                    "default": "none",
                    "description": "Mirrors the image: horizontal swaps left and right.",
                },
                "grayscale": switch("Takes the colours away."),
                "invert": switch("Turns every colour into its opposite."),
                "blur": {
                    "type": "number", "minimum": 0, "maximum": 50, "default": 0,
                    "description": "Strength of the blur: the standard deviation in pixels.",
                },
            },
            "required": ["image"],
            "additionalProperties": false,
        })
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
        compute(run, edit).await.map(Made::from)
    }
}

fn edit(work: &Work) -> Result<Output, Failure> {
    let params: Params = work.params()?;
    work.phase("reading", 0.0, 0.2).begin()?;
    let image = decode(work.artifact(params.image)?, "image")?;
    work.phase("cropping", 0.2, 0.3).begin()?;
    let image = crop(image, &params)?;
    work.phase("resizing", 0.3, 0.5).begin()?;
    let image = resize(image, &params)?;
    work.phase("turning", 0.5, 0.55).begin()?;
    let image = turn(eight_bits(image), &params);
    work.phase("colouring", 0.55, 0.6).begin()?;
    let image = colour(image, &params);
    let image = blur(image, params.blur, &work.phase("blurring", 0.6, 0.8))?;
    work.phase("compressing", 0.8, 1.0).begin()?;
    png(image)
}

fn crop(image: DynamicImage, params: &Params) -> Result<DynamicImage, Failure> {
    let (x, y) = (params.crop_x, params.crop_y);
    let rest = |whole: u32, start: u32, length: Option<u32>| {
        let rest = whole.checked_sub(start).filter(|rest| *rest > 0)?;
        length.map_or(Some(rest), |length| (length <= rest).then_some(length))
    };
    let width = rest(image.width(), x, params.crop_width);
    let height = rest(image.height(), y, params.crop_height);
    let (Some(width), Some(height)) = (width, height) else {
        return Err(message(format!(
            "The part to keep lies outside of the image, which is {} pixels wide and {} high",
            image.width(),
            image.height()
        )));
    };
    if (width, height) == image.dimensions() {
        return Ok(image);
    }
    Ok(image.crop_imm(x, y, width, height))
}

fn resize(image: DynamicImage, params: &Params) -> Result<DynamicImage, Failure> {
    let from = Size { width: image.width(), height: image.height() };
    let (to, fit) = match (params.width, params.height) {
        (None, None) => return Ok(image),
        (Some(width), Some(height)) => (Size { width, height }, params.fit),
        (width, height) => (target(from, width, height), Fit::Stretch),
    };
    if check_size(to.width, to.height).is_err() {
        return Err(message(format!(
            "The new image would be {} pixels wide and {} high, which is too large",
            to.width, to.height
        )));
    }
    Ok(geometry::resize(&image, to, fit))
}

fn turn(image: DynamicImage, params: &Params) -> DynamicImage {
    let image = match params.rotate {
        90 => image.rotate90(),
        180 => image.rotate180(),
        270 => image.rotate270(),
        _ => image,
    };
    match params.flip {
        Flip::None => image,
        Flip::Horizontal => image.fliph(),
        Flip::Vertical => image.flipv(),
        Flip::Both => image.rotate180(),
    }
}

fn colour(image: DynamicImage, params: &Params) -> DynamicImage {
    let mut image = if params.grayscale { eight_bits_of_gray(&image) } else { image };
    if params.invert {
        match &mut image {
            DynamicImage::ImageRgb8(pixels) => invert(pixels),
            DynamicImage::ImageRgba8(pixels) => invert(pixels),
            _ => {}
        }
    }
    image
}

fn eight_bits_of_gray(image: &DynamicImage) -> DynamicImage {
    let gray = image.grayscale();
    if image.color().has_alpha() { gray.into_rgba8().into() } else { gray.into_rgb8().into() }
}

/// Blurs in bands, so that a cancelled run stops soon. Each band is blurred with as much above and
/// below it as the blur reaches, so that no seam shows.
fn blur(image: DynamicImage, sigma: f32, phase: &Phase<'_>) -> Result<DynamicImage, Failure> {
    const BAND: u32 = 256;
    phase.begin()?;
    if sigma < 0.1 {
        return Ok(image);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 50")]
    let reach = 4 * sigma.ceil() as u32 + 4;
    let (width, height) = image.dimensions();
    let mut blurred = image.clone();
    for top in (0..height).step_by(BAND as usize) {
        phase.step(top, height)?;
        let above = reach.min(top);
        let band = BAND.min(height - top);
        let tall = above + (band + reach).min(height - top);
        let strip = image.crop_imm(0, top - above, width, tall).fast_blur(sigma);
        let strip = strip.crop_imm(0, above, width, band);
        blurred.copy_from(&strip, 0, top).map_err(|_| message("The image could not be blurred"))?;
    }
    Ok(blurred)
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};

    use super::{super::testing::*, *};

    fn byte(number: u32) -> u8 {
        u8::try_from(number).expect("a byte")
    }

    /// Every pixel says where it came from.
    fn input(width: u32, height: u32) -> RgbaImage {
        RgbaImage::from_fn(width, height, |x, y| Rgba([byte(x), byte(y), 100, 255]))
    }

    async fn edited(image: &RgbaImage, params: Value) -> Result<RgbaImage, Failure> {
        let mut params = params;
        params["image"] = id(1).to_string().into();
        let output = make(&ImageEdit, &params, vec![picture(image)]).await?;
        Ok(pixels(&output))
    }

    #[tokio::test]
    async fn edits_move_pixels_where_they_say() {
        let image = input(40, 30);
        for (params, size, x, y) in [
            (json!({}), (40, 30), 0, 0),
            (json!({"crop_x": 5, "crop_y": 6, "crop_width": 7, "crop_height": 8}), (7, 8), 5, 6),
            (json!({"crop_x": 10}), (30, 30), 10, 0),
            (json!({"rotate": 90}), (30, 40), 0, 29),
            (json!({"rotate": 180}), (40, 30), 39, 29),
            (json!({"rotate": 270}), (30, 40), 39, 0),
            (json!({"flip": "horizontal"}), (40, 30), 39, 0),
            (json!({"flip": "vertical"}), (40, 30), 0, 29),
            (json!({"flip": "both", "rotate": 90}), (30, 40), 39, 0),
            (json!({"crop_x": 4, "rotate": 90, "flip": "horizontal"}), (30, 36), 4, 0),
        ] {
            let result = edited(&image, params.clone()).await.expect("made");
            assert_eq!(result.dimensions(), size, "{params}");
            assert_eq!(result.get_pixel(0, 0).0[..2], [x, y], "{params}");
        }
    }

    #[tokio::test]
    async fn sizes_follow_width_height_and_fit() {
        let image = input(40, 20);
        for (params, size) in [
            (json!({"width": 80}), (80, 40)),
            (json!({"height": 5}), (10, 5)),
            (json!({"width": 10, "height": 10}), (10, 5)),
            (json!({"width": 10, "height": 10, "fit": "cover"}), (10, 10)),
            (json!({"width": 10, "height": 10, "fit": "stretch"}), (10, 10)),
        ] {
            let result = edited(&image, params.clone()).await.expect("made");
            assert_eq!(result.dimensions(), size, "{params}");
        }
    }

    #[tokio::test]
    async fn colours_change_and_transparency_stays() {
        let image = RgbaImage::from_pixel(4, 4, Rgba([200, 10, 10, 77]));
        let inverted = edited(&image, json!({"invert": true})).await.expect("made");
        assert_eq!(inverted.get_pixel(0, 0).0, [55, 245, 245, 77]);
        let gray = edited(&image, json!({"grayscale": true})).await.expect("made");
        let [red, green, blue, alpha] = gray.get_pixel(0, 0).0;
        assert!(red == green && green == blue && alpha == 77);
    }

    #[tokio::test]
    async fn bands_of_blur_leave_no_seam() {
        let image = RgbaImage::from_fn(20, 600, |x, y| {
            Rgba([byte(x * 7), if y % 16 < 8 { 255 } else { 0 }, byte(y / 3), 255])
        });
        for sigma in [0.5_f32, 3.0, 50.0] {
            let banded = edited(&image, json!({"blur": sigma})).await.expect("made");
            let whole = DynamicImage::from(image.clone()).fast_blur(sigma).into_rgba8();
            assert_ne!(banded, image);
            let furthest = banded.iter().zip(whole.iter()).map(|(a, b)| a.abs_diff(*b)).max();
            assert!(furthest.expect("pixels") <= 1, "{sigma}: {furthest:?}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_done_says_why() {
        let image = input(40, 30);
        for (params, word) in [
            (json!({"crop_x": 40}), "outside"),
            (json!({"crop_x": 30, "crop_width": 11}), "outside"),
        ] {
            let failure = edited(&image, params).await.expect_err("refused");
            assert!(failure.to_string().contains(word), "{failure}");
        }
        let failure = edited(&input(1, 30), json!({"width": 4096})).await.expect_err("refused");
        assert!(failure.to_string().contains("too large"));
    }
}
