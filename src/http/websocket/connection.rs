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
        liveness::Liveness,
        request_log::RequestFacts,
    },
};

/// How long a connection stays whose caller was never judged good.
const UNJUDGED_MAX: Duration = Duration::from_secs(30);
/// Operations at once on one connection.
const MAX_OPERATIONS: usize = 100;

/// What the operations of one connection share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connection {
    state: HttpState,
    facts: RequestFacts,
    /// What `connection_init` carried; none before it.
    credentials: Arc<OnceLock<Credentials>>,
    /// Takes the caller who was first judged good; none once there was one.
    first_caller: Arc<Mutex<Option<oneshot::Sender<AuthContext>>>>,
    operations: Operations,
}

/// The operations of a connection, by the ids that its client gave them.
#[derive(Clone, Default)]
struct Operations(Arc<Mutex<Ids>>);

#[derive(Default)]
struct Ids {
    running: HashSet<String>,
    /// The one that is about to be executed.
    announced: Option<String>,
    /// One that was announced while another of that id ran.
    taken: Option<String>,
}

impl Operations {
    fn ids(&self) -> MutexGuard<'_, Ids> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One running operation; its id is free again when it ends.
struct Running {
    id: String,
    operations: Operations,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.operations.ids().running.remove(&self.id);
    }
}

impl Connection {
    /// A connection, and what resolves when its caller's session has ended, or when nobody was
    /// judged good for half a minute; until then each operation says why.
    pub(super) fn new(
        state: &HttpState,
        facts: RequestFacts,
    ) -> (Self, impl Future<Output = Error> + Send + use<>) {
        // Before anyone is judged, so that nothing that happens meanwhile is missed.
        let liveness = Liveness::open(state);
        let (sender, caller) = oneshot::channel();
        let credentials = Arc::<OnceLock<Credentials>>::default();
        let judged = Arc::clone(&credentials);
        let ended = async move {
            match (tokio::time::timeout(UNJUDGED_MAX, caller).await, judged.get()) {
                (Ok(Ok(caller)), Some(credentials)) => {
                    liveness.ended(credentials.clone(), caller).await
                }
                _ => Error::InvalidToken,
            }
        };
        let connection = Self {
            state: state.clone(),
            facts,
            credentials,
            first_caller: Arc::new(Mutex::new(Some(sender))),
            operations: Operations::default(),
        };
        (connection, ended)
    }

    /// Takes what `connection_init` carries, and judges it.
    pub(super) async fn initialise(
        self,
        params: serde_json::Value,
        upgrade: Credentials,
    ) -> async_graphql::Result<Data> {
        let credentials = credentials::from_connection_params(&params, &upgrade);
        let _ = self.credentials.set(credentials);
        // One whose token is bad stays: each operation says so.
        drop(self.caller().await);
        Ok(Data::default())
    }

    /// Whether `connection_init` has come.
    pub(super) fn is_initialised(&self) -> bool {
        self.credentials.get().is_some()
    }

    /// The caller, judged anew for each operation, as for a request. From the first good judgement
    /// on, the session is watched.
    async fn caller(&self) -> Result<AuthContext> {
        let credentials = self.credentials.get().ok_or(Error::NotAuthenticated)?;
        let caller = self.state.authenticate_with(credentials, &self.facts).await?;
        let first = self.first_caller.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(first) = first {
            let _ = first.send(caller.clone());
        }
        Ok(caller)
    }

    /// Says which operation is executed next. False when one of that id runs already.
    pub(super) fn announce(&self, id: &str) -> bool {
        let mut ids = self.operations.ids();
        let is_free = !ids.running.contains(id);
        let slot = if is_free { &mut ids.announced } else { &mut ids.taken };
        *slot = Some(id.to_owned());
        is_free
    }

    /// The id that was announced though it is in use.
    pub(super) fn taken_id(&self) -> Option<String> {
        self.operations.ids().taken.clone()
    }

    /// Begins the operation that was announced; none when too many run.
    fn start(&self) -> Option<Running> {
        let mut ids = self.operations.ids();
        let id = ids.announced.take().filter(|_| ids.running.len() < MAX_OPERATIONS)?;
        ids.running.insert(id.clone());
        Some(Running { id, operations: self.operations.clone() })
    }

    async fn answers(self, request: Request) -> BoxStream<'static, GraphqlResponse> {
        let session = Session::new(self.caller().await);
        let operation = match read(&self.state, &session, &self.facts, request) {
            Ok(operation) => operation,
            Err(refused) => return stream::iter([*refused]).boxed(),
        };
        if operation.kind() == Some(OperationType::Subscription) {
            let circumstances =
                circumstances(&self.state, &session, &self.facts, AnswerForm::Values);
            return self.state.engine.subscribe(operation, circumstances).await;
        }
        let answer =
            execute(&self.state, &session, &self.facts, operation, AnswerForm::Values).await;
        stream::iter([answer]).boxed()
    }
}

impl Executor for Connection {
    async fn execute(&self, request: Request) -> GraphqlResponse {
        let session = Session::new(self.caller().await);
        match read(&self.state, &session, &self.facts, request) {
            Ok(operation) => {
                execute(&self.state, &session, &self.facts, operation, AnswerForm::Values).await
            }
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
        self.clone()
            .answers(request)
            .flatten_stream()
            .map(move |answer| {
                let _running = &running;
                answer
            })
            .boxed()
    }
}
