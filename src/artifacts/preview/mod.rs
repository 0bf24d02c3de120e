//! Previews: the small picture that stands for an artifact and the facts that its bytes tell, made
//! from files that nobody vouches for, within bounds of memory and time. Whatever cannot be had within them is left
//! out; the artifact is kept.

mod animation;
mod audio;
mod container;
mod facts;
mod ffmpeg;
mod heif;
mod kind;
mod peaks;
mod picture;
mod sound;
mod source;
mod still;
#[cfg(test)]
mod tests;
mod thumbnail;
mod video;
mod waveform;

use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use audio::{AudioFormat, audio};
use container::VideoFacts;
use ffmpeg::FfmpegError;
use kind::Kind;

use super::MediaType;
use crate::domain::JsonObject;

pub use ffmpeg::{Ffmpeg, FfmpegMissing};
pub use source::Source;
pub use thumbnail::Thumbnail;

/// Previews that are made at once; each may take some hundred megabytes for a moment.
const AT_ONCE: usize = 2;
/// How long an artifact waits for its turn before it is kept without a preview.
const TURN_TIMEOUT: Duration = Duration::from_mins(1);
/// How long one preview may take in all.
const TIMEOUT: Duration = Duration::from_secs(30);
/// How long a decoder within this process may take of it. It looks at the clock itself.
const DECODER_TIMEOUT: Duration = Duration::from_secs(10);
/// What may be read of a video to find facts in its container, in bytes, and so what they may take in memory.
const CONTAINER_BYTES: u64 = 32 * 1024 * 1024;

/// What an artifact shows and says of itself.
#[derive(Clone, Debug, Default)]
pub struct Preview {
    /// For images, videos and sounds, where one could be made.
    pub thumbnail: Option<Thumbnail>,
    /// For `outputMetadata`: `width`, `height`, `duration` in seconds, and so on. They were measured
    /// or are what the headers of the file state; nothing that a person wrote into it is among them.
    pub facts: JsonObject,
}

/// Makes previews, few at a time. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Previews {
    ffmpeg: Option<Ffmpeg>,
    staging: PathBuf,
    turns: Arc<Semaphore>,
    turn_timeout: Duration,
}

/// The right to be at work, held by whatever is at work still: a decoder that is no longer waited for too.
type Turn = Arc<OwnedSemaphorePermit>;

impl Previews {
    /// Where there is no ffmpeg, videos have no pictures. What it must read from disk is written into the folder
    /// `staging`.
    #[must_use]
    pub fn new(ffmpeg: Option<Ffmpeg>, staging: PathBuf) -> Self {
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        Self { ffmpeg, staging, turns, turn_timeout: TURN_TIMEOUT }
    }

    /// The preview of a file that was judged to be of this type; an empty one where there can be none.
    pub async fn of(&self, source: Source, media: MediaType) -> Preview {
        let Some(kind) = Kind::of(media) else { return Preview::default() };
        let turn = Arc::clone(&self.turns).acquire_owned();
        let Ok(Ok(turn)) = tokio::time::timeout(self.turn_timeout, turn).await else {
            tracing::warn!("no preview: too many artifacts at once");
            return Preview::default();
        };
        let made = tokio::time::timeout(TIMEOUT, self.make(source, kind, Arc::new(turn))).await;
        made.unwrap_or_else(|_| {
            tracing::warn!(content_type = media.content_type, "no preview: it took too long");
            Preview::default()
        })
    }

    async fn make(&self, source: Source, kind: Kind, turn: Turn) -> Preview {
        let mut preview = decode(source.clone(), kind, Arc::clone(&turn)).await;
        if let Err(error) = self.add(&mut preview, source, kind, turn).await {
            tracing::debug!(%error, "ffmpeg gave no preview");
        }
        preview
    }

    /// What only ffmpeg can find out.
    async fn add(
        &self,
        preview: &mut Preview,
        source: Source,
        kind: Kind,
        turn: Turn,
    ) -> Result<(), FfmpegError> {
        let (Some(ffmpeg), Some(demuxer)) = (&self.ffmpeg, kind.demuxer()) else { return Ok(()) };
        let staging = self.staging.clone();
        let file = tokio::task::spawn_blocking(move || source.into_file(&staging));
        let file = file.await.map_err(std::io::Error::other)??;
        let path = file.path();
        match kind {
            Kind::Video(_) => {
                preview.facts.extend(video::facts(ffmpeg, demuxer, path).await?);
                preview.thumbnail = video::first_picture(ffmpeg, demuxer, path).await?;
            }
            Kind::Heif(_) => {
                preview.thumbnail = video::first_picture(ffmpeg, demuxer, path).await?;
            }
            Kind::Audio(_) => {
                let deadline = Instant::now() + DECODER_TIMEOUT;
                let heard = video::sound(ffmpeg, demuxer, path, deadline).await?;
                preview.thumbnail = heard.and_then(|sound| audio::picture(&sound.peaks));
            }
            Kind::Picture(_) => {}
        }
        drop(turn);
        Ok(())
    }
}

/// What the server finds out by itself, in a thread of its own: a decoder that panics takes nothing
/// else down.
async fn decode(source: Source, kind: Kind, turn: Turn) -> Preview {
    let work = move || {
        let _turn = turn;
        decode_now(&source, kind, Instant::now() + DECODER_TIMEOUT)
    };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        tracing::warn!(panicked = error.is_panic(), "a decoder broke off");
        Preview::default()
    })
}

/// The same at once. It blocks.
fn decode_now(source: &Source, kind: Kind, deadline: Instant) -> Preview {
    match kind {
        Kind::Picture(format) => still::still(source, format, deadline),
        Kind::Heif(format) => {
            Preview { thumbnail: None, facts: heif::facts(source, format, deadline) }
        }
        Kind::Audio(format) => audio(source, format, deadline),
        Kind::Video(container) => {
            let file = source.open(deadline, CONTAINER_BYTES).ok();
            let facts = file.and_then(|file| match container {
                kind::Container::Mp4 => container::mp4(file),
                kind::Container::Matroska => container::matroska(file),
            });
            let facts = facts.map(VideoFacts::into_facts).unwrap_or_default();
            Preview { thumbnail: None, facts }
        }
    }
}
