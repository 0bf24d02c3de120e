//! Where files are kept, as settings say it: a folder, or a bucket in a cloud.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
};

use url::Url;

use super::value::NotAllowed;

/// Where artifacts are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StorageUrl {
    /// A folder of this machine; a relative one starts at the working directory.
    Directory(PathBuf),
    /// A part of a bucket, or all of it.
    Bucket(BucketUrl),
}

/// Who keeps a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cloud {
    /// Amazon S3 and whatever speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Google,
    /// Azure Blob Storage, whose buckets are called containers.
    Azure,
}

/// A bucket and the prefix of the files in it. It holds no credentials, so that it can be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketUrl {
    cloud: Cloud,
    url: Url,
}

impl StorageUrl {
    /// The folder `storage` of the data folder.
    #[must_use]
    pub fn under(data_dir: &Path) -> Self {
        Self::Directory(data_dir.join("storage"))
    }

    /// The folder, where it is one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Directory(folder) => Some(folder),
            Self::Bucket(_) => None,
        }
    }
}

impl BucketUrl {
    /// Who keeps it.
    #[must_use]
    pub fn cloud(&self) -> Cloud {
        self.cloud
    }

    /// The whole address, `s3://bucket/prefix`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.url.as_str()
    }

    /// What stands before each key, percent-encoded and without slashes at its ends; empty for the
    /// whole bucket.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.url.path().trim_matches('/')
    }
}

impl fmt::Display for BucketUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for StorageUrl {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        let Some(path) = text.strip_prefix("file://").filter(|path| !path.is_empty()) else {
            return bucket(text).map(Self::Bucket);
        };
        // A URL has no relative paths: `file://./x` would name a host.
        if path.starts_with("./") || path.starts_with("../") {
            return Ok(Self::Directory(PathBuf::from(path)));
        }
        let url = Url::parse(text).map_err(|_| NotAllowed)?;
        url.to_file_path().map(Self::Directory).map_err(|()| NotAllowed)
    }
}

/// Keys do not belong into an address, which is logged and shown: they have variables of their own.
fn bucket(text: &str) -> Result<BucketUrl, NotAllowed> {
    let mut url = Url::parse(text).map_err(|_| NotAllowed)?;
    let cloud = match url.scheme() {
        "s3" | "s3a" => Cloud::S3,
        "gs" => Cloud::Google,
        "az" | "azure" | "adl" | "abfs" | "abfss" => Cloud::Azure,
        _ => return Err(NotAllowed),
    };
    // abfss://container@account.dfs.core.windows.net/prefix names the container before the host.
    let names_container = url.scheme().starts_with("abfs");
    let holds_secrets = url.password().is_some()
        || (!url.username().is_empty() && !names_container)
        || url.query().is_some()
        || url.fragment().is_some();
    let has_bucket = url.host_str().is_some_and(|host| !host.is_empty()) && url.port().is_none();
    let path = url.path().trim_matches('/').to_owned();
    let is_tidy = path.is_empty() || path.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if holds_secrets || !has_bucket || !is_tidy {
        return Err(NotAllowed);
    }
    // One spelling, so that two addresses of the same place are equal.
    url.set_path(&format!("/{path}"));
    Ok(BucketUrl { cloud, url })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<StorageUrl, NotAllowed> {
        text.parse()
    }

    #[test]
    fn storage_is_a_folder_relative_or_not() {
        let folder = |path: &str| Ok(StorageUrl::Directory(PathBuf::from(path)));
        assert_eq!(parsed("file:///srv/a%20b"), folder("/srv/a b"));
        assert_eq!(parsed("file://./store"), folder("./store"));
        for wrong in ["file://", "file://host/path", "/srv", "", "https://bucket/a", "s3:bucket"] {
            assert_eq!(parsed(wrong), Err(NotAllowed), "{wrong}");
        }
    }

    #[test]
    fn storage_is_a_bucket_of_a_cloud() {
        for (text, cloud, prefix) in [
            ("s3://boards", Cloud::S3, ""),
            ("s3://boards/", Cloud::S3, ""),
            ("s3a://boards/files/of%20ours/", Cloud::S3, "files/of%20ours"),
            ("gs://boards/files", Cloud::Google, "files"),
            ("az://boards/files", Cloud::Azure, "files"),
            ("abfss://boards@account.dfs.core.windows.net/files", Cloud::Azure, "files"),
        ] {
            match parsed(text) {
                Ok(StorageUrl::Bucket(bucket)) => {
                    assert_eq!((bucket.cloud(), bucket.prefix()), (cloud, prefix), "{text}");
                }
                other => panic!("{text}: {other:?}"),
            }
        }
        assert_eq!(parsed("s3://boards/a/"), parsed("s3://boards/a"));
    }

    #[test]
    fn addresses_hold_no_keys_and_lead_nowhere_else() {
        for wrong in [
            "s3://AKIA:secret@boards",
            "s3://AKIA@boards",
            "gs://boards?key=secret",
            "az://boards#secret",
            "abfss://boards:secret@account.dfs.core.windows.net/",
            "s3://",
            "s3:///files",
            "s3://localhost:9000/boards",
            "s3://boards/a//b",
        ] {
            assert_eq!(parsed(wrong), Err(NotAllowed), "{wrong}");
        }
    }
}
