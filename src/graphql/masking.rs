//! The last look at every answer before it leaves, on every transport: errors are put into the form
//! that a client may read. Hooks both plain requests and subscriptions.

use std::sync::{Arc, OnceLock};

use async_graphql::{
    PathSegment, Request, Response, ServerResult, Value, Variables,
    extensions::{
        Extension, ExtensionContext, ExtensionFactory, NextExecute, NextParseQuery,
        NextPrepareRequest, NextRequest, NextResolve, NextSubscribe, ResolveInfo,
    },
    parser::types::{DocumentOperations, ExecutableDocument},
};
use futures_util::{StreamExt, stream::BoxStream};

use super::{
    Limits,
    auditing::Auditor,
    completion::{Completion, Shapes},
    error::present,
    omission::omit_absent,
    selection::scopes_below,
    session::Session,
};
use crate::{audit::AuditLog, error::Error};

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
    pub(super) audit: AuditLog,
}

impl ExtensionFactory for Masking {
    fn create(&self) -> Arc<dyn Extension> {
        let shapes = Arc::clone(&self.shapes);
        let auditor = Arc::new(Auditor::new(self.audit.clone()));
        Arc::new(MaskingOf { limits: self.limits, shapes, auditor, document: OnceLock::new() })
    }
}

struct MaskingOf {
    limits: Limits,
    shapes: Arc<Shapes>,
    auditor: Arc<Auditor>,
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

impl MaskingOf {
    /// A mutation whose answer the caller may not read is not carried out: who is refused takes it
    /// for not done, and does it again.
    fn admits_answer(
        &self,
        context: &ExtensionContext<'_>,
        info: &ResolveInfo<'_>,
    ) -> Result<(), Error> {
        if info.parent_type != "Mutation" {
            return Ok(());
        }
        let document = self.document.get().map(|(document, _)| document);
        let target = self.shapes.target(info.parent_type, info.name);
        let (Some(document), Some(target)) = (document, target) else { return Ok(()) };
        let selections = &info.field.selection_set.node;
        let scopes = scopes_below(&self.shapes, document, target, selections);
        Session::admits_scopes(context, scopes)
    }
}

#[async_trait::async_trait]
impl Extension for MaskingOf {
    async fn request(&self, context: &ExtensionContext<'_>, next: NextRequest<'_>) -> Response {
        let response = next.run(context).await;
        self.auditor.refusals(&response);
        Self::present(self.limits, response)
    }

    async fn prepare_request(
        &self,
        context: &ExtensionContext<'_>,
        request: Request,
        next: NextPrepareRequest<'_>,
    ) -> ServerResult<Request> {
        next.run(context, self.auditor.prepare(request)).await
    }

    fn subscribe<'s>(
        &self,
        context: &ExtensionContext<'_>,
        stream: BoxStream<'s, Response>,
        next: NextSubscribe<'_>,
    ) -> BoxStream<'s, Response> {
        let (limits, auditor) = (self.limits, Arc::clone(&self.auditor));
        next.run(context, stream)
            .map(move |response| {
                auditor.refusals(&response);
                Self::present(limits, response)
            })
            .boxed()
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
        self.auditor.read(&document, variables);

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
        if info.path_node.parent.is_some() || info.name.starts_with("__") {
            return next.run(context, info).await;
        }
        let field = info.field;
        let act = self.auditor.begin(&info);
        let access = self.shapes.access(info.parent_type, info.name);
        let admitted =
            Session::admits(context, access).and_then(|()| self.admits_answer(context, &info));
        let outcome = match admitted {
            Ok(()) => next.run(context, info).await,
            Err(error) => {
                let error: async_graphql::Error = error.into();
                let mut error = error.into_server_error(field.name.pos);
                let key = field.response_key().node.to_string();
                error.path = vec![PathSegment::Field(key)];
                Err(error)
            }
        };
        if let Some(act) = act {
            self.auditor.end(act, field, &outcome);
        }
        outcome
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
