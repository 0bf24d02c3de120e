//! ffmpeg and ffprobe as child processes that read one file of ours and nothing else, within bounds.
//!
//! Nothing that a user wrote reaches the command line, and there is no shell. A file is read as the one
//! format that its bytes were judged to be: formats that are lists of other files or addresses (HLS, concat and
//! the like) are never tried, and no protocol but `file` is there. Children inherit no environment.

use std::{
    ffi::OsString,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
};

use crate::config::FfmpegSetting;

/// How long one child may take.
const CHILD_TIMEOUT: Duration = Duration::from_secs(15);
/// The most memory that it may take at once, in bytes.
const MAX_ALLOC: &str = "268435456";
/// The most pixels of a picture that it decodes.
const MAX_PIXELS: &str = "64000000";
/// How much of a file is looked at to find out what is in it, in bytes and microseconds.
const PROBE: [&str; 4] = ["-probesize", "10000000", "-analyzeduration", "5000000"];
/// The decoders that may be used, so that a bug in one that nobody needs hurts nobody.
const DECODERS: &str = "h264,hevc,av1,libdav1d,libaom-av1,vp8,vp9,libvpx,libvpx-vp9,mpeg4,mpeg2video,mjpeg,\
     prores,theora,png,gif,aac,alac,mp3,mp3float,vorbis,libvorbis,opus,libopus,libspeex,flac,ac3,\
     pcm_s16le,pcm_s16be,pcm_s24le,pcm_f32le";

/// A format that is read, by its name in ffmpeg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demuxer {
    /// MP4, M4A, `QuickTime`, AVIF and HEIC.
    Mov,
    /// Matroska and `WebM`.
    Matroska,
    Ogg,
    Aac,
}

impl Demuxer {
    fn as_str(self) -> &'static str {
        match self {
            Self::Mov => "mov",
            Self::Matroska => "matroska",
            Self::Ogg => "ogg",
            Self::Aac => "aac",
        }
    }

    /// What keeps this one from opening files that a file names.
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Mov => &["-enable_drefs", "0", "-use_absolute_path", "0"],
            Self::Matroska | Self::Ogg | Self::Aac => &[],
        }
    }
}

/// Where the two programs are. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ffmpeg {
    converter: PathBuf,
    prober: PathBuf,
    /// How long one child may take.
    timeout: Duration,
}

/// The programs are not where they were said to be.
#[derive(Debug, thiserror::Error)]
#[error("{0} is not there or cannot be run; name ffmpeg where ffprobe stands beside it, or off")]
pub struct FfmpegMissing(PathBuf);

/// Why a child gave nothing. For the log; it holds nothing of the file.
#[derive(Debug, thiserror::Error)]
pub(super) enum FfmpegError {
    #[error("it cannot be run: {0}")]
    Broken(#[from] std::io::Error),
    #[error("it took too long")]
    Timeout,
    #[error("it wrote too much")]
    TooMuch,
}

impl Ffmpeg {
    /// Looks for the programs as the setting says; none where they are off or, unless a path is named,
    /// not there.
    ///
    /// # Errors
    /// [`FfmpegMissing`] when they are not at the path that is named.
    pub fn find(setting: &FfmpegSetting) -> Result<Option<Self>, FfmpegMissing> {
        match setting {
            FfmpegSetting::Off => Ok(None),
            FfmpegSetting::Auto => Ok(Self::on_path(std::env::var_os("PATH").unwrap_or_default())),
            FfmpegSetting::At(path) => {
                let folder = path.parent().unwrap_or(Path::new("/"));
                let found = Self::new(path.clone(), folder.join("ffprobe"));
                for path in [&found.converter, &found.prober] {
                    if !can_run(path) {
                        return Err(FfmpegMissing(path.clone()));
                    }
                }
                Ok(Some(found))
            }
        }
    }

    fn on_path(folders: impl Into<OsString>) -> Option<Self> {
        let folders = folders.into();
        let find = |name: &str| {
            let mut folders = std::env::split_paths(&folders);
            folders.find_map(|folder| Some(folder.join(name)).filter(|path| can_run(path)))
        };
        Some(Self::new(find("ffmpeg")?, find("ffprobe")?))
    }

    fn new(converter: PathBuf, prober: PathBuf) -> Self {
        Self { converter, prober, timeout: CHILD_TIMEOUT }
    }

