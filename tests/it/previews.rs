//! Previews over HTTP: an upload of each kind has its facts in outputMetadata and a thumbnail that can
//! be opened, and so has what a generator makes.

use std::{io::Cursor, path::Path};

use boards::{
    artifacts::Ffmpeg,
    config::{Config, FfmpegSetting},
};
use image::{DynamicImage, ImageFormat};
use serde_json::{Map, Value, json};

use crate::support::{Client, TestApp, png, text};

const READ: &str = "query($id: UUID!) { generation(id: $id) { outputMetadata thumbnailUrl } }";

/// A file of `tests/data/media`.
fn media(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/media");
    std::fs::read(folder.join(name)).expect(name)
}

/// Uploads a file; its facts, and the size of its thumbnail in pixels.
async fn uploaded(
    client: &Client,
    board: &str,
    kind: &str,
    bytes: Vec<u8>,
) -> (Map<String, Value>, Option<(u32, u32)>) {
    let answer = client.upload(board, kind, bytes).await;
    preview(client, &answer["id"]).await
}

async fn preview(client: &Client, id: &Value) -> (Map<String, Value>, Option<(u32, u32)>) {
    let row = client.data(READ, json!({ "id": id })).await["generation"].clone();
    let facts = row["outputMetadata"].as_object().expect("facts").clone();
    if row["thumbnailUrl"].is_null() {
        return (facts, None);
    }
    let response = client.follow(&text(&row["thumbnailUrl"])).await;
    assert_eq!(response.headers()["content-type"], "image/webp");
    let bytes = response.bytes().await.expect("bytes");
    let thumbnail = image::load_from_memory(&bytes).expect("a picture");
    (facts, Some((thumbnail.width(), thumbnail.height())))
}

fn without_ffmpeg(config: &mut Config) {
    config.ffmpeg = FfmpegSetting::Off;
}

#[tokio::test]
async fn images_of_all_formats_have_facts_and_a_thumbnail() {
    let app = TestApp::builder().config(without_ffmpeg).start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    for (format, name, content_type) in [
        (ImageFormat::Png, "png", "image/png"),
        (ImageFormat::Jpeg, "jpeg", "image/jpeg"),
        (ImageFormat::WebP, "webp", "image/webp"),
        (ImageFormat::Gif, "gif", "image/gif"),
        (ImageFormat::Bmp, "bmp", "image/bmp"),
        (ImageFormat::Tiff, "tiff", "image/tiff"),
        (ImageFormat::Ico, "ico", "image/x-icon"),
    ] {
        let mut bytes = Cursor::new(Vec::new());
        let image = DynamicImage::new_rgba8(30, 20);
        let image = if format == ImageFormat::Jpeg { image.into_rgb8().into() } else { image };
        image.write_to(&mut bytes, format).expect("encoded");
        let bytes = bytes.into_inner();
        let expected = json!({
            "width": 30, "height": 20, "format": name, "content_type": content_type,
            "file_size": bytes.len(),
        });
        let (facts, thumbnail) = uploaded(&ada, &board, "image", bytes).await;
        assert_eq!((Value::Object(facts), thumbnail), (expected, Some((30, 20))));
    }
    let (facts, thumbnail) = uploaded(&ada, &board, "image", media("animated.webp")).await;
    assert_eq!((&facts["frames"], &facts["duration"]), (&json!(5), &json!(1.0)));
    assert!(thumbnail.is_some());
    let (facts, thumbnail) = uploaded(&ada, &board, "image", media("picture.avif")).await;
    assert_eq!((&facts["width"], &facts["height"]), (&json!(64), &json!(36)));
    assert_eq!(thumbnail, None, "its pixels are ffmpeg's to decode");
}

#[tokio::test]
async fn sounds_have_facts_and_those_decoded_here_a_waveform() {
    let app = TestApp::builder().config(without_ffmpeg).start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    for (name, rate, waveform) in [
        ("sound.mp3", 22_050, Some((512, 128))),
        ("sound.flac", 8000, Some((512, 128))),
        ("sound.ogg", 22_050, None),
        ("sound.opus", 24_000, None),
        ("sound.m4a", 22_050, None),
        ("sound.aac", 22_050, None),
    ] {
        let (facts, thumbnail) = uploaded(&ada, &board, "audio", media(name)).await;
        assert_eq!((&facts["sample_rate"], &facts["channels"]), (&json!(rate), &json!(1)));
        let duration = facts["duration"].as_f64().expect("a number");
        assert!((0.4..0.65).contains(&duration), "{name}: {duration}");
        assert_eq!(thumbnail, waveform, "{name}");
    }
}

