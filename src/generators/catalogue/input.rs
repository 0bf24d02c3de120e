//! The parameters of one run, as they are sent and as expressions see them.

use std::collections::HashMap;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::expression::Scope;
use crate::{domain::GenerationId, generators::InputSchema};

/// What is known of artifacts that parameters name: `width`, `height`, `duration`, `fps`, `sample_rate`,
/// `channels`, `format`, as far as it is. Whoever has an artifact's `outputMetadata` can pass it as it is.
pub type ArtifactFacts = HashMap<GenerationId, Map<String, Value>>;

/// The parameters of one run.
#[derive(Clone, Debug)]
pub struct Input {
    /// Without the members that the schema does not know.
    sent: Map<String, Value>,
    /// The same with artifacts as objects of what is known of them.
    seen: Value,
}

impl Input {
    /// `params` must satisfy `schema`, defaults filled in.
    pub(super) fn new(
        schema: &InputSchema,
        params: &Map<String, Value>,
        artifacts: &ArtifactFacts,
    ) -> Self {
        let sent = schema.known(params);
        let mut seen = sent.clone();
        for (name, _) in schema.artifact_parameters() {
            match seen.get_mut(name) {
                Some(Value::Array(items)) => {
                    for item in items {
                        describe(item, artifacts);
                    }
                }
                Some(value) => describe(value, artifacts),
                None => {}
            }
        }
        Self { sent, seen: Value::Object(seen) }
    }

    /// The value of a parameter.
    pub(super) fn get(&self, parameter: &str) -> Option<&Value> {
        self.sent.get(parameter)
    }

    /// What expressions see of them before the provider is asked.
    pub(super) fn scope(&self) -> Scope<'_> {
        Scope::of_input(&self.seen)
    }

    /// What expressions see of them.
    pub(super) fn seen(&self) -> &Value {
        &self.seen
    }
}

/// The generation that `value` names.
pub(super) fn generation(value: &Value) -> Option<GenerationId> {
    Uuid::parse_str(value.as_str()?).ok().map(GenerationId)
}

/// Puts what is known of an artifact into the place of its id, and the id with it, so that an artifact
/// of which nothing is known counts as given.
fn describe(value: &mut Value, artifacts: &ArtifactFacts) {
    let Some(id) = generation(value) else { return };
    let mut facts = artifacts.get(&id).cloned().unwrap_or_default();
    facts.insert("id".to_owned(), value.take());
    *value = Value::Object(facts);
}
