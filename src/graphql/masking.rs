//! The last look at every answer before it leaves, on every transport: errors are put into the form
//! that a client may read. Hooks both plain requests and subscriptions.

use std::sync::{Arc, OnceLock};

use async_graphql::{
    PathSegment, Response, ServerResult, Value, Variables,
    extensions::{
        Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery, NextRequest,
        NextResolve, NextSubscribe, ResolveInfo,
    },
    parser::types::{DocumentOperations, ExecutableDocument},
};
use futures_util::{StreamExt, stream::BoxStream};

use super::{
    Limits,
    completion::{Completion, Shapes},
    error::present,
    omission::omit_absent,
    session::Session,
};

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

/// Errors in one answer; more help nobody and could be many times as long as the request.
const MAX_ERRORS: usize = 50;

pub(super) struct Masking {
    pub(super) limits: Limits,
    pub(super) shapes: Arc<Shapes>,
}

impl ExtensionFactory for Masking {
    fn create(&self) -> Arc<dyn Extension> {
        let shapes = Arc::clone(&self.shapes);
        Arc::new(MaskingOf { limits: self.limits, shapes, document: OnceLock::new() })
    }
}

struct MaskingOf {
    limits: Limits,
    shapes: Arc<Shapes>,
    document: OnceLock<(ExecutableDocument, Variables)>,
}

impl MaskingOf {
    fn present(limits: Limits, mut response: Response) -> Response {
        response.errors.truncate(MAX_ERRORS);
        for error in &mut response.errors {
            present(error, &limits);
        }
        response
    }
}

#[async_trait::async_trait]
impl Extension for MaskingOf {
    async fn request(&self, context: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        Self::present(self.limits, next.run(context).await)
    }

    fn subscribe<'s>(
        &self,
        context: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        let limits = self.limits;
        next.run(context, stream).map(move |response| Self::present(limits, response)).boxed()
    }

    async fn parse_query(
        &self,
        context: &ExtensionContext<'_>,
        query: &str,
        variables: &Variables,
        next: NextParseQuery<'_>,
    ) -> ServerResult<ExecutableDocument> {
        let mut document = next.run(context, query, variables).await?;
        if let Some(label) = context.data_opt::<RequestLabel>() {
            label.set(&document);
        }
        omit_absent(&mut document, variables);

        let _ = self.document.set((document.clone(), variables.clone()));
        Ok(document)
    }

    /// The library reads a field's arguments before it asks the field's guard. The caller is judged
    /// before the input: so root fields are judged here, by the same directive that the SDL shows.
    async fn resolve(
        &self,
        context: &ExtensionContext<'_>,
        info: ResolveInfo<'_>,
        next: NextResolve<'_>,
    ) -> ServerResult<Option<Value>> {
        if info.path_node.parent.is_none() && !info.name.starts_with("__") {
            let needs_user = self.shapes.needs_user(info.parent_type, info.name);
            if let Err(error) = Session::admits(context, needs_user) {
                let error: async_graphql::Error = error.into();
                let mut error = error.into_server_error(info.field.name.pos);
                let key = info.field.response_key().node.to_string();
                error.path = vec![PathSegment::Field(key)];
                return Err(error);
            }
        }
        next.run(context, info).await
    }

    async fn execute(
        &self,
        context: &ExtensionContext<'_>,
        operation_name: Option<&str>,
        next: NextExecute<'_>,
    ) -> Response {
        let mut response = next.run(context, operation_name).await;
        if let Some((document, variables)) = self.document.get() {
            Completion { shapes: &self.shapes, document, variables }
                .complete(operation_name, &mut response);
        }
        response
    }
}
