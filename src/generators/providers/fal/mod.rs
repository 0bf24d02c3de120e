//! fal: a queue for each application, a status and a result for each job.

mod application;
mod upload;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use url::{Origin, Url};
use uuid::Uuid;

use super::{
    ApiKey, JobState, Provider, ProviderError, ProviderRequest, Submitted,
    http::{Answer, Api, Call, Effect, Http, MOST_BYTES, MOST_BYTES_WITH_FILES, presentable},
    job_id::is_job_id,
    patience::growing_interval,
};
use crate::{
    config::{ApiUrl, ProviderAddresses},
    generators::InputArtifact,
};

use application::{Application, Endpoint};
use upload::FileStore;

/// The adapter.
pub(super) struct Fal {
    api: Api,
    queue: ApiUrl,
    files: FileStore,
    trusted: Option<Origin>,
}

impl Fal {
    pub(super) fn new(http: Http, addresses: &ProviderAddresses) -> Self {
        let api = Api::new(http, "fal", words);
        let own = ProviderAddresses::of_the_providers().fal;
        Self {
            files: FileStore::new(api.clone(), addresses),
            api,
            queue: addresses.fal.clone(),
            trusted: (addresses.fal != own).then(|| addresses.fal.origin()),
        }
    }

    /// Made anew from what is configured: the addresses that answers name are never asked, since the key
    /// would go there.
    fn job_url(&self, application: &Application, job: &str, what: Option<&str>) -> Url {
        let segments = application.owner_and_name().chain(["requests", job]).chain(what);
        self.queue.below(segments)
    }

    async fn ask(&self, call: Call, key: &ApiKey) -> Result<Answer, ProviderError> {
        let call = call.with_key("Key", Some(key));
        self.api.ask(&call, self.api.patience().question, MOST_BYTES).await
    }

    /// Results may hold files, as `data:` URLs.
    async fn ask_for_result(&self, url: Url, key: &ApiKey) -> Result<Answer, ProviderError> {
        let call = Call::get(url).with_key("Key", Some(key));
        self.api.ask(&call, self.api.patience().question, MOST_BYTES_WITH_FILES).await
    }

    /// A job that has ended: its result, or why it has none.
    async fn result(
        &self,
        key: &ApiKey,
        url: Url,
        status: &Value,
    ) -> Result<JobState, ProviderError> {
        if status["error_type"] == "client_cancelled" {
            return Ok(JobState::Cancelled);
        }
        let said = status["error"].as_str().and_then(|text| presentable(text, Some(key)));
        let answer = self.ask_for_result(url, key).await;
        let error = match answer {
            Ok(answer) if is_of_run(&answer) => {
                let detail = answer.json().and_then(|body| words(&body));
                let detail = detail.and_then(|text| presentable(&text, Some(key)));
                let unknown = || "The run failed at fal, which does not say why".to_owned();
                return Ok(JobState::Failed(detail.or(said).unwrap_or_else(unknown)));
            }
            Ok(answer) => match self.api.accept(&answer, Effect::None, Some(key)) {
                Ok(result) => return Ok(JobState::Succeeded(result)),
                Err(_) if answer.status.as_u16() == 404 => ProviderError::NoSuchJob,
                Err(error) => error,
            },
            Err(error) => error,
        };
        // That it failed is known, whether or not the result could be asked for.
        said.map_or(Err(error), |said| Ok(JobState::Failed(said)))
    }
}

/// Whether an answer to the question for a result tells of a run that failed. What the run said comes as
/// JSON with a `detail`, also with status 500.
fn is_of_run(answer: &Answer) -> bool {
    match answer.status.as_u16() {
        401..=404 | 408 | 409 | 429 | 502..=504 => false,
        500.. => answer.json().is_some_and(|body| body.get("detail").is_some()),
        status => status >= 400,
    }
}

/// `detail` is text, or a list of what is wrong with each member of the input.
fn words(body: &Value) -> Option<String> {
    let wrong = |entry: &Value| {
        let message = entry["msg"].as_str()?;
        let place = entry["loc"].as_array().into_iter().flatten().filter(|step| *step != "body");
        let place: Vec<String> = place
            .map(|step| step.as_str().map_or_else(|| step.to_string(), str::to_owned))
            .collect();
        let place = place.join(".");
        Some(if place.is_empty() { message.to_owned() } else { format!("{place}: {message}") })
    };
    match &body["detail"] {
        Value::String(text) => Some(text.clone()),
        Value::Array(entries) => {
            let all: Vec<String> = entries.iter().filter_map(wrong).collect();
            (!all.is_empty()).then(|| all.join("; "))
        }
        _ => body["error"].as_str().map(str::to_owned),
    }
}