#[tokio::test]
async fn a_generated_tone_has_its_duration_and_a_waveform() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let params = json!({ "frequency": 440, "duration": 1.5 });
    let id = ada.generate_as(&board, "tone-audio", "AUDIO", params).await;
    assert_eq!(ada.ended(&id).await["status"], "COMPLETED");
    let (facts, thumbnail) = preview(&ada, &json!(id)).await;
    assert_eq!((&facts["duration"], &facts["channels"]), (&json!(1.5), &json!(1)));
    assert!(facts["sample_rate"].as_u64().is_some_and(|rate| rate >= 8000));
    assert_eq!(thumbnail, Some((512, 128)));
}

#[tokio::test]
async fn videos_say_their_size_without_ffmpeg() {
    let app = TestApp::builder().config(without_ffmpeg).start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    for name in ["video.mp4", "video.mov", "video.webm", "video.mkv"] {
        let (facts, thumbnail) = uploaded(&ada, &board, "video", media(name)).await;
        assert_eq!((&facts["width"], &facts["height"]), (&json!(160), &json!(90)), "{name}");
        assert!(facts["duration"].is_f64() && facts["has_audio"].is_boolean(), "{name}");
        assert_eq!((facts.get("fps"), thumbnail), (None, None), "{name}");
    }
}

#[tokio::test]
async fn videos_show_their_first_picture_where_ffmpeg_is() {
    if !matches!(Ffmpeg::find(&FfmpegSetting::Auto), Ok(Some(_))) {
        // `.ci/run` installs it.
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "passed over: there is no ffmpeg on this machine");
        return;
    }
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    for (name, kind, size) in [
        ("video.mp4", "video", (160, 90)),
        ("turned.mp4", "video", (90, 160)),
        ("video.webm", "video", (160, 90)),
        ("sound.ogg", "audio", (512, 128)),
        ("sound.m4a", "audio", (512, 128)),
        ("picture.avif", "image", (64, 36)),
    ] {
        let (facts, thumbnail) = uploaded(&ada, &board, kind, media(name)).await;
        assert_eq!(thumbnail, Some(size), "{name}");
        if kind == "video" {
            assert_eq!((&facts["width"], &facts["height"]), (&json!(size.0), &json!(size.1)));
            assert_eq!(facts["fps"], 10.0, "{name}");
        }
    }
}

/// A picture that claims a billion pixels, half a picture, a video without anything in it, and a sound of
/// nothing but noise: all are kept, with what can be said of them.
#[tokio::test]
async fn what_cannot_be_decoded_is_kept_without_a_preview() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let mut bomb = Cursor::new(Vec::new());
    DynamicImage::new_rgb8(1, 1).write_to(&mut bomb, ImageFormat::Bmp).expect("encoded");
    let mut bomb = bomb.into_inner();
    bomb[18..22].copy_from_slice(&40_000_u32.to_le_bytes());
    bomb[22..26].copy_from_slice(&30_000_u32.to_le_bytes());
    let half = png(64, 64)[..60].to_vec();
    let hollow = [b"\0\0\0\x20ftypisom\0\0\x02\0isom".as_slice(), &[0xff; 500]].concat();
    let noise = [b"OggS\0\x02\0\0".as_slice(), &[0x80; 500]].concat();
    for (name, kind, bytes, facts_besides) in [
        ("a bomb", "image", bomb, 0),
        ("half a picture", "image", half, 3),
        ("a hollow video", "video", hollow, 0),
        ("noise", "audio", noise, 0),
    ] {
        let length = bytes.len();
        let (facts, thumbnail) = uploaded(&ada, &board, kind, bytes).await;
        assert_eq!(facts["file_size"], length, "{name}");
        assert_eq!((facts.len() - 2, thumbnail), (facts_besides, None), "{name}: {facts:?}");
    }
}
