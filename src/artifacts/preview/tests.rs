//! Previews of whole files of every kind, and of files that mean harm.

use std::{
    io::Cursor,
    path::Path,
    time::{Duration, Instant},
};

use bytes::Bytes;
use image::ImageFormat;
use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{artifacts::MediaScanner, config::FfmpegSetting, domain::ArtifactType};

/// A file of `tests/data/media`.
fn media(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/media");
    std::fs::read(folder.join(name)).expect(name)
}

/// Half a second of a tone in two channels of 8000 samples a second.
fn wav() -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 2,
        sample_rate: 8000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("a writer");
    for frame in 0..4000_i16 {
        let sample = if frame % 20 < 10 { 16_000 } else { -16_000 };
        writer.write_sample(sample).expect("written");
        writer.write_sample(0_i16).expect("written");
    }
    writer.finalize().expect("written");
    bytes.into_inner()
}

fn kind_of(bytes: &[u8], wanted: ArtifactType) -> Option<Kind> {
    MediaScanner::scan(bytes).accept_as(wanted).ok().and_then(Kind::of)
}

fn soon() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

/// What the server makes by itself.
fn own(bytes: &[u8], wanted: ArtifactType) -> Preview {
    let kind = kind_of(bytes, wanted).expect("a kind with a preview");
    decode_now(&Source::Bytes(Bytes::copy_from_slice(bytes)), kind, soon())
}

/// Whether it is a picture of this size with pixels of more than one colour.
fn shows_something(thumbnail: Option<&Thumbnail>, width: u32, height: u32) {
    let thumbnail = thumbnail.expect("a thumbnail");
    assert_eq!((thumbnail.width, thumbnail.height), (width, height));
    let image = image::load_from_memory_with_format(&thumbnail.bytes, ImageFormat::WebP);
    let pixels = image.expect("a picture").into_rgba8();
    assert!(pixels.pixels().any(|pixel| pixel != pixels.get_pixel(0, 0)));
}

/// With ffmpeg; none where this machine has none. `.ci/run` installs it, so that there these tests do run.
fn with_ffmpeg() -> Option<(tempfile::TempDir, Previews)> {
    let ffmpeg = Ffmpeg::find(&FfmpegSetting::Auto).expect("looked for");
    if ffmpeg.is_none() {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "passed over: there is no ffmpeg on this machine");
    }
    let staging = tempfile::tempdir().expect("a folder");
    let previews = Previews::new(Some(ffmpeg?), staging.path().to_owned());
    Some((staging, previews))
}

#[rstest]
#[case("sound.mp3", 22_050, 0.5)]
#[case("sound.flac", 8000, 0.5)]
#[case("sound.ogg", 22_050, 0.5)]
#[case("sound.opus", 24_000, 0.5)]
#[case("sound.m4a", 22_050, 0.5)]
#[case("sound.aac", 22_050, 0.5)]
fn sounds_are_described(#[case] name: &str, #[case] rate: u32, #[case] duration: f64) {
    let facts = own(&media(name), ArtifactType::Audio).facts;
    assert_eq!((&facts["sample_rate"], &facts["channels"]), (&json!(rate), &json!(1)), "{name}");
    let found = facts["duration"].as_f64().expect("a number");
    assert!((found - duration).abs() < 0.15, "{name}: {found}");
}

#[test]
fn sounds_that_the_server_decodes_are_drawn() {
    let preview = own(&wav(), ArtifactType::Audio);
    shows_something(preview.thumbnail.as_ref(), 512, 128);
    let expected = json!({ "duration": 0.5, "sample_rate": 8000, "channels": 2 });
    assert_eq!(Value::Object(preview.facts), expected);
    for name in ["sound.mp3", "sound.flac"] {
        let preview = own(&media(name), ArtifactType::Audio);
        shows_something(preview.thumbnail.as_ref(), 512, 128);
    }
    assert!(own(&media("sound.ogg"), ArtifactType::Audio).thumbnail.is_none());
}

