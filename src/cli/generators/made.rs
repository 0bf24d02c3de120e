//! What a run by hand made becomes files.

use std::{
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    time::Duration,
};

use super::Failure;
use crate::{
    app::StartError,
    artifacts::{FetchLimits, Fetcher, MediaScanner, ScannedMedia},
    domain::ArtifactType,
    generators::{Content, Made},
};

/// The longest file that a provider may have made, in bytes, and how long it may take to come: as in a worker.
const MAX_OUTPUT_BYTES: u64 = 2 * 1024 * 1024 * 1024;
const OUTPUT_TIMEOUT: Duration = Duration::from_mins(10);
/// How a file ends whose kind is not known.
const UNKNOWN: &str = "bin";

/// Writes all that was made into a folder, under names that begin with the generator's and that no file has
/// yet; their paths.
pub(super) async fn write(
    made: Made,
    generator: &str,
    artifact_type: ArtifactType,
    folder: &Path,
) -> Result<Vec<PathBuf>, Failure> {
    fs::create_dir_all(folder).map_err(|error| unusable(folder, &error))?;
    let fetcher = Fetcher::new(FetchLimits::new(MAX_OUTPUT_BYTES)).map_err(StartError::from)?;
    let fetcher = fetcher.within(MAX_OUTPUT_BYTES, OUTPUT_TIMEOUT);
    let mut paths = Vec::new();
    for artifact in made.artifacts {
        let kinds = [artifact_type];
        paths.push(keep(&fetcher, artifact.content, folder, generator, &kinds).await?);
        for file in artifact.additional {
            let name = format!("{generator}-{}", file.kind);
            paths.push(keep(&fetcher, file.content, folder, &name, &ArtifactType::ALL).await?);
        }
    }
    Ok(paths)
}

async fn keep(
    fetcher: &Fetcher,
    content: Content,
    folder: &Path,
    name: &str,
    kinds: &[ArtifactType],
) -> Result<PathBuf, Failure> {
    match content {
        Content::Bytes(bytes) => {
            copy(&mut bytes.as_ref(), folder, name, extension(MediaScanner::scan(&bytes), kinds))
        }
        Content::Url { url, trusted } => {
            let file = fetcher.fetch_output(&url, trusted.as_ref()).await.map_err(|error| {
                // It was paid for: whoever ran this may still get it.
                Failure::new(format!("{error}; what was made is at {url}"))
            })?;
            copy(&mut file.file.as_file(), folder, name, extension(file.media, kinds))
        }
    }
}

fn extension(media: ScannedMedia, kinds: &[ArtifactType]) -> &'static str {
    let accepted = kinds.iter().find_map(|kind| media.accept_as(*kind).ok());
    accepted.map_or(UNKNOWN, |media| media.extension)
}

/// The first number counts for which there is no file.
fn copy(
    from: &mut dyn Read,
    folder: &Path,
    name: &str,
    extension: &str,
) -> Result<PathBuf, Failure> {
    for number in 1_u32.. {
        let path = folder.join(format!("{name}-{number}.{extension}"));
        match File::options().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                io::copy(from, &mut file).map_err(|error| unusable(&path, &error))?;
                return Ok(path);
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(unusable(&path, &error)),
        }
    }
    Err(Failure::new(format!("{} is full of files of this name", folder.display())))
}

fn unusable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{} cannot be written: {error}", path.display()))
}
