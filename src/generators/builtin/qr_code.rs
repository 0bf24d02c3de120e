//! `qr-code`: a text as a QR code (ISO/IEC 18004).

use async_trait::async_trait;
use image::RgbImage;
use qrcode::{EcLevel, types::QrError};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    super::{Failure, Generator, Made, Output, Run},
    picture::{Colour, colour_schema, png},
    work::{Work, compute, message},
};
use crate::domain::ArtifactType;

/// The light margin that scanners need, in modules (ISO/IEC 18004, 5.3.8).
const QUIET_ZONE: u32 = 4;

/// See the module.
pub(super) struct QrCode;

#[derive(Deserialize)]
struct Params {
    text: String,
    size: u32,
    error_correction: ErrorCorrection,
    foreground: Colour,
    background: Colour,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ErrorCorrection {
    Low,
    Medium,
    Quartile,
    High,
}

#[async_trait]
impl Generator for QrCode {
    fn name(&self) -> &'static str {
        "qr-code"
    }

    fn description(&self) -> &'static str {
        "A text or a link as a QR code that phones can scan."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Image
    }

    fn input_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "text": {
                    "type": "string", "minLength": 1, "maxLength": 2000,
                    "description": "The text or link to encode.",
                },
                "size": {
                    "type": "integer", "minimum": 64, "maximum": 2048, "default": 512,
                    "description": "Width and height of the image in pixels.",
                },
                "error_correction": {
                    "type": "string", "enum": ["low", "medium", "quartile", "high"],
                    "default": "medium",
                    "description": "How much of the code may be damaged or covered: about 7, 15, 25 \
                        or 30 percent. More correction leaves less room for text.",
                },
                "foreground": colour_schema("Colour of the modules; darker than the background", "#000000"),
                "background": colour_schema("Colour of the background", "#ffffff"),
            },
            "required": ["text"],
            "additionalProperties": false,
        })
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
        compute(run, draw).await.map(Made::from)
    }
}

fn draw(work: &Work) -> Result<Output, Failure> {
    let params: Params = work.params()?;
    if params.foreground == params.background {
        return Err(message("foreground and background must be different colours"));
    }
    work.phase("encoding", 0.0, 0.1).begin()?;
    let level = match params.error_correction {
        ErrorCorrection::Low => EcLevel::L,
        ErrorCorrection::Medium => EcLevel::M,
        ErrorCorrection::Quartile => EcLevel::Q,
        ErrorCorrection::High => EcLevel::H,
    };
    let code = qrcode::QrCode::with_error_correction_level(params.text.as_bytes(), level)
        .map_err(explain)?;
    let modules = u32::try_from(code.width()).unwrap_or(u32::MAX);
    let scale = params.size / (modules + 2 * QUIET_ZONE);
    if scale == 0 {
        let least = modules + 2 * QUIET_ZONE;
        return Err(message(format!("This text needs a size of at least {least} pixels")));
    }
    let margin = (params.size - modules * scale) / 2;
    let colours = code.to_colors();
    let rows: Vec<_> = colours.chunks(code.width()).collect();
    let mut image = RgbImage::from_pixel(params.size, params.size, image::Rgb(params.background.0));
    let phase = work.phase("drawing", 0.1, 0.8);
    for (y, row) in (0..modules * scale).map(|y| (y + margin, rows[(y / scale) as usize])) {
        phase.step(y, params.size)?;
        for x in 0..modules * scale {
            if row[(x / scale) as usize] == qrcode::Color::Dark {
                image.put_pixel(x + margin, y, image::Rgb(params.foreground.0));
            }
        }
    }
    work.phase("compressing", 0.8, 1.0).begin()?;
    png(image.into())
}

fn explain(error: QrError) -> Failure {
    match error {
        QrError::DataTooLong => message(
            "The text is too long for a QR code: shorten it or choose a lower error_correction",
        ),
        _ => message("The text cannot be encoded as a QR code"),
    }
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    fn read(output: &Output) -> String {
        let image = image::load_from_memory(&output.bytes).expect("an image").into_luma8();
        let (width, height) = (image.width() as usize, image.height() as usize);
        let pixel = |x: usize, y: usize| image.as_raw()[y * width + x];
        let mut prepared = rqrr::PreparedImage::prepare_from_greyscale(width, height, pixel);
        let grids = prepared.detect_grids();
        grids[0].decode().expect("decodes").1
    }

    #[tokio::test]
    async fn the_code_reads_as_its_text() {
        let long = "Boards ".repeat(40);
        for (text, level) in [("https://example.com/ä?q=1", "high"), (long.as_str(), "low")] {
            let params = json!({"text": text, "error_correction": level, "foreground": "#102040"});
            let output = make(&QrCode, &params, vec![]).await.expect("made");
            assert_eq!(read(&output), text);
            assert_eq!(output.metadata["width"], 512);
        }
    }

    #[tokio::test]
    async fn what_cannot_be_drawn_says_why() {
        let text = "ä".repeat(2000);
        let params = json!({"text": text, "size": 2048});
        let failure = make(&QrCode, &params, vec![]).await.expect_err("too long");
        assert!(failure.to_string().contains("too long"));
        let params = json!({"text": "x".repeat(500), "size": 64});
        let failure = make(&QrCode, &params, vec![]).await.expect_err("too small");
        assert!(failure.to_string().contains("a size of at least"));
        let params = json!({"text": "x", "foreground": "#ffffff"});
        let failure = make(&QrCode, &params, vec![]).await.expect_err("invisible");
        assert!(failure.to_string().contains("different colours"));
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let params =
            json!({"text": "", "size": 63, "error_correction": "best", "background": "red"});
        let found = violations(&QrCode, &params);
        assert_eq!(found.len(), 4, "{found:?}");
    }
}
