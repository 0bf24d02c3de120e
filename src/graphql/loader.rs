//! Batched reads of nested objects. Made for each operation from its scope; the number of SQL
//! statements of an operation does not grow with the rows it shows.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_graphql::Context;

use super::batching::{BatchRead, Batches};
use crate::{
    domain::{BoardId, Credits, GenerationId, UserId},
    error::{Error, Result},
    store::{
        Attempt, Board, Direction, Generation, GenerationPage, GenerationParts, GenerationWindow,
        LineageGraph, MemberWindow, Membership, Placed, Scope, Slice, Tag, User, UserBoards,
        UserParts,
    },
};

/// Objects that the nested lists of one operation may show together.
const MAX_OBJECTS: usize = 20_000;

/// Reads nested objects for one operation.
pub(super) struct Loaders {
    scope: Scope,
}

/// How the fields of one operation read nested objects.
pub(super) struct Loading {
    loaders: Arc<Loaders>,
    batches: Batches,
}

impl Loading {
    /// Reads within `scope`; whatever drives `batches` must drive the operation.
    pub(super) fn new(scope: Scope, batches: &Batches) -> Self {
        Self { loaders: Arc::new(Loaders { scope }), batches: batches.clone() }
    }
}

/// A user by id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct UserById(pub(super) UserId);
/// Whether a user shares a board with the viewer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct SharesBoard(pub(super) UserId);
/// What the viewer has in credits, where these are used.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct OwnCredits;
/// The boards of a user.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct BoardsOf(pub(super) UserId, pub(super) UserBoards);
/// A board by id, if the viewer may see it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct BoardById(pub(super) BoardId);
/// The members of a board.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct MembersOf(pub(super) BoardId, pub(super) UserParts);
/// A page of a board's generations.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PageOf(pub(super) GenerationPage, pub(super) GenerationParts);
/// A window of a board's generations.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct GenerationsIn(pub(super) GenerationWindow);
/// A window of a board's members.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct MembersIn(pub(super) MemberWindow);
/// The number of members of a board.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct MemberCountOf(pub(super) BoardId);
/// A generation by id, if the viewer may see it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct GenerationById(pub(super) GenerationId);
/// What a generation was made from, or what was made from it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct LineageOf {
    pub(super) start: GenerationId,
    pub(super) direction: Direction,
    pub(super) max_depth: i32,
}
/// The tags on a generation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct TagsOf(pub(super) GenerationId);

/// The attempts at a generation.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct AttemptsAt(pub(super) GenerationId);

/// Loads one key together with those that the sibling fields ask for.
pub(super) async fn load<K>(
    context: &Context<'_>,
    key: K,
) -> Result<Option<<Loaders as BatchRead<K>>::Value>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    Loaders: BatchRead<K>,
{
    let loading =
        context.data::<Loading>().map_err(|_| Error::internal("an operation without loaders"))?;
    loading.batches.load(&loading.loaders, key).await
}

/// Loads many keys, likewise.
pub(super) async fn load_each<K>(
    context: &Context<'_>,
    keys: Vec<K>,
) -> Vec<Result<Option<<Loaders as BatchRead<K>>::Value>>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    Loaders: BatchRead<K>,
{
    let Ok(loading) = context.data::<Loading>() else {
        let missing = || Err(Error::internal("an operation without loaders"));
        return keys.iter().map(|_| missing()).collect();
    };
    loading.batches.load_each(&loading.loaders, keys).await
}

/// Loads the lists of many keys; what is in them counts against what one operation may show.
pub(super) async fn load_each_list<K, T>(
    context: &Context<'_>,
    keys: Vec<K>,
) -> Vec<Result<Arc<Vec<T>>>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    T: Send + Sync + 'static,
    Loaders: BatchRead<K, Value = Arc<Vec<T>>>,
{
    let spent = |list: Result<Option<Arc<Vec<T>>>>| spent(context, list?.unwrap_or_default());
    load_each(context, keys).await.into_iter().map(spent).collect()
}

