//! Whether a document may be executed with its variables, and what it costs: found out by the
//! library once, and remembered for requests that can only come to the same.

use std::sync::{Arc, Mutex, PoisonError};

use async_graphql::{
    Name, Request, ServerError, ValidationResult, Value, Variables,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    parser::types::ExecutableDocument,
};
use aws_lc_rs::digest::{SHA256, digest};
use moka::sync::Cache;
use uuid::Uuid;

use super::{document::Document, schema::BoardsSchema};

/// Verdicts that are kept.
const CACHE_ENTRIES: u64 = 10_000;
/// Bytes of variables, as JSON, up to which a verdict is kept.
const CACHED_VARIABLES_MAX: usize = 4 * 1024;

/// One document with one set of variables, as far as they matter: collisions would let a request
/// pass by another's verdict.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Question {
    document: u64,
    asked: [u8; 32],
}

/// Validates operations. What is remembered is a fact about texts alone, not about who sent them.
pub(super) struct Validator {
    schema: BoardsSchema,
    complexities: Cache<Question, usize>,
}

impl Validator {
    /// `schema` must have been built with [`StopAfterValidation`].
    pub(super) fn new(schema: BoardsSchema) -> Self {
        Self { schema, complexities: Cache::new(CACHE_ENTRIES) }
    }

    /// The complexity of an operation that is valid. `executable` is the document without what the
    /// variables leave out.
    ///
    /// # Errors
    /// All that is wrong with it, in the library's form.
    pub(super) async fn complexity(
        &self,
        document: &Document,
        executable: &ExecutableDocument,
        operation_name: Option<&str>,
        variables: &Variables,
    ) -> Result<usize, Vec<ServerError>> {
        let question = question(document, operation_name, variables);
        if let Some(known) = question.as_ref().and_then(|asked| self.complexities.get(asked)) {
            return Ok(known);
        }
        let complexity = self.judge(executable.clone(), operation_name, variables.clone()).await?;
        if let Some(question) = question {
            self.complexities.insert(question, complexity);
        }
        Ok(complexity)
    }

    async fn judge(
        &self,
        executable: ExecutableDocument,
        operation_name: Option<&str>,
        variables: Variables,
    ) -> Result<usize, Vec<ServerError>> {
        let verdict = Verdict::default();
        let mut request = Request::new("").variables(variables).data(verdict.clone());
        request.operation_name = operation_name.map(str::to_owned);
        request.set_parsed_query(executable);
        let response = self.schema.execute(request).await;
        let complexity = verdict.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        complexity.ok_or(response.errors)
    }
}

/// A key for all requests whose verdict must be the same. Every valid id stands for every other.
fn question(
    document: &Document,
    operation_name: Option<&str>,
    variables: &Variables,
) -> Option<Question> {
    let variable = |(name, value): (&Name, &Value)| {
        let is_id = document.holds_id(name)
            && matches!(value, Value::String(text) if Uuid::try_parse(text).is_ok());
        let value = if is_id { Value::from(Uuid::nil().to_string()) } else { value.clone() };
        (name.clone(), value)
    };
    let variables: Vec<(Name, Value)> = variables.iter().map(variable).collect();
    let asked = serde_json::to_vec(&(operation_name, variables)).ok()?;
    let asked = (asked.len() <= CACHED_VARIABLES_MAX).then(|| digest(&SHA256, &asked))?;
    Some(Question { document: document.number, asked: asked.as_ref().try_into().ok()? })
}

/// The complexity of what was found valid.
#[derive(Clone, Default)]
struct Verdict(Arc<Mutex<Option<usize>>>);

/// Ends every operation after its validation, so that a schema does nothing else.
pub(super) struct StopAfterValidation;

impl ExtensionFactory for StopAfterValidation {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_trait::async_trait]
impl Extension for StopAfterValidation {
    async fn validation(
        &self,
        context: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(context).await?;
        if let Some(Verdict(verdict)) = context.data_opt::<Verdict>() {
            *verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(result.complexity);
        }
        Err(Vec::new())
    }
}
