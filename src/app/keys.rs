//! The deployment's own secrets: configured ones, or random ones that are made at the first start and stay
//! in the data folder.

use std::{io, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};
use secrecy::{ExposeSecret, SecretString};

use super::StartError;
use crate::{
    config::{Config, encryption_keys},
    store::{Store, Vault},
};

const KEY_BYTES: usize = 32;

/// The key that links and cursors are signed with, which survives a restart.
pub(super) fn signing_key(config: &Config) -> Result<Vec<u8>, StartError> {
    if let Some(secret) = &config.signing_secret {
        return Ok(secret.expose_secret().as_bytes().to_vec());
    }
    kept(config, &config.signing_key_file(), <[u8]>::to_vec)
}

/// Has the store encrypt what must not be read from the database alone, and decrypt it.
///
/// # Errors
/// [`StartError::Folder`] when the key's file cannot be used, [`StartError::Encryption`] when it holds none.
pub fn open_vault(config: &Config, store: &Store) -> Result<(), StartError> {
    let keys = if let Some(keys) = &config.encryption_key {
        keys.clone()
    } else {
        let as_text = |key: &[u8]| format!("{}\n", BASE64_STANDARD.encode(key)).into_bytes();
        let text = kept(config, &config.encryption_key_file(), as_text)?;
        SecretString::from(String::from_utf8(text).map_err(|_| StartError::Encryption)?)
    };
    let keys = encryption_keys(keys.expose_secret().trim()).ok_or(StartError::Encryption)?;
    store.use_vault(Vault::new(&keys).map_err(|_| StartError::Encryption)?);
    Ok(())
}

/// What a file holds; if there is none, a random key written as `form` has it.
fn kept(
    config: &Config,
    path: &Path,
    form: impl FnOnce(&[u8]) -> Vec<u8>,
) -> Result<Vec<u8>, StartError> {
    let unusable = |cause| StartError::Folder { path: path.display().to_string(), cause };
    match std::fs::read(path) {
        Ok(key) if !key.is_empty() => return Ok(key),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(unusable(error)),
    }
    let mut key = [0_u8; KEY_BYTES];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| unusable(io::Error::other("no randomness")))?;
    let key = form(&key);
    super::make_folder(&config.data_dir)?;
    // NamedTempFile is made with mode 0600; renaming makes the whole key appear at once.
    let mut file = tempfile::NamedTempFile::new_in(&config.data_dir).map_err(unusable)?;
    io::Write::write_all(&mut file, &key).map_err(unusable)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(key),
        // Another process was faster: its key is the key.
        Err(_) => std::fs::read(path).map_err(unusable),
    }
}
