use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use super::*;

const LONG: Duration = Duration::from_hours(1);

fn queue(places: usize, waiting: usize, shared: bool) -> Arc<Admission<u32>> {
    Admission::new(Bounds { places, waiting, wait: LONG, shared })
}

fn tenant() -> Owner {
    Owner::Tenant(TenantId::new())
}

type Entering = Pin<Box<dyn Future<Output = Result<Place<u32>, Refused>>>>;

/// What comes of asking for a place at once.
type Asked = Result<Result<Place<u32>, Refused>, Entering>;

fn ask(queue: &Arc<Admission<u32>>, owner: Owner) -> Asked {
    ask_as(queue, newcomer(owner))
}

fn ask_as(queue: &Arc<Admission<u32>>, asker: Asker) -> Asked {
    let queue = Arc::clone(queue);
    let mut entering: Entering = Box::pin(async move { queue.enter(asker).await });
    look(&mut entering).ok_or(entering)
}

fn newcomer(owner: Owner) -> Asker {
    Asker { owner, has_begun: false }
}

fn look(entering: &mut Entering) -> Option<Result<Place<u32>, Refused>> {
    match entering.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => Some(outcome),
        Poll::Pending => None,
    }
}

fn enter(queue: &Arc<Admission<u32>>, owner: Owner) -> Place<u32> {
    let Ok(Ok(place)) = ask(queue, owner) else { panic!("there is a place") };
    place
}

fn wait(queue: &Arc<Admission<u32>>, owner: Owner) -> Entering {
    let Err(entering) = ask(queue, owner) else { panic!("there is no place") };
    entering
}

/// Waits with work that has had a place before.
fn wait_again(queue: &Arc<Admission<u32>>, owner: Owner) -> Entering {
    let Err(entering) = ask_as(queue, Asker { owner, has_begun: true }) else {
        panic!("it waits too")
    };
    entering
}

fn entered(entering: &mut Entering) -> Option<Place<u32>> {
    look(entering).map(|outcome| outcome.expect("a place"))
}

fn refused(queue: &Arc<Admission<u32>>, owner: Owner) -> bool {
    matches!(ask(queue, owner), Ok(Err(Refused::Busy)))
}

#[tokio::test]
async fn what_is_given_back_is_used_again() {
    let queue = queue(2, 10, false);
    let mut first = enter(&queue, Owner::Server);
    assert_eq!(first.take(), None);
    first.give_back(7);
    let (mut second, mut third) = (enter(&queue, Owner::Server), enter(&queue, Owner::Server));
    assert_eq!((second.take(), third.take()), (Some(7), None));
}

#[tokio::test]
async fn one_tenant_alone_holds_every_place_unless_it_shares_them() {
    let owner = tenant();
    let alone = queue(8, 10, false);
    let places: Vec<_> = (0..8).map(|_| enter(&alone, owner)).collect();
    assert_eq!(places.len(), 8);
    let sharing = queue(8, 10, true);
    let _places: Vec<_> = (0..4).map(|_| enter(&sharing, owner)).collect();
    drop(wait(&sharing, owner));
}

#[tokio::test]
async fn tenants_that_hold_all_they_may_leave_room_for_others() {
    let queue = queue(8, 10, true);
    let (one, two, three) = (tenant(), tenant(), tenant());
    let _ones: Vec<_> = (0..4).map(|_| enter(&queue, one)).collect();
    let _twos: Vec<_> = (0..2).map(|_| enter(&queue, two)).collect();
    let _threes = enter(&queue, three);
    let (_, _, _) = (wait(&queue, one), wait(&queue, two), wait(&queue, three));
    let _fours = enter(&queue, tenant());
}

#[tokio::test]
async fn the_server_itself_is_not_held_to_a_share() {
    let queue = queue(4, 10, true);
    let _places: Vec<_> = (0..4).map(|_| enter(&queue, Owner::Server)).collect();
    drop(wait(&queue, Owner::Server));
}

#[tokio::test]
async fn lines_take_turns() {
    let queue = queue(1, 10, true);
    let (one, two) = (tenant(), tenant());
    let place = enter(&queue, one);
    let mut ones: Vec<_> = (0..3).map(|_| wait(&queue, one)).collect();
    let mut twos = wait(&queue, two);
    drop(place);
    let place = entered(&mut ones[0]).expect("the first of those who waited");
    assert!(entered(&mut ones[1]).is_none());
    drop(place);
    let place = entered(&mut twos).expect("the other tenant, before the first one's others");
    drop(place);
    assert!(entered(&mut ones[1]).is_some());
}

#[tokio::test]
async fn whoever_gives_up_leaves_no_gap() {
    let queue = queue(1, 2, false);
    let place = enter(&queue, Owner::Server);
    let first = wait(&queue, Owner::Server);
    let mut second = wait(&queue, Owner::Server);
    assert!(refused(&queue, Owner::Server));
    drop(first);
    let third = wait(&queue, Owner::Server);
    drop(place);
    let place = entered(&mut second).expect("its turn has come");
    // One who is given a place and never looks gives it back.
    drop(place);
    drop(third);
    drop(enter(&queue, Owner::Server));
    let state = queue.lock();
    assert_eq!((state.lines.len(), state.waiting, state.turns.len()), (0, 0, 0));
}

