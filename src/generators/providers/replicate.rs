//! Replicate: predictions, which are asked about until they have ended.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::Value;
use url::{Origin, Url};
use uuid::Uuid;

use super::{
    ApiKey, JobState, Provider, ProviderError, ProviderRequest, Submitted,
    file_url::file_url,
    http::{Answer, Api, Call, Effect, Field, Http, MOST_BYTES, presentable},
    job_id::is_job_id,
    patience::growing_interval,
};
use crate::{
    config::{ApiUrl, ProviderAddresses},
    generators::InputArtifact,
};

/// Longest name of a model, and longest version.
const MOST_BYTES_OF_A_NAME: usize = 200;

/// The adapter.
pub(super) struct Replicate {
    api: Api,
    base: ApiUrl,
    trusted: Option<Origin>,
}

/// What a generator's file says of where it runs: a model, or a version of one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Endpoint {
    model: Option<String>,
    version: Option<String>,
    /// Whether the request is held for a second, which spares quick models a poll. No longer: as long as
    /// it is held, nobody knows the job's id.
    #[serde(default)]
    wait: bool,
}

/// What is run.
enum Subject<'a> {
    Model { owner: &'a str, name: &'a str },
    Version(&'a str),
}

impl Endpoint {
    fn read(endpoint: &Value) -> Result<Self, String> {
        let endpoint = Self::deserialize(endpoint).map_err(|error| error.to_string())?;
        endpoint.subject(None)?;
        Ok(endpoint)
    }

    /// `chosen` is the model where parameters choose it.
    fn subject<'a>(&'a self, chosen: Option<&'a str>) -> Result<Subject<'a>, String> {
        match (self.model.as_deref(), self.version.as_deref()) {
            (Some(model), None) => {
                let model = chosen.unwrap_or(model);
                let parts = model.split_once('/').filter(|_| model.len() <= MOST_BYTES_OF_A_NAME);
                match parts {
                    Some((owner, name)) if is_name(owner) && is_name(name) => {
                        Ok(Subject::Model { owner, name })
                    }
                    _ => Err(format!("model must be owner/name, not {model:?}")),
                }
            }
            (None, Some(version)) => {
                let fits =
                    version.len() <= MOST_BYTES_OF_A_NAME && version.split(['/', ':']).all(is_name);
                let wrong = || format!("version must be the id of a version, not {version:?}");
                fits.then_some(Subject::Version(version)).ok_or_else(wrong)
            }
            _ => Err("there must be either model or version".to_owned()),
        }
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
}

impl Replicate {
    pub(super) fn new(http: Http, addresses: &ProviderAddresses) -> Self {
        let own = ProviderAddresses::of_the_providers().replicate;
        Self {
            api: Api::new(http, "Replicate", words),
            base: addresses.replicate.clone(),
            trusted: (addresses.replicate != own).then(|| addresses.replicate.origin()),
        }
    }

    fn prediction_url(&self, job: &str, what: Option<&str>) -> Result<Url, ProviderError> {
        if !is_job_id(job) {
            return Err(ProviderError::NoSuchJob);
        }
        Ok(self.base.below(["v1", "predictions", job].into_iter().chain(what)))
    }

    async fn ask(&self, call: Call, key: &ApiKey) -> Result<Answer, ProviderError> {
        let call = call.with_key("Bearer", Some(key));
        self.api.ask(&call, self.api.patience().question, MOST_BYTES).await
    }
}

/// Problem documents (RFC 9457).
fn words(body: &Value) -> Option<String> {
    let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty());
    text("detail").or_else(|| text("title")).map(str::to_owned)
}

/// The last `45%|` of the log, as progress bars write it.
fn part_done(logs: &str) -> Option<f64> {
    let (before, _) = logs.rsplit_once("%|")?;
    let digits = before.bytes().rev().take_while(u8::is_ascii_digit).take(3).count();
    let percent: f64 = before[before.len() - digits..].parse().ok()?;
    (percent <= 100.0).then_some(percent / 100.0)
}

