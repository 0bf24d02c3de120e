//! `OpenAI` and servers that are compatible with it: one request, whose answer is the result.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use url::Origin;
use uuid::Uuid;

use super::{
    ApiKey, JobState, Provider, ProviderError, ProviderRequest, Resubmission, Submitted,
    http::{Answer, Api, Call, Effect, Field, Http, MOST_BYTES_WITH_FILES},
    patience::growing_interval,
};
use crate::{
    config::{ApiUrl, ProviderAddresses},
    generators::InputArtifact,
};

/// Codes of refusals that are about money, whatever their status is.
const PAYMENT_CODES: [&str; 3] =
    ["insufficient_quota", "billing_hard_limit_reached", "billing_not_active"];

/// The adapter.
pub(super) struct OpenAi {
    api: Api,
    base: ApiUrl,
    is_own: bool,
    has_key: bool,
}

/// What a generator's file says of where it runs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    path: Operation,
    /// The model stands in the body by the time that a request is sent.
    #[serde(rename = "model")]
    _model: Option<Value>,
}

/// What there is.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
enum Operation {
    #[serde(rename = "/images/generations")]
    Images,
    #[serde(rename = "/audio/transcriptions")]
    Transcription,
}

impl Operation {
    fn path(self) -> &'static str {
        match self {
            Self::Images => "/images/generations",
            Self::Transcription => "/audio/transcriptions",
        }
    }
}

impl Endpoint {
    fn read(endpoint: &Value) -> Result<Self, String> {
        Self::deserialize(endpoint).map_err(|error| error.to_string())
    }
}

impl OpenAi {
    /// `has_key`: whether the deployment has one for it.
    pub(super) fn new(http: Http, addresses: &ProviderAddresses, has_key: bool) -> Self {
        let base = addresses.openai.clone();
        let is_own = base.origin() != ProviderAddresses::of_the_providers().openai.origin();
        let title = if is_own { "The server for OpenAI's protocol" } else { "OpenAI" };
        Self { api: Api::new(http, title, words), base, is_own, has_key }
    }

    fn refusal(&self, answer: &Answer, key: Option<&ApiKey>) -> ProviderError {
        let error = answer.json().map(|body| body["error"].clone()).unwrap_or_default();
        let is_payment = [&error["code"], &error["type"]]
            .into_iter()
            .filter_map(Value::as_str)
            .any(|code| PAYMENT_CODES.contains(&code));
        if is_payment {
            return self.api.credentials("wants to be paid first");
        }
        self.api.refusal(answer, Effect::BeginsJob, key)
    }
}

fn words(body: &Value) -> Option<String> {
    // Compatible servers shorten it.
    let error = &body["error"];
    let message = error["message"].as_str().or_else(|| error.as_str());
    message.or_else(|| body["detail"].as_str()).map(str::to_owned)
}

/// The text fields of a form: lists are fields that repeat, what is null is left out.
fn fields(body: &Value) -> Vec<Field> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut fields = Vec::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        match value {
            Value::Null => {}
            Value::Array(items) => {
                let name = format!("{name}[]");
                fields.extend(items.iter().map(|item| Field::Text(name.clone(), text(item))));
            }
            value => fields.push(Field::Text(name.clone(), text(value))),
        }
    }
    fields
}

