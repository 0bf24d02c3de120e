//! A connection in somebody's hands. However they let go of it, by the end of their work, by an error
//! or because they were dropped in the middle of a statement, the connection is in order before the
//! next one gets it.

use std::{sync::Arc, time::Instant};

use sea_orm::{ExecResult, QueryResult, Statement, sqlx};
use tokio::{runtime::Handle, time::error::Elapsed};

use super::{
    Idle, Shared,
    admission::Place,
    driver::{Connection, breaks_connection},
};

type Result<T> = std::result::Result<T, sqlx::Error>;

pub(super) struct Lease {
    shared: Arc<Shared>,
    /// Both are there until it is dropped.
    place: Option<Place<Idle>>,
    held: Option<Held>,
    /// Set while a statement runs: whoever is dropped then leaves it running.
    is_running: bool,
    is_broken: bool,
    in_transaction: bool,
}

/// What somebody left who let go in the middle of it.
#[derive(Clone, Copy)]
enum Unfinished {
    Statement,
    Transaction,
    StatementOfTransaction,
}

struct Held {
    connection: Connection,
    opened: Instant,
}

impl Lease {
    pub(super) fn new(
        shared: Arc<Shared>,
        place: Place<Idle>,
        connection: Connection,
        opened: Instant,
    ) -> Self {
        Self {
            shared,
            place: Some(place),
            held: Some(Held { connection, opened }),
            is_running: false,
            is_broken: false,
            in_transaction: false,
        }
    }

    pub(super) async fn execute(&mut self, statement: Statement) -> Result<ExecResult> {
        let limit = self.shared.statement_timeout;
        let outcome = tokio::time::timeout(limit, self.start()?.execute(statement)).await;
        self.settle(outcome)
    }

    pub(super) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult> {
        let limit = self.shared.statement_timeout;
        let outcome = tokio::time::timeout(limit, self.start()?.execute_unprepared(sql)).await;
        self.settle(outcome)
    }

    pub(super) async fn query_one(&mut self, statement: Statement) -> Result<Option<QueryResult>> {
        let limit = self.shared.statement_timeout;
        let outcome = tokio::time::timeout(limit, self.start()?.query_one(statement)).await;
        self.settle(outcome)
    }

    pub(super) async fn query_all(&mut self, statement: Statement) -> Result<Vec<QueryResult>> {
        let limit = self.shared.statement_timeout;
        let outcome = tokio::time::timeout(limit, self.start()?.query_all(statement)).await;
        self.settle(outcome)
    }

    pub(super) async fn begin(&mut self) -> Result<()> {
        // Before it is sent: whoever is dropped meanwhile may have begun one.
        self.in_transaction = true;
        let limit = self.shared.statement_timeout;
        let outcome = tokio::time::timeout(limit, self.start()?.begin()).await;
        self.settle(outcome)
    }

    pub(super) async fn commit(mut self) -> Result<()> {
        let limit = self.shared.statement_timeout;
        let outcome = tokio::time::timeout(limit, self.start()?.commit()).await;
        self.settle(outcome)?;
        self.in_transaction = false;
        Ok(())
    }

    pub(super) async fn rollback(mut self) -> Result<()> {
        let limit = self.shared.statement_timeout;
        let outcome = tokio::time::timeout(limit, self.start()?.rollback()).await;
        self.settle(outcome)?;
        self.in_transaction = false;
        Ok(())
    }

    fn start(&mut self) -> Result<&mut Connection> {
        if self.is_running || self.is_broken {
            return Err(timed_out());
        }
        self.is_running = true;
        Ok(&mut self.held.as_mut().ok_or(sqlx::Error::PoolClosed)?.connection)
    }

    /// Notes how a statement ended. One that took too long still runs.
    fn settle<T>(&mut self, outcome: std::result::Result<Result<T>, Elapsed>) -> Result<T> {
        let outcome = outcome.map_err(|_| timed_out())?;
        self.is_running = false;
        self.is_broken = outcome.as_ref().is_err_and(breaks_connection);
        outcome
    }
}

/// The error of a statement that took too long.
fn timed_out() -> sqlx::Error {
    sqlx::Error::Io(std::io::ErrorKind::TimedOut.into())
}

impl Drop for Lease {
    fn drop(&mut self) {
        let (Some(place), Some(held)) = (self.place.take(), self.held.take()) else { return };
        if self.is_broken {
            // What was open at the same time has likely broken with it.
            drop(self.shared.admission.discard(|_| false));
            return;
        }
        let unfinished = match (self.is_running, self.in_transaction) {
            (false, false) => return place.give_back(held.into_idle()),
            (true, false) => Unfinished::Statement,
            (false, true) => Unfinished::Transaction,
            (true, true) => Unfinished::StatementOfTransaction,
        };
        // The place stays taken until nothing runs on the connection any more.
        let tidying = tidy(Arc::clone(&self.shared), place, held, unfinished);
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(tidying);
        }
    }
}

impl Held {
    fn into_idle(self) -> Idle {
        Idle { connection: self.connection, opened: self.opened, since: Instant::now() }
    }
}

async fn tidy(shared: Arc<Shared>, place: Place<Idle>, mut held: Held, work: Unfinished) {
    let connection = &mut held.connection;
    let is_in_order = match work {
        Unfinished::Statement => shared.driver.stop(connection).await,
        Unfinished::Transaction => connection.roll_back_in_time().await,
        // Whether the transaction was begun, or committed at the last moment, is not known: the end
        // of the connection rolls back what there is.
        Unfinished::StatementOfTransaction => {
            shared.driver.stop(connection).await;
            false
        }
    };
    if is_in_order {
        place.give_back(held.into_idle());
    } else {
        held.connection.close().await;
        drop(place);
    }
}
