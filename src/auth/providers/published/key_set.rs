//! A JSON Web Key Set (RFC 7517), of which only public keys for signatures are kept, each for the
//! algorithms of its own kind.

use std::sync::Arc;

use aws_lc_rs::{
    rsa::{PublicEncryptingKey, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
        VerificationAlgorithm,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::jwt::Members;
use crate::config::{JwtAlgorithm, KeyShape};

/// Most keys of a set.
const KEYS_MAX: usize = 100;
/// Members of private and symmetric keys (RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1). A key that
/// everyone can read is nobody's.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
/// First byte of an uncompressed point (SEC 1, section 2.3.3).
const UNCOMPRESSED: u8 = 4;

/// The keys that an issuer publishes.
#[derive(Debug)]
pub(in super::super) struct KeySet(Vec<PublishedKey>);

#[derive(Debug)]
struct PublishedKey {
    id: Option<String>,
    /// The only algorithm, where the key names one; it fits `shape`.
    algorithm: Option<JwtAlgorithm>,
    shape: KeyShape,
    key: Arc<DecodingKey>,
}

/// What a search in a set ends with.
pub(in super::super) enum Found<'a> {
    /// The one key that fits.
    Key(&'a Arc<DecodingKey>),
    /// No key fits.
    Nothing,
    /// Several do, and nothing says which is meant.
    Several,
}

impl KeySet {
    /// Reads a set. Keys that cannot verify a signature of ours are left out.
    ///
    /// # Errors
    /// When it is not a key set at all, in words for the log.
    pub(in super::super) fn read(json: &[u8]) -> Result<Self, &'static str> {
        let Ok(Members(document)) = serde_json::from_slice(json) else {
            return Err("a key set that is not a JSON object");
        };
        let Some(Value::Array(keys)) = document.get("keys") else {
            return Err("a key set without keys");
        };
        if keys.len() > KEYS_MAX {
            return Err("a key set of more than 100 keys");
        }
        if !keys.iter().all(Value::is_object) {
            return Err("a key set with something else among its keys");
        }
        Ok(Self(keys.iter().filter_map(Value::as_object).filter_map(PublishedKey::read).collect()))
    }

    /// How many usable keys there are.
    pub(in super::super) fn len(&self) -> usize {
        self.0.len()
    }

    /// The key of this id; without an id, the only one that fits the algorithm.
    pub(in super::super) fn find(&self, id: Option<&str>, algorithm: JwtAlgorithm) -> Found<'_> {
        let mut fitting = self
            .0
            .iter()
            .filter(|key| key.fits(algorithm) && id.is_none_or(|id| key.id.as_deref() == Some(id)));
        match (fitting.next(), fitting.next()) {
            (None, _) => Found::Nothing,
            (Some(key), None) => Found::Key(&key.key),
            (Some(_), Some(_)) => Found::Several,
        }
    }
}

/// The members that make up a public key (RFC 7517, section 4; RFC 7518, section 6).
#[derive(Deserialize)]
struct Parameters {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Parameters {
    fn verifies(&self) -> bool {
        self.purpose.as_deref().is_none_or(|purpose| purpose == "sig")
            && self.key_ops.as_ref().is_none_or(|uses| uses.iter().any(|name| name == "verify"))
    }

    fn shape(&self) -> Option<KeyShape> {
        match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", None) => Some(KeyShape::Rsa),
            ("EC", Some("P-256")) => Some(KeyShape::P256),
            ("EC", Some("P-384")) => Some(KeyShape::P384),
            ("OKP", Some("Ed25519")) => Some(KeyShape::Ed25519),
            _ => None,
        }
    }

    fn key(&self, shape: KeyShape) -> Option<DecodingKey> {
        match shape {
            KeyShape::Secret => None,
            KeyShape::Rsa => rsa(&bytes(self.n.as_ref())?, &bytes(self.e.as_ref())?),
            KeyShape::P256 => self.point(32, &ECDSA_P256_SHA256_FIXED),
            KeyShape::P384 => self.point(48, &ECDSA_P384_SHA384_FIXED),
            KeyShape::Ed25519 => {
                let key = bytes(self.x.as_ref())?;
                ParsedPublicKey::new(&ED25519, &key).ok()?;
                Some(DecodingKey::from_ed_der(&key))
            }
        }
    }

    /// A point that lies on its curve, with coordinates of the length that the curve has.
    fn point(
        &self,
        length: usize,
        verification: &'static dyn VerificationAlgorithm,
    ) -> Option<DecodingKey> {
        let (x, y) = (bytes(self.x.as_ref())?, bytes(self.y.as_ref())?);
        if x.len() != length || y.len() != length {
            return None;
        }
        let point = [&[UNCOMPRESSED], x.as_slice(), y.as_slice()].concat();
        ParsedPublicKey::new(verification, &point).ok()?;
        Some(DecodingKey::from_ec_der(&point))
    }
}

impl PublishedKey {
    fn read(members: &Map<String, Value>) -> Option<Self> {
        if PRIVATE_MEMBERS.iter().any(|name| members.contains_key(*name)) {
            return None;
        }
        let parameters = Parameters::deserialize(members).ok()?;
        let shape = parameters.shape().filter(|_| parameters.verifies())?;
        let algorithm = match parameters.alg.as_deref() {
            None => None,
            Some(name) => {
                let algorithm = JwtAlgorithm::registered(name);
                Some(algorithm.filter(|algorithm| algorithm.key_shape() == shape)?)
            }
        };
        let key = parameters.key(shape)?;
        Some(Self { id: parameters.kid, algorithm, shape, key: Arc::new(key) })
    }

    fn fits(&self, algorithm: JwtAlgorithm) -> bool {
        self.algorithm.map_or(self.shape == algorithm.key_shape(), |own| own == algorithm)
    }
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

/// 2048 to 8192 bits, which parsing for encryption looks at and parsing for signatures does not;
/// and an odd exponent from 3 up (with 1, everything signs itself).
fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<DecodingKey> {
    let trimmed = |bytes: &[u8]| {
        let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
        bytes[start..].to_vec()
    };
    let (n, e) = (trimmed(modulus), trimmed(exponent));
    let exponent_is_good = match e.as_slice() {
        [] => false,
        [only] => *only >= 3 && only % 2 == 1,
        [.., last] => e.len() <= 4 && last % 2 == 1,
    };
    if !exponent_is_good {
        return None;
    }
    let components = PublicKeyComponents { n: n.as_slice(), e: e.as_slice() };
    let checked: Result<PublicEncryptingKey, _> = components.try_into();
    checked.ok()?;
    Some(DecodingKey::from_rsa_raw_components(&n, &e))
}

#[cfg(test)]
mod tests;
