//! One request, which can be sent again.

use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method,
    header::{AUTHORIZATION, CONTENT_TYPE},
};
use bytes::Bytes;
use reqwest::{
    Client, RequestBuilder,
    multipart::{Form, Part},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::Url;

use super::super::file_name::file_name;
use crate::generators::InputArtifact;

/// One request.
pub(in super::super) struct Call {
    method: Method,
    url: Url,
    headers: HeaderMap,
    payload: Payload,
}

enum Payload {
    Nothing,
    Bytes(Bytes),
    Form(Vec<Field>),
}

/// A field of a form.
pub(in super::super) enum Field {
    /// A name and text.
    Text(String, String),
    /// A name and a file.
    File(String, InputArtifact),
}

impl Call {
    pub(in super::super) fn get(url: Url) -> Self {
        Self::new(Method::GET, url)
    }

    pub(in super::super) fn post(url: Url) -> Self {
        Self::new(Method::POST, url)
    }

    pub(in super::super) fn put(url: Url) -> Self {
        Self::new(Method::PUT, url)
    }

    fn new(method: Method, url: Url) -> Self {
        Self { method, url, headers: HeaderMap::new(), payload: Payload::Nothing }
    }

    /// With this key, where there is one. A key that no header can hold is left out, and refused by the
    /// provider as none.
    pub(in super::super) fn with_key(mut self, scheme: &str, key: Option<&SecretString>) -> Self {
        let value = key.map(|key| format!("{scheme} {}", key.expose_secret()));
        if let Some(mut value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            value.set_sensitive(true);
            self.headers.insert(AUTHORIZATION, value);
        }
        self
    }

    /// With this header; one whose value no header can hold is left out.
    pub(in super::super) fn with_header(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::try_from(value) {
            self.headers.insert(HeaderName::from_static(name), value);
        }
        self
    }

    pub(in super::super) fn with_json(self, body: &Value) -> Self {
        self.with_bytes(body.to_string().into(), "application/json")
    }

    pub(in super::super) fn with_bytes(mut self, bytes: Bytes, content_type: &str) -> Self {
        self.payload = Payload::Bytes(bytes);
        self.with_header("content-type", content_type)
    }

    pub(in super::super) fn with_form(mut self, fields: Vec<Field>) -> Self {
        self.payload = Payload::Form(fields);
        self
    }

    pub(super) fn request(&self, client: &Client) -> RequestBuilder {
        let request = client.request(self.method.clone(), self.url.clone());
        let request = request.headers(self.headers.clone());
        match &self.payload {
            Payload::Nothing => request,
            Payload::Bytes(bytes) => request.body(bytes.clone()),
            Payload::Form(fields) => request.multipart(form(fields)),
        }
    }
}

fn form(fields: &[Field]) -> Form {
    fields.iter().fold(Form::new(), |form, field| match field {
        Field::Text(name, text) => form.text(name.clone(), text.clone()),
        Field::File(name, file) => form.part(name.clone(), part(file)),
    })
}

fn part(file: &InputArtifact) -> Part {
    let length = file.bytes.len() as u64;
    let part = Part::stream_with_length(file.bytes.clone(), length);
    let mut headers = HeaderMap::new();
    if let Ok(content_type) = HeaderValue::try_from(&file.content_type) {
        headers.insert(CONTENT_TYPE, content_type);
    }
    part.headers(headers).file_name(file_name(&file.content_type))
}
