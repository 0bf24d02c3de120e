//! What a generator's file says of a task at Kie: its models have no common form.

use serde::Deserialize;
use serde_json::Value;

/// Longest path of an API, and of a path in an answer.
const MOST_BYTES: usize = 200;

/// Where a task is submitted, where it is asked about, and how its answers are read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Endpoint {
    pub(super) submit: ApiPath,
    pub(super) status: ApiPath,
    /// The model stands in the body by the time that a request is sent.
    #[serde(rename = "model")]
    _model: Option<Value>,
    /// Where the task's id may stand in the answer to a submission; the first that is there counts.
    pub(super) task_id: Vec<Place>,
    pub(super) state: States,
    /// Where the reason of a failure may stand.
    #[serde(default)]
    pub(super) error_message: Vec<Place>,
    /// Seconds between questions.
    #[serde(default = "ten")]
    pub(super) poll_seconds: f64,
}

/// What the states of a task mean.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct States {
    pub(super) path: Place,
    pub(super) success: Vec<Value>,
    #[serde(default)]
    pub(super) failed: Vec<Value>,
    /// What is in none of the lists means that it runs, too: a task that was paid for is not given up for
    /// a word that is new.
    #[serde(default, rename = "running")]
    _running: Vec<Value>,
    /// A state with this in it has failed, in upper case.
    pub(super) failed_if_contains: Option<String>,
    pub(super) also_success: Option<Equality>,
}

/// A second sign of success.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Equality {
    pub(super) path: Place,
    pub(super) equals: Value,
}

fn ten() -> f64 {
    10.0
}

impl Endpoint {
    pub(super) fn read(endpoint: &Value) -> Result<Self, String> {
        let endpoint = Self::deserialize(endpoint).map_err(|error| error.to_string())?;
        if endpoint.task_id.is_empty() {
            return Err("task_id must name at least one place".to_owned());
        }
        if endpoint.state.success.is_empty() {
            return Err("state.success must name at least one state".to_owned());
        }
        if !(0.1..=600.0).contains(&endpoint.poll_seconds) {
            return Err("poll_seconds must be between 0.1 and 600".to_owned());
        }
        Ok(endpoint)
    }
}

/// The path of an API below the base address.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct ApiPath(String);

impl ApiPath {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for ApiPath {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_segment = |segment: &str| {
            !segment.is_empty()
                && !segment.starts_with('.')
                && segment.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
        };
        let below = text.strip_prefix('/').filter(|_| text.len() <= MOST_BYTES);
        if below.is_some_and(|below| below.split('/').all(is_segment)) {
            Ok(Self(text))
        } else {
            Err(format!("there must be a path such as /api/v1/jobs/createTask, not {text:?}"))
        }
    }
}

/// A place in an answer: `$.data.state`, `$.data.items[0]`.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Place(Vec<Step>);

enum Step {
    Member(String),
    Item(usize),
}

impl Place {
    /// What stands there; nothing is null.
    pub(super) fn find<'a>(&self, answer: &'a Value) -> &'a Value {
        self.0.iter().fold(answer, |value, step| match step {
            Step::Member(name) => &value[name.as_str()],
            Step::Item(index) => &value[*index],
        })
    }
}

impl TryFrom<String> for Place {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("there must be a place such as $.data.state, not {text:?}");
        let steps = text.strip_prefix("$.").filter(|_| text.len() <= MOST_BYTES);
        let mut place = Vec::new();
        for step in steps.ok_or_else(wrong)?.split('.') {
            let (name, items) = step.split_once('[').map_or((step, None), |(a, b)| (a, Some(b)));
            let is_name = |c: u8| c.is_ascii_alphanumeric() || c == b'_' || c == b'-';
            if name.is_empty() || !name.bytes().all(is_name) {
                return Err(wrong());
            }
            place.push(Step::Member(name.to_owned()));
            if let Some(items) = items {
                for index in items.strip_suffix(']').ok_or_else(wrong)?.split("][") {
                    place.push(Step::Item(index.parse().map_err(|_| wrong())?));
                }
            }
        }
        Ok(Self(place))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn endpoint() -> Value {
        json!({
            "submit": "/api/v1/jobs/createTask",
            "status": "/api/v1/jobs/recordInfo",
            "model": "google/nano-banana-edit",
            "task_id": ["$.data.taskId"],
            "state": {
                "path": "$.data.state",
                "success": ["success"],
                "failed": ["fail"],
                "running": ["waiting", null, 0],
                "failed_if_contains": "FAIL",
                "also_success": { "path": "$.data.callbackType", "equals": "complete" }
            },
            "error_message": ["$.data.failMsg"],
            "poll_seconds": 10
        })
    }

    #[test]
    fn other_endpoints_are_refused_with_the_reason() {
        assert!(Endpoint::read(&endpoint()).is_ok());
        for (place, value, reason) in [
            ("/submit", json!("https://evil.example/x"), "there must be a path"),
            ("/submit", json!("//evil.example/x"), "there must be a path"),
            ("/submit", json!("/api/../x"), "there must be a path"),
            ("/status", json!("/api/x?taskId="), "there must be a path"),
            ("/status", json!("/api/x y"), "there must be a path"),
            ("/status", json!("/api/%2e%2e"), "there must be a path"),
            ("/task_id", json!([]), "at least one place"),
            ("/task_id", json!(["data.taskId"]), "there must be a place"),
            ("/state/success", json!([]), "at least one state"),
            ("/state/path", json!("$.data[*]"), "there must be a place"),
            ("/poll_seconds", json!(0), "between 0.1 and 600"),
        ] {
            let mut wrong = endpoint();
            *wrong.pointer_mut(place).expect("a member") = value;
            let error = Endpoint::read(&wrong).err().expect("refused");
            assert!(error.contains(reason), "{place}: {error}");
        }
        let mut unknown = endpoint();
        unknown["webhook"] = json!("https://a.example");
        let error = Endpoint::read(&unknown).err().expect("refused");
        assert!(error.contains("unknown field `webhook`"), "{error}");
    }

    #[test]
    fn places_lead_to_values_or_null() {
        let place = |text: &str| Place::try_from(text.to_owned()).expect(text);
        let answer = json!({ "data": { "items": [[1, 2], { "id": 3 }] } });
        assert_eq!(place("$.data.items[0][1]").find(&answer), &json!(2));
        assert_eq!(place("$.data.items[1].id").find(&answer), &json!(3));
        for nothing in ["$.data.items[9]", "$.data.items.id", "$.other.state", "$.data[0]"] {
            assert_eq!(place(nothing).find(&answer), &Value::Null, "{nothing}");
        }
        for wrong in ["$", "$.", "$.a..b", "$.a[", "$.a[x]", "$.a[-1]", "$[0]", "a"] {
            assert!(Place::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
