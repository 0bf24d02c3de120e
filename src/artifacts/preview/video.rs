//! The facts about a video and its first picture, by ffmpeg.

use std::{io::Cursor, path::Path};

use serde::Deserialize;
use serde_json::Value;

use super::{
    facts::{seconds, thousandths},
    ffmpeg::{Demuxer, Ffmpeg, FfmpegError},
    picture,
    sound::{Listener, MOST_SECONDS, Sound},
    thumbnail::Thumbnail,
};
use crate::domain::JsonObject;
use std::time::Instant;

/// What ffprobe is asked for: nothing that a person may have written (titles, places) is among it.
const ENTRIES: &str = "format=duration:stream=codec_type,codec_name,width,height,avg_frame_rate:\
     stream_disposition=attached_pic:stream_side_data=rotation:stream_tags=rotate";
/// The longest description that is read, in bytes.
const MOST_DESCRIPTION: usize = 256 * 1024;
/// The largest picture that is read, in bytes: at most 512 × 512 pixels as PNG.
const MOST_PICTURE: usize = 8 * 1024 * 1024;
/// The first picture, upright, at most 512 pixels a side.
const FIRST_PICTURE: [&str; 14] = [
    "-map",
    "0:v:0",
    "-an",
    "-sn",
    "-dn",
    "-frames:v",
    "1",
    "-vf",
    "scale='min(512,iw)':'min(512,ih)':force_original_aspect_ratio=decrease",
    "-c:v",
    "png",
    "-f",
    "image2pipe",
    "-y",
];
/// Samples a second of a sound that is only drawn.
const DRAWN_RATE: u32 = 8000;

#[derive(Deserialize)]
struct Description {
    #[serde(default)]
    streams: Vec<Stream>,
    #[serde(default)]
    format: Format,
}

#[derive(Default, Deserialize)]
struct Format {
    duration: Option<String>,
}

#[derive(Deserialize)]
struct Stream {
    codec_type: Option<String>,
    codec_name: Option<String>,
    width: Option<u32>,
    height: Option<u32>,
    avg_frame_rate: Option<String>,
    #[serde(default)]
    disposition: Disposition,
    #[serde(default)]
    tags: Tags,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Default, Deserialize)]
struct Disposition {
    #[serde(default)]
    attached_pic: u8,
}

#[derive(Default, Deserialize)]
struct Tags {
    rotate: Option<String>,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

/// What ffprobe measures of a video.
pub(super) async fn facts(
    ffmpeg: &Ffmpeg,
    demuxer: Demuxer,
    file: &Path,
) -> Result<JsonObject, FfmpegError> {
    let json = ffmpeg.probe(demuxer, file, ENTRIES, MOST_DESCRIPTION).await?;
    Ok(described(&json).unwrap_or_default())
}

fn described(json: &[u8]) -> Option<JsonObject> {
    let description: Description = serde_json::from_slice(json).ok()?;
    let of_kind = |kind: &'static str| {
        let mut streams = description.streams.iter();
        streams.find(move |stream| {
            stream.codec_type.as_deref() == Some(kind) && stream.disposition.attached_pic == 0
        })
    };
    let video = of_kind("video")?;
    let mut facts = JsonObject::new();
    if let Some((width, height)) = video.size() {
        facts.insert("width".to_owned(), Value::from(width));
        facts.insert("height".to_owned(), Value::from(height));
    }
    let duration = description.format.duration.and_then(|text| text.parse().ok());
    if let Some(duration) = duration.and_then(seconds) {
        facts.insert("duration".to_owned(), duration);
    }
    if let Some(rate) = video.avg_frame_rate.as_deref().and_then(frame_rate) {
        facts.insert("fps".to_owned(), Value::from(rate));
    }
    if let Some(codec) = &video.codec_name {
        facts.insert("codec".to_owned(), Value::from(codec.as_str()));
    }
    let mut streams = description.streams.iter();
    let has_audio = streams.any(|stream| stream.codec_type.as_deref() == Some("audio"));
    facts.insert("has_audio".to_owned(), Value::from(has_audio));
    Some(facts)
}

