//! Events between processes, by PostgreSQL's LISTEN and NOTIFY. What is announced here is gathered for a
//! moment and sent outside of the transactions that it is about, since NOTIFY takes a lock of the whole
//! database at its commit. Whoever may have missed something reads everything again.

use std::{
    collections::HashSet,
    mem,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sea_orm::{
    ConnectionTrait, Statement,
    sqlx::{
        PgPool,
        postgres::{PgConnectOptions, PgListener, PgPoolOptions},
    },
};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Events, Store, events::Notice};
use crate::{config::DatabaseUrl, error::Result};

const CHANNEL: &str = "boards_events";
/// How long events are gathered before they are sent together.
const GATHER: Duration = Duration::from_millis(20);
/// Events of one message: each takes less than 200 bytes, and PostgreSQL carries 7,999.
const IN_A_MESSAGE: usize = 32;
/// Events that wait while the database does not answer; if there are more, everybody reads everything.
const WAITING_MAX: usize = 4096;
/// How soon a lost connection is sought again.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a start waits until the other processes are heard.
const FIRST_TIMEOUT: Duration = Duration::from_secs(5);

type Heard<T> = std::result::Result<T, sea_orm::sqlx::Error>;

/// What is sent.
#[derive(Serialize, Deserialize)]
struct Message {
    /// The process that it comes from, which has heard it already.
    from: Uuid,
    notices: Notices,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Notices {
    These(Vec<Notice>),
    /// More than is worth telling.
    Everything,
}

/// Events on their way to other processes, each once.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<HashSet<Notice>>,
    news: Notify,
}

impl Outbox {
    /// Has one sent; never waits.
    pub(super) fn add(&self, notice: Notice) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        // One more than may wait says that there were too many.
        if waiting.len() <= WAITING_MAX {
            waiting.insert(notice);
        }
        drop(waiting);
        self.news.notify_one();
    }

    fn take(&self) -> Vec<Notices> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting: Vec<Notice> = mem::take(&mut *waiting).into_iter().collect();
        if waiting.len() > WAITING_MAX {
            return vec![Notices::Everything];
        }
        waiting.chunks(IN_A_MESSAGE).map(|some| Notices::These(some.to_vec())).collect()
    }

    /// What could not be sent is not kept: when that is possible again, everybody reads everything.
    fn give_up(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.clear();
    }
}

impl Store {
    /// Carries events to and from the other processes on this PostgreSQL, until the server stops. On
    /// SQLite there are none. Returns when the others are heard, or when that takes too long.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub async fn relay_events(&self, url: &DatabaseUrl, stopping: CancellationToken) -> Result<()> {
        if !self.is_postgres() {
            return Ok(());
        }
        let options: PgConnectOptions =
            url.expose().parse().map_err(crate::error::Error::internal)?;
        let this = Uuid::new_v4();
        let outbox = Arc::<Outbox>::default();
        self.events().relay_through(Arc::clone(&outbox));
        let options = options.application_name("boards events");
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options);
        // Whoever watches from now on has missed nothing, and need not be told to read again.
        let first = tokio::time::timeout(FIRST_TIMEOUT, listener(&pool)).await;
        let first = first.ok().and_then(std::result::Result::ok);
        let listen = listen(pool, first, self.events().clone(), this);
        let send = send(self.in_background(), outbox, this);
        tokio::spawn(stopping.clone().run_until_cancelled_owned(listen));
        tokio::spawn(stopping.run_until_cancelled_owned(send));
        Ok(())
    }
}

async fn send(store: Store, outbox: Arc<Outbox>, this: Uuid) {
    let mut owes_everything = false;
    loop {
        outbox.news.notified().await;
        tokio::time::sleep(GATHER).await;
        let mut messages = outbox.take();
        if owes_everything && !messages.is_empty() {
            messages = vec![Notices::Everything];
        }
        if messages.is_empty() {
            continue;
        }
        match notify(&store, this, messages).await {
            Ok(()) => owes_everything = false,
            Err(error) => {
                tracing::debug!(?error, "events cannot be sent to other processes");
                owes_everything = true;
                outbox.give_up();
                tokio::time::sleep(PAUSE).await;
                outbox.add(Notice::JobQueued);
            }
        }
    }
}

async fn notify(store: &Store, this: Uuid, messages: Vec<Notices>) -> Result<()> {
    let texts = messages.into_iter().map(|notices| Message { from: this, notices });
    let texts: serde_json::Value =
        texts.map(|message| serde_json::to_value(message).unwrap_or_default()).collect();
    let sql = format!(
        "SELECT pg_notify('{CHANNEL}', message::text) FROM jsonb_array_elements($1::jsonb) AS message"
    );
    let statement = Statement::from_sql_and_values(store.backend(), sql, [texts.into()]);
    store.write().query_all_raw(statement).await?;
    Ok(())
}

async fn listen(pool: PgPool, mut first: Option<PgListener>, events: Events, this: Uuid) {
    loop {
        let heard = match first.take() {
            Some(listener) => hear(listener, &events, this).await,
            None => match listener(&pool).await {
                Ok(listener) => {
                    // Nothing was heard before.
                    events.hear_everything();
                    hear(listener, &events, this).await
                }
                Err(error) => Err(error),
            },
        };
        if let Err(error) = heard {
            tracing::debug!(%error, "events of other processes cannot be heard");
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listener(pool: &PgPool) -> Heard<PgListener> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(CHANNEL).await?;
    Ok(listener)
}

/// Hears until the connection cannot be had any more.
async fn hear(mut listener: PgListener, events: &Events, this: Uuid) -> Heard<()> {
    loop {
        let Some(notification) = listener.try_recv().await? else {
            // The connection was lost and is there again.
            events.hear_everything();
            continue;
        };
        match serde_json::from_str::<Message>(notification.payload()) {
            Ok(message) if message.from == this => {}
            Ok(Message { notices: Notices::These(notices), .. }) => {
                for notice in notices {
                    events.hear(notice);
                }
            }
            // Of a newer server, which knows more to tell.
            Ok(_) | Err(_) => events.hear_everything(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        domain::{BoardId, GenerationId, TenantId},
        store::{Event, Subject},
    };

    fn change(number: u128) -> Notice {
        Notice::Change(Event {
            tenant: TenantId(Uuid::from_u128(number)),
            board: BoardId(Uuid::from_u128(u128::MAX)),
            subject: Subject::Generation(GenerationId(Uuid::from_u128(u128::MAX))),
        })
    }

    #[test]
    fn each_event_goes_once_and_a_message_fits() {
        let outbox = Outbox::default();
        (0..100).for_each(|number| outbox.add(change(number % 50)));
        let messages = outbox.take();
        let sizes = messages.iter().map(|notices| match notices {
            Notices::These(notices) => notices.len(),
            Notices::Everything => panic!("few enough"),
        });
        assert_eq!(sizes.collect::<Vec<_>>(), [32, 18]);
        for notices in messages {
            let text = serde_json::to_string(&Message { from: Uuid::max(), notices });
            assert!(text.expect("JSON").len() < 7000);
        }
        assert!(outbox.take().is_empty());
    }

    #[test]
    fn what_waits_is_bounded() {
        let outbox = Outbox::default();
        (0..10_000).for_each(|number| outbox.add(change(number)));
        assert!(matches!(outbox.take().as_slice(), [Notices::Everything]));
    }
}