    /// Has ffprobe describe `file`: JSON with what `entries` asks for, at most `most` bytes.
    pub(super) async fn probe(
        &self,
        demuxer: Demuxer,
        file: &Path,
        entries: &str,
        most: usize,
    ) -> Result<Vec<u8>, FfmpegError> {
        let mut command = Command::new(&self.prober);
        reading(&mut command, demuxer).args(["-of", "json", "-show_entries", entries]);
        command.arg("-i").arg(address(file)?);
        collect(command, self.timeout, most).await
    }

    /// Has ffmpeg write `file` to its output as `output` says, at most `most` bytes.
    pub(super) async fn convert(
        &self,
        demuxer: Demuxer,
        file: &Path,
        output: &[&str],
        most: usize,
    ) -> Result<Vec<u8>, FfmpegError> {
        collect(self.converting(demuxer, file, output)?, self.timeout, most).await
    }

    /// The same, with the output given away as it comes. It goes on until `take` wants no more.
    pub(super) async fn stream(
        &self,
        demuxer: Demuxer,
        file: &Path,
        output: &[&str],
        take: impl FnMut(&[u8]) -> bool,
    ) -> Result<(), FfmpegError> {
        drain(self.converting(demuxer, file, output)?, self.timeout, take).await
    }

    fn converting(
        &self,
        demuxer: Demuxer,
        file: &Path,
        output: &[&str],
    ) -> Result<Command, FfmpegError> {
        let mut command = Command::new(&self.converter);
        command.arg("-nostdin");
        reading(&mut command, demuxer).arg("-i").arg(address(file)?);
        command.args(output).arg("pipe:1");
        Ok(command)
    }
}

fn can_run(path: &Path) -> bool {
    std::fs::metadata(path)
        .is_ok_and(|facts| facts.is_file() && facts.permissions().mode() & 0o111 != 0)
}

/// The options before `-i` that hold for every file.
fn reading(command: &mut Command, demuxer: Demuxer) -> &mut Command {
    let name = demuxer.as_str();
    command
        .args(["-v", "quiet", "-hide_banner", "-threads", "1"])
        .args(["-max_alloc", MAX_ALLOC, "-max_pixels", MAX_PIXELS])
        .args(["-protocol_whitelist", "file", "-format_whitelist", name, "-f", name])
        .args(["-codec_whitelist", DECODERS])
        .args(PROBE)
        .args(demuxer.options())
}

/// The path as the one protocol that is allowed writes it. It is absolute, so that no part of it can be taken for
/// an option or another protocol.
fn address(file: &Path) -> std::io::Result<OsString> {
    let mut address = OsString::from("file:");
    address.push(std::path::absolute(file)?);
    Ok(address)
}

async fn collect(command: Command, timeout: Duration, most: usize) -> Result<Vec<u8>, FfmpegError> {
    let mut output = Vec::new();
    drain(command, timeout, |bytes| {
        output.extend_from_slice(bytes);
        output.len() <= most
    })
    .await?;
    if output.len() > most { Err(FfmpegError::TooMuch) } else { Ok(output) }
}

/// Runs the child and gives away what it writes. However this ends, the child is killed. Its exit code
/// does not matter: a file that is damaged further on may have a first picture.
async fn drain(
    mut command: Command,
    timeout: Duration,
    mut take: impl FnMut(&[u8]) -> bool,
) -> Result<(), FfmpegError> {
    command
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    limit(&child)?;
    let read = async {
        let Some(mut output) = child.stdout.take() else { return Ok(()) };
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = output.read(&mut buffer).await?;
            if read == 0 || !take(&buffer[..read]) {
                return Ok(());
            }
        }
    };
    let ended = tokio::time::timeout(timeout, read).await;
    // It may have ended already.
    let _ = child.kill().await;
    ended.map_err(|_| FfmpegError::Timeout)?
}

