//! fal's file store: a token for a while, then the bytes, in parts where there are many.

use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use moka::sync::Cache;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use url::{Host, Url};

use super::super::{
    ApiKey, ProviderError,
    file_name::file_name,
    file_url::file_url,
    http::{Answer, Api, Call, Effect, MOST_BYTES},
};
use crate::{
    config::{ApiUrl, ProviderAddresses},
    generators::InputArtifact,
};

/// Larger files go in parts.
const MOST_BYTES_AT_ONCE: usize = 100 << 20;
/// One of these parts.
const PART_BYTES: usize = 10 << 20;
/// Most tokens that are kept: one for each key.
const MOST_TOKENS: u64 = 1000;
/// No token is kept longer, whatever fal says.
const LONGEST_USE: Duration = Duration::from_hours(1);
/// A token that ends sooner may end before the upload.
const LEAST_LEFT: chrono::TimeDelta = chrono::TimeDelta::minutes(5);
/// Where fal's stores are.
const FAL_DOMAIN: &str = ".fal.media";

/// What lets files in.
#[derive(Clone)]
struct Token {
    scheme: String,
    secret: SecretString,
    expires: DateTime<Utc>,
}

/// The store of files.
pub(super) struct FileStore {
    api: Api,
    rest: ApiUrl,
    store: ApiUrl,
    /// By the SHA-256 of the key.
    tokens: Cache<Vec<u8>, Token>,
}

impl FileStore {
    pub(super) fn new(api: Api, addresses: &ProviderAddresses) -> Self {
        let tokens = Cache::builder().max_capacity(MOST_TOKENS).time_to_live(LONGEST_USE).build();
        let (rest, store) = (addresses.fal_rest.clone(), addresses.fal_cdn.clone());
        Self { api, rest, store, tokens }
    }

    /// The URL of the file once it is there.
    pub(super) async fn upload(
        &self,
        key: &ApiKey,
        file: &InputArtifact,
    ) -> Result<String, ProviderError> {
        let uploaded = if file.bytes.len() > MOST_BYTES_AT_ONCE {
            self.upload_in_parts(key, file).await
        } else {
            self.upload_at_once(key, file).await
        };
        match uploaded {
            // The key serves for the other way as little; what passes may not be so there.
            Err(ProviderError::Passing { .. } | ProviderError::Refused(_)) => {
                self.upload_elsewhere(key, file).await
            }
            other => other,
        }
    }

    async fn upload_at_once(
        &self,
        key: &ApiKey,
        file: &InputArtifact,
    ) -> Result<String, ProviderError> {
        let call = || {
            let call = Call::post(self.store.at("/files/upload"));
            named(call, file).with_bytes(file.bytes.clone(), &file.content_type)
        };
        let token = self.token(key).await?;
        let mut answer = self.send(token.enter(call())).await?;
        if answer.status.as_u16() == 401 {
            self.tokens.invalidate(&name_of(key));
            answer = self.send(self.token(key).await?.enter(call())).await?;
        }
        let answer = self.api.accept(&answer, Effect::None, Some(key))?;
        file_url(&answer["access_url"]).ok_or_else(|| self.api.garbage(Effect::None))
    }

    async fn upload_in_parts(
        &self,
        key: &ApiKey,
        file: &InputArtifact,
    ) -> Result<String, ProviderError> {
        let token = self.token(key).await?;
        let call = Call::post(self.store.at("/files/upload/multipart"));
        let call = named(call, file).with_bytes(Bytes::new(), &file.content_type);
        let begun = self.accepted(token.enter(call), key).await?;
        let garbage = || self.api.garbage(Effect::None);
        let url = file_url(&begun["access_url"]).ok_or_else(garbage)?;
        let id = begun["uploadId"].as_str().ok_or_else(garbage)?;
        let mut parts = Vec::new();
        for (number, start) in (1..).zip((0..file.bytes.len()).step_by(PART_BYTES)) {
            let part = file.bytes.slice(start..file.bytes.len().min(start + PART_BYTES));
            let place = self.place(&url, id, &format!("{number}")).ok_or_else(garbage)?;
            let call = Call::put(place).with_bytes(part, "application/octet-stream");
            let answer = self.send(token.enter(call)).await?;
            if !answer.status.is_success() {
                return Err(self.api.refusal(&answer, Effect::None, Some(key)));
            }
            let tag = answer.header("etag").ok_or_else(garbage)?;
            parts.push(json!({ "partNumber": number, "etag": tag }));
        }
        let place = self.place(&url, id, "complete").ok_or_else(garbage)?;
        let end = Call::post(place).with_json(&json!({ "parts": parts }));
        let answer = self.send(token.enter(end)).await?;
        if answer.status.is_success() {
            Ok(url)
        } else {
            Err(self.api.refusal(&answer, Effect::None, Some(key)))
        }
    }

