//! `image-collage`: several pictures in a grid.

use async_trait::async_trait;
use image::{DynamicImage, Rgba, RgbaImage, imageops};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{Failure, Generator, Made, Output, Run},
    geometry::{Fit, Size, resize},
    picture::{Colour, MAX_SIDE, check_size, colour_schema, decode, eight_bits, png},
    work::{Work, compute, message},
};
use crate::domain::{ArtifactType, GenerationId};

/// See the module.
pub(super) struct ImageCollage;

#[derive(Deserialize)]
struct Params {
    images: Vec<GenerationId>,
    columns: Option<u32>,
    cell_width: u32,
    cell_height: u32,
    fit: Fit,
    gap: u32,
    background: Colour,
}

#[async_trait]
impl Generator for ImageCollage {
    fn name(&self) -> &'static str {
        "image-collage"
    }

    fn description(&self) -> &'static str {
        "Two to sixteen images side by side in a grid, row by row in the order given."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Image
    }

    fn input_schema(&self) -> Value {
        let side = |what: &str| {
            json!({
                "type": "integer", "minimum": 16, "maximum": 1024, "default": 256,
                "description": format!("{what} of each cell in pixels."),
            })
        };
        json!({
            "type": "object",
            "properties": {
                "images": {
                    "type": "array", "minItems": 2, "maxItems": 16,
                    "items": {"$ref": "#/$defs/ImageArtifact"},
                    "description": "The images, in the order in which they are placed.",
                },
                "columns": {
                    "type": "integer", "minimum": 1, "maximum": 16,
                    "description": "Cells in a row; without it, as square a grid as can be.",
                },
                "cell_width": side("Width"),
                "cell_height": side("Height"),
                "fit": {
                    "type": "string", "enum": ["cover", "contain", "stretch"], "default": "cover",
                    "description": "cover fills the cell and cuts what stands over, contain shows \
                        the whole image, stretch ignores the proportions.",
                },
                "gap": {
                    "type": "integer", "minimum": 0, "maximum": 200, "default": 8,
                    "description": "Space round the cells in pixels.",
                },
                "background": colour_schema("Colour of the gaps and of empty cells", "#ffffff"),
            },
            "required": ["images"],
            "additionalProperties": false,
        })
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
        compute(run, compose).await.map(Made::from)
    }
}

fn compose(work: &Work) -> Result<Output, Failure> {
    let params: Params = work.params()?;
    let count = u32::try_from(params.images.len()).unwrap_or(u32::MAX);
    let square = (1..=count).find(|side| side * side >= count).unwrap_or(1);
    let columns = params.columns.unwrap_or(square).clamp(1, count.max(1));
    let rows = count.div_ceil(columns);
    let width = columns * (params.cell_width + params.gap) + params.gap;
    let height = rows * (params.cell_height + params.gap) + params.gap;
    if check_size(width, height).is_err() {
        return Err(message(format!(
            "The collage would be {width} pixels wide and {height} high; at most {MAX_SIDE} are \
             possible: choose smaller cells or other columns"
        )));
    }
    let [red, green, blue] = params.background.0;
    let mut canvas = RgbaImage::from_pixel(width, height, Rgba([red, green, blue, 255]));
    let phase = work.phase("placing", 0.0, 0.8);
    for (index, id) in (0..count).zip(&params.images) {
        phase.step(index, count)?;
        let image = decode(work.artifact(*id)?, &format!("images.{index}"))?;
        work.check()?;
        let cell = Size { width: params.cell_width, height: params.cell_height };
        let image = resize(&image, cell, params.fit);
        let image = eight_bits(image);
        let place = |nth: u32, cell: u32, side: u32| {
            i64::from(params.gap + nth * (cell + params.gap) + (cell - side.min(cell)) / 2)
        };
        let x = place(index % columns, cell.width, image.width());
        let y = place(index / columns, cell.height, image.height());
        imageops::overlay(&mut canvas, &image.into_rgba8(), x, y);
    }
    work.phase("compressing", 0.8, 1.0).begin()?;
    png(DynamicImage::from(canvas).into_rgb8().into())
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    const RED: [u8; 4] = [255, 0, 0, 255];
    const BLUE: [u8; 4] = [0, 0, 255, 255];
    const GROUND: [u8; 4] = [1, 2, 3, 255];

    async fn collage(params: Value) -> Result<RgbaImage, Failure> {
        let mut params = params;
        params["images"] = json!([id(1).to_string(), id(2).to_string(), id(1).to_string()]);
        params["background"] = "#010203".into();
        let colours = [(100, 50, RED), (30, 90, BLUE)];
        let artifacts =
            colours.map(|(w, h, colour)| picture(&RgbaImage::from_pixel(w, h, Rgba(colour))));
        let output = make(&ImageCollage, &params, artifacts.to_vec()).await?;
        Ok(pixels(&output))
    }

    #[tokio::test]
    async fn images_stand_in_their_cells() {
        let image = collage(json!({"cell_width": 40, "cell_height": 20, "gap": 5})).await;
        let image = image.expect("made");
        assert_eq!(image.dimensions(), (2 * 45 + 5, 2 * 25 + 5));
        for (x, y, colour) in [
            (0, 0, GROUND),
            (5, 5, RED),
            (44, 24, RED),
            (45, 5, GROUND),
            (50, 5, BLUE),
            (5, 30, RED),
            (60, 40, GROUND),
        ] {
            assert_eq!(image.get_pixel(x, y).0, colour, "{x}, {y}");
        }
    }

    #[tokio::test]
    async fn contained_images_stand_in_the_middle() {
        let params =
            json!({"cell_width": 40, "cell_height": 40, "gap": 0, "columns": 3, "fit": "contain"});
        let image = collage(params).await.expect("made");
        assert_eq!(image.dimensions(), (120, 40));
        for (x, y, colour) in [(20, 9, GROUND), (20, 20, RED), (45, 20, GROUND), (60, 0, BLUE)] {
            assert_eq!(image.get_pixel(x, y).0, colour, "{x}, {y}");
        }
    }

    #[tokio::test]
    async fn a_damaged_image_is_named() {
        let params = json!({"images": [id(1).to_string(), id(2).to_string()]});
        let good = picture(&RgbaImage::new(2, 2));
        let bad = artifact(ArtifactType::Image, "image/png", &b"\x89PNG\r\n\x1a\n...."[..]);
        let failure = make(&ImageCollage, &params, vec![good, bad]).await.expect_err("refused");
        assert!(failure.to_string().starts_with("images.1 cannot be read"), "{failure}");
    }

    #[test]
    fn two_to_sixteen_images_are_needed() {
        let one = json!({"images": [id(1).to_string()]});
        assert_eq!(violations(&ImageCollage, &one), ["images must have at least 2 items"]);
        let many = json!({"images": vec![id(1).to_string(); 17]});
        assert_eq!(violations(&ImageCollage, &many), ["images must have at most 16 items"]);
    }
}
