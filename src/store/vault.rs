//! Secrets of tenants at rest: AES-256-GCM (NIST SP 800-38D) under keys that are not in the database. Tenant
//! and name are authenticated with what is encrypted, so that no row can take another's place.

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
};
use secrecy::{ExposeSecret, SecretString};

use crate::domain::TenantId;

/// Keeps this use of the keys apart from whatever else they may encrypt, and from later formats.
const DOMAIN: &[u8] = b"boards provider key, version 1\0";
/// The first byte of what is written, so that later formats can be told from this one.
const FORMAT: u8 = 1;
/// Secrets are filled up with zero bytes, which none of them holds: nothing stored tells their length.
const PADDED: usize = 512;

/// What secrets are encrypted and decrypted with. It shows nothing of its keys.
pub struct Vault {
    /// The first one encrypts; the others are older and decrypt what is still under them.
    keys: Vec<RandomizedNonceKey>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Vault").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}

/// Why nothing was encrypted or decrypted. It says no more, as the ciphers do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a secret cannot be encrypted or decrypted with the keys at hand")]
pub struct VaultError;

impl From<Unspecified> for VaultError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

impl Vault {
    /// Bytes of a key.
    pub const KEY_BYTES: usize = 32;

    /// A vault under the first of these keys, that opens what is under any of them.
    ///
    /// # Errors
    /// [`VaultError`] without a key.
    pub fn new<'a>(
        keys: impl IntoIterator<Item = &'a [u8; Self::KEY_BYTES]>,
    ) -> Result<Self, VaultError> {
        let keys: Result<Vec<_>, _> =
            keys.into_iter().map(|key| RandomizedNonceKey::new(&AES_256_GCM, key)).collect();
        let keys = keys?;
        if keys.is_empty() { Err(VaultError) } else { Ok(Self { keys }) }
    }

    /// Encrypts a secret of at most 512 bytes, none of them zero, for this tenant and name.
    pub(super) fn seal(
        &self,
        (tenant, name): (TenantId, &str),
        secret: &SecretString,
    ) -> Result<Vec<u8>, VaultError> {
        let secret = secret.expose_secret().as_bytes();
        let key = self.keys.first().ok_or(VaultError)?;
        if secret.len() > PADDED || secret.contains(&0) {
            return Err(VaultError);
        }
        let mut sealed = secret.to_vec();
        sealed.resize(PADDED, 0);
        let nonce = key.seal_in_place_append_tag(associated(tenant, name), &mut sealed)?;
        Ok([&[FORMAT], nonce.as_ref().as_slice(), &sealed].concat())
    }

    /// What [`Vault::seal`] encrypted for the same tenant and name.
    pub(super) fn open(
        &self,
        (tenant, name): (TenantId, &str),
        sealed: &[u8],
    ) -> Result<SecretString, VaultError> {
        let [FORMAT, rest @ ..] = sealed else { return Err(VaultError) };
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN).ok_or(VaultError)?;
        for key in &self.keys {
            let nonce = Nonce::try_assume_unique_for_key(nonce)?;
            let mut opened = sealed.to_vec();
            let Ok(opened) = key.open_in_place(nonce, associated(tenant, name), &mut opened) else {
                continue; // It is under another of the keys.
            };
            let length = opened.iter().position(|&byte| byte == 0).unwrap_or(opened.len());
            let secret = str::from_utf8(&opened[..length]).map_err(|_| VaultError)?;
            return Ok(SecretString::from(secret));
        }
        Err(VaultError)
    }
}

/// Tenant ids have a fixed length, so no two pairs give one text.
fn associated(tenant: TenantId, name: &str) -> Aad<Vec<u8>> {
    Aad::from([DOMAIN, tenant.0.as_bytes(), name.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: [u8; 32] = [1; 32];
    const NEW: [u8; 32] = [2; 32];

    fn vault(keys: &[[u8; 32]]) -> Vault {
        Vault::new(keys).expect("keys")
    }

    #[test]
    fn a_secret_opens_for_its_tenant_and_name_alone() {
        let (one, two) = (TenantId::new(), TenantId::new());
        let vault = vault(&[NEW]);
        for secret in ["", "k", &"x".repeat(PADDED)] {
            let sealed = vault.seal((one, "fal"), &secret.into()).expect("sealed");
            let opened = vault.open((one, "fal"), &sealed).expect("opened");
            assert_eq!(opened.expose_secret(), secret);
            for other in [(two, "fal"), (one, "kie"), (one, "fa"), (one, "")] {
                assert_eq!(vault.open(other, &sealed).err(), Some(VaultError));
            }
        }
    }

    #[test]
    fn nothing_stored_tells_the_length_or_that_two_are_alike() {
        let (tenant, vault) = (TenantId::new(), vault(&[NEW]));
        let seal = |secret: &str| vault.seal((tenant, "fal"), &secret.into()).expect("sealed");
        let (short, long) = (seal("k"), seal(&"k".repeat(500)));
        assert_eq!(short.len(), long.len());
        assert_ne!(short, seal("k"));
        assert!(vault.seal((tenant, "fal"), &"x".repeat(PADDED + 1).into()).is_err());
        assert!(vault.seal((tenant, "fal"), &"a\0b".into()).is_err());
    }

    #[test]
    fn older_keys_open_and_the_newest_seals() {
        let place = (TenantId::new(), "fal");
        let old = vault(&[OLD]).seal(place, &"secret".into()).expect("sealed");
        let both = vault(&[NEW, OLD]);
        assert_eq!(both.open(place, &old).expect("opened").expose_secret(), "secret");
        let new = both.seal(place, &"secret".into()).expect("sealed");
        assert!(vault(&[NEW]).open(place, &new).is_ok());
        assert!(vault(&[OLD]).open(place, &new).is_err());
        assert!(vault(&[NEW]).open(place, &old).is_err());
        assert!(Vault::new([]).is_err());
    }

    #[test]
    fn no_changed_byte_goes_unnoticed() {
        let (place, vault) = ((TenantId::new(), "fal"), vault(&[NEW]));
        let sealed = vault.seal(place, &"secret".into()).expect("sealed");
        for place_in in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place_in] ^= 1;
            assert!(vault.open(place, &changed).is_err(), "{place_in}");
        }
        for length in 0..sealed.len() {
            assert!(vault.open(place, &sealed[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn debug_shows_no_key() {
        assert_eq!(format!("{:?}", vault(&[NEW, OLD])), "Vault { keys: 2, .. }");
    }
}
