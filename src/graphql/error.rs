//! What a client reads of an error: code, message and violations. Whatever did not come from this
//! server's own [`Error`] or from GraphQL itself is masked, and its cause goes to the log.

use std::borrow::Cow;

use async_graphql::{ErrorExtensionValues, ServerError, Value};

use super::Limits;
use crate::error::Error;

const CODE: &str = "code";
/// Characters of a message.
const MESSAGE_MAX: usize = 4_000;

/// An error of the request as a whole.
pub(crate) fn request_error(error: &Error) -> ServerError {
    let mut server_error = ServerError::new(error.to_string(), None);
    set_code(&mut server_error, error.code());
    if let Some(seconds) = error.retry_after_seconds() {
        extensions(&mut server_error).set("retryAfter", seconds);
    }
    server_error
}

/// A refusal with a code of its own.
pub(super) fn refusal(message: String, code: &str) -> ServerError {
    let mut error = ServerError::new(message, None);
    set_code(&mut error, code);
    error
}

/// The code of an error that may not be in the client's form yet.
pub(super) fn code_of(error: &ServerError) -> Cow<'static, str> {
    if let Some(ours) = error.source::<Error>() {
        return ours.code().into();
    }
    if error.source.is_some() {
        return "INTERNAL_SERVER_ERROR".into();
    }
    match error.extensions.as_ref().and_then(|extensions| extensions.get(CODE)) {
        Some(Value::String(code)) => code.clone().into(),
        _ => "BAD_USER_INPUT".into(),
    }
}

/// Puts an error into the form that a client may read.
pub(super) fn present(error: &mut ServerError, limits: &Limits) {
    if let Some(ours) = error.source::<Error>() {
        let (code, violations) = (ours.code(), violations(ours));
        if let Error::Internal(cause) = ours {
            tracing::error!(cause = %describe(cause.as_ref()), path = ?error.path, "internal error");
        }
        let required_scopes = required_scopes(ours);
        let (retry_after, reason) = (ours.retry_after_seconds(), ours.reason());
        set_code(error, code);
        if let Some(reason) = reason {
            extensions(error).set("reason", reason);
        }
        if let Some(scopes) = required_scopes {
            extensions(error).set("requiredScopes", scopes);
        }
        if let Some(seconds) = retry_after {
            extensions(error).set("retryAfter", seconds);
        }
        if let Some(violations) = violations {
            extensions(error).set("violations", violations);
        }
    } else if error.source.is_some() {
        tracing::error!(cause = %error.message, path = ?error.path, "internal error");
        "Internal server error".clone_into(&mut error.message);
        set_code(error, "INTERNAL_SERVER_ERROR");
    } else if extensions(error).get(CODE).is_none() {
        name_what_graphql_refused(error, limits);
    }
    error.source = None;
    shorten(&mut error.message);
}

/// Messages of the library repeat what was sent, however long.
fn shorten(message: &mut String) {
    if let Some((end, _)) = message.char_indices().nth(MESSAGE_MAX) {
        message.truncate(end);
        message.push('…');
    }
}

/// The library says no by message alone.
fn name_what_graphql_refused(error: &mut ServerError, limits: &Limits) {
    match error.message.as_str() {
        "Query is nested too deep." => {
            error.message = format!("The query is nested deeper than {} levels", limits.depth);
            set_code(error, "QUERY_TOO_DEEP");
        }
        "Query is too complex." => {
            error.message = format!("The query costs more than {} points", limits.complexity);
            set_code(error, "QUERY_TOO_COMPLEX");
        }
        "The recursion depth of the query cannot be greater than `32`" => {
            set_code(error, "QUERY_TOO_DEEP");
        }
        message if message.trim_start().starts_with("-->") => {
            set_code(error, "GRAPHQL_PARSE_FAILED");
        }
        _ if error.path.is_empty() => set_code(error, "GRAPHQL_VALIDATION_FAILED"),
        _ => set_code(error, "BAD_USER_INPUT"),
    }
}

fn violations(error: &Error) -> Option<Value> {
    let Error::BadUserInput { violations, .. } = error else { return None };
    let list = violations
        .iter()
        .map(|violation| Value::from_json(serde_json::json!(violation)).unwrap_or_default());
    Some(Value::List(list.collect()))
}

fn required_scopes(error: &Error) -> Option<Value> {
    let Error::InsufficientScope(scope) = error else { return None };
    Some(Value::List(vec![Value::from(scope.as_str())]))
}

fn extensions(error: &mut ServerError) -> &mut ErrorExtensionValues {
    error.extensions.get_or_insert_default()
}

fn set_code(error: &mut ServerError, code: &str) {
    extensions(error).set(CODE, code);
}

/// The chain of causes in one line.
pub(crate) fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