#[test]
fn a_sound_is_as_long_as_it_is_and_not_as_it_says() {
    let (wav, flac) = (wav(), media("sound.flac"));
    let duration = |bytes: &[u8]| own(bytes, ArtifactType::Audio).facts["duration"].as_f64();
    // Four gigabytes in the RIFF header and in its data.
    let mut lying = wav.clone();
    let data = wav.windows(4).position(|bytes| bytes == b"data").expect("there") + 4;
    lying[4..8].fill(0xff);
    lying[data..data + 4].copy_from_slice(&0xffff_fffc_u32.to_le_bytes());
    assert_eq!(duration(&lying), Some(0.5));
    assert_eq!(duration(&wav[..data + 4 + 8000]), Some(0.25), "cut off in the middle");
    // All 36 bits of the number of samples.
    let mut lying = flac.clone();
    lying[21] |= 0x0f;
    lying[22..26].fill(0xff);
    assert_eq!(duration(&lying), Some(0.5));
    let mp3 = media("sound.mp3");
    let half = duration(&mp3[..mp3.len() / 2]).expect("a part");
    assert!((0.1..0.4).contains(&half), "{half}");
}

#[test]
fn a_sound_that_takes_too_long_is_left() {
    for (name, bytes) in
        [("wav", wav()), ("flac", media("sound.flac")), ("mp3", media("sound.mp3"))]
    {
        let kind = kind_of(&bytes, ArtifactType::Audio).expect("a sound");
        let preview = decode_now(&Source::Bytes(bytes.into()), kind, Instant::now());
        assert!(preview.thumbnail.is_none() && preview.facts.is_empty(), "{name}: {preview:?}");
    }
}

/// Pictures of 16 MiB each before the sound, which nothing reads.
#[test]
fn what_stands_before_a_sound_is_passed_over() {
    let flac = media("sound.flac");
    assert_eq!(&flac[4..8], &[0, 0, 0, 34], "the block that is needed, and not the last");
    let picture = [&[6, 0xff, 0xff, 0xff][..], &vec![0; 0x00ff_ffff]].concat();
    let fat = [&flac[..42], &picture, &picture, &flac[42..]].concat();
    assert_eq!(own(&fat, ArtifactType::Audio).facts["duration"], 0.5);
}

#[test]
fn images_are_described() {
    let facts = |name| Value::Object(own(&media(name), ArtifactType::Image).facts);
    let expected =
        json!({ "width": 32, "height": 18, "format": "webp", "frames": 5, "duration": 1.0 });
    assert_eq!(facts("animated.webp"), expected);
    assert_eq!(facts("picture.avif"), json!({ "width": 64, "height": 36, "format": "avif" }));
}

/// A photograph of a telephone, cut down to the boxes that say how large it is: turned a quarter.
#[test]
fn a_heic_has_its_sides_upright() {
    let boxed = |name: &[u8], body: &[u8]| {
        let length = u32::try_from(body.len() + 8).expect("short").to_be_bytes();
        [&length, name, body].concat()
    };
    let sides = [[0; 4], 4032_u32.to_be_bytes(), 3024_u32.to_be_bytes()].concat();
    let ipco = boxed(b"ipco", &[boxed(b"ispe", &sides), boxed(b"irot", &[1])].concat());
    let meta = boxed(b"meta", &[&[0; 4][..], &boxed(b"iprp", &ipco)].concat());
    let file = [boxed(b"ftyp", b"heic\0\0\0\0mif1heic"), meta, boxed(b"mdat", &[0; 300])].concat();
    let facts = own(&file, ArtifactType::Image).facts;
    let expected = json!({ "width": 3024, "height": 4032, "format": "heic" });
    assert_eq!(Value::Object(facts), expected);
}