/// What the system holds the child to, from its first moments on. That it could read no more than a
/// few libraries until then is enough: the limits count all that it has.
#[cfg(target_os = "linux")]
fn limit(child: &Child) -> std::io::Result<()> {
    use rustix::process::{Pid, Resource, Rlimit, prlimit, setpriority_process};

    /// Addresses, in bytes: twice of what a picture of the largest size needs with those that it refers to.
    const ADDRESSES: u64 = 2 * 1024 * 1024 * 1024;
    const PROCESSOR_SECONDS: u64 = 20;
    const OPEN_FILES: u64 = 32;
    /// The least that there is: requests come first.
    const PRIORITY: i32 = 19;

    let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)) else {
        return Ok(());
    };
    for (resource, most) in [
        (Resource::As, ADDRESSES),
        (Resource::Cpu, PROCESSOR_SECONDS),
        (Resource::Nofile, OPEN_FILES),
        (Resource::Core, 0),
        (Resource::Fsize, 0),
    ] {
        prlimit(Some(pid), resource, Rlimit { current: Some(most), maximum: Some(most) })?;
    }
    Ok(setpriority_process(Some(pid), PRIORITY)?)
}

/// Elsewhere its own bounds and the clock must do.
#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail on Linux")]
fn limit(_child: &Child) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_where_it_is_said_to_be_or_the_server_does_not_start() {
        let folder = tempfile::tempdir().expect("a folder");
        let ffmpeg = folder.path().join("ffmpeg");
        let setting = FfmpegSetting::At(ffmpeg.clone());
        let message = || Ffmpeg::find(&setting).expect_err("nothing there").to_string();
        assert!(message().starts_with(&ffmpeg.display().to_string()));
        assert_eq!(Ffmpeg::on_path(folder.path()), None);
        for name in ["ffmpeg", "ffprobe"] {
            let path = folder.path().join(name);
            std::fs::write(&path, "").expect("written");
            assert!(message().contains("cannot be run"), "it is no program yet");
            let program = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(&path, program).expect("a program");
        }
        let found = Ffmpeg::find(&setting).expect("there").expect("found");
        assert_eq!(Ffmpeg::on_path(folder.path()), Some(found));
        assert_eq!(Ffmpeg::find(&FfmpegSetting::Off).expect("off"), None);
    }

    /// A program in place of ffmpeg.
    fn stand_in(script: &str) -> (tempfile::TempDir, Ffmpeg) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ffmpeg");
        std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("written");
        let program = std::fs::Permissions::from_mode(0o700);
        std::fs::set_permissions(&path, program).expect("a program");
        (folder, Ffmpeg::new(path.clone(), path))
    }

    async fn run(script: &str, most: usize) -> Result<String, FfmpegError> {
        let (_folder, ffmpeg) = stand_in(script);
        run_with(&ffmpeg, most).await
    }

    async fn run_with(ffmpeg: &Ffmpeg, most: usize) -> Result<String, FfmpegError> {
        let output = ffmpeg.convert(Demuxer::Mov, Path::new("relative"), &["-o"], most).await?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }

    #[tokio::test]
    async fn a_child_gets_our_words_and_nothing_else() {
        let words = run("echo \"$*\"", 10_000).await.expect("an output");
        let file = std::path::absolute("relative").expect("a path");
        let expected = "-protocol_whitelist file -format_whitelist mov -f mov";
        assert!(words.contains(expected), "{words}");
        assert!(words.contains("-enable_drefs 0 -use_absolute_path 0"), "{words}");
        assert!(words.ends_with(&format!("-i file:{} -o pipe:1\n", file.display())), "{words}");
        // PWD and the like are of the shell's own making.
        let environment = run("/usr/bin/env", 10_000).await.expect("an output");
        assert!(!environment.contains("CARGO"), "{environment}");
        // The limit of written files is set last.
        let limits = "until [ $(ulimit -f) = 0 ]; do :; done; ulimit -v; ulimit -n; ulimit -c";
        assert_eq!(run(limits, 10_000).await.expect("an output"), "2097152\n32\n0\n");
    }

    #[tokio::test]
    async fn a_child_that_writes_without_end_is_killed() {
        let refused = run("exec yes", 100_000).await;
        assert!(matches!(refused, Err(FfmpegError::TooMuch)), "{refused:?}");
        assert!(matches!(run("exit 1", 10).await.as_deref(), Ok("")));
    }

    #[tokio::test]
    async fn a_child_that_does_nothing_is_killed() {
        let (_folder, mut ffmpeg) = stand_in("exec sleep 1000");
        ffmpeg.timeout = Duration::from_millis(50);
        let refused = run_with(&ffmpeg, 10).await;
        assert!(matches!(refused, Err(FfmpegError::Timeout)), "{refused:?}");
    }
}