#[async_trait]
impl Provider for Replicate {
    fn name(&self) -> &'static str {
        "replicate"
    }

    fn key_name(&self) -> &'static str {
        "REPLICATE_API_TOKEN"
    }

    fn check_endpoint(&self, endpoint: &Value) -> Result<(), String> {
        Endpoint::read(endpoint).map(drop)
    }

    async fn upload(
        &self,
        key: Option<&ApiKey>,
        file: &InputArtifact,
    ) -> Result<String, ProviderError> {
        let key = self.api.needed(key)?;
        let fields = vec![Field::File("content".to_owned(), file.clone())];
        let call = Call::post(self.base.at("/v1/files")).with_key("Bearer", Some(key));
        let call = call.with_form(fields);
        let answer = self.api.ask(&call, self.api.patience().upload, MOST_BYTES).await?;
        let answer = self.api.accept(&answer, Effect::None, Some(key))?;
        file_url(&answer["urls"]["get"]).ok_or_else(|| self.api.garbage(Effect::None))
    }

    async fn submit(
        &self,
        key: Option<&ApiKey>,
        request: &ProviderRequest,
        _idempotency_key: Uuid,
    ) -> Result<Submitted, ProviderError> {
        let key = self.api.needed(key)?;
        let endpoint = Endpoint::read(&request.endpoint).map_err(ProviderError::Refused)?;
        let subject = endpoint.subject(request.model.as_deref()).map_err(ProviderError::Refused)?;
        let mut body = request.body.clone();
        let url = match subject {
            Subject::Model { owner, name } => {
                self.base.below(["v1", "models", owner, name, "predictions"])
            }
            Subject::Version(version) => {
                if let Some(body) = body.as_object_mut() {
                    body.insert("version".to_owned(), version.into());
                }
                self.base.at("/v1/predictions")
            }
        };
        let mut call = Call::post(url).with_key("Bearer", Some(key)).with_json(&body);
        if endpoint.wait {
            call = call.with_header("prefer", "wait=1");
        }
        let answer = self.api.submit(&call, self.api.patience().submission, MOST_BYTES).await?;
        let answer = self.api.accept(&answer, Effect::BeginsJob, Some(key))?;
        match answer["id"].as_str() {
            Some(id) if is_job_id(id) => Ok(Submitted::Job(id.to_owned())),
            _ => Err(self.api.garbage(Effect::BeginsJob)),
        }
    }

    async fn state(
        &self,
        key: Option<&ApiKey>,
        _endpoint: &Value,
        job: &str,
    ) -> Result<JobState, ProviderError> {
        let key = self.api.needed(key)?;
        let answer = self.ask(Call::get(self.prediction_url(job, None)?), key).await?;
        if matches!(answer.status.as_u16(), 404 | 410) {
            return Err(ProviderError::NoSuchJob);
        }
        let prediction = self.api.accept(&answer, Effect::None, Some(key))?;
        match prediction["status"].as_str() {
            Some("starting" | "queued") => Ok(JobState::Queued { position: None }),
            Some("processing") => {
                Ok(JobState::Running { done: prediction["logs"].as_str().and_then(part_done) })
            }
            Some("succeeded" | "successful") => Ok(JobState::Succeeded(prediction)),
            Some("failed") => {
                let said = prediction["error"].as_str();
                let said = said.and_then(|text| presentable(text, Some(key)));
                let unknown = || "The run failed at Replicate, which does not say why".to_owned();
                Ok(JobState::Failed(said.unwrap_or_else(unknown)))
            }
            Some("canceled" | "cancelled" | "aborted") => Ok(JobState::Cancelled),
            _ => Err(self.api.garbage(Effect::None)),
        }
    }

    async fn cancel(
        &self,
        key: Option<&ApiKey>,
        _endpoint: &Value,
        job: &str,
    ) -> Result<(), ProviderError> {
        let key = self.api.needed(key)?;
        let url = self.prediction_url(job, Some("cancel"))?;
        let answer = self.ask(Call::post(url), key).await?;
        match answer.status.as_u16() {
            404 | 410 => Err(ProviderError::NoSuchJob),
            200..300 => Ok(()),
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
    fn a_model_or_a_version_and_nothing_else() {
        for right in [
            json!({ "model": "black-forest-labs/flux-1.1-pro" }),
            json!({ "model": "cjwbw/wav2lip", "wait": true }),
            json!({ "version": "8d65e3f4f4298520e079198b493c25adfc43c058" }),
            json!({ "version": "owner/name:8d65e3f4" }),
        ] {
            assert!(Endpoint::read(&right).is_ok(), "{right}");
        }
        for (wrong, reason) in [
            (json!({}), "either model or version"),
            (json!({ "model": "a/b", "version": "c" }), "either model or version"),
            (json!({ "model": "flux" }), "owner/name"),
            (json!({ "model": "a/b/c" }), "owner/name"),
            (json!({ "model": "../b" }), "owner/name"),
            (json!({ "model": "https://api.replicate.com/a" }), "owner/name"),
            (json!({ "model": "a/b c" }), "owner/name"),
            (json!({ "version": "a?b" }), "id of a version"),
            (json!({ "version": ".." }), "id of a version"),
            (json!({ "model": "a/b", "url": "x" }), "unknown field `url`"),
            (json!({ "model": "a/b", "wait": 60 }), "expected a boolean"),
        ] {
            let error = Endpoint::read(&wrong).err().expect("refused");
            assert!(error.contains(reason), "{wrong}: {error}");
        }
    }

    #[test]
    fn progress_is_the_last_bar_of_the_log() {
        assert_eq!(part_done(" 10%|# | 1/10\n 45%|####  | 9/20"), Some(0.45));
        assert_eq!(part_done("100%|#| 2/2"), Some(1.0));
        for none in ["", "50% done", "%|", "x%|", "999%|", "ä%|"] {
            assert_eq!(part_done(none), None, "{none}");
        }
    }
}
