//! Reading a folder of generator files, within bounds.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use super::{check::MAX_BYTES, flaw::Flaw};

/// A folder holds at most this many generators.
const MAX_FILES: usize = 1_000;

/// A file's path and its text, or what keeps it from being read.
pub(super) type ReadFile = Result<(String, String), Flaw>;

/// The `.yaml` files right in `folder`, in the order of their names.
pub(super) fn read(folder: &Path) -> Vec<ReadFile> {
    match paths(folder) {
        Ok(paths) => paths.iter().map(|path| read_file(path)).collect(),
        Err(reason) => vec![Err(flaw(folder, reason))],
    }
}

/// One file.
pub(super) fn read_file(path: &Path) -> ReadFile {
    let text = text(path).map_err(|reason| flaw(path, reason))?;
    Ok((path.display().to_string(), text))
}

fn flaw(path: &Path, reason: String) -> Flaw {
    Flaw { file: path.display().to_string(), line: 0, reason }
}

fn paths(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let cannot = |error: std::io::Error| format!("the folder cannot be read: {error}");
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        // What begins with a full stop is an editor's, or a mount's own.
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
        let ours = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
        if ours && !hidden && paths.len() == MAX_FILES {
            return Err(format!("there are more than {MAX_FILES} files"));
        }
        if ours && !hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn text(path: &Path) -> Result<String, String> {
    if path.extension().is_some_and(|end| end == "yml") {
        return Err("the file's name must end in .yaml".to_owned());
    }
    let cannot = |error: std::io::Error| format!("the file cannot be read: {error}");
    let bound = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 1;
    let mut bytes = Vec::new();
    // A pipe or device would be waited for, and have no end.
    if !fs::metadata(path).map_err(cannot)?.is_file() {
        return Err("this is no file".to_owned());
    }
    fs::File::open(path).map_err(cannot)?.take(bound).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() > MAX_BYTES {
        return Err(format!("the file is longer than {MAX_BYTES} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "the file is not in UTF-8".to_owned())
}