#[async_trait]
impl Provider for Fal {
    fn name(&self) -> &'static str {
        "fal"
    }

    fn key_name(&self) -> &'static str {
        "FAL_KEY"
    }

    fn check_endpoint(&self, endpoint: &Value) -> Result<(), String> {
        Endpoint::read(endpoint).map(drop)
    }

    async fn upload(
        &self,
        key: Option<&ApiKey>,
        file: &InputArtifact,
    ) -> Result<String, ProviderError> {
        self.files.upload(self.api.needed(key)?, file).await
    }

    async fn submit(
        &self,
        key: Option<&ApiKey>,
        request: &ProviderRequest,
        _idempotency_key: Uuid,
    ) -> Result<Submitted, ProviderError> {
        let key = self.api.needed(key)?;
        let endpoint = Endpoint::read(&request.endpoint)
            .and_then(|endpoint| endpoint.choosing(request.model.as_deref()));
        let Endpoint { application } = endpoint.map_err(ProviderError::Refused)?;
        let call = Call::post(self.queue.below(application.segments()));
        let call = call.with_key("Key", Some(key)).with_json(&request.body);
        let answer = self.api.submit(&call, self.api.patience().submission, MOST_BYTES).await?;
        let answer = self.api.accept(&answer, Effect::BeginsJob, Some(key))?;
        match answer["request_id"].as_str() {
            Some(id) if is_job_id(id) => Ok(Submitted::Job(id.to_owned())),
            _ => Err(self.api.garbage(Effect::BeginsJob)),
        }
    }

    async fn state(
        &self,
        key: Option<&ApiKey>,
        endpoint: &Value,
        job: &str,
    ) -> Result<JobState, ProviderError> {
        let key = self.api.needed(key)?;
        let Endpoint { application } = Endpoint::read(endpoint).map_err(ProviderError::Refused)?;
        if !is_job_id(job) {
            return Err(ProviderError::NoSuchJob);
        }
        let url = self.job_url(&application, job, Some("status"));
        let answer = self.ask(Call::get(url), key).await?;
        if matches!(answer.status.as_u16(), 404 | 410) {
            return Err(ProviderError::NoSuchJob);
        }
        let status = self.api.accept(&answer, Effect::None, Some(key))?;
        match status["status"].as_str() {
            Some("IN_QUEUE") => {
                let position = status["queue_position"].as_u64();
                Ok(JobState::Queued { position: position.and_then(|n| u32::try_from(n).ok()) })
            }
            Some("IN_PROGRESS") => Ok(JobState::Running { done: None }),
            Some("COMPLETED") => {
                self.result(key, self.job_url(&application, job, None), &status).await
            }
            _ => Err(self.api.garbage(Effect::None)),
        }
    }

    async fn cancel(
        &self,
        key: Option<&ApiKey>,
        endpoint: &Value,
        job: &str,
    ) -> Result<(), ProviderError> {
        let key = self.api.needed(key)?;
        let Endpoint { application } = Endpoint::read(endpoint).map_err(ProviderError::Refused)?;
        if !is_job_id(job) {
            return Err(ProviderError::NoSuchJob);
        }
        let url = self.job_url(&application, job, Some("cancel"));
        let answer = self.ask(Call::put(url), key).await?;
        let has_ended = || answer.json().is_some_and(|body| body["status"] == "ALREADY_COMPLETED");
        match answer.status.as_u16() {
            200..300 => Ok(()),
            400..500 if has_ended() => Ok(()),
            404 | 410 => Err(ProviderError::NoSuchJob),
            _ => Err(self.api.refusal(&answer, Effect::None, Some(key))),
        }
    }

    fn poll_interval(&self, _endpoint: &Value, polls: u32) -> Duration {
        growing_interval(polls)
    }

    fn trusted_origin(&self) -> Option<Origin> {
        self.trusted.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn details_are_text_or_lists() {
        let entry = |loc: &Value, msg| json!({ "loc": loc, "msg": msg, "type": "x" });
        let list = json!({ "detail": [
            entry(&json!(["body", "prompt"]), "field required"),
            entry(&json!(["body", "loras", 0, "path"]), "no URL"),
            entry(&json!(["body"]), "too large"),
            { "unknown": 1 },
        ] });
        let said = "prompt: field required; loras.0.path: no URL; too large";
        assert_eq!(words(&list).as_deref(), Some(said));
        assert_eq!(words(&json!({ "detail": "no" })).as_deref(), Some("no"));
        assert_eq!(words(&json!({ "detail": [] })), None);
        assert_eq!(words(&json!([1])), None);
    }
}