/// Loads a list; what is in it counts against what one operation may show.
pub(super) async fn load_list<K, T>(context: &Context<'_>, key: K) -> Result<Arc<Vec<T>>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    T: Send + Sync + 'static,
    Loaders: BatchRead<K, Value = Arc<Vec<T>>>,
{
    spent(context, load(context, key).await?.unwrap_or_default())
}

/// A list that was read, with what is in it counted.
pub(super) fn spent<T>(context: &Context<'_>, list: Arc<Vec<T>>) -> Result<Arc<Vec<T>>> {
    spend(context, list.len())?;
    Ok(list)
}

/// Loads a window of a list; what is in it counts likewise.
pub(super) async fn load_window<K, T>(context: &Context<'_>, key: K) -> Result<Slice<Placed<T>>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    T: Send + Sync + Clone + 'static,
    Loaders: BatchRead<K, Value = Slice<Placed<T>>>,
{
    let slice = load(context, key).await?;
    let slice = slice.ok_or_else(|| Error::internal("a window that was not read"))?;
    spend(context, slice.rows.len())?;
    Ok(slice)
}

fn spend(context: &Context<'_>, objects: usize) -> Result<()> {
    let budget =
        context.data::<Budget>().map_err(|_| Error::internal("an operation without a budget"))?;
    budget.spend(objects)
}

/// Objects of nested lists that one operation may still show. Costs are judged before anything is
/// read, by how long lists usually are; this bounds those that are longer.
pub(super) struct Budget(AtomicUsize);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicUsize::new(MAX_OBJECTS))
    }
}

impl Budget {
    fn spend(&self, objects: usize) -> Result<()> {
        let spent = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(objects));
        spent.map(|_| ()).map_err(|_| {
            Error::TooComplex(format!("The answer holds more than {MAX_OBJECTS} nested objects"))
        })
    }
}

fn grouped<K: Hash + Eq, V>(pairs: impl IntoIterator<Item = (K, V)>) -> HashMap<K, Arc<Vec<V>>> {
    let mut groups: HashMap<K, Vec<V>> = HashMap::new();
    for (key, value) in pairs {
        groups.entry(key).or_default().push(value);
    }
    groups.into_iter().map(|(key, values)| (key, Arc::new(values))).collect()
}

impl BatchRead<UserById> for Loaders {
    type Value = Arc<User>;

    async fn read(&self, keys: Vec<UserById>) -> Result<HashMap<UserById, Arc<User>>> {
        let ids: Vec<UserId> = keys.iter().map(|key| key.0).collect();
        let users = self.scope.users_by_id(&ids).await?;
        Ok(users.into_iter().map(|user| (UserById(user.id), Arc::new(user))).collect())
    }
}

impl BatchRead<SharesBoard> for Loaders {
    type Value = ();

    async fn read(&self, keys: Vec<SharesBoard>) -> Result<HashMap<SharesBoard, ()>> {
        let ids: Vec<UserId> = keys.iter().map(|key| key.0).collect();
        let sharing = self.scope.sharing_a_board(&ids).await?;
        Ok(sharing.into_iter().map(|user| (SharesBoard(user), ())).collect())
    }
}

impl BatchRead<OwnCredits> for Loaders {
    type Value = Credits;

    async fn read(&self, _: Vec<OwnCredits>) -> Result<HashMap<OwnCredits, Credits>> {
        let balance = self.scope.credit_balance().await?;
        Ok(balance.into_iter().map(|balance| (OwnCredits, balance)).collect())
    }
}

impl BatchRead<BoardsOf> for Loaders {
    type Value = Arc<Vec<Arc<Board>>>;

    async fn read(&self, keys: Vec<BoardsOf>) -> Result<HashMap<BoardsOf, Arc<Vec<Arc<Board>>>>> {
        let mut found = HashMap::new();
        for which in [UserBoards::Owned, UserBoards::Member] {
            let users: Vec<UserId> =
                keys.iter().filter(|key| key.1 == which).map(|key| key.0).collect();
            if !users.is_empty() {
                let boards = self.scope.boards_of(&users, which).await?;
                found.extend(grouped(
                    boards
                        .into_iter()
                        .map(|entry| (BoardsOf(entry.user, which), Arc::new(entry.board))),
                ));
            }
        }
        Ok(found)
    }
}

impl BatchRead<BoardById> for Loaders {
    type Value = Arc<Board>;

    async fn read(&self, keys: Vec<BoardById>) -> Result<HashMap<BoardById, Arc<Board>>> {
        let ids: Vec<BoardId> = keys.iter().map(|key| key.0).collect();
        let boards = self.scope.boards_by_id(&ids).await?;
        Ok(boards.into_iter().map(|board| (BoardById(board.id), Arc::new(board))).collect())
    }
}

impl BatchRead<MembersOf> for Loaders {
    type Value = Arc<Vec<Arc<Membership>>>;

    async fn read(&self, keys: Vec<MembersOf>) -> Result<HashMap<MembersOf, Self::Value>> {
        let mut found = HashMap::new();
        for (parts, boards) in grouped(keys.iter().map(|key| (key.1, key.0))) {
            let members = self.scope.members_of(&boards, parts).await?;
            let members = members.into_iter().map(Arc::new);
            found.extend(grouped(members.map(|member| (MembersOf(member.board, parts), member))));
        }
        Ok(found)
    }
}

impl BatchRead<PageOf> for Loaders {
    type Value = Arc<Vec<Arc<Generation>>>;