impl Stream {
    /// Width and height in pixels as they are shown.
    fn size(&self) -> Option<(u32, u32)> {
        let (width, height) = (self.width?, self.height?);
        let tag = self.tags.rotate.as_deref().and_then(|text| text.parse().ok());
        let turned = self.side_data_list.iter().find_map(|data| data.rotation).or(tag);
        let sideways = turned.is_some_and(|degrees| (degrees.abs() % 180.0 - 90.0).abs() < 45.0);
        let size = if sideways { (height, width) } else { (width, height) };
        (width > 0 && height > 0).then_some(size)
    }
}

/// Pictures a second, written as a fraction: 30000/1001.
fn frame_rate(text: &str) -> Option<f64> {
    let (pictures, seconds) = text.split_once('/')?;
    let rate = pictures.parse::<f64>().ok()? / seconds.parse::<f64>().ok()?;
    (rate.is_finite() && rate > 0.0).then(|| thousandths(rate))
}

/// The first picture of a video, or an image that only ffmpeg can decode.
pub(super) async fn first_picture(
    ffmpeg: &Ffmpeg,
    demuxer: Demuxer,
    file: &Path,
) -> Result<Option<Thumbnail>, FfmpegError> {
    let png = ffmpeg.convert(demuxer, file, &FIRST_PICTURE, MOST_PICTURE).await?;
    // Encoded again, as every other thumbnail, and judged on the way.
    Ok(picture::thumbnail(Cursor::new(png)).ok().map(|(thumbnail, _)| thumbnail))
}

/// A sound that the server has no decoder for, at a rate that is enough to draw it.
pub(super) async fn sound(
    ffmpeg: &Ffmpeg,
    demuxer: Demuxer,
    file: &Path,
    deadline: Instant,
) -> Result<Option<Sound>, FfmpegError> {
    let (rate, most) = (DRAWN_RATE.to_string(), MOST_SECONDS.to_string());
    let output = [
        "-map",
        "0:a:0",
        "-vn",
        "-sn",
        "-dn",
        "-ac",
        "1",
        "-ar",
        &rate,
        "-t",
        &most,
        "-c:a",
        "pcm_s16le",
        "-f",
        "s16le",
    ];
    let Some(mut listener) = Listener::new(DRAWN_RATE, deadline) else { return Ok(None) };
    ffmpeg.stream(demuxer, file, &output, |bytes| listener.push(bytes)).await?;
    Ok(Some(listener.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn descriptions_become_facts() {
        let description = json!({
            "streams": [
                { "codec_type": "video", "codec_name": "mjpeg", "width": 9, "height": 9,
                  "disposition": { "attached_pic": 1 } },
                { "codec_type": "video", "codec_name": "h264", "width": 160, "height": 90,
                  "avg_frame_rate": "30000/1001", "disposition": { "attached_pic": 0 },
                  "side_data_list": [{}, { "rotation": -90 }] },
                { "codec_type": "audio", "codec_name": "aac", "avg_frame_rate": "0/0" },
            ],
            "format": { "duration": "1.5000004" },
        });
        let expected = json!({
            "width": 90, "height": 160, "duration": 1.5, "fps": 29.97, "codec": "h264",
            "has_audio": true,
        });
        let facts = described(description.to_string().as_bytes()).expect("facts");
        assert_eq!(Value::Object(facts), expected);
    }

    #[test]
    fn descriptions_that_say_little_or_nothing() {
        let video = json!({ "streams": [{ "codec_type": "video", "width": 0, "height": 7,
            "avg_frame_rate": "0/0" }], "format": { "duration": "N/A" } });
        let facts = described(video.to_string().as_bytes()).expect("facts");
        assert_eq!(Value::Object(facts), json!({ "has_audio": false }));
        for nothing in ["", "{}", "[]", "{\"streams\": [{\"codec_type\": \"audio\"}]}"] {
            assert!(described(nothing.as_bytes()).is_none(), "{nothing}");
        }
    }
}
