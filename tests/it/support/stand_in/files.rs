//! Small files, and those that were handed over.

use std::io::Cursor;

use axum::{
    body::Bytes,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use image::{ImageFormat, Rgb, RgbImage};

use super::{request::Request, state::State};

/// Width and height of the picture.
const SIDE: u32 = 64;
/// The beginning of an MP4 file (ISO/IEC 14496-12, section 4.3).
const CLIP: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom\0\0\0\x08mdat";

pub(super) fn answer(state: &State, request: &Request) -> Response {
    let (content_type, bytes) = match request.path.as_str() {
        "picture.png" => ("image/png".to_owned(), picture()),
        "sound.wav" => ("audio/wav".to_owned(), sound()),
        "text.txt" => ("text/plain".to_owned(), Bytes::from_static(b"text of the stand-in")),
        "clip.mp4" => ("video/mp4".to_owned(), Bytes::from_static(CLIP)),
        path => {
            let place = path.split('/').next().and_then(|place| place.parse().ok());
            match place.and_then(|place| state.upload(place)) {
                Some(upload) => (upload.content_type, upload.bytes),
                None => return StatusCode::NOT_FOUND.into_response(),
            }
        }
    };
    ([(CONTENT_TYPE, content_type)], bytes).into_response()
}

/// A picture, as PNG.
pub(super) fn picture() -> Bytes {
    let shade = |n: u32| u8::try_from(n * 255 / SIDE).unwrap_or(u8::MAX);
    let picture = RgbImage::from_fn(SIDE, SIDE, |x, y| Rgb([shade(x), shade(y), 128]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).expect("a picture");
    bytes.into_inner().into()
}

/// A tenth of a second of a tone, as WAV.
fn sound() -> Bytes {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("a sound");
    for n in 0..800_i16 {
        writer.write_sample((n % 18) * 500).expect("a sample");
    }
    writer.finalize().expect("a sound");
    bytes.into_inner().into()
}
