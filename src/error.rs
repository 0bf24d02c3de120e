//! One error for the whole server: a stable code, what the client may read, and what only the log may.

use std::{borrow::Cow, time::Duration};

use crate::domain::{TokenScope, Violation};

/// The result of anything that can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// After how long a busy server has likely caught up: it refuses only who would wait longer.
const OVERLOAD_SECONDS: u64 = 2;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// What went wrong. `Display` is what the client may read; the cause of [`Error::Internal`] is for
/// the log alone.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A user is needed and there is no token, or an anonymous caller asked for something that is
    /// not public or does not exist.
    #[error("Not authenticated")]
    NotAuthenticated,
    /// A token was sent and is not valid.
    #[error("Invalid or expired token")]
    InvalidToken,
    /// Signed in, but not allowed to do this. Holds the end of the sentence.
    #[error("You don't have permission to {0}")]
    Forbidden(Cow<'static, str>),
    /// Signed in with a token that was not granted what the field needs.
    #[error("You don't have permission to do this with a token that lacks the scope {0}")]
    InsufficientScope(TokenScope),
    /// The target does not exist in the caller's tenant. Holds its noun ("Board").
    #[error("{0} not found")]
    NotFound(&'static str),
    /// The input is wrong.
    #[error("{message}")]
    BadUserInput {
        /// All of it in one sentence.
        message: String,
        /// Each thing that is wrong, by argument.
        violations: Vec<Violation>,
    },
    /// The request clashes with the present state.
    #[error("{0}")]
    Conflict(String),
    /// Something costs more credits than the caller has.
    #[error("You do not have enough credits: this costs {price}")]
    InsufficientCredits {
        /// What it costs, in credits.
        price: String,
    },
    /// Multi-tenancy is on and the request names no tenant.
    #[error("A tenant is required: send the X-Tenant header or a token with a tenant claim")]
    TenantRequired,
    /// The named tenant is malformed, unknown, or not to be known.
    #[error("Tenant not found")]
    TenantNotFound,
    /// The identity provider that must judge the token does not answer, or not in a way that can be
    /// believed. Nothing is known about the token.
    #[error("The identity provider cannot be reached; try again later")]
    AuthUnavailable,
    /// The caller has asked for more than its share.
    #[error("Too many requests; try again later")]
    RateLimited {
        /// How long until the same request would be let in.
        retry_after: Duration,
    },
    /// More is asked of the server than it can do in time.
    #[error("The server is busy; try again in a moment")]
    Overloaded,
    /// The request took longer than the server allows.
    #[error("The request took too long and was stopped")]
    Timeout,
    /// More bytes than the server takes.
    #[error("{0}")]
    TooLarge(String),
    /// The answer would hold too much.
    #[error("{0}")]
    TooComplex(String),
    /// Bytes of a kind that the server does not take.
    #[error("{0}")]
    UnsupportedMedia(String),
    /// Anything else.
    #[error("Internal server error")]
    Internal(#[source] Cause),
}

impl Error {
    /// The stable code in `extensions.code`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAuthenticated | Self::InvalidToken => "UNAUTHENTICATED",
            Self::Forbidden(_) | Self::InsufficientScope(_) => "FORBIDDEN",
            Self::NotFound(_) => "NOT_FOUND",
            Self::BadUserInput { .. } => "BAD_USER_INPUT",
            Self::Conflict(_) | Self::InsufficientCredits { .. } => "CONFLICT",
            Self::TenantRequired => "TENANT_REQUIRED",
            Self::TenantNotFound => "TENANT_NOT_FOUND",
            Self::AuthUnavailable => "AUTH_UNAVAILABLE",
            Self::RateLimited { .. } => "RATE_LIMITED",
            Self::Overloaded => "OVERLOADED",
            Self::Timeout => "TIMEOUT",
            Self::TooLarge(_) => "PAYLOAD_TOO_LARGE",
            Self::TooComplex(_) => "QUERY_TOO_COMPLEX",
            Self::UnsupportedMedia(_) => "UNSUPPORTED_MEDIA_TYPE",
            Self::Internal(_) => "INTERNAL_SERVER_ERROR",
        }
    }

    /// The same error once more, for another field that failed by it. The cause of an internal
    /// error stays with the first.
    #[must_use]
    pub fn again(&self) -> Self {
        match self {
            Self::NotAuthenticated => Self::NotAuthenticated,
            Self::InvalidToken => Self::InvalidToken,
            Self::Forbidden(what) => Self::Forbidden(what.clone()),
            Self::InsufficientScope(scope) => Self::InsufficientScope(*scope),
            Self::NotFound(noun) => Self::NotFound(noun),
            Self::BadUserInput { message, violations } => {
                Self::BadUserInput { message: message.clone(), violations: violations.clone() }
            }
            Self::Conflict(message) => Self::Conflict(message.clone()),
            Self::InsufficientCredits { price } => {
                Self::InsufficientCredits { price: price.clone() }
            }
            Self::TenantRequired => Self::TenantRequired,
            Self::TenantNotFound => Self::TenantNotFound,
            Self::AuthUnavailable => Self::AuthUnavailable,
            Self::RateLimited { retry_after } => Self::RateLimited { retry_after: *retry_after },
            Self::Overloaded => Self::Overloaded,
            Self::Timeout => Self::Timeout,
            Self::TooLarge(message) => Self::TooLarge(message.clone()),
            Self::TooComplex(message) => Self::TooComplex(message.clone()),
            Self::UnsupportedMedia(message) => Self::UnsupportedMedia(message.clone()),
            Self::Internal(cause) => Self::internal(cause.to_string()),
        }
    }

    /// Whole seconds until it is worth trying again, at least one, for the `Retry-After` header
    /// (RFC 9110, section 10.2.3) and `extensions.retryAfter`.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        match self {
            Self::RateLimited { retry_after } => {
                Some(retry_after.as_secs().saturating_add(1).max(1))
            }
            Self::Overloaded => Some(OVERLOAD_SECONDS),
            _ => None,
        }
    }

    /// In `extensions.reason`: which of the cases of one code it is, for programs.
    #[must_use]
    pub fn reason(&self) -> Option<&'static str> {
        matches!(self, Self::InsufficientCredits { .. }).then_some("INSUFFICIENT_CREDITS")
    }

    /// Whether the server could not, for a reason that may be over soon: nothing is wrong with what was
    /// asked.
    #[must_use]
    pub fn is_servers_own(&self) -> bool {
        matches!(self, Self::Internal(_) | Self::Timeout | Self::Overloaded)
    }

    /// Wraps a cause that the client must not see.
    pub fn internal(cause: impl Into<Cause>) -> Self {
        Self::Internal(cause.into())
    }

    /// A refusal, with the end of the sentence "You don't have permission to …".
    pub fn forbidden(what: impl Into<Cow<'static, str>>) -> Self {
        Self::Forbidden(what.into())
    }

    /// One wrong argument.
    pub fn bad_input(path: &str, message: impl Into<String>) -> Self {
        Self::violations(vec![Violation { path: path.to_owned(), message: message.into() }])
    }

    /// Several wrong arguments at once.
    #[must_use]
    pub fn violations(violations: Vec<Violation>) -> Self {
        let messages: Vec<&str> = violations.iter().map(|v| v.message.as_str()).collect();
        Self::BadUserInput { message: messages.join("; "), violations }
    }
}
