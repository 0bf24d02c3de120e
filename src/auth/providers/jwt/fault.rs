//! Why a token is refused: for the log, in words that hold nothing of the token.

use jsonwebtoken::errors::ErrorKind;

use crate::error::Error;

/// The first thing found wrong with a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum Fault {
    #[error("the token is longer than 16 KiB")]
    TooLong,
    #[error("not a JSON Web Signature in compact serialisation")]
    Malformed,
    #[error("the header names critical extensions, and none is understood")]
    Critical,
    #[error("the header's type is not that of an access token")]
    Type,
    #[error("the header's algorithm is not one that the issuer may use")]
    Algorithm,
    #[error("the issuer has no key, or no single key, that fits the header")]
    Key,
    #[error("the identity provider does not answer")]
    Unavailable,
    #[error("the identity provider does not know the token, or no longer")]
    Inactive,
    #[error("token_type is not Bearer")]
    NotBearer,
    #[error("the issuer is none of those that are trusted")]
    UnknownIssuer,
    #[error("the signature does not fit")]
    Signature,
    #[error("the payload is not a JSON object of registered claims, each standing once")]
    Claims,
    #[error("iss is missing, malformed or not the configured one")]
    Issuer,
    #[error("aud is missing, malformed or names others")]
    Audience,
    #[error("sub is missing or malformed")]
    Subject,
    #[error("exp is missing or malformed")]
    Expiry,
    #[error("exp has passed")]
    Expired,
    #[error("nbf or iat is malformed")]
    Date,
    #[error("nbf has not come yet")]
    NotYetValid,
}

impl From<jsonwebtoken::errors::Error> for Fault {
    fn from(error: jsonwebtoken::errors::Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidSignature => Self::Signature,
            ErrorKind::InvalidAlgorithm => Self::Algorithm,
            ErrorKind::InvalidIssuer => Self::Issuer,
            ErrorKind::InvalidAudience => Self::Audience,
            ErrorKind::MissingRequiredClaim(name) if name == "iss" => Self::Issuer,
            ErrorKind::MissingRequiredClaim(name) if name == "aud" => Self::Audience,
            ErrorKind::MissingRequiredClaim(_) => Self::Subject,
            ErrorKind::Json(_) => Self::Claims,
            _ => Self::Malformed,
        }
    }
}

/// What the client learns: nothing but whether to try again.
impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        tracing::debug!(reason = %fault, "token refused");
        match fault {
            Fault::Unavailable => Self::AuthUnavailable,
            _ => Self::InvalidToken,
        }
    }
}