#[tokio::test]
async fn the_queue_is_bounded_and_keeps_room_for_others() {
    let queue = queue(2, 8, true);
    let (one, two) = (tenant(), tenant());
    let _held = (enter(&queue, one), enter(&queue, two));
    let waiting: Vec<_> = (0..4).map(|_| wait(&queue, one)).collect();
    assert!(refused(&queue, one));
    let others: Vec<_> = (0..2).map(|_| wait(&queue, two)).collect();
    let server: Vec<_> = (0..2).map(|_| wait(&queue, Owner::Server)).collect();
    assert!(refused(&queue, Owner::Server));
    // What goes on in the background is not turned away.
    drop(wait(&queue, Owner::Background));
    drop((waiting, others, server));
    drop(wait(&queue, one));
}

#[tokio::test]
async fn what_has_begun_goes_before_newcomers_and_is_not_turned_away() {
    let queue = queue(1, 4, true);
    let (one, two) = (tenant(), tenant());
    let place = enter(&queue, one);
    let mut newcomers: Vec<_> = (0..2).map(|_| wait(&queue, one)).collect();
    assert!(refused(&queue, one));
    let mut begun: Vec<_> = (0..3).map(|_| wait_again(&queue, one)).collect();
    let mut other = wait(&queue, two);
    drop(place);
    let place = entered(&mut begun[0]).expect("what was begun first");
    // It gives way to other tenants, and whoever gives up leaves no gap.
    drop(begun.remove(1));
    drop(place);
    drop(entered(&mut other).expect("the other tenant"));
    let place = entered(&mut begun[1]).expect("what was begun later");
    assert!(entered(&mut newcomers[0]).is_none());
    drop(place);
    drop(entered(&mut newcomers[0]).expect("a newcomer"));
    drop(entered(&mut newcomers[1]).expect("the next"));
    let state = queue.lock();
    assert_eq!((state.lines.len(), state.waiting, state.turns.len()), (0, 0, 0));
}

#[tokio::test]
async fn nobody_waits_longer_than_allowed() {
    let wait = Duration::from_millis(1);
    let queue: Arc<Admission<u32>> =
        Admission::new(Bounds { places: 1, waiting: 10, wait, shared: false });
    let _place = enter(&queue, Owner::Server);
    assert!(matches!(queue.enter(newcomer(Owner::Server)).await, Err(Refused::Busy)));
    assert_eq!(queue.lock().waiting, 0);
}

#[tokio::test]
async fn a_queue_that_stands_takes_nobody_more() {
    let allowed = Duration::from_millis(10);
    let queue: Arc<Admission<u32>> =
        Admission::new(Bounds { places: 1, waiting: 10, wait: allowed, shared: false });
    let _place = enter(&queue, Owner::Server);
    let _first = wait(&queue, Owner::Server);
    std::thread::sleep(allowed);
    assert!(refused(&queue, Owner::Server));
    // Those of others may still move.
    drop(wait(&queue, tenant()));
}

#[tokio::test]
async fn a_line_that_moves_takes_more() {
    let allowed = Duration::from_millis(10);
    let queue: Arc<Admission<u32>> =
        Admission::new(Bounds { places: 1, waiting: 10, wait: allowed, shared: false });
    let mut place = enter(&queue, Owner::Server);
    let mut waiting: Vec<_> = (0..5).map(|_| wait(&queue, Owner::Server)).collect();
    std::thread::sleep(allowed);
    for entering in &mut waiting[..2] {
        drop(place);
        place = entered(entering).expect("its turn has come");
    }
    // Two were served while those waited who wait still: three, then two, then one.
    assert!(refused(&queue, Owner::Server));
    waiting.truncate(4);
    assert!(refused(&queue, Owner::Server));
    waiting.truncate(3);
    drop(wait(&queue, Owner::Server));
    drop(place);
}

#[tokio::test]
async fn a_closed_queue_lets_nobody_in_and_empties() {
    let queue = queue(1, 10, false);
    let place = enter(&queue, Owner::Server);
    let mut waiting = wait(&queue, Owner::Server);
    queue.close();
    assert!(matches!(look(&mut waiting), Some(Err(Refused::Closed))));
    assert!(matches!(ask(&queue, Owner::Server), Ok(Err(Refused::Closed))));
    let mut emptied = pin!(queue.emptied());
    let context = &mut Context::from_waker(Waker::noop());
    assert!(emptied.as_mut().poll(context).is_pending());
    place.give_back(7);
    assert!(emptied.as_mut().poll(context).is_ready());
    assert_eq!(queue.discard(|_| false), [7]);
}
