//! Watching a row live: its present state first, then each change, with the viewer's access asked
//! again every time. The watch ends when the row, the access or the token does.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::{Stream, stream};
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, Interval, MissedTickBehavior},
};

use super::{Board, BoardParts, Event, Generation, News, Scope, Subject};
use crate::{
    domain::{BoardId, GenerationId, GenerationStatus},
    error::{Error, Result},
};

/// How often access is asked again when nothing is announced: what other processes announce may be late,
/// or lost.
const RECHECK: Duration = Duration::from_secs(2);
/// How long a watch waits for a database that does not answer. Nothing is shown meanwhile.
const PATIENCE: Duration = Duration::from_secs(15);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tick {
    Start,
    Announced,
    Recheck,
    Expired,
}

struct Watch<F> {
    scope: Scope,
    concerns: F,
    events: Receiver<News>,
    recheck: Interval,
    until: Option<Instant>,
    started: bool,
    /// Since when nothing can be read.
    blind: Option<Instant>,
}

impl<F: Fn(&Event) -> bool> Watch<F> {
    /// Boxed, as is what it asks: the stream around it would keep room for both while it only waits,
    /// and for the watch twice.
    fn boxed(scope: Scope, until: Option<DateTime<Utc>>, concerns: F) -> Box<Self> {
        let events = scope.store().events().subscribe();
        let mut recheck = tokio::time::interval(RECHECK);
        recheck.set_missed_tick_behavior(MissedTickBehavior::Delay);
        recheck.reset();
        let until =
            until.map(|end| Instant::now() + (end - Utc::now()).to_std().unwrap_or(Duration::ZERO));
        Box::new(Self { scope, concerns, events, recheck, until, started: false, blind: None })
    }

    /// Whether to look again at the next tick, since this look failed for a reason that may pass. At the
    /// start whoever asks is told instead.
    fn bears(&mut self, tick: Tick, error: &Error) -> bool {
        let may_pass = tick != Tick::Start && error.is_servers_own();
        may_pass && self.blind.get_or_insert_with(Instant::now).elapsed() < PATIENCE
    }

    async fn tick(&mut self) -> Tick {
        if !self.started {
            self.started = true;
            return Tick::Start;
        }
        // Each look is work of its own: it must not go before all that came after the watch.
        self.scope = self.scope.anew();
        loop {
            let expiry = async {
                match self.until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = expiry => return Tick::Expired,
                event = self.events.recv() => match event {
                    Ok(News::Change(event)) if !(self.concerns)(&event) => {}
                    // Fallen behind: read again rather than miss something.
                    Ok(_) | Err(RecvError::Lagged(_)) => return Tick::Announced,
                    Err(RecvError::Closed) => return Tick::Expired,
                },
                _ = self.recheck.tick() => return Tick::Recheck,
            }
        }
    }
}

impl Scope {
    /// A generation, now and at each change, until it has ended or is deleted. When the viewer may
    /// no longer see it or the token ends, the last item says so.
    pub fn watch_generation(
        &self,
        id: GenerationId,
        until: Option<DateTime<Utc>>,
    ) -> impl Stream<Item = Result<Generation>> + Send + use<> {
        let tenant = self.tenant();
        let watch = Watch::boxed(self.clone(), until, move |event: &Event| {
            event.tenant == tenant
                && (event.subject == Subject::Board || event.subject == Subject::Generation(id))
        });
        stream::unfold((Some(watch), None), move |(watch, mut last)| async move {
            let mut watch = watch?;
            loop {
                let tick = watch.tick().await;
                if tick == Tick::Expired {
                    return Some((Err(Error::InvalidToken), (None, last)));
                }
                match Box::pin(watch.scope.generation(id)).await {
                    Ok(Some(generation)) => {
                        watch.blind = None;
                        let state = state_of(&generation);
                        let watch_on = (!generation.status.is_final()).then_some(());
                        let news = last.as_ref() != Some(&state);
                        last = Some(state);
                        match (news, watch_on) {
                            (true, Some(())) => return Some((Ok(generation), (Some(watch), last))),
                            (true, None) => return Some((Ok(generation), (None, last))),
                            (false, None) => return None,
                            (false, Some(())) => {}
                        }
                    }
                    Ok(None) if tick == Tick::Start => {
                        return Some((Err(Error::NotFound("Generation")), (None, last)));
                    }
                    Ok(None) => return None,
                    Err(error) if watch.bears(tick, &error) => {}
                    Err(error) => return Some((Err(error), (None, last))),
                }
            }
        })
    }

    /// A board, now and at each change of it, its members or its generations, until it is deleted.
    /// When the viewer may no longer see it or the token ends, the last item says so. Where other processes
    /// cannot be heard, changes of the board itself and lost access are seen within two seconds.
    pub fn watch_board(
        &self,
        id: BoardId,
        until: Option<DateTime<Utc>>,
    ) -> impl Stream<Item = Result<Board>> + Send + use<> {
        let tenant = self.tenant();
        let watch = Watch::boxed(self.clone(), until, move |event: &Event| {
            event.tenant == tenant && event.board == id
        });
        stream::unfold((Some(watch), None), move |(watch, mut last)| async move {
            let mut watch = watch?;
            loop {
                let tick = watch.tick().await;
                if tick == Tick::Expired {
                    return Some((Err(Error::InvalidToken), (None, last)));
                }
                match Box::pin(watch.scope.board(id, BoardParts::ROW)).await {
                    // Nothing was announced, or what was is lost; the board itself may have changed.
                    Ok(Some(board))
                        if tick == Tick::Recheck
                            && watch.blind.is_none()
                            && last == Some(board.updated_at) => {}
                    Ok(Some(board)) => {
                        watch.blind = None;
                        last = Some(board.updated_at);
                        return Some((Ok(board), (Some(watch), last)));
                    }
                    Ok(None) if tick == Tick::Start => {
                        return Some((Err(Error::NotFound("Board")), (None, last)));
                    }
                    Ok(None) => return None,
                    Err(error) if watch.bears(tick, &error) => {}
                    Err(error) => return Some((Err(error), (None, last))),
                }
            }
        })
    }
}

/// What makes one state of a generation news: how it stands, how far it is, and its last change.
fn state_of(generation: &Generation) -> (GenerationStatus, String, DateTime<Utc>) {
    (generation.status, format!("{:.2}", generation.progress), generation.updated_at)
}
