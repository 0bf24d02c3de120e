//! `tone-audio`: a tone or a tune as a WAV file.

mod notes;
mod oscillator;

use std::io::Cursor;

use async_trait::async_trait;
use hound::{SampleFormat, WavSpec, WavWriter};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    super::{Failure, Generator, Made, Output, Run},
    work::{Work, compute, message},
};
use crate::domain::ArtifactType;

use notes::Note;
use oscillator::{Oscillator, Waveform};

/// Samples in a second.
const SAMPLE_RATE: u32 = 44_100;
/// Samples between two looks at the cancel token: about a tenth of a second of sound.
const BLOCK: u32 = 4096;
/// Samples over which a note rises and falls, so that it does not click: 5 ms.
const EDGE: u32 = SAMPLE_RATE / 200;

/// See the module.
pub(super) struct ToneAudio;

#[derive(Deserialize)]
struct Params {
    notes: Option<String>,
    frequency: Option<f64>,
    duration: f64,
    waveform: Waveform,
    volume: f64,
}

#[async_trait]
impl Generator for ToneAudio {
    fn name(&self) -> &'static str {
        "tone-audio"
    }

    fn description(&self) -> &'static str {
        "A tone of one frequency, or a tune of notes, as a WAV file."
    }

    fn artifact_type(&self) -> ArtifactType {
        ArtifactType::Audio
    }

    fn input_schema(&self) -> Value {
        json!({
            "type": "object",
            "properties": {
                "notes": {
                    "type": "string", "minLength": 1, "maxLength": 2000, "pattern": notes::PATTERN,
                    "description": "Notes with octaves, separated by spaces, for example \
                        \"C4 E4 G4:2 R F#4 Bb3\": R is a rest, :2 makes a note two beats long \
                        (0.125 to 16). At most 256 notes share the duration by their beats.",
                },
                "frequency": {
                    "type": "number", "minimum": 20, "maximum": 20_000,
                    "description": "Frequency of a single tone in hertz.",
                },
                "duration": {
                    "type": "number", "minimum": 0.05, "maximum": 60, "default": 2,
                    "description": "Length of the whole sound in seconds.",
                },
                "waveform": {
                    "type": "string", "enum": ["sine", "square", "triangle", "sawtooth"],
                    "default": "sine",
                    "description": "Shape of the wave: sine is soft, sawtooth is sharp.",
                },
                "volume": {
                    "type": "number", "minimum": 0, "maximum": 1, "default": 0.5,
                    "description": "Loudness from 0 (silent) to 1 (as loud as can be).",
                },
            },
            "oneOf": [{"required": ["notes"]}, {"required": ["frequency"]}],
            "additionalProperties": false,
        })
    }

    async fn run(&self, run: Run) -> Result<Made, Failure> {
        compute(run, synthesise).await.map(Made::from)
    }
}

fn synthesise(work: &Work) -> Result<Output, Failure> {
    let params: Params = work.params()?;
    let notes = match (&params.notes, params.frequency) {
        (Some(text), _) => notes::parse(text).map_err(message)?,
        (None, frequency) => vec![Note { frequency, beats: 1.0 }],
    };
    let total = samples(params.duration);
    let beats: f64 = notes.iter().map(|note| note.beats).sum();
    let spec = WavSpec {
        channels: 1,
        sample_rate: SAMPLE_RATE,
        bits_per_sample: 16,
        sample_format: SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::with_capacity(total as usize * 2 + 44));
    let unwritable = |_| message("The sound could not be written");
    let mut writer = WavWriter::new(&mut bytes, spec).map_err(unwritable)?;
    let phase = work.phase("synthesising", 0.0, 1.0);
    let (mut start, mut played) = (0, 0.0);
    for note in &notes {
        // Ends are rounded, not lengths, so that the notes together last as long as asked for.
        played += note.beats;
        let end = samples(params.duration * played / beats).min(total);
        let mut oscillator = Oscillator::new(params.waveform, note.frequency, SAMPLE_RATE);
        for at in start..end {
            if at % BLOCK == 0 {
                phase.step(at, total)?;
            }
            let edge = f64::from((at - start + 1).min(end - at).min(EDGE)) / f64::from(EDGE);
            let level = oscillator.next() * edge * params.volume;
            #[expect(clippy::cast_possible_truncation, reason = "a level is within -1 and 1")]
            let sample = (level * f64::from(i16::MAX)).round() as i16;
            writer.write_sample(sample).map_err(unwritable)?;
        }
        start = end;
    }
    writer.finalize().map_err(unwritable)?;
    let mut metadata = Map::new();
    metadata.insert("duration".to_owned(), (f64::from(total) / f64::from(SAMPLE_RATE)).into());
    metadata.insert("sample_rate".to_owned(), SAMPLE_RATE.into());
    metadata.insert("channels".to_owned(), 1.into());
    Ok(Output { bytes: bytes.into_inner().into(), metadata })
}

/// The samples in `seconds`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 60 seconds")]
fn samples(seconds: f64) -> u32 {
    (seconds * f64::from(SAMPLE_RATE)).round() as u32
}

#[cfg(test)]
mod tests {
    use super::{super::testing::*, *};

    async fn sound(params: Value) -> Vec<i16> {
        let output = make(&ToneAudio, &params, vec![]).await.expect("made");
        let reader = hound::WavReader::new(Cursor::new(output.bytes)).expect("a WAV file");
        assert_eq!((reader.spec().channels, reader.spec().sample_rate), (1, SAMPLE_RATE));
        reader.into_samples().collect::<Result<_, _>>().expect("samples")
    }

    fn rises_through_zero(samples: &[i16]) -> usize {
        samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count()
    }

    #[tokio::test]
    async fn tones_have_their_frequency_length_and_volume() {
        for waveform in ["sine", "square", "triangle", "sawtooth"] {
            let params =
                json!({"frequency": 500, "duration": 0.5, "waveform": waveform, "volume": 0.25});
            let samples = sound(params).await;
            assert_eq!(samples.len(), 22_050);
            assert!((248..=251).contains(&rises_through_zero(&samples)), "{waveform}");
            let peak = samples.iter().map(|sample| sample.unsigned_abs()).max();
            assert!((7_800..=8_300).contains(&peak.expect("samples")), "{waveform}: {peak:?}");
        }
    }

    #[tokio::test]
    async fn notes_share_the_time_by_their_beats() {
        let samples = sound(json!({"notes": "A4 R:2 A5", "duration": 0.8})).await;
        assert_eq!(samples.len(), 35_280);
        let (first, rest) = samples.split_at(8_820);
        let (rest, last) = rest.split_at(17_640);
        assert!((87..=88).contains(&rises_through_zero(first)));
        assert!(rest.iter().all(|sample| *sample == 0));
        assert!((175..=176).contains(&rises_through_zero(last)));
    }

    #[test]
    fn notes_and_frequency_exclude_each_other() {
        let none = violations(&ToneAudio, &json!({}));
        assert_eq!(none, ["one of notes, frequency is required"]);
        let both = violations(&ToneAudio, &json!({"notes": "A4", "frequency": 440}));
        assert_eq!(both, ["only one of notes, frequency may be given"]);
        let odd = violations(&ToneAudio, &json!({"notes": "H4 A4"}));
        assert!(odd[0].starts_with("notes does not have the right form: Notes with octaves"));
    }

    #[tokio::test]
    async fn beats_out_of_bounds_are_a_message() {
        let params = json!({"notes": "A4 A4:17"});
        let failure = make(&ToneAudio, &params, vec![]).await.expect_err("refused");
        assert!(failure.to_string().contains("note 2"), "{failure}");
    }
}
