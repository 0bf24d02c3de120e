//! The generators that come with the server: real, deterministic, and without a network.

mod geometry;
mod image_collage;
mod image_edit;
mod pattern_image;
mod picture;
mod qr_code;
mod random;
mod text_template;
mod tone_audio;
mod work;

use std::sync::Arc;

use super::Generator;

/// One of each built-in generator.
#[must_use]
pub fn all() -> Vec<Arc<dyn Generator>> {
    vec![
        Arc::new(image_collage::ImageCollage),
        Arc::new(image_edit::ImageEdit),
        Arc::new(pattern_image::PatternImage),
        Arc::new(qr_code::QrCode),
        Arc::new(text_template::TextTemplate),
        Arc::new(tone_audio::ToneAudio),
    ]
}

#[cfg(test)]
pub(super) mod testing {
    //! Runs generators as the worker does: parameters are checked and completed first.

    use std::collections::HashMap;

    use bytes::Bytes;
    use image::RgbaImage;
    use serde_json::Value;
    use tokio_util::sync::CancellationToken;
    use uuid::Uuid;

    use super::super::{
        Content, ExternalJob, Failure, Generator, InputArtifact, InputSchema, Made, Output,
        Progress, Run,
    };
    use crate::domain::{ArtifactType, GenerationId};

    /// A run of `generator` with `params`, which must satisfy its schema.
    pub(crate) fn prepare(generator: &dyn Generator, params: &Value) -> Run {
        let schema = InputSchema::compile(generator.input_schema()).expect("schema compiles");
        let params = schema.check(params).expect("params satisfy the schema");
        let cancel = CancellationToken::new();
        Run {
            generation: id(0),
            job: ExternalJob::untracked(),
            key: None,
            params,
            facts: HashMap::new(),
            artifacts: HashMap::new(),
            progress: Progress::ignored(),
            cancel,
        }
    }

    /// Runs `generator` with `params` and `artifacts`, the first of which has the id 1.
    pub(crate) async fn make(
        generator: &dyn Generator,
        params: &Value,
        artifacts: Vec<InputArtifact>,
    ) -> Result<Output, Failure> {
        let mut run = prepare(generator, params);
        run.artifacts = (1..).map(id).zip(artifacts).collect();
        Ok(only(generator.run(run).await?))
    }

    /// The one artifact of a run in this process.
    pub(crate) fn only(made: Made) -> Output {
        let mut artifacts = made.artifacts;
        assert_eq!(artifacts.len(), 1, "a built-in generator makes one artifact");
        let artifact = artifacts.remove(0);
        let Content::Bytes(bytes) = artifact.content else { panic!("its bytes are here") };
        Output { bytes, metadata: artifact.metadata }
    }

    /// What the schema of `generator` says against `params`.
    pub(crate) fn violations(generator: &dyn Generator, params: &Value) -> Vec<String> {
        let schema = InputSchema::compile(generator.input_schema()).expect("schema compiles");
        let violations = schema.check(params).expect_err("params are wrong");
        violations.into_iter().map(|violation| violation.message).collect()
    }

    /// The id of the artifact with this number.
    pub(crate) fn id(number: u128) -> GenerationId {
        GenerationId(Uuid::from_u128(number))
    }

    /// A PNG artifact.
    pub(crate) fn picture(image: &RgbaImage) -> InputArtifact {
        let mut bytes = std::io::Cursor::new(Vec::new());
        image.write_to(&mut bytes, image::ImageFormat::Png).expect("PNG");
        artifact(ArtifactType::Image, "image/png", bytes.into_inner())
    }

    /// Any artifact.
    pub(crate) fn artifact(
        artifact_type: ArtifactType,
        content_type: &str,
        bytes: impl Into<Bytes>,
    ) -> InputArtifact {
        InputArtifact { artifact_type, content_type: content_type.to_owned(), bytes: bytes.into() }
    }

    /// The pixels of an output.
    pub(crate) fn pixels(output: &Output) -> RgbaImage {
        image::load_from_memory(&output.bytes).expect("an image").into_rgba8()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    };

