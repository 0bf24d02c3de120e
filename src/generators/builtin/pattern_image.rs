//! `pattern-image`: abstract pictures, each settled by a seed or a prompt.

mod palette;
mod style;

use async_trait::async_trait;
use image::RgbImage;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{Failure, Generator, Made, Output, Run},
    picture::png,
    random::Random,
    work::{Work, compute, message},
};
use crate::domain::ArtifactType;

use palette::Palette;
use style::Style;

/// See the module.
pub(super) struct PatternImage;

#[derive(Deserialize)]
struct Params {
    seed: Option<u64>,
    prompt: Option<String>,
    width: u32,
    height: u32,
    palette: Palette,
    style: Style,
}

#[async_trait]
impl Generator for PatternImage {
    fn name(&self) -> &'static str {
        "pattern-image"
    }

    fn description(&self) -> &'static str {
        "An abstract pattern from a seed or a prompt: the same one gives the same picture."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Image
    }

    fn input_schema(&self) -> Value {
        let side = |what: &str| {
            json!({
                "type": "integer", "minimum": 16, "maximum": 2048, "default": 512,
                "description": format!("{what} of the image in pixels."),
            })
        };
        json!({
            "type": "object",
            "properties": {
                "prompt": {
                    "type": "string", "minLength": 1, "maxLength": 2000,
                    "description": "Any words. They settle the picture but are not understood.",
                },
                "seed": {
                    "type": "integer", "minimum": 0, "maximum": 9_007_199_254_740_991_u64,
                    "description": "Any whole number. With a prompt, another seed gives a variant.",
                },
                "style": {
                    "type": "string", "enum": Style::NAMES, "default": "plasma",
                    "description": "How the picture is drawn.",
                },
                "palette": {
                    "type": "string", "enum": Palette::NAMES, "default": "ocean",
                    "description": "The colours of the picture.",
                },
                "width": side("Width"),
                "height": side("Height"),
            },
            "anyOf": [{"required": ["prompt"]}, {"required": ["seed"]}],
            "additionalProperties": false,
        })
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
        compute(run, draw).await.map(Made::from)
    }
}

fn draw(work: &Work) -> Result<Output, Failure> {
    let params: Params = work.params()?;
    let (width, height) = (params.width, params.height);
    let seed = params.seed.map(u64::to_be_bytes);
    let prompt = params.prompt.as_deref().unwrap_or_default().as_bytes();
    let seed = seed.as_ref().map_or(&[][..], |bytes| &bytes[..]);
    let random = Random::from_parts(&[b"boards pattern-image 1", seed, prompt]);
    let painter = params.style.painter(width, height, random);
    let ramp = params.palette.ramp();
    let phase = work.phase("drawing", 0.0, 0.8);
    let mut tones = vec![0; width as usize];
    let mut pixels = Vec::with_capacity(width as usize * height as usize * 3);
    for y in 0..height {
        phase.step(y, height)?;
        painter.row(y, &mut tones);
        for tone in &tones {
            pixels.extend_from_slice(&ramp[usize::from(*tone)]);
        }
    }
    work.phase("compressing", 0.8, 1.0).begin()?;
    let image = RgbImage::from_raw(width, height, pixels);
    png(image.ok_or_else(|| message("The image could not be drawn"))?.into())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{super::testing::*, *};

    async fn bytes(params: Value) -> bytes::Bytes {
        make(&PatternImage, &params, vec![]).await.expect("made").bytes
    }

    #[tokio::test]
    async fn every_parameter_changes_the_picture() {
        let mut made = HashSet::new();
        let mut count = 0;
        for style in Style::NAMES {
            for palette in Palette::NAMES {
                let params = json!({"seed": 1, "style": style, "palette": palette, "width": 48});
                made.insert(bytes(params).await);
                count += 1;
            }
            for rest in
                [json!({"seed": 2}), json!({"prompt": "a"}), json!({"prompt": "a", "seed": 1})]
            {
                let mut params = rest;
                params["style"] = style.into();
                params["width"] = 48.into();
                made.insert(bytes(params).await);
                count += 1;
            }
        }
        assert_eq!(made.len(), count);
    }

    #[tokio::test]
    async fn pictures_have_their_size_and_more_than_one_colour() {
        for style in Style::NAMES {
            for (width, height) in [(16, 2048), (2048, 16), (97, 61)] {
                let params = json!({"seed": 3, "style": style, "width": width, "height": height});
                let output = make(&PatternImage, &params, vec![]).await.expect("made");
                let image = pixels(&output);
                assert_eq!(image.dimensions(), (width, height));
                let colours: HashSet<_> = image.pixels().collect();
                assert!(colours.len() > 1, "{style} {width}x{height}");
            }
        }
    }

    #[test]
    fn a_seed_or_a_prompt_is_needed() {
        let found = violations(&PatternImage, &json!({"width": 8}));
        assert!(found.contains(&"one of prompt, seed is required".to_owned()), "{found:?}");
        assert_eq!(found.len(), 2);
    }
}