#[async_trait]
impl Provider for OpenAi {
    fn name(&self) -> &'static str {
        "openai"
    }

    fn key_name(&self) -> &'static str {
        "OPENAI_API_KEY"
    }

    fn works_without_key(&self) -> bool {
        self.is_own
    }

    /// On the operator's own network and without a key nobody pays. `OpenAI` does not promise that it
    /// heeds the idempotency key.
    fn resubmission(&self, key: Option<&ApiKey>) -> Resubmission {
        if self.is_own && self.base.is_private() && !self.has_key && key.is_none() {
            Resubmission::Safe
        } else {
            Resubmission::Never
        }
    }

    fn check_endpoint(&self, endpoint: &Value) -> Result<(), String> {
        Endpoint::read(endpoint).map(drop)
    }

    async fn upload(
        &self,
        _key: Option<&ApiKey>,
        _file: &InputArtifact,
    ) -> Result<String, ProviderError> {
        Err(ProviderError::Refused("OpenAI keeps no files for these requests".to_owned()))
    }

    async fn submit(
        &self,
        key: Option<&ApiKey>,
        request: &ProviderRequest,
        idempotency_key: Uuid,
    ) -> Result<Submitted, ProviderError> {
        if !self.is_own {
            self.api.needed(key)?;
        }
        let Endpoint { path, .. } =
            Endpoint::read(&request.endpoint).map_err(ProviderError::Refused)?;
        let call = Call::post(self.base.at(path.path())).with_key("Bearer", key);
        let call = call.with_header("idempotency-key", &idempotency_key.to_string());
        let call = if path == Operation::Transcription || !request.files.is_empty() {
            let files = request.files.iter();
            let files = files.map(|file| Field::File(file.field.clone(), file.file.clone()));
            call.with_form(fields(&request.body).into_iter().chain(files).collect())
        } else {
            call.with_json(&request.body)
        };
        let time = self.api.patience().result;
        let answer = self.api.submit(&call, time, MOST_BYTES_WITH_FILES).await?;
        if answer.status.is_success() {
            self.api.accept(&answer, Effect::BeginsJob, key).map(Submitted::Answer)
        } else {
            Err(self.refusal(&answer, key))
        }
    }

    /// There are no jobs.
    async fn state(
        &self,
        _key: Option<&ApiKey>,
        _endpoint: &Value,
        _job: &str,
    ) -> Result<JobState, ProviderError> {
        Err(ProviderError::NoSuchJob)
    }

    /// There are no jobs.
    async fn cancel(
        &self,
        _key: Option<&ApiKey>,
        _endpoint: &Value,
        _job: &str,
    ) -> Result<(), ProviderError> {
        Err(ProviderError::NoSuchJob)
    }

    fn poll_interval(&self, _endpoint: &Value, polls: u32) -> Duration {
        growing_interval(polls)
    }

    fn trusted_origin(&self) -> Option<Origin> {
        self.is_own.then(|| self.base.origin())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::generators::providers::Patience;

    #[test]
    fn two_operations_and_nothing_else() {
        for right in [
            json!({ "path": "/images/generations", "model": "gpt-image-1" }),
            json!({ "path": "/audio/transcriptions" }),
            json!({ "path": "/images/generations", "model": { "var": "input.model" } }),
        ] {
            assert!(Endpoint::read(&right).is_ok(), "{right}");
        }
        for (wrong, reason) in [
            (json!({ "path": "/images/edits" }), "unknown variant `/images/edits`"),
            (json!({ "path": "https://evil.example/images" }), "unknown variant"),
            (json!({ "path": "/images/../files" }), "unknown variant"),
            (json!({ "model": "x" }), "missing field `path`"),
            (json!({ "path": "/images/generations", "url": 1 }), "unknown field `url`"),
        ] {
            let error = Endpoint::read(&wrong).err().expect("refused");
            assert!(error.contains(reason), "{wrong}: {error}");
        }
    }

    #[test]
    fn only_a_server_at_home_without_a_key_is_asked_twice() {
        let adapter = |openai: &str, has_key| {
            let mut addresses = ProviderAddresses::of_the_providers();
            addresses.openai = openai.parse().expect("an address");
            let http = Http::new(Patience::default()).expect("a client");
            OpenAi::new(http, &addresses, has_key)
        };
        for (address, has_key, works_without, resubmission) in [
            ("https://api.openai.com/v1", false, false, Resubmission::Never),
            ("https://api.openai.com/other", false, false, Resubmission::Never),
            ("http://127.0.0.1:8080/v1", false, true, Resubmission::Safe),
            ("http://127.0.0.1:8080/v1", true, true, Resubmission::Never),
            ("https://router.example/v1", false, true, Resubmission::Never),
        ] {
            let adapter = adapter(address, has_key);
            assert_eq!(adapter.works_without_key(), works_without, "{address}");
            assert_eq!(adapter.resubmission(None), resubmission, "{address} {has_key}");
            assert_eq!(adapter.trusted_origin().is_some(), works_without, "{address}");
        }
    }
}
