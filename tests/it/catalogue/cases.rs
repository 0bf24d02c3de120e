//! The cases that generators must reproduce: the first one of each in `tests/data/generator-vectors.json`, and
//! those of the two generators that other servers do not have.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use base64::{Engine, engine::general_purpose::STANDARD};
use boards::{domain::ArtifactType, generators::Declaration};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::png;

/// The hosts of files in the answers of the cases.
const HOSTS: [&str; 2] = ["https://cdn.test/", "https://a.b.c/"];
/// Where the cases have files that were handed to a provider, each under the id of its artifact.
pub(super) const UPLOADED: &str = "https://up.test/";

/// Parameters and an answer, and the request and outputs that must come of them.
#[derive(Clone, Deserialize)]
pub(super) struct Case {
    pub(super) generator: String,
    pub(super) params: Value,
    /// The model or application, where requests go to one.
    pub(super) model: Option<String>,
    pub(super) body: Value,
    /// Artifacts that go along in a form, by field.
    #[serde(default)]
    pub(super) files: BTreeMap<String, Uuid>,
    pub(super) answer: Value,
    pub(super) outputs: Vec<Wanted>,
}

/// One output: a file at an address, unless it is a text or a file within the answer.
#[derive(Clone, Deserialize)]
pub(super) struct Wanted {
    /// Its place among the provider's.
    pub(super) position: usize,
    pub(super) text: Option<String>,
    pub(super) base64: Option<String>,
}

/// One case of every generator.
pub(super) fn cases() -> Vec<Case> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/generator-vectors.json");
    let text = std::fs::read_to_string(path).expect("the cases");
    let mut cases: Vec<Case> = serde_json::from_str(&text).expect("the cases are JSON");
    let mut seen = BTreeSet::new();
    cases.retain(|case| seen.insert(case.generator.clone()));
    cases.extend(own().map(|case| serde_json::from_value(case).expect("a case")));
    cases
}

/// The two of this server's own.
fn own() -> [Value; 2] {
    let recording = "7dc1cc12-6ea3-5883-846d-ef8b7129b33d";
    let picture = STANDARD.encode(png(9, 7));
    [
        json!({
            "generator": "openai-image", "model": "my-model",
            "params": { "prompt": "a cat", "n": 2, "model": "my-model" },
            "body": { "model": "my-model", "prompt": "a cat", "n": 2, "size": "1024x1024" },
            "answer": { "data": [
                { "url": "https://cdn.test/one" }, { "b64_json": picture },
            ] },
            "outputs": [{ "position": 0 }, { "position": 1, "base64": picture }],
        }),
        json!({
            "generator": "openai-transcription", "model": "whisper-1",
            "params": { "audio": recording, "language": "de" },
            "body": { "model": "whisper-1", "language": "de" }, "files": { "file": recording },
            "answer": { "text": "a word" }, "outputs": [{ "position": 0, "text": "a word" }],
        }),
    ]
}

impl Case {
    /// The artifacts that the parameters name, each once, with their kinds.
    pub(super) fn artifacts(&self, declaration: &Declaration) -> Vec<(ArtifactType, Uuid)> {
        let params = declaration.schema().check(&self.params);
        let params = params.unwrap_or_else(|found| panic!("{}: {found:?}", self.generator));
        let mut artifacts = Vec::new();
        for reference in declaration.schema().artifacts(&params) {
            let artifact = (reference.artifact_type, reference.generation.0);
            if !artifacts.contains(&artifact) {
                artifacts.push(artifact);
            }
        }
        artifacts
    }

    /// The same with other artifacts, and with files of the provider at `file`.
    pub(super) fn with(self, artifacts: &HashMap<Uuid, Uuid>, file: &str) -> Self {
        let exchange = |value: &Value| {
            let mut text = value.to_string();
            for (old, new) in artifacts {
                text = text.replace(&old.to_string(), &new.to_string());
            }
            serde_json::from_str(&text).expect("JSON still")
        };
        let files = self.files.iter().map(|(field, id)| (field.clone(), artifacts[id])).collect();
        Self {
            params: exchange(&self.params),
            body: exchange(&self.body),
            files,
            answer: with_files_at(&self.answer, file),
            ..self
        }
    }

    /// The path of its requests, below the provider's base.
    pub(super) fn path(&self, declaration: &Declaration) -> String {
        let endpoint = declaration.endpoint();
        let named = |name: &str| endpoint[name].as_str().expect(name).trim_start_matches('/');
        let model = self.model.as_deref().unwrap_or_default();
        match declaration.provider() {
            "fal" => model.to_owned(),
            "openai" => format!("v1/{}", named("path")),
            "kie" => named("submit").to_owned(),
            _ if endpoint["version"].is_string() => "v1/predictions".to_owned(),
            _ => format!("v1/models/{model}/predictions"),
        }
    }
}

/// An answer whose files are all at `file`; they may stand in JSON within a text.
fn with_files_at(answer: &Value, file: &str) -> Value {
    let mut text = answer.to_string();
    for host in HOSTS {
        let mut parts = text.split(host);
        let mut exchanged = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let end = part.find(['"', '\\']).expect("the end of a text");
            exchanged.push_str(file);
            exchanged.push_str(&part[end..]);
        }
        text = exchanged;
    }
    serde_json::from_str(&text).expect("JSON still")
}

/// `value` with each text as `exchange` has it, and with numbers that compare as numbers: 5 and 5.0 are one.
pub(super) fn comparable(value: &Value, exchange: &dyn Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => exchange(text).into(),
        Value::Number(number) => number.as_f64().into(),
        Value::Array(items) => items.iter().map(|item| comparable(item, exchange)).collect(),
        Value::Object(members) => {
            // Whatever their order.
            let members: BTreeMap<_, _> = members.iter().collect();
            let members = members.into_iter();
            members.map(|(name, value)| (name.clone(), comparable(value, exchange))).collect()
        }
        other => other.clone(),
    }
}
