//! Kie: tasks of many models, each with paths and states of its own, and a code inside each answer that
//! says more than its status.

mod endpoint;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use url::Origin;
use uuid::Uuid;

use super::{
    ApiKey, JobState, Provider, ProviderError, ProviderRequest, Submitted,
    file_name::file_name,
    file_url::file_url,
    http::{Answer, Api, Call, Effect, Field, Http, MOST_BYTES, presentable},
    job_id::is_job_id,
};
use crate::{
    config::{ApiUrl, ProviderAddresses},
    generators::InputArtifact,
};

use endpoint::Endpoint;

/// The folder of the account that files go to.
const UPLOAD_PATH: &str = "boards";
/// States that mean that nothing is done yet, in lower case.
const WAITING: [&str; 4] = ["waiting", "queuing", "queued", "pending"];
/// Before a task is asked about for the first time.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);

/// The adapter.
pub(super) struct Kie {
    api: Api,
    base: ApiUrl,
    files: ApiUrl,
    trusted: Option<Origin>,
}

/// What the code of an answer says.
enum Verdict {
    /// It is as it should be.
    Fine,
    /// The task is not known, or nothing that was asked for is.
    Unknown,
    /// The run failed.
    Failed,
    /// Anything else.
    Error(ProviderError),
}

impl Kie {
    pub(super) fn new(http: Http, addresses: &ProviderAddresses) -> Self {
        let own = ProviderAddresses::of_the_providers().kie;
        Self {
            api: Api::new(http, "Kie", words),
            base: addresses.kie.clone(),
            files: addresses.kie_upload.clone(),
            trusted: (addresses.kie != own).then(|| addresses.kie.origin()),
        }
    }

    /// The code counts besides the status: a wrong key comes with status 200.
    fn verdict(&self, body: &Value, effect: Effect, key: &ApiKey) -> Verdict {
        let said = || words(body).and_then(|text| presentable(&text, Some(key)));
        let code = match &body["code"] {
            Value::Number(code) => code.as_i64(),
            Value::String(code) => code.parse().ok(),
            Value::Null if body["data"].is_object() => Some(200),
            _ => None,
        };
        let refused = || {
            let unknown = || "Kie refused the request".to_owned();
            ProviderError::Refused(said().unwrap_or_else(unknown))
        };
        Verdict::Error(match code {
            Some(200) => return Verdict::Fine,
            Some(404) => return Verdict::Unknown,
            Some(501) => return Verdict::Failed,
            Some(401 | 403) => self.api.credentials("does not take the key"),
            Some(402) => self.api.credentials("wants to be paid first"),
            // Too many requests; so many of this key; down for maintenance.
            Some(429 | 430 | 433 | 455) => self.api.passing("asks to be asked later", None, false),
            // With 505 the feature is switched off.
            Some(400..500 | 505) => refused(),
            Some(500..600) => self.api.passing("could not take the request", None, false),
            _ => self.api.garbage(effect),
        })
    }

    async fn ask(&self, call: Call, key: &ApiKey) -> Result<Answer, ProviderError> {
        let call = call.with_key("Bearer", Some(key));
        self.api.ask(&call, self.api.patience().question, MOST_BYTES).await
    }
}

fn words(body: &Value) -> Option<String> {
    let text = |name: &str| body[name].as_str().filter(|text| !text.is_empty());
    text("msg").or_else(|| text("message")).map(str::to_owned)
}

/// The id at the first of the places that has one.
fn task_id(endpoint: &Endpoint, answer: &Value) -> Option<String> {
    let id = |value: &Value| match value {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    };
    let found = endpoint.task_id.iter().find_map(|place| id(place.find(answer)));
    found.filter(|id| is_job_id(id))
}

/// How a task stands, by what its generator's file says of states.
fn state(endpoint: &Endpoint, answer: Value, key: &ApiKey) -> JobState {
    let states = &endpoint.state;
    let state = states.path.find(&answer);
    let also = states.also_success.as_ref();
    let is_also = also.is_some_and(|also| also.path.find(&answer) == &also.equals);
    let text = state.as_str().unwrap_or_default();
    let sign = states.failed_if_contains.as_deref();
    if states.success.contains(state) || is_also {
        JobState::Succeeded(answer)
    } else if states.failed.contains(state)
        || sign.is_some_and(|sign| text.to_uppercase().contains(&sign.to_uppercase()))
    {
        JobState::Failed(reason(endpoint, &answer, key))
    } else if WAITING.contains(&text.to_lowercase().as_str()) {
        JobState::Queued { position: None }
    } else {
        JobState::Running { done: None }
    }
}

