//! From a request to its answer, the same on every transport: the document is read and validated (or
//! known), charged for, run behind the gate, and its answer completed, recorded and put into the form
//! that a client may read.

use std::sync::Arc;

use async_graphql::{
    PathSegment, Request, Response, ServerError, ServerResult, Variables,
    parser::types::{ExecutableDocument, OperationType},
};
use futures_util::{
    StreamExt,
    stream::{self, BoxStream},
};

use super::{
    Limits,
    auditing::Auditor,
    batching::Batches,
    completion::Plan,
    document::{Document, Documents},
    error::{present, request_error},
    gate::Passage,
    json::AnswerForm,
    label::RequestLabel,
    omission::omit_absent,
    persisted::{self, NamedHash, PersistedQueries},
    schema::BoardsSchema,
    session::Session,
    shapes::Shapes,
    validation::Validator,
};
use crate::{
    audit::AuditLog,
    domain::RequestOrigin,
    rate_limit::{Meter, Points},
};

/// Errors in one answer; more help nobody and could be many times as long as the request.
const MAX_ERRORS: usize = 50;
const SUBSCRIPTION: &str = "Subscription";

/// Runs GraphQL operations. Cheap to clone.
#[derive(Clone)]
pub struct Engine(Arc<Parts>);

struct Parts {
    schema: BoardsSchema,
    validator: Validator,
    documents: Documents,
    persisted: PersistedQueries,
    shapes: Arc<Shapes>,
    limits: Limits,
    audit: AuditLog,
}

/// An operation whose document was read; nothing of it has run.
pub struct Operation {
    document: Arc<Document>,
    name: Option<String>,
    variables: Variables,
}

impl Operation {
    /// Its kind; none when the request does not say which operation of its document it means.
    #[must_use]
    pub fn kind(&self) -> Option<OperationType> {
        self.document.kind(self.name.as_deref())
    }
}

/// On whose behalf an operation runs, and who pays.
pub struct Circumstances {
    /// The caller, or why there is none.
    pub session: Session,
    /// Where the request came from.
    pub origin: Arc<RequestOrigin>,
    /// Charges the caller.
    pub meter: Meter,
    /// Takes the name of the operation.
    pub label: RequestLabel,
    /// What whoever asked can read.
    pub form: AnswerForm,
}

/// An operation that runs.
struct Run {
    plan: Option<Arc<Plan>>,
    auditor: Arc<Auditor>,
    batches: Batches,
    limits: Limits,
}

impl Engine {
    pub(super) fn new(
        schema: BoardsSchema,
        validator: Validator,
        shapes: Arc<Shapes>,
        limits: Limits,
        audit: AuditLog,
    ) -> Self {
        let documents = Documents::new(limits);
        let persisted = PersistedQueries::new();
        Self(Arc::new(Parts { schema, validator, documents, persisted, shapes, limits, audit }))
    }

    /// Reads the document of a request, whose text may be named by its hash: one that was sent
    /// before in the tenant of the session.
    ///
    /// # Errors
    /// When it is not known, cannot be parsed or would cost too much to look at; ready for the client.
    pub fn read(&self, request: Request, session: &Session) -> Result<Operation, ServerError> {
        let document = self.document(&request, session).map_err(|mut error| {
            present(&mut error, &self.0.limits);
            error
        })?;
        Ok(Operation { document, name: request.operation_name, variables: request.variables })
    }

    fn document(&self, request: &Request, session: &Session) -> ServerResult<Arc<Document>> {
        let Parts { documents, persisted, .. } = &*self.0;
        let Some(hash) = NamedHash::of(request)? else { return documents.read(&request.query) };
        // Who is in no tenant finds nothing and leaves nothing.
        let tenant = session.caller().ok().map(|caller| caller.tenant().id);
        if request.query.is_empty() {
            let text = tenant.and_then(|tenant| persisted.text(tenant, &hash));
            return documents.read(&text.ok_or_else(persisted::not_found)?);
        }
        hash.check(&request.query)?;
        let document = documents.read(&request.query)?;
        if let Some(tenant) = tenant {
            persisted.keep(tenant, &hash, &request.query);
        }
        Ok(document)
    }

