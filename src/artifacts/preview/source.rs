//! A file that nobody vouches for, read no longer and no further than is allowed.

use std::{
    fs::File,
    io::{self, BufReader, Cursor, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::Instant,
};

use bytes::Bytes;
use tempfile::NamedTempFile;

/// How much is read from a file at once, in bytes.
const BUFFER_BYTES: usize = 32 * 1024;

/// Where the bytes of an artifact are while its preview is made.
#[derive(Clone, Debug)]
pub enum Source {
    /// On disk, under a name that this server made up.
    File(PathBuf),
    /// In memory.
    Bytes(Bytes),
}

/// The same as a file that another program can open; what was written for it goes when this is
/// dropped.
pub(super) enum OnDisk {
    Already(PathBuf),
    Written(NamedTempFile),
}

impl Source {
    /// Opens it for a reader that may go on until `deadline` and take `most` bytes in all, those that it
    /// reads again included. It fails with an error of input when either is at its end.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub(super) fn open(&self, deadline: Instant, most: u64) -> io::Result<BufReader<Bounded>> {
        let inner = match self {
            Self::File(path) => Inner::File(File::open(path)?),
            Self::Bytes(bytes) => Inner::Bytes(Cursor::new(bytes.clone())),
        };
        Ok(BufReader::with_capacity(BUFFER_BYTES, Bounded { inner, deadline, left: most }))
    }

    /// Writes what is in memory into the folder `staging`. It blocks.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn into_file(self, staging: &Path) -> io::Result<OnDisk> {
        match self {
            Self::File(path) => Ok(OnDisk::Already(path)),
            Self::Bytes(bytes) => {
                let mut file = NamedTempFile::new_in(staging)?;
                file.write_all(&bytes)?;
                Ok(OnDisk::Written(file))
            }
        }
    }
}

impl OnDisk {
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Already(path) => path,
            Self::Written(file) => file.path(),
        }
    }
}

/// See [`Source::open`].
pub(super) struct Bounded {
    inner: Inner,
    deadline: Instant,
    left: u64,
}

enum Inner {
    File(File),
    Bytes(Cursor<Bytes>),
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if Instant::now() >= self.deadline {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "it takes too long"));
        }
        if self.left == 0 {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "it takes too much reading"));
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = &mut buffer[..most];
        let read = match &mut self.inner {
            Inner::File(file) => file.read(buffer)?,
            Inner::Bytes(bytes) => bytes.read(buffer)?,
        };
        self.left -= read as u64;
        Ok(read)
    }
}

impl Seek for Bounded {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match &mut self.inner {
            Inner::File(file) => file.seek(position),
            Inner::Bytes(bytes) => bytes.seek(position),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn later() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    #[test]
    fn no_more_is_read_than_allowed_and_not_after_the_deadline() {
        let source = Source::Bytes(Bytes::from(vec![7; 100]));
        let mut all = Vec::new();
        source.open(later(), 101).and_then(|mut file| file.read_to_end(&mut all)).expect("read");
        assert_eq!(all.len(), 100);
        let mut some = Vec::new();
        let refused = source.open(later(), 99).and_then(|mut file| file.read_to_end(&mut some));
        assert_eq!(refused.map_err(|error| error.kind()), Err(io::ErrorKind::QuotaExceeded));
        assert_eq!(some.len(), 99);
        let late = source.open(Instant::now(), 101).and_then(|mut file| file.read(&mut [0]));
        assert_eq!(late.map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }

    #[test]
    fn what_another_program_opens_is_the_file_or_a_copy_that_goes() {
        let staging = tempfile::tempdir().expect("a folder");
        let source = Source::Bytes(Bytes::from_static(b"abc"));
        let copy = source.into_file(staging.path()).expect("a file");
        assert_eq!(std::fs::read(copy.path()).expect("read"), b"abc");
        drop(copy);
        assert_eq!(std::fs::read_dir(staging.path()).expect("a folder").count(), 0);
        let source = Source::File("/srv/file".into());
        let there = source.into_file(staging.path()).expect("the file");
        assert_eq!(there.path(), Path::new("/srv/file"));
    }
}