    /// The older way: fal names a place for the bytes, which go there without any key.
    async fn upload_elsewhere(
        &self,
        key: &ApiKey,
        file: &InputArtifact,
    ) -> Result<String, ProviderError> {
        let mut url = self.rest.at("/storage/upload/initiate");
        url.set_query(Some("storage_type=gcs"));
        let name = file_name(&file.content_type);
        let body = json!({ "file_name": name, "content_type": file.content_type });
        let call = Call::post(url).with_key("Key", Some(key)).with_json(&body);
        let begun = self.accepted(call, key).await?;
        let garbage = || self.api.garbage(Effect::None);
        let place = file_url(&begun["upload_url"]).and_then(|url| Url::parse(&url).ok());
        let place = place.filter(|place| self.may_take_files(place)).ok_or_else(garbage)?;
        let call = Call::put(place).with_bytes(file.bytes.clone(), &file.content_type);
        let answer = self.send(call).await?;
        if !answer.status.is_success() {
            return Err(self.api.refusal(&answer, Effect::None, Some(key)));
        }
        file_url(&begun["file_url"]).ok_or_else(garbage)
    }

    async fn token(&self, key: &ApiKey) -> Result<Token, ProviderError> {
        let kept = self.tokens.get(&name_of(key));
        if let Some(token) = kept.filter(|token| token.expires > Utc::now() + LEAST_LEFT) {
            return Ok(token);
        }
        let mut url = self.rest.at("/storage/auth/token");
        url.set_query(Some("storage_type=fal-cdn-v3"));
        let call = Call::post(url).with_key("Key", Some(key)).with_json(&json!({}));
        let answer = self.accepted(call, key).await?;
        let token = read_token(&answer).ok_or_else(|| self.api.garbage(Effect::None))?;
        self.tokens.insert(name_of(key), token.clone());
        Ok(token)
    }

    async fn accepted(&self, call: Call, key: &ApiKey) -> Result<Value, ProviderError> {
        self.api.accept(&self.send(call).await?, Effect::None, Some(key))
    }

    async fn send(&self, call: Call) -> Result<Answer, ProviderError> {
        self.api.ask(&call, self.api.patience().upload, MOST_BYTES).await
    }

    /// Where a part of an upload goes, as long as that is the store: the token goes there too.
    fn place(&self, file: &str, upload: &str, what: &str) -> Option<Url> {
        let mut url = Url::parse(file).ok().filter(|url| self.is_store(url))?;
        url.set_query(None);
        url.path_segments_mut().ok()?.extend(["multipart", upload, what]);
        Some(url)
    }

    fn is_store(&self, url: &Url) -> bool {
        let is_fals = |host: &str| host.ends_with(FAL_DOMAIN);
        let elsewhere = url.scheme() == "https" && url.host_str().is_some_and(is_fals);
        url.origin() == self.store.origin() || (is_fals(self.store.host()) && elsewhere)
    }

    /// Not a place on the operator's own network, unless that is where fal is.
    fn may_take_files(&self, url: &Url) -> bool {
        let is_named = matches!(url.host(), Some(Host::Domain(name)) if name.contains('.'));
        let is_public = url.scheme() == "https" && is_named;
        is_public || url.origin() == self.rest.origin() || url.origin() == self.store.origin()
    }
}

impl Token {
    fn enter(&self, call: Call) -> Call {
        call.with_key(&self.scheme, Some(&self.secret))
    }
}

fn named(call: Call, file: &InputArtifact) -> Call {
    call.with_header("x-fal-file-name", &file_name(&file.content_type))
}

/// Keys are not kept here themselves.
fn name_of(key: &ApiKey) -> Vec<u8> {
    digest(&SHA256, key.expose_secret().as_bytes()).as_ref().to_vec()
}

fn read_token(answer: &Value) -> Option<Token> {
    let secret = answer["token"].as_str()?.into();
    let scheme = answer["token_type"].as_str().unwrap_or("Bearer").to_owned();
    // Without a time it serves once.
    let expires = answer["expires_at"].as_str().and_then(|text| text.parse().ok());
    Some(Token { scheme, secret, expires: expires.unwrap_or_default() })
}
