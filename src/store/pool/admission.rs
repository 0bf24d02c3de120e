//! Who may use a connection next: a bounded, fair queue in front of a fixed number of places. Knows
//! nothing of databases.
//!
//! A place holds a thing of type `T` that is reused, an open connection, or none yet. Who finds no
//! place waits in a line of their owner's; lines take turns. In a line, work that has had a place
//! before goes first: however many come at once, what was begun is finished before more is begun, and
//! nobody is turned away halfway. Where tenants share the places, one may hold at most as many as it
//! leaves free, so that slow work of some never fills all.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, oneshot};

use crate::domain::TenantId;

/// On whose behalf a place is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::store) enum Owner {
    /// The server itself, for a caller whose tenant is not known yet.
    Server,
    /// What goes on without a caller. It is not turned away for the length of the queue.
    Background,
    /// A tenant.
    Tenant(TenantId),
}

/// One who asks for a place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asker {
    /// On whose behalf.
    pub(super) owner: Owner,
    /// Whether the work that it is for has had a place before.
    pub(super) has_begun: bool,
}

/// The bounds of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Places.
    pub(super) places: usize,
    /// Newcomers who may wait at once, all owners together.
    pub(super) waiting: usize,
    /// How long each may wait.
    pub(super) wait: Duration,
    /// Whether tenants share: each gets a part of places and queue only.
    pub(super) shared: bool,
}

/// Why there is no place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too many wait, or the wait was too long.
    Busy,
    /// There will be no more places.
    Closed,
}

/// See the module.
pub(super) struct Admission<T> {
    bounds: Bounds,
    state: Mutex<State<T>>,
    /// Told of each place given back once the queue was closed.
    given_back: Notify,
}

struct State<T> {
    free: usize,
    idle: Vec<T>,
    lines: HashMap<Owner, Line<T>>,
    /// Owners of lines in which somebody waits, in the order of their turns.
    turns: VecDeque<Owner>,
    /// Newcomers in all lines.
    waiting: usize,
    last_ticket: u64,
    closed: bool,
}

/// One owner's places and those who wait for more.
struct Line<T> {
    held: usize,
    /// Those whose work has begun; they go first.
    begun: VecDeque<Waiter<T>>,
    newcomers: VecDeque<Waiter<T>>,
    /// Newcomers who have waited and had their turn.
    served: usize,
}

struct Waiter<T> {
    ticket: u64,
    since: Instant,
    /// Newcomers who had been served when it came.
    served_before: usize,
    place: oneshot::Sender<Place<T>>,
}

/// A place that is held until this is dropped.
pub(super) struct Place<T> {
    /// `None` only while it is being moved from one holder to the next.
    admission: Option<Arc<Admission<T>>>,
    owner: Owner,
    thing: Option<T>,
}

impl<T> Place<T> {
    /// Takes what the place holds.
    pub(super) fn take(&mut self) -> Option<T> {
        self.thing.take()
    }

    /// Gives the place back with what the next holder will find in it.
    pub(super) fn give_back(mut self, thing: T) {
        self.thing = Some(thing);
    }
}

impl<T> Drop for Place<T> {
    fn drop(&mut self) {
        if let Some(admission) = self.admission.take() {
            admission.release(self.owner, self.thing.take());
        }
    }
}

impl<T> Line<T> {
    fn new() -> Self {
        Self { held: 0, begun: VecDeque::new(), newcomers: VecDeque::new(), served: 0 }
    }

    fn is_empty(&self) -> bool {
        self.begun.is_empty() && self.newcomers.is_empty()
    }

    /// Whether the first newcomer has waited long, and meanwhile no more were served than wait now:
    /// whoever comes last would wait in vain.
    fn stands(&self, wait: Duration) -> bool {
        self.newcomers.front().is_some_and(|first| {
            let served = self.served - first.served_before;
            first.since.elapsed() > wait / 2 && self.newcomers.len() >= served
        })
    }
}