    use image::RgbaImage;
    use serde_json::{Value, json};

    use super::{super::Failure, super::Progress, testing::*, *};
    use crate::domain::ArtifactType;

    fn example(name: &str) -> Value {
        match name {
            "image-collage" => json!({"images": [id(1).to_string(), id(1).to_string()]}),
            "image-edit" => json!({"image": id(1).to_string(), "width": 20, "blur": 1}),
            "pattern-image" => json!({"seed": 1, "width": 64, "height": 64}),
            "qr-code" => json!({"text": "https://example.com"}),
            "text-template" => json!({"template": "{% for n in range(9) %}{{ n }}{% endfor %}"}),
            "tone-audio" => json!({"notes": "C4 E4", "duration": 0.2}),
            other => panic!("no example for {other}"),
        }
    }

    fn inputs() -> Vec<super::super::InputArtifact> {
        vec![picture(&RgbaImage::from_pixel(40, 30, image::Rgba([1, 2, 3, 255])))]
    }

    #[tokio::test]
    async fn same_parameters_make_the_same_bytes() {
        for generator in all() {
            let params = example(generator.name());
            let first = make(&*generator, &params, inputs()).await.expect("made");
            let second = make(&*generator, &params, inputs()).await.expect("made");
            assert!(!first.bytes.is_empty());
            assert_eq!(first.bytes, second.bytes, "{}", generator.name());
            let facts: &[&str] = match generator.artifact_type() {
                ArtifactType::Image => &["width", "height"],
                ArtifactType::Audio => &["duration", "sample_rate", "channels"],
                _ => &["characters"],
            };
            assert!(facts.iter().all(|fact| first.metadata[*fact].is_number()));
        }
    }

    #[tokio::test]
    async fn cancelled_runs_make_nothing() {
        for generator in all() {
            let mut run = prepare(&*generator, &example(generator.name()));
            run.artifacts = (1..).map(id).zip(inputs()).collect();
            run.cancel.cancel();
            let result = generator.run(run).await;
            assert_eq!(result.err(), Some(Failure::Cancelled), "{}", generator.name());
        }
    }

    #[tokio::test]
    async fn cancelling_in_the_middle_stops_the_work() {
        for generator in all() {
            let mut run = prepare(&*generator, &example(generator.name()));
            run.artifacts = (1..).map(id).zip(inputs()).collect();
            let cancel = run.cancel.clone();
            let (sender, receiver) = mpsc::channel();
            let reports = AtomicUsize::new(0);
            run.progress = Progress::new(move |_, _| {
                if reports.fetch_add(1, Ordering::Relaxed) == 1 {
                    cancel.cancel();
                }
                sender.send(()).expect("received");
            });
            let result = generator.run(run).await;
            assert_eq!(result.err(), Some(Failure::Cancelled), "{}", generator.name());
            // The channel closes when the work behind the run has ended.
            assert_eq!(receiver.iter().count(), 2, "{}", generator.name());
        }
    }

    #[tokio::test]
    async fn progress_rises_to_the_end() {
        for generator in all() {
            let mut run = prepare(&*generator, &example(generator.name()));
            run.artifacts = (1..).map(id).zip(inputs()).collect();
            let reports = Arc::new(Mutex::new(Vec::new()));
            let sink = Arc::clone(&reports);
            run.progress = Progress::new(move |done, phase| {
                assert!(!phase.is_empty());
                sink.lock().expect("lock").push(done);
            });
            generator.run(run).await.expect("made");
            let reports = reports.lock().expect("lock");
            assert!(reports.len() > 1, "{}", generator.name());
            assert!(reports.is_sorted(), "{}: {reports:?}", generator.name());
            assert_eq!(reports.last(), Some(&1.0), "{}", generator.name());
        }
    }

    #[tokio::test]
    async fn an_artifact_that_is_not_there_is_a_message() {
        for name in ["image-edit", "image-collage"] {
            let generator = all().into_iter().find(|g| g.name() == name).expect("generator");
            let result = make(&*generator, &example(name), vec![]).await;
            assert!(matches!(result, Err(Failure::Message(_))), "{name}");
        }
    }
}
