//! A generator of a provider, as its file declares it.

use std::{collections::HashMap, sync::Arc};

use serde_json::{Map, Value};

use super::{
    check,
    expression::is_true,
    flaw::{Flaw, Flaws},
    input::{ArtifactFacts, Input},
    known::KnownProviders,
    price::Price,
    request::{DeclaredRequest, Request},
    response::{DeclaredOutput, Response},
};
use crate::{
    domain::{ArtifactType, GenerationId},
    generators::{Cost, InputSchema},
};

/// No run is expected to make more outputs than this.
const MAX_EXPECTED: usize = 64;

/// A generator that a file declares. All that it does is computed from what it is given; nothing is sent.
pub struct Declaration {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) artifact_type: ArtifactType,
    pub(super) provider: String,
    pub(super) endpoint: Value,
    pub(super) documentation: Vec<String>,
    pub(super) schema: Arc<InputSchema>,
    pub(super) request: Request,
    pub(super) response: Response,
    pub(super) count: Option<Count>,
    pub(super) price: Option<Price>,
    pub(super) notes: Vec<String>,
    pub(super) file: String,
    pub(super) lines: check::Lines,
}

/// How many outputs a batch has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// As many as this parameter says.
    Parameter(String),
    /// This many.
    Fixed(usize),
}

impl Declaration {
    /// The generator that `text` declares; `file` is named where something is wrong with it, and its last
    /// part must be the generator's name and `.yaml`.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(file: &str, text: &str, known: &dyn KnownProviders) -> Result<Self, Flaws> {
        check::read(file, text, Some(known))
    }

    /// What is wrong with its provider or endpoint, where these are the providers.
    pub(super) fn provider_flaw(&self, known: &dyn KnownProviders) -> Option<Flaw> {
        self.lines.flaw(&self.file, &self.provider, &self.endpoint, known)
    }

    /// The name under which clients ask for it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it makes, in a sentence for people.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The kind of artifact that it makes.
    #[must_use]
    pub fn artifact_type(&self) -> ArtifactType {
        self.artifact_type
    }

    /// Who runs it: `fal`, `replicate`, `openai`, `kie`.
    #[must_use]
    pub fn provider(&self) -> &str {
        &self.provider
    }

    /// Where requests go, in the provider's own terms.
    #[must_use]
    pub fn endpoint(&self) -> &Value {
        &self.endpoint
    }

    /// Addresses where the provider describes it.
    #[must_use]
    pub fn documentation(&self) -> &[String] {
        &self.documentation
    }

    /// What is doubtful about it, in sentences for people.
    #[must_use]
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The file that declares it; of one that comes with the server, without a folder.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Its parameters. Shared, since to compile them again takes longer than to read a file.
    #[must_use]
    pub fn schema(&self) -> &Arc<InputSchema> {
        &self.schema
    }

    /// The parameters of a run: they must satisfy the schema, defaults filled in. `artifacts` says what is
    /// known of the artifacts among them; of what is missing there, nothing is.
    #[must_use]
    pub fn input(&self, params: &Map<String, Value>, artifacts: &ArtifactFacts) -> Input {
        Input::new(&self.schema, params, artifacts)
    }

    /// The artifacts that the provider must have before [`Self::request`], each once, in the order of the
    /// file's rules.
    #[must_use]
    pub fn uploads(&self, input: &Input) -> Vec<GenerationId> {
        self.request.uploads(input)
    }

    /// What to ask the provider, where `urls` are the addresses under which it knows the artifacts of
    /// [`Self::uploads`].
    ///
    /// # Errors
    /// For the user: which parameter is missing, or that an upload is.
    pub fn request(
        &self,
        input: &Input,
        urls: &HashMap<GenerationId, String>,
    ) -> Result<DeclaredRequest, String> {
        self.request.make(input, urls)
    }

    /// The outputs that the provider's answer names, at least one and at most 64, in its order.
    ///
    /// # Errors
    /// For the user: what the answer lacks.
    pub fn outputs(&self, input: &Input, answer: &Value) -> Result<Vec<DeclaredOutput>, String> {
        self.response.outputs(input, answer)
    }

    /// How many outputs a run is expected to have, 1 to 64.
    #[must_use]
    pub fn expected_outputs(&self, params: &Map<String, Value>) -> usize {
        let count = match &self.count {
            None => 1,
            Some(Count::Fixed(count)) => *count,
            Some(Count::Parameter(name)) => {
                let value = params.get(name).filter(|value| is_true(value));
                let count = value.and_then(Value::as_u64).unwrap_or(1);
                usize::try_from(count).unwrap_or(MAX_EXPECTED)
            }
        };
        count.clamp(1, MAX_EXPECTED)
    }

    /// What a run is expected to cost; none where the file says nothing, or where it depends on something
    /// about an artifact that is not known.
    #[must_use]
    pub fn cost(&self, input: &Input) -> Option<Cost> {
        self.price.as_ref()?.of(input)
    }
}
