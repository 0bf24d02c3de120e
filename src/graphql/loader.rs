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

use async_graphql::{
    Context,
    dataloader::{DataLoader, Loader},
};

use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{
    domain::{BoardId, GenerationId, UserId},
    error::{Error, Result},
    store::{
        Board, Direction, Generation, GenerationPage, LineageGraph, Membership, Scope, Tag, User,
        UserBoards,
    },
};

/// Keys of one load: SQLite takes at most 500 branches of a UNION.
const MAX_BATCH: usize = 400;
/// Objects that the nested lists of one operation may show together.
const MAX_OBJECTS: usize = 20_000;

/// Reads nested objects for one operation.
pub(super) struct Loaders {
    scope: Scope,
}

impl Loaders {
    /// Loaders that remember nothing and ask once for what sibling fields ask for together.
    ///
    /// They read in tasks of their own, which stop when the guard is dropped: with the operation.
    pub(super) fn for_operation(scope: Scope) -> (DataLoader<Self>, DropGuard) {
        let ended = CancellationToken::new();
        let guard = ended.clone().drop_guard();
        let read = move |load| {
            let ended = ended.clone();
            tokio::spawn(async move { ended.run_until_cancelled(load).await });
        };
        (DataLoader::new(Self { scope }, read).max_batch_size(MAX_BATCH), guard)
    }
}

/// A user by id.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct UserById(pub(super) UserId);
/// Whether a user shares a board with the viewer.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct SharesBoard(pub(super) UserId);
/// The boards of a user.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct BoardsOf(pub(super) UserId, pub(super) UserBoards);
/// A board by id, if the viewer may see it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct BoardById(pub(super) BoardId);
/// The members of a board.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct MembersOf(pub(super) BoardId);
/// The number of generations on a board.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct CountOf(pub(super) BoardId);
/// A page of a board's generations.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct PageOf(pub(super) GenerationPage);
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

/// Loads one key together with those that the sibling fields ask for.
pub(super) async fn load<K>(
    context: &Context<'_>,
    key: K,
) -> Result<Option<<Loaders as Loader<K>>::Value>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    Loaders: Loader<K, Error = Arc<Error>>,
{
    let loader = context
        .data::<DataLoader<Loaders>>()
        .map_err(|_| Error::internal("an operation without loaders"))?;
    loader.load_one(key).await.map_err(|error| error.again())
}

/// Loads a list; what is in it counts against what one operation may show.
pub(super) async fn load_list<K, T>(context: &Context<'_>, key: K) -> Result<Arc<Vec<T>>>
where
    K: Send + Sync + Hash + Eq + Clone + 'static,
    T: Send + Sync + 'static,
    Loaders: Loader<K, Value = Arc<Vec<T>>, Error = Arc<Error>>,
{
    let list = load(context, key).await?.unwrap_or_default();
    let budget =
        context.data::<Budget>().map_err(|_| Error::internal("an operation without a budget"))?;
    budget.spend(list.len())?;
    Ok(list)
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

impl Loader<UserById> for Loaders {
    type Value = User;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[UserById]) -> Result<HashMap<UserById, User>, Arc<Error>> {
        let ids: Vec<UserId> = keys.iter().map(|key| key.0).collect();
        let users = self.scope.users_by_id(&ids).await?;
        Ok(users.into_iter().map(|user| (UserById(user.id), user)).collect())
    }
}

impl Loader<SharesBoard> for Loaders {
    type Value = ();
    type Error = Arc<Error>;

    async fn load(&self, keys: &[SharesBoard]) -> Result<HashMap<SharesBoard, ()>, Arc<Error>> {
        let ids: Vec<UserId> = keys.iter().map(|key| key.0).collect();
        let sharing = self.scope.sharing_a_board(&ids).await?;
        Ok(sharing.into_iter().map(|user| (SharesBoard(user), ())).collect())
    }
}

impl Loader<BoardsOf> for Loaders {
    type Value = Arc<Vec<Arc<Board>>>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[BoardsOf],
    ) -> Result<HashMap<BoardsOf, Arc<Vec<Arc<Board>>>>, Arc<Error>> {
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

impl Loader<BoardById> for Loaders {
    type Value = Arc<Board>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[BoardById]) -> Result<HashMap<BoardById, Arc<Board>>, Arc<Error>> {
        let ids: Vec<BoardId> = keys.iter().map(|key| key.0).collect();
        let boards = self.scope.boards_by_id(&ids).await?;
        Ok(boards.into_iter().map(|board| (BoardById(board.id), Arc::new(board))).collect())
    }
}

impl Loader<MembersOf> for Loaders {
    type Value = Arc<Vec<Membership>>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[MembersOf],
    ) -> Result<HashMap<MembersOf, Arc<Vec<Membership>>>, Arc<Error>> {
        let ids: Vec<BoardId> = keys.iter().map(|key| key.0).collect();
        let members = self.scope.members_of(&ids).await?;
        Ok(grouped(members.into_iter().map(|member| (MembersOf(member.board), member))))
    }
}

impl Loader<CountOf> for Loaders {
    type Value = i64;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[CountOf]) -> Result<HashMap<CountOf, i64>, Arc<Error>> {
        let ids: Vec<BoardId> = keys.iter().map(|key| key.0).collect();
        let counts = self.scope.generation_counts(&ids).await?;
        Ok(counts.into_iter().map(|(board, count)| (CountOf(board), count)).collect())
    }
}

impl Loader<PageOf> for Loaders {
    type Value = Arc<Vec<Arc<Generation>>>;
    type Error = Arc<Error>;

    /// Pages of one board with different windows cannot be told apart in one answer, so each window
    /// is a statement; a selection has as many of them as it has fields, whatever the rows.
    async fn load(
        &self,
        keys: &[PageOf],
    ) -> Result<HashMap<PageOf, Arc<Vec<Arc<Generation>>>>, Arc<Error>> {
        let mut found = HashMap::new();
        for (window, pages) in grouped(keys.iter().map(|key| (key.0.page, key.0))) {
            let generations = self.scope.generation_pages(&pages).await?;
            found.extend(grouped(generations.into_iter().map(|generation| {
                let key = PageOf(GenerationPage { board: generation.board, page: window });
                (key, Arc::new(generation))
            })));
        }
        Ok(found)
    }
}

impl Loader<GenerationById> for Loaders {
    type Value = Arc<Generation>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[GenerationById],
    ) -> Result<HashMap<GenerationById, Arc<Generation>>, Arc<Error>> {
        let ids: Vec<GenerationId> = keys.iter().map(|key| key.0).collect();
        let generations = self.scope.generations_by_id(&ids).await?;
        Ok(generations
            .into_iter()
            .map(|found| (GenerationById(found.id), Arc::new(found)))
            .collect())
    }
}

impl Loader<TagsOf> for Loaders {
    type Value = Arc<Vec<Tag>>;
    type Error = Arc<Error>;

    async fn load(&self, keys: &[TagsOf]) -> Result<HashMap<TagsOf, Arc<Vec<Tag>>>, Arc<Error>> {
        let ids: Vec<GenerationId> = keys.iter().map(|key| key.0).collect();
        let tags = self.scope.tags_of(&ids).await?;
        Ok(grouped(tags.into_iter().map(|(generation, tag)| (TagsOf(generation), tag))))
    }
}

impl Loader<LineageOf> for Loaders {
    type Value = Arc<LineageGraph>;
    type Error = Arc<Error>;

    async fn load(
        &self,
        keys: &[LineageOf],
    ) -> Result<HashMap<LineageOf, Arc<LineageGraph>>, Arc<Error>> {
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