#[tokio::test]
async fn videos_have_a_picture_and_facts() {
    let Some((_staging, previews)) = with_ffmpeg() else { return };
    for (name, codec, size, has_audio) in [
        ("video.mp4", "h264", (160, 90), true),
        ("video.mov", "h264", (160, 90), true),
        ("video.mkv", "h264", (160, 90), true),
        ("video.webm", "vp9", (160, 90), false),
        ("turned.mp4", "h264", (90, 160), false),
    ] {
        let bytes = media(name);
        let media = MediaScanner::scan(&bytes).accept_as(ArtifactType::Video).expect(name);
        let Preview { thumbnail, facts } = previews.of(Source::Bytes(bytes.into()), media).await;
        shows_something(thumbnail.as_ref(), size.0, size.1);
        let found = (&facts["width"], &facts["height"], &facts["codec"], &facts["has_audio"]);
        let expected = (json!(size.0), json!(size.1), json!(codec), json!(has_audio));
        assert_eq!(found, (&expected.0, &expected.1, &expected.2, &expected.3), "{name}");
        let duration = facts["duration"].as_f64().expect(name);
        assert!((0.4..=1.1).contains(&duration), "{name}: {duration}");
        assert_eq!(facts["fps"], 10.0, "{name}");
    }
}

#[tokio::test]
async fn what_the_server_cannot_decode_ffmpeg_draws() {
    let Some((staging, previews)) = with_ffmpeg() else { return };
    for (name, wanted, width, height) in [
        ("sound.ogg", ArtifactType::Audio, 512, 128),
        ("sound.opus", ArtifactType::Audio, 512, 128),
        ("sound.m4a", ArtifactType::Audio, 512, 128),
        ("sound.aac", ArtifactType::Audio, 512, 128),
        ("picture.avif", ArtifactType::Image, 64, 36),
    ] {
        let bytes = media(name);
        let media = MediaScanner::scan(&bytes).accept_as(wanted).expect(name);
        let preview = previews.of(Source::Bytes(bytes.into()), media).await;
        shows_something(preview.thumbnail.as_ref(), width, height);
    }
    assert_eq!(std::fs::read_dir(staging.path()).expect("a folder").count(), 0, "nothing stays");
}

