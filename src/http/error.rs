//! Errors as REST clients read them: a status, and `{error, detail}`.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::{error::Error, graphql::describe};

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
        let body = json!({ "error": error.code(), "detail": error.to_string() });
        let mut response = (status(&error), Json(body)).into_response();
        if status(&error) == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge(&error));
        }
        response
    }
}

/// RFC 6750, section 3: no error code when no token was sent.
fn challenge(error: &Error) -> HeaderValue {
    match error {
        Error::InvalidToken => HeaderValue::from_static("Bearer error=\"invalid_token\""),
        _ => HeaderValue::from_static("Bearer"),
    }
}

fn status(error: &Error) -> StatusCode {
    match error {
        Error::NotAuthenticated | Error::InvalidToken => StatusCode::UNAUTHORIZED,
        Error::Forbidden(_) => StatusCode::FORBIDDEN,
        Error::NotFound(_) | Error::TenantNotFound => StatusCode::NOT_FOUND,
        Error::BadUserInput { .. } | Error::TenantRequired | Error::TooComplex(_) => {
            StatusCode::BAD_REQUEST
        }
        Error::Conflict(_) => StatusCode::CONFLICT,
        Error::Timeout => StatusCode::GATEWAY_TIMEOUT,
        Error::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        Error::UnsupportedMedia(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Error::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

/// A refusal that has no [`Error`] of its own.
pub(super) fn refusal(status: StatusCode, code: &str, detail: &str) -> Response {
    (status, Json(json!({ "error": code, "detail": detail }))).into_response()
}