fn reason(endpoint: &Endpoint, answer: &Value, key: &ApiKey) -> String {
    let told = endpoint.error_message.iter().map(|place| place.find(answer));
    // The names that Kie documents, whatever the file says.
    let data = &answer["data"];
    let usual = [&data["failMsg"], &data["errorMessage"], &data["errorMsg"]];
    let mut texts = told.chain(usual).filter_map(Value::as_str);
    let text = texts.find_map(|text| presentable(text, Some(key)));
    text.unwrap_or_else(|| "The run failed at Kie, which does not say why".to_owned())
}

#[async_trait]
impl Provider for Kie {
    fn name(&self) -> &'static str {
        "kie"
    }

    fn key_name(&self) -> &'static str {
        "KIE_API_KEY"
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
        // A name of its own for each: files of the same name replace each other there.
        let name = format!("{}-{}", Uuid::new_v4(), file_name(&file.content_type));
        let call = Call::post(self.files.at("/api/file-stream-upload")).with_form(vec![
            Field::Text("uploadPath".to_owned(), UPLOAD_PATH.to_owned()),
            Field::Text("fileName".to_owned(), name),
            Field::File("file".to_owned(), file.clone()),
        ]);
        let call = call.with_key("Bearer", Some(key));
        let answer = self.api.ask(&call, self.api.patience().upload, MOST_BYTES).await?;
        let answer = self.api.accept(&answer, Effect::None, Some(key))?;
        match self.verdict(&answer, Effect::None, key) {
            Verdict::Fine => file_url(&answer["data"]["downloadUrl"])
                .ok_or_else(|| self.api.garbage(Effect::None)),
            Verdict::Error(error) => Err(error),
            Verdict::Unknown | Verdict::Failed => {
                Err(ProviderError::Refused("Kie does not take the file".to_owned()))
            }
        }
    }

    async fn submit(
        &self,
        key: Option<&ApiKey>,
        request: &ProviderRequest,
        _idempotency_key: Uuid,
    ) -> Result<Submitted, ProviderError> {
        let key = self.api.needed(key)?;
        let endpoint = Endpoint::read(&request.endpoint).map_err(ProviderError::Refused)?;
        let call = Call::post(self.base.at(endpoint.submit.as_str()));
        let call = call.with_key("Bearer", Some(key)).with_json(&request.body);
        let answer = self.api.submit(&call, self.api.patience().submission, MOST_BYTES).await?;
        let answer = self.api.accept(&answer, Effect::BeginsJob, Some(key))?;
        match self.verdict(&answer, Effect::BeginsJob, key) {
            Verdict::Fine => {
                let id = task_id(&endpoint, &answer);
                id.map(Submitted::Job).ok_or_else(|| self.api.garbage(Effect::BeginsJob))
            }
            Verdict::Error(error) => Err(error),
            Verdict::Unknown | Verdict::Failed => {
                let said = words(&answer).and_then(|text| presentable(&text, Some(key)));
                let unknown = || "Kie does not know this model".to_owned();
                Err(ProviderError::Refused(said.unwrap_or_else(unknown)))
            }
        }
    }

    async fn state(
        &self,
        key: Option<&ApiKey>,
        endpoint: &Value,
        job: &str,
    ) -> Result<JobState, ProviderError> {
        let key = self.api.needed(key)?;
        let endpoint = Endpoint::read(endpoint).map_err(ProviderError::Refused)?;
        if !is_job_id(job) {
            return Err(ProviderError::NoSuchJob);
        }
        let mut url = self.base.at(endpoint.status.as_str());
        url.query_pairs_mut().append_pair("taskId", job);
        let answer = self.ask(Call::get(url), key).await?;
        if matches!(answer.status.as_u16(), 404 | 410) {
            return Err(ProviderError::NoSuchJob);
        }
        let answer = self.api.accept(&answer, Effect::None, Some(key))?;
        // The id is all that the question has: if that is not valid, there is no such task.
        if answer["code"] == 422 {
            return Err(ProviderError::NoSuchJob);
        }
        match self.verdict(&answer, Effect::None, key) {
            Verdict::Fine => Ok(state(&endpoint, answer, key)),
            Verdict::Unknown => Err(ProviderError::NoSuchJob),
            Verdict::Failed => {
                let said = words(&answer).and_then(|text| presentable(&text, Some(key)));
                Ok(JobState::Failed(said.unwrap_or_else(|| reason(&endpoint, &answer, key))))
            }
            Verdict::Error(error) => Err(error),
        }
    }

    /// Kie cannot cancel: the task runs to its end, and nobody asks about it any more.
    async fn cancel(
        &self,
        _key: Option<&ApiKey>,
        _endpoint: &Value,
        _job: &str,
    ) -> Result<(), ProviderError> {
        Ok(())
    }

    fn poll_interval(&self, endpoint: &Value, polls: u32) -> Duration {
        let seconds = Endpoint::read(endpoint).map_or(10.0, |endpoint| endpoint.poll_seconds);
        let interval = Duration::from_secs_f64(seconds);
        if polls == 0 { interval.min(FIRST_INTERVAL) } else { interval }
    }

    fn trusted_origin(&self) -> Option<Origin> {
        self.trusted.clone()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::generators::providers::Patience;

    fn endpoint(state: &Value) -> Endpoint {
        let endpoint = json!({
            "submit": "/a", "status": "/b", "task_id": ["$.taskId", "$.data.taskId"],
            "state": state, "error_message": ["$.data.why"]
        });
        Endpoint::read(&endpoint).expect("an endpoint")
    }

    fn state_of(states: &Value, data: &Value) -> JobState {
        state(&endpoint(states), json!({ "data": data }), &ApiKey::from("s3cr3t-key"))
    }

    #[test]
    fn states_mean_what_the_file_says() {
        let suno = json!({
            "path": "$.data.status", "success": ["SUCCESS"], "failed": ["SENSITIVE_WORD_ERROR"],
            "failed_if_contains": "FAIL",
            "also_success": { "path": "$.data.callbackType", "equals": "complete" }
        });
        let status = |text: &str| state_of(&suno, &json!({ "status": text, "why": "no" }));
        assert_eq!(status("PENDING"), JobState::Queued { position: None });
        assert_eq!(status("TEXT_SUCCESS"), JobState::Running { done: None });
        assert_eq!(status("a new word"), JobState::Running { done: None });
        assert!(matches!(status("SUCCESS"), JobState::Succeeded(_)));
        let failed = JobState::Failed("no".to_owned());
        for text in ["SENSITIVE_WORD_ERROR", "CREATE_TASK_FAILED", "create_failed"] {
            assert_eq!(status(text), failed, "{text}");
        }
        let also = state_of(&suno, &json!({ "status": "?", "callbackType": "complete" }));
        assert!(matches!(also, JobState::Succeeded(_)));
    }

    #[test]
    fn flags_are_numbers() {
        let veo = json!({ "path": "$.data.successFlag", "success": [1], "failed": [2, 3] });
        let flag = |flag: Value| state_of(&veo, &json!({ "successFlag": flag }));
        assert_eq!(flag(json!(0)), JobState::Running { done: None });
        assert_eq!(flag(Value::Null), JobState::Running { done: None });
        assert!(matches!(flag(json!(1)), JobState::Succeeded(_)));
        assert!(matches!(flag(json!(3)), JobState::Failed(_)));
    }

    #[test]
    fn reasons_are_found_and_never_show_the_key() {
        let veo = json!({ "path": "$.data.successFlag", "success": [1], "failed": [2] });
        let reason = |data: Value| match state_of(&veo, &data) {
            JobState::Failed(reason) => reason,
            other => panic!("{other:?}"),
        };
        assert_eq!(reason(json!({ "successFlag": 2, "why": "too dark" })), "too dark");
        let usual = json!({ "successFlag": 2, "why": "", "errorMessage": "too loud" });
        assert_eq!(reason(usual), "too loud");
        let telling = json!({ "successFlag": 2, "why": "s3cr3t-key" });
        assert!(reason(telling).contains("does not say why"));
    }

    #[test]
    fn ids_stand_at_the_first_place_that_has_one() {
        let endpoint = endpoint(&json!({ "path": "$.a", "success": [1] }));
        let id = |answer: Value| task_id(&endpoint, &answer);
        assert_eq!(id(json!({ "data": { "taskId": "t1" } })).as_deref(), Some("t1"));
        assert_eq!(id(json!({ "taskId": 7, "data": { "taskId": "t1" } })).as_deref(), Some("7"));
        assert_eq!(id(json!({ "taskId": "../x" })), None);
        assert_eq!(id(json!({})), None);
    }

    #[test]
    fn codes_count_besides_the_status() {
        let http = Http::new(Patience::default()).expect("a client");
        let kie = Kie::new(http, &ProviderAddresses::of_the_providers());
        let error = |code: Value| {
            let body = json!({ "code": code, "msg": "why", "data": null });
            match kie.verdict(&body, Effect::BeginsJob, &ApiKey::from("s3cr3t-key")) {
                Verdict::Error(error) => error,
                _ => panic!("{code} is no error"),
            }
        };
        for code in [401, 402, 403] {
            assert!(matches!(error(json!(code)), ProviderError::Credentials(_)), "{code}");
        }
        for code in [400, 422, 451, 505] {
            assert_eq!(error(json!(code)), ProviderError::Refused("why".to_owned()), "{code}");
        }
        let acted = |code: Value| match error(code.clone()) {
            ProviderError::Passing { may_have_acted, .. } => may_have_acted,
            other => panic!("{code}: {other:?}"),
        };
        for code in [429, 430, 455, 500, 503] {
            assert!(!acted(json!(code)), "{code}");
        }
        for nonsense in [json!(null), json!("x"), json!(7), json!({})] {
            assert!(acted(nonsense));
        }
        assert!(!acted(json!("500")));
    }
}
