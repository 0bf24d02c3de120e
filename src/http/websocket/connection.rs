//! The operations of one connection, and the caller who is behind them.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use async_graphql::{
    Data, Executor, Request, Response as GraphqlResponse, parser::types::OperationType,
};
use futures_util::{
    FutureExt, StreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use tokio::sync::oneshot;

use crate::{
    auth::{AuthContext, Credentials},
    error::{Error, Result},
    graphql::{AnswerForm, Session, request_error},
    http::{
        HttpState, credentials,
        graphql::{circumstances, execute, read},
        liveness::{Liveness, Standing},
        request_log::RequestFacts,
    },
};

/// How long a connection stays whose caller was never judged good.
const UNJUDGED_MAX: Duration = Duration::from_secs(30);
/// Operations at once on one connection.
const MAX_OPERATIONS: usize = 100;

/// A caller who was judged good, and by what.
type Judged = (Arc<Credentials>, Standing);

/// What the operations of one connection share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connection(Arc<Shared>);

struct Shared {
    state: HttpState,
    facts: RequestFacts,
    /// What `connection_init` carried; none before it.
    credentials: OnceLock<Arc<Credentials>>,
    /// Takes the first caller who was judged good; none once there was one.
    first_caller: Mutex<Option<oneshot::Sender<Judged>>>,
    operations: Mutex<Operations>,
}

/// The operations of a connection, by the ids that its client gave them.
#[derive(Default)]
struct Operations {
    running: HashSet<String>,
    /// The one that is about to be executed.
    announced: Option<String>,
    /// One that was announced while another of that id ran.
    taken: Option<String>,
}

/// One running operation; its id is free again when it ends.
struct Running {
    id: String,
    connection: Connection,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.connection.operations().running.remove(&self.id);
    }
}

impl Connection {
    /// A connection, and what resolves when its caller's session has ended, or when nobody was
    /// judged good for half a minute; until then each operation says why.
    pub(super) fn new(state: &HttpState, facts: RequestFacts) -> (Self, BoxFuture<'static, Error>) {
        // Before anyone is judged, so that nothing that happens meanwhile is missed.
        let liveness = Liveness::open(state);
        let (sender, first_caller) = oneshot::channel();
        let ended = async move {
            match tokio::time::timeout(UNJUDGED_MAX, first_caller).await {
                Ok(Ok((credentials, standing))) => liveness.ended(credentials, standing).await,
                _ => Error::InvalidToken,
            }
        };
        let shared = Shared {
            state: state.clone(),
            facts,
            credentials: OnceLock::new(),
            first_caller: Mutex::new(Some(sender)),
            operations: Mutex::default(),
        };
        (Self(Arc::new(shared)), ended.boxed())
    }

    /// Takes what `connection_init` carries, and judges it.
    pub(super) async fn initialise(
        self,
        params: serde_json::Value,
        upgrade: Credentials,
    ) -> async_graphql::Result<Data> {
        let credentials = credentials::from_connection_params(&params, &upgrade);
        let _ = self.0.credentials.set(Arc::new(credentials));
        // One whose token is bad stays: each operation says so.
        drop(self.caller().await);
        Ok(Data::default())
    }

    /// Whether `connection_init` has come.
    pub(super) fn is_initialised(&self) -> bool {
        self.0.credentials.get().is_some()
    }

    /// The caller, judged anew for each operation, as for a request. From the first good judgement
    /// on, the session is watched.
    async fn caller(&self) -> Result<AuthContext> {
        let Shared { state, facts, credentials, first_caller, .. } = &*self.0;
        let credentials = credentials.get().ok_or(Error::NotAuthenticated)?;
        let caller = state.authenticate_with(credentials, facts).await?;
        let first = first_caller.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(first) = first {
            let _ = first.send((Arc::clone(credentials), Standing::of(&caller)));
        }
        Ok(caller)
    }

    fn operations(&self) -> MutexGuard<'_, Operations> {
        self.0.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says which operation is executed next. False when one of that id runs already.
    pub(super) fn announce(&self, id: &str) -> bool {
        let mut operations = self.operations();
        let is_free = !operations.running.contains(id);
        let slot = if is_free { &mut operations.announced } else { &mut operations.taken };
        *slot = Some(id.to_owned());
        is_free
    }

    /// The id that was announced though it is in use.
    pub(super) fn taken_id(&self) -> Option<String> {
        self.operations().taken.clone()
    }

    /// Begins the operation that was announced; none when too many run.
    fn start(&self) -> Option<Running> {
        let mut operations = self.operations();
        let has_room = operations.running.len() < MAX_OPERATIONS;
        let id = operations.announced.take().filter(|_| has_room)?;
        operations.running.insert(id.clone());
        Some(Running { id, connection: self.clone() })
    }

    async fn answers(self, request: Request) -> BoxStream<'static, GraphqlResponse> {
        let Shared { state, facts, .. } = &*self.0;
        let session = Session::new(self.caller().await);
        let operation = match read(state, &session, facts, request) {
            Ok(operation) => operation,
            Err(refused) => return stream::iter([*refused]).boxed(),
        };
        if operation.kind() == Some(OperationType::Subscription) {
            let circumstances = circumstances(state, &session, facts, AnswerForm::Values);
            return state.engine.subscribe(operation, circumstances).await;
        }
        let answer = execute(state, &session, facts, operation, AnswerForm::Values).await;
        stream::iter([answer]).boxed()
    }
}

impl Executor for Connection {
    async fn execute(&self, request: Request) -> GraphqlResponse {
        let Shared { state, facts, .. } = &*self.0;
        let session = Session::new(self.caller().await);
        match read(state, &session, facts, request) {
            Ok(operation) => execute(state, &session, facts, operation, AnswerForm::Values).await,
            Err(refused) => *refused,
        }
    }

    fn execute_stream(
        &self,
        request: Request,
        _session_data: Option<Arc<Data>>,
    ) -> BoxStream<'static, GraphqlResponse> {
        let Some(running) = self.start() else {
            let message = format!("At most {MAX_OPERATIONS} operations may run on a connection");
            let error = request_error(&Error::Conflict(message));
            return stream::iter([GraphqlResponse::from_errors(vec![error])]).boxed();
        };
        // Boxed by itself: what it takes to begin an operation is given back before the first answer.
        let answers = self.clone().answers(request).boxed();
        answers
            .flatten_stream()
            .map(move |answer| {
                let _running = &running;
                answer
            })
            .boxed()
    }
}