    /// Runs a query or a mutation.
    pub async fn execute(&self, operation: Operation, of: Circumstances) -> Response {
        match self.begin(operation, of).await {
            Ok((run, request)) => {
                let response = run.batches.drive(self.0.schema.execute(request)).await;
                run.present(response)
            }
            Err(refused) => refused,
        }
    }

    /// Runs a subscription, answer by answer.
    pub async fn subscribe(
        &self,
        operation: Operation,
        of: Circumstances,
    ) -> BoxStream<'static, Response> {
        let refused = self.refused_root(&operation, &of.session);
        let (run, request) = match self.begin(operation, of).await {
            Ok(begun) => begun,
            Err(refused) => return stream::iter([refused]).boxed(),
        };
        if let Some(error) = refused {
            return stream::iter([run.present(Response::from_errors(vec![error]))]).boxed();
        }
        let answers = run.batches.drive_stream(self.0.schema.execute_stream(request));
        answers.map(move |response| run.present(response)).boxed()
    }

    /// The error of a subscription whose caller may not open it.
    fn refused_root(&self, operation: &Operation, session: &Session) -> Option<ServerError> {
        let field = operation.document.first_root(operation.name.as_deref())?;
        let name = field.node.name.node.as_str();
        if name.starts_with("__") {
            return None;
        }
        let error = session.admits(self.0.shapes.access(SUBSCRIPTION, name)).err()?;
        let error: async_graphql::Error = error.into();
        let mut error = error.into_server_error(field.pos);
        error.path = vec![PathSegment::Field(field.node.response_key().node.to_string())];
        Some(error)
    }

    /// Validates an operation and takes its points: nothing runs that is not valid and paid. An
    /// error is the answer.
    async fn begin(
        &self,
        operation: Operation,
        of: Circumstances,
    ) -> Result<(Run, Request), Response> {
        let Operation { document, name, mut variables } = operation;
        // Here, so that whoever asks for a variable from now on finds the same.
        document.add_defaults(name.as_deref(), &mut variables);
        of.label.set(&document.label);
        let auditor = Arc::new(Auditor::new(
            self.0.audit.clone(),
            of.session.clone(),
            of.origin,
            Arc::clone(&document),
            name.clone(),
            &variables,
        ));
        let mut executable = document.parsed.clone();
        omit_absent(&mut executable, &variables);
        let admitted = self.admit(&document, &executable, name.as_deref(), &variables, &of.meter);
        if let Err(errors) = admitted.await {
            let refused = Response::from_errors(errors);
            auditor.refusals(&refused);
            return Err(presented(refused, &self.0.limits));
        }
        let plan = document.plan(&self.0.shapes, name.as_deref(), &variables);
        let form = plan.as_ref().map_or(AnswerForm::Values, |plan| plan.form(of.form));
        let run = Run {
            plan,
            auditor: Arc::clone(&auditor),
            batches: Batches::default(),
            limits: self.0.limits,
        };
        let mut request = Request::new("").variables(variables);
        request = of.session.attach(request, &run.batches).data(auditor.trail()).data(form);
        let shapes = Arc::clone(&self.0.shapes);
        request = request.data(Passage { shapes, document, session: of.session, auditor });
        request.operation_name = name;
        request.set_parsed_query(executable);
        Ok((run, request))
    }

    async fn admit(
        &self,
        document: &Document,
        executable: &ExecutableDocument,
        name: Option<&str>,
        variables: &Variables,
        meter: &Meter,
    ) -> Result<(), Vec<ServerError>> {
        let judged = self.0.validator.complexity(document, executable, name, variables).await;
        let complexity = judged.inspect_err(|_| {
            // It is refused in any case.
            let _ = meter.charge(Points::REFUSED_OPERATION);
        })?;
        let charged = meter.charge(Points::of_operation(complexity));
        charged.map_err(|error| vec![request_error(&error)])
    }
}

impl Run {
    /// The last look at an answer.
    fn present(&self, mut response: Response) -> Response {
        if let Some(plan) = &self.plan {
            plan.complete(&mut response);
        }
        self.auditor.refusals(&response);
        presented(response, &self.limits)
    }
}

fn presented(mut response: Response, limits: &Limits) -> Response {
    response.errors.truncate(MAX_ERRORS);
    for error in &mut response.errors {
        present(error, limits);
    }
    response
}