enum Outcome<T> {
    Entered(Place<T>),
    Waits(u64, oneshot::Receiver<Place<T>>),
    Refused(Refused),
}

impl<T> Admission<T> {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        let state = State {
            free: bounds.places,
            idle: Vec::with_capacity(bounds.places),
            lines: HashMap::new(),
            turns: VecDeque::new(),
            waiting: 0,
            last_ticket: 0,
            closed: false,
        };
        Arc::new(Self { bounds, state: Mutex::new(state), given_back: Notify::new() })
    }

    /// A place, at once or after a wait.
    pub(super) async fn enter(self: &Arc<Self>, asker: Asker) -> Result<Place<T>, Refused> {
        let (ticket, place) = match self.ask(asker) {
            Outcome::Entered(place) => return Ok(place),
            Outcome::Refused(refused) => return Err(refused),
            Outcome::Waits(ticket, place) => (ticket, place),
        };
        let _in_line = InLine { admission: self, owner: asker.owner, ticket };
        match tokio::time::timeout(self.bounds.wait, place).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) => Err(Refused::Closed),
            Err(_) => Err(Refused::Busy),
        }
    }

    fn ask(self: &Arc<Self>, asker: Asker) -> Outcome<T> {
        let Asker { owner, has_begun } = asker;
        let mut state = self.lock();
        if state.closed {
            return Outcome::Refused(Refused::Closed);
        }
        // Places are free while others wait only if those may not have them.
        if state.nobody_waits(owner) && state.may_take(owner, self.bounds.shared) {
            return Outcome::Entered(self.hand(&mut state, owner));
        }
        let may_be_refused = !has_begun && owner != Owner::Background;
        if may_be_refused && state.is_full(owner, &self.bounds) {
            return Outcome::Refused(Refused::Busy);
        }
        let (sender, place) = oneshot::channel();
        Outcome::Waits(state.queue(asker, sender), place)
    }

    /// Takes a free place for an owner.
    fn hand(self: &Arc<Self>, state: &mut State<T>, owner: Owner) -> Place<T> {
        state.free -= 1;
        state.line(owner).held += 1;
        Place { admission: Some(Arc::clone(self)), owner, thing: state.idle.pop() }
    }

    fn release(self: Arc<Self>, owner: Owner, thing: Option<T>) {
        let mut state = self.lock();
        state.idle.extend(thing);
        state.put_back(owner);
        if state.closed {
            self.given_back.notify_waiters();
            return;
        }
        while let Some(owner) = state.next_turn(self.bounds.shared) {
            let Some(waiter) = state.pop_waiter(owner) else { continue };
            let place = self.hand(&mut state, owner);
            if let Err(mut place) = waiter.place.send(place) {
                // Nobody waits there any more. Its drop would take the lock that is held here.
                place.admission = None;
                state.idle.extend(place.take());
                state.put_back(owner);
            }
        }
    }

    /// Things in places that nobody holds and that are not to be kept.
    pub(super) fn discard(&self, keep: impl FnMut(&T) -> bool) -> Vec<T> {
        let mut state = self.lock();
        let idle = std::mem::take(&mut state.idle);
        let (kept, discarded) = idle.into_iter().partition(keep);
        state.idle = kept;
        discarded
    }

    /// Lets nobody in any more and sends those away who wait.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting = 0;
        state.turns.clear();
        for line in state.lines.values_mut() {
            line.begun.clear();
            line.newcomers.clear();
        }
    }

    /// Resolves once every place has been given back, after [`close`](Self::close).
    pub(super) async fn emptied(&self) {
        loop {
            let given_back = self.given_back.notified();
            if self.lock().free == self.bounds.places {
                return;
            }
            given_back.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> State<T> {
    fn line(&mut self, owner: Owner) -> &mut Line<T> {
        self.lines.entry(owner).or_insert_with(Line::new)
    }

    fn nobody_waits(&self, owner: Owner) -> bool {
        self.lines.get(&owner).is_none_or(Line::is_empty)
    }

    fn may_take(&self, owner: Owner, shared: bool) -> bool {
        let held = self.lines.get(&owner).map_or(0, |line| line.held);
        let within_share = match owner {
            Owner::Tenant(_) if shared => held == 0 || held < self.free,
            _ => true,
        };
        self.free > 0 && within_share
    }

    /// Whether one more newcomer of this owner's would wait too long, or take room in the queue that
    /// is kept for others.
    fn is_full(&self, owner: Owner, bounds: &Bounds) -> bool {
        let room = bounds.waiting.saturating_sub(self.waiting);
        let Some(line) = self.lines.get(&owner) else { return room == 0 };
        let shares = bounds.shared && matches!(owner, Owner::Tenant(_));
        let beyond_share = shares && line.newcomers.len() >= room;
        room == 0 || line.stands(bounds.wait) || beyond_share
    }

    fn queue(&mut self, asker: Asker, place: oneshot::Sender<Place<T>>) -> u64 {
        let Asker { owner, has_begun } = asker;
        if self.nobody_waits(owner) {
            self.turns.push_back(owner);
        }
        self.last_ticket += 1;
        self.waiting += usize::from(!has_begun);
        let ticket = self.last_ticket;
        let line = self.line(owner);
        let waiter = Waiter { ticket, since: Instant::now(), served_before: line.served, place };
        let waiters = if has_begun { &mut line.begun } else { &mut line.newcomers };
        waiters.push_back(waiter);
        ticket
    }

    /// Whose turn it is, of those who may take a place; it is the last one's next time.
    fn next_turn(&mut self, shared: bool) -> Option<Owner> {
        let at = self.turns.iter().position(|owner| self.may_take(*owner, shared))?;
        self.turns.remove(at)
    }

    /// The first of an owner whose turn has been taken out of the row.
    fn pop_waiter(&mut self, owner: Owner) -> Option<Waiter<T>> {
        let line = self.lines.get_mut(&owner)?;
        let waiter = if let Some(begun) = line.begun.pop_front() {
            begun
        } else {
            let newcomer = line.newcomers.pop_front()?;
            line.served += 1;
            self.waiting -= 1;
            newcomer
        };
        if !line.is_empty() {
            self.turns.push_back(owner);
        }
        Some(waiter)
    }

    fn put_back(&mut self, owner: Owner) {
        self.free += 1;
        self.line(owner).held -= 1;
        self.forget(owner);
    }

    /// Takes one out of the queue who waits no longer.
    fn leave(&mut self, owner: Owner, ticket: u64) {
        let Some(line) = self.lines.get_mut(&owner) else { return };
        let place_of = |waiters: &VecDeque<Waiter<T>>| {
            waiters.binary_search_by_key(&ticket, |waiter| waiter.ticket)
        };
        if let Ok(at) = place_of(&line.begun) {
            line.begun.remove(at);
        } else if let Ok(at) = place_of(&line.newcomers) {
            line.newcomers.remove(at);
            self.waiting -= 1;
        } else {
            return;
        }
        if line.is_empty() {
            self.turns.retain(|turn| *turn != owner);
        }
        self.forget(owner);
    }

    fn forget(&mut self, owner: Owner) {
        if self.lines.get(&owner).is_some_and(|line| line.held == 0 && line.is_empty()) {
            self.lines.remove(&owner);
        }
    }
}

/// One who waits; takes them out of the queue when they no longer do.
struct InLine<'a, T> {
    admission: &'a Admission<T>,
    owner: Owner,
    ticket: u64,
}

impl<T> Drop for InLine<'_, T> {
    fn drop(&mut self) {
        self.admission.lock().leave(self.owner, self.ticket);
    }
}

#[cfg(test)]
mod tests;
