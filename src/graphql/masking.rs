//! The last look at every answer before it leaves, on every transport: errors are put into the form
//! that a client may read. Hooks both plain requests and subscriptions. Where a field that may be null
//! fails, it is null and its siblings stay (GraphQL specification, section 6.4.4); the library would
//! pass the error on to the parent.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_graphql::{
    Response, ServerError, ServerResult, Value, Variables,
    extensions::{
        Extension, ExtensionContext, ExtensionFactory, NextParseQuery, NextRequest, NextResolve,
        NextSubscribe, ResolveInfo,
    },
    parser::types::{DocumentOperations, ExecutableDocument},
};
use futures_util::{StreamExt, stream::BoxStream};

use super::{Limits, error::present};

/// The name of the operation, for the log line of the request. Set once the document is read.
#[derive(Clone, Default)]
pub struct RequestLabel(Arc<OnceLock<String>>);

impl RequestLabel {
    /// The name, or the kind of operation where it has none.
    #[must_use]
    pub fn get(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    fn set(&self, document: &ExecutableDocument) {
        let name = match &document.operations {
            DocumentOperations::Single(operation) => format!("({})", operation.node.ty),
            DocumentOperations::Multiple(operations) => {
                operations.keys().map(ToString::to_string).collect::<Vec<_>>().join(",")
            }
        };
        let _ = self.0.set(name.chars().take(100).collect());
    }
}

pub(super) struct Masking(pub(super) Limits);

impl ExtensionFactory for Masking {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(MaskingOf { limits: self.0, of_nullable_fields: Arc::default() })
    }
}

/// Errors of fields that are null for it, until the answer is complete.
type FieldErrors = Arc<Mutex<Vec<ServerError>>>;

/// Made for each operation.
struct MaskingOf {
    limits: Limits,
    of_nullable_fields: FieldErrors,
}

fn presented(limits: Limits, fields: &FieldErrors, mut response: Response) -> Response {
    let mut fields = fields.lock().unwrap_or_else(PoisonError::into_inner);
    response.errors.append(&mut fields);
    for error in &mut response.errors {
        present(error, &limits);
    }
    response
}

#[async_trait::async_trait]
impl Extension for MaskingOf {
    async fn request(&self, context: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        presented(self.limits, &self.of_nullable_fields, next.run(context).await)
    }

    fn subscribe<'s>(
        &self,
        context: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        let (limits, fields) = (self.limits, Arc::clone(&self.of_nullable_fields));
        next.run(context, stream).map(move |response| presented(limits, &fields, response)).boxed()
    }

    async fn parse_query(
        &self,
        context: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let document = next.run(context, query, variables).await?;
        if let Some(label) = context.data_opt::<RequestLabel>() {
            label.set(&document);
        }
        self.limits.check_aliases(&document)?;
        Ok(document)
    }

    async fn resolve(
        &self,
        context: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        let may_be_null = !info.return_type.ends_with('!');
        match next.run(context, info).await {
            Err(error) if may_be_null => {
                let mut fields =
                    self.of_nullable_fields.lock().unwrap_or_else(PoisonError::into_inner);
                fields.push(error);
                Ok(None)
            }
            outcome => outcome,
        }
    }
}
