//! A request as the protocols look at it, and answers.

use std::{collections::HashMap, net::SocketAddr};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequest, Multipart},
    http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE, request::Parts},
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value};

use super::{Submission, Upload};

/// Where a request comes from, among the extensions of its head.
#[derive(Clone, Copy)]
pub(super) struct Peer(pub(super) SocketAddr);

/// A whole request.
pub(super) struct Request {
    pub(super) method: Method,
    /// Below the provider's own part.
    pub(super) path: String,
    pub(super) query: HashMap<String, String>,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    parts: Parts,
}

impl Request {
    /// The name of the provider's part, and the rest.
    pub(super) fn new(parts: Parts, body: Bytes) -> (String, Self) {
        let path = parts.uri.path().trim_start_matches('/').to_owned();
        let (first, rest) = path.split_once('/').unwrap_or((&path, ""));
        let query = parts.uri.query().unwrap_or_default();
        let query = url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let (method, headers) = (parts.method.clone(), parts.headers.clone());
        let request = Self { method, path: rest.to_owned(), query, headers, body, parts };
        (first.to_owned(), request)
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn is(&self, method: &Method, path: &str) -> bool {
        self.method == method && self.path == path
    }

    /// The submission that this is; its job is not known yet.
    pub(super) fn submission(
        &self,
        provider: &'static str,
        body: Value,
        files: Vec<Upload>,
    ) -> Submission {
        Submission {
            provider,
            path: self.path.clone(),
            headers: self.headers.clone(),
            body,
            files,
            peer: self.parts.extensions.get::<Peer>().expect("a connection").0,
            job: String::new(),
        }
    }

    /// The body as JSON; null where it is none, or does not say that it is.
    pub(super) fn json(&self) -> Value {
        if self.header(CONTENT_TYPE.as_str()).starts_with("application/json") {
            serde_json::from_slice(&self.body).unwrap_or_default()
        } else {
            Value::Null
        }
    }

    /// The text fields and the files of a form.
    pub(super) async fn form(&self) -> Option<(Value, Vec<Upload>)> {
        let mut request =
            axum::extract::Request::from_parts(self.parts.clone(), Body::from(self.body.clone()));
        DefaultBodyLimit::disable().apply(&mut request);
        let mut form = Multipart::from_request(request, &()).await.ok()?;
        let (mut texts, mut files) = (Map::new(), Vec::new());
        while let Some(field) = form.next_field().await.ok()? {
            let name = field.name().unwrap_or_default().to_owned();
            let file_name = field.file_name().map(str::to_owned);
            let content_type = field.content_type().unwrap_or_default().to_owned();
            let bytes = field.bytes().await.ok()?;
            match file_name {
                None => {
                    texts.insert(name, String::from_utf8_lossy(&bytes).into_owned().into());
                }
                Some(file_name) => {
                    files.push(Upload { field: name, file_name, content_type, bytes });
                }
            }
        }
        Some((texts.into(), files))
    }
}

/// An answer of JSON.
pub(super) fn json(status: u16, body: Value) -> Response {
    (StatusCode::from_u16(status).expect("a status"), Json(body)).into_response()
}
