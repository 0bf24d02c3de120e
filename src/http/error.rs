//! Errors as REST clients read them: a status, and `{error, detail}`, with `violations` of the input.

use axum::{
    Extension, Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{error::Error, graphql::describe};

/// The code of a refusal, beside its answer, for the audit log.
#[derive(Clone, Copy)]
pub(super) struct RefusalCode(pub(super) &'static str);

/// An error on its way to a REST client.
pub(super) struct RestError(pub(super) Error);

impl<E: Into<Error>> From<E> for RestError {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for RestError {
    fn into_response(self) -> Response {
        let Self(error) = self;
        if let Error::Internal(cause) = &error {
            tracing::error!(cause = %describe(cause.as_ref()), "internal error");
        }
        let mut body = json!({ "error": error.code(), "detail": error.to_string() });
        if let Error::BadUserInput { violations, .. } = &error {
            body["violations"] = json!(violations);
        }
        let mut response = (status(&error), Json(body)).into_response();
        response.extensions_mut().insert(RefusalCode(error.code()));
        if let Some(challenge) = challenge(&error) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(seconds) = error.retry_after_seconds() {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// RFC 6750, section 3: no error code when no token was sent.
fn challenge(error: &Error) -> Option<HeaderValue> {
    match error {
        Error::NotAuthenticated => Some(HeaderValue::from_static("Bearer")),
        Error::InvalidToken => Some(HeaderValue::from_static("Bearer error=\"invalid_token\"")),
        Error::InsufficientScope(scope) => {
            let text = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
            HeaderValue::from_str(&text).ok()
        }
        _ => None,
    }
}

fn status(error: &Error) -> StatusCode {
    match error {
        Error::NotAuthenticated | Error::InvalidToken => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) | Error::InsufficientScope(_) => StatusCode::FORBIDDEN,
        Error::NotFound(_) | Error::TenantNotFound => StatusCode::NOT_FOUND,
        Error::BadUserInput { .. } | Error::TenantRequired | Error::TooComplex(_) => {
            StatusCode::BAD_REQUEST
        }
        Error::Conflict(_) | Error::InsufficientCredits { .. } => StatusCode::CONFLICT,
        Error::AuthUnavailable | Error::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        Error::RateLimited { .. } => StatusCode::TOO_MANY_REQUESTS,
        Error::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::UnsupportedMedia(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A refusal that has no [`Error`] of its own.
pub(super) fn refusal(status: StatusCode, code: &'static str, detail: &str) -> Response {
    let body = Json(json!({ "error": code, "detail": detail }));
    (status, Extension(RefusalCode(code)), body).into_response()
}