/// Texts that name other files and addresses never count as videos, and given to ffmpeg all the same
/// they are refused, since it reads them as nothing but what the artifact is said to be.
#[tokio::test]
async fn no_other_file_and_no_address_is_opened() {
    let Some((staging, previews)) = with_ffmpeg() else { return };
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("set");
    let address = listener.local_addr().expect("an address");
    let other = staging.path().join("other.mp4");
    std::fs::write(&other, media("video.mp4")).expect("written");
    let other = other.display();
    // Without our options ffmpeg shows the other file for each of the three in the middle.
    let playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n";
    for script in [
        format!("{playlist}http://{address}/x.ts\n"),
        format!("{playlist}{other}\n#EXT-X-ENDLIST\n"),
        format!("{playlist}other.mp4\n#EXT-X-ENDLIST\n"),
        "ffconcat version 1.0\nfile 'other.mp4'\n".to_owned(),
        format!("<svg xmlns='http://www.w3.org/2000/svg'><image href='http://{address}/'/></svg>"),
        format!("v=0\nc=IN IP4 {}\nm=video {} RTP/AVP 96\n", address.ip(), address.port()),
        format!("<MPD><BaseURL>http://{address}/</BaseURL></MPD>"),
    ] {
        assert!(kind_of(script.as_bytes(), ArtifactType::Video).is_none(), "{script}");
        // A line that ends what the text begins with, as a file would that fools the judgement by bytes.
        let fooling =
            [&b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41"[..], script.as_bytes()].concat();
        for bytes in [script.clone().into_bytes(), fooling] {
            for container in [kind::Container::Mp4, kind::Container::Matroska] {
                let turn = Arc::clone(&previews.turns).acquire_owned().await.expect("a turn");
                let source = Source::Bytes(bytes.clone().into());
                let preview = previews.make(source, Kind::Video(container), Arc::new(turn)).await;
                assert!(preview.thumbnail.is_none(), "{script}");
            }
        }
    }
    assert!(listener.accept().is_err(), "nobody called");
}

/// What a turn was taken for goes on only as long as it may, and then the next one has it.
#[tokio::test]
async fn who_waits_too_long_is_kept_without_a_preview() {
    let mut previews = Previews::new(None, std::env::temp_dir());
    previews.turn_timeout = Duration::from_millis(50);
    let taken = Arc::clone(&previews.turns).acquire_many_owned(2).await.expect("all turns");
    let source = || Source::Bytes(wav().into());
    let media = MediaScanner::scan(&wav()).accept_as(ArtifactType::Audio).expect("a sound");
    assert!(previews.of(source(), media).await.thumbnail.is_none());
    drop(taken);
    assert!(previews.of(source(), media).await.thumbnail.is_some());
    assert_eq!(previews.turns.available_permits(), 2);
}

/// The beginnings of all formats, for what follows them to be anything.
const BEGINNINGS: [(&[u8], ArtifactType); 17] = [
    (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", ArtifactType::Image),
    (b"\xff\xd8\xff\xe0\0\x10JFIF\0", ArtifactType::Image),
    (b"RIFF\xff\xff\0\0WEBPVP8X\x0a\0\0\0", ArtifactType::Image),
    (b"RIFF\xff\xff\0\0WEBPVP8L", ArtifactType::Image),
    (b"GIF89a", ArtifactType::Image),
    (b"BM\xff\xff\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", ArtifactType::Image),
    (b"II*\0\x08\0\0\0\x04\0", ArtifactType::Image),
    (b"\0\0\x01\0\x02\0", ArtifactType::Image),
    (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf\0\0\0\xffmeta\0\0\0\0", ArtifactType::Image),
    (b"RIFF\xff\xff\0\0WAVEfmt \x10\0\0\0\x01\0", ArtifactType::Audio),
    (b"fLaC\x80\0\0\x22", ArtifactType::Audio),
    (b"ID3\x04\0\0\0\0\0\0\xff\xfb\x90\0", ArtifactType::Audio),
    (b"OggS\0\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\x1e\x01vorbis", ArtifactType::Audio),
    (b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0\0\0\xffmoov", ArtifactType::Audio),
    (b"\xff\xf1\x50\x80", ArtifactType::Audio),
    (b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2\0\0\0\xffmoov", ArtifactType::Video),
    (b"\x1a\x45\xdf\xa3\x9fB\x82\x84webmB\x87\x81\x04\x18\x53\x80\x67", ArtifactType::Video),
];

/// Files that are whole, for some of their bytes to be changed.
const FILES: [(&str, ArtifactType); 12] = [
    ("animated.webp", ArtifactType::Image),
    ("picture.avif", ArtifactType::Image),
    ("sound.mp3", ArtifactType::Audio),
    ("sound.flac", ArtifactType::Audio),
    ("sound.ogg", ArtifactType::Audio),
    ("sound.opus", ArtifactType::Audio),
    ("sound.m4a", ArtifactType::Audio),
    ("sound.aac", ArtifactType::Audio),
    ("video.mp4", ArtifactType::Video),
    ("video.mov", ArtifactType::Video),
    ("video.webm", ArtifactType::Video),
    ("video.mkv", ArtifactType::Video),
];

/// A decoder may refuse whatever it likes, but not break and not go on for long.
fn ends_well(bytes: &[u8], wanted: ArtifactType) {
    let Some(kind) = kind_of(bytes, wanted) else { return };
    let started = Instant::now();
    decode_now(&Source::Bytes(Bytes::copy_from_slice(bytes)), kind, soon());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn anything_behind_a_beginning_ends_well(
        which in 0..BEGINNINGS.len(),
        body in proptest::collection::vec(any::<u8>(), 300..3000),
    ) {
        let (beginning, wanted) = BEGINNINGS[which];
        ends_well(&[beginning, &body].concat(), wanted);
    }

    #[test]
    fn a_file_with_damage_ends_well(
        which in 0..FILES.len(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        // Headers stand in front, and there damage goes deepest.
        within in prop_oneof![Just(64_usize), Just(512), Just(usize::MAX)],
        kept in 0.1..=1.0_f64,
    ) {
        let (name, wanted) = FILES[which];
        let mut bytes = media(name);
        let within = bytes.len().min(within);
        for (at, value) in damage {
            bytes[at.index(within)] = value;
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss,
            reason = "a part of a short file")]
        let length = (bytes.len() as f64 * kept) as usize;
        ends_well(&bytes[..length], wanted);
    }
}
