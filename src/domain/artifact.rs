//! What kind of media a generation holds.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// The kind of media that a generator makes or that was uploaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ArtifactType {
    /// A still picture.
    Image,
    /// A moving picture.
    Video,
    /// Sound.
    Audio,
    /// Text, Markdown or another character format.
    Text,
    /// Low-rank adaptation weights.
    Lora,
    /// A complete set of model weights.
    Model,
}

impl ArtifactType {
    /// Every artifact type.
    pub const ALL: [Self; 6] =
        [Self::Image, Self::Video, Self::Audio, Self::Text, Self::Lora, Self::Model];

    /// The lower-case name, as the database and REST write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
            Self::Audio => "audio",
            Self::Text => "text",
            Self::Lora => "lora",
            Self::Model => "model",
        }
    }
}

impl fmt::Display for ArtifactType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for ArtifactType {
    type Err = ();

    /// Reads a name in any case.
    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str().eq_ignore_ascii_case(name)).ok_or(())
    }
}