    /// Pages of one board with different windows cannot be told apart in one answer, so each window
    /// is a statement; a selection has as many of them as it has fields, whatever the rows.
    async fn read(&self, keys: Vec<PageOf>) -> Result<HashMap<PageOf, Arc<Vec<Arc<Generation>>>>> {
        let mut found = HashMap::new();
        for ((page, parts), pages) in grouped(keys.iter().map(|key| ((key.0.page, key.1), key.0))) {
            let generations = self.scope.generation_pages(&pages, parts).await?;
            found.extend(grouped(generations.into_iter().map(|generation| {
                let key = PageOf(GenerationPage { board: generation.board, page }, parts);
                (key, Arc::new(generation))
            })));
        }
        Ok(found)
    }
}

impl BatchRead<GenerationsIn> for Loaders {
    type Value = Slice<Placed<Arc<Generation>>>;

    /// Whatever the windows are, they are read in one statement.
    async fn read(&self, keys: Vec<GenerationsIn>) -> Result<HashMap<GenerationsIn, Self::Value>> {
        let windows: Vec<GenerationWindow> = keys.iter().map(|key| key.0).collect();
        let slices = self.scope.generation_windows(&windows).await?;
        Ok(keys.into_iter().zip(slices.into_iter().map(shared)).collect())
    }
}

impl BatchRead<MembersIn> for Loaders {
    type Value = Slice<Placed<Arc<Membership>>>;

    async fn read(&self, keys: Vec<MembersIn>) -> Result<HashMap<MembersIn, Self::Value>> {
        let windows: Vec<MemberWindow> = keys.iter().map(|key| key.0).collect();
        let slices = self.scope.member_windows(&windows).await?;
        Ok(keys.into_iter().zip(slices.into_iter().map(shared)).collect())
    }
}

/// What a loader remembers is handed out again and again.
fn shared<T>(slice: Slice<Placed<T>>) -> Slice<Placed<Arc<T>>> {
    slice.map(|placed| Placed { row: Arc::new(placed.row), position: placed.position })
}

impl BatchRead<MemberCountOf> for Loaders {
    type Value = i64;

    async fn read(&self, keys: Vec<MemberCountOf>) -> Result<HashMap<MemberCountOf, i64>> {
        let ids: Vec<BoardId> = keys.iter().map(|key| key.0).collect();
        let counts = self.scope.member_counts(&ids).await?;
        Ok(counts.into_iter().map(|(board, count)| (MemberCountOf(board), count)).collect())
    }
}

impl BatchRead<GenerationById> for Loaders {
    type Value = Arc<Generation>;

    async fn read(
        &self,
        keys: Vec<GenerationById>,
    ) -> Result<HashMap<GenerationById, Arc<Generation>>> {
        let ids: Vec<GenerationId> = keys.iter().map(|key| key.0).collect();
        let generations = self.scope.generations_by_id(&ids).await?;
        Ok(generations
            .into_iter()
            .map(|found| (GenerationById(found.id), Arc::new(found)))
            .collect())
    }
}

impl BatchRead<TagsOf> for Loaders {
    type Value = Arc<Vec<Tag>>;

    async fn read(&self, keys: Vec<TagsOf>) -> Result<HashMap<TagsOf, Arc<Vec<Tag>>>> {
        let ids: Vec<GenerationId> = keys.iter().map(|key| key.0).collect();
        let tags = self.scope.tags_of(&ids).await?;
        Ok(grouped(tags.into_iter().map(|(generation, tag)| (TagsOf(generation), tag))))
    }
}

impl BatchRead<AttemptsAt> for Loaders {
    type Value = Arc<Vec<Attempt>>;

    async fn read(&self, keys: Vec<AttemptsAt>) -> Result<HashMap<AttemptsAt, Arc<Vec<Attempt>>>> {
        let ids: Vec<GenerationId> = keys.iter().map(|key| key.0).collect();
        let attempts = self.scope.attempts_at(&ids).await?;
        Ok(grouped(attempts.into_iter().map(|attempt| (AttemptsAt(attempt.generation), attempt))))
    }
}

impl BatchRead<LineageOf> for Loaders {
    type Value = Arc<LineageGraph>;

    async fn read(&self, keys: Vec<LineageOf>) -> Result<HashMap<LineageOf, Arc<LineageGraph>>> {
        let mut found = HashMap::new();
        let walks = keys.iter().map(|key| ((key.direction, key.max_depth), key.start));
        for ((direction, max_depth), starts) in grouped(walks) {
            let graphs = self.scope.lineage(&starts, direction, max_depth).await?;
            found.extend(graphs.into_iter().map(|(start, graph)| {
                (LineageOf { start, direction, max_depth }, Arc::new(graph))
            }));
        }
        Ok(found)
    }
}
