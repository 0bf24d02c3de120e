//! Boards: the type, the queries and the mutations.

use std::sync::Arc;

use async_graphql::{Context, InputObject, Json, MaybeUndefined, Object, Result};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use uuid::Uuid;

use super::{
    access::{Anyone, BoardPermission, Caller, SignedIn, access, granted, may},
    arguments::{
        BoardQueryRole, BoardRole, SortOrder, cost, list_cost, object, object_edit, page,
        required_edit, text_edit,
    },
    asked,
    auditing::Trail,
    connection::{CountedConnection, Total, Walk, page_cost},
    generation::{GenerationFields, GenerationObject},
    lean::{Fields, Lean, LeanList, Place, Resolved, list_each, one_each, shown, stored},
    loader::{GenerationsIn, MembersIn, MembersOf, PageOf, load_list, load_window, spent},
    member::{MemberFields, MemberObject},
    session::Session,
    user::{UserFields, UserObject},
};
use crate::{
    artifacts::Artifacts,
    domain::{BoardId, CursorList, Page, PageRequest, Permission, TokenScope, UserId, Validator},
    error::Error,
    jobs,
    store::{
        Board, BoardChanges, Generation, GenerationPage, GenerationParts, GenerationWindow,
        MemberWindow, Membership, NewBoard, UserParts,
    },
};

const TITLE_MAX: usize = 255;
const DESCRIPTION_MAX: usize = 10_000;
/// Characters of a text to search for.
pub(super) const QUERY_MAX: usize = 255;

/// A shared board of generated media.
#[derive(Clone)]
pub(super) struct BoardFields {
    board: Arc<Board>,
    /// False in the answer to a member who has just left a private board.
    visible: bool,
}

/// A board as a field shows it.
pub(super) type BoardObject = Lean<BoardFields>;

impl From<Arc<Board>> for BoardFields {
    fn from(board: Arc<Board>) -> Self {
        Self { board, visible: true }
    }
}

impl From<Arc<Board>> for BoardObject {
    fn from(board: Arc<Board>) -> Self {
        Self(board.into())
    }
}

impl From<Board> for BoardObject {
    fn from(board: Board) -> Self {
        Arc::new(board).into()
    }
}

impl BoardFields {
    /// The members, where they were read with the board.
    fn members_read(&self, parts: UserParts) -> Option<Arc<Vec<Arc<Membership>>>> {
        self.board.contents.members.clone().filter(|_| parts == UserParts::Face)
    }

    /// The generations on a page, where they were read with the board.
    fn generations_read(
        &self,
        page: Page,
        parts: GenerationParts,
    ) -> Option<Arc<Vec<Arc<Generation>>>> {
        let read = self.board.contents.generations.as_ref()?;
        (read.page == page && read.parts == parts).then(|| Arc::clone(&read.rows))
    }

    fn walk(&self, context: &Context<'_>, list: CursorList) -> Result<Walk, Error> {
        Walk::new(context, (list, self.board.tenant), &self.board.id.0.to_string())
    }
}

pub(super) fn objects(boards: Vec<Board>) -> LeanList<BoardFields> {
    boards.into_iter().map(BoardObject::from).collect()
}

/// A board on which generations are collected. Private boards are seen by their owner and members,
/// public ones by everyone in the tenant.
#[Object(name = "Board")]
impl BoardFields {
    /// Id of the board.
    async fn id(&self) -> Uuid {
        self.board.id.into()
    }

    /// Tenant that the board belongs to.
    async fn tenant_id(&self) -> Uuid {
        self.board.tenant.into()
    }

    /// User who owns the board.
    async fn owner_id(&self) -> Uuid {
        self.board.owner.into()
    }

    /// Title, 1 to 255 characters.
    async fn title(&self) -> &str {
        &self.board.title
    }

    /// What the board is about.
    async fn description(&self) -> Option<&str> {
        self.board.description.as_deref()
    }

    /// Whether everyone in the tenant may see the board, signed in or not.
    async fn is_public(&self) -> bool {
        self.board.is_public
    }

    /// Settings of the front end, a JSON object.
    async fn settings(&self) -> Json<serde_json::Value> {
        Json(self.board.settings.value())
    }

    /// Data of integrations, a JSON object.
    async fn metadata(&self) -> Json<serde_json::Value> {
        Json(self.board.metadata.value())
    }

    /// When the board was created.
    async fn created_at(&self) -> DateTime<Utc> {
        self.board.created_at
    }

    /// When the board itself was last changed.
    async fn updated_at(&self) -> DateTime<Utc> {
        self.board.updated_at
    }

    /// User who owns the board.
    async fn owner(&self, context: &Context<'_>) -> Result<UserObject> {
        match &self.board.owner_profile {
            Some(owner) => Ok(Arc::clone(owner).into()),
            None => UserObject::load(context, self.board.owner).await,
        }
    }

    /// Members in the order of joining; the owner is not one of them.
    #[graphql(
        guard = "Anyone(TokenScope::BoardsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::BoardsRead)),
        complexity = "cost(50, child_complexity)"
    )]
    async fn members(&self, context: &Context<'_>) -> Result<LeanList<MemberFields>> {
        if !self.visible {
            return Ok(LeanList::default());
        }
        let parts = asked::of_user(&context.look_ahead().field("user"));
        let parts = parts.unwrap_or(UserParts::Face);
        let members = match self.members_read(parts) {
            Some(members) => spent(context, members)?,
            None => load_list(context, MembersOf(self.board.id, parts)).await?,
        };
        Ok(members.iter().cloned().map(MemberObject::from).collect())
    }

    /// Generations on the board, newest first.
    #[graphql(
        guard = "Anyone(TokenScope::GenerationsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::GenerationsRead)),
        complexity = "list_cost(limit, 50, child_complexity)"
    )]
    async fn generations(
        &self,
        context: &Context<'_>,
        #[graphql(default = 50, desc = "Generations at most, 0 to 100.")] limit: Option<i32>,
        #[graphql(default = 0, desc = "Generations to pass over.")] offset: Option<i32>,
    ) -> Result<LeanList<GenerationFields>> {
        let page = page(limit, offset, 50)?;
        if !self.visible {
            return Ok(LeanList::default());
        }
        let parts = asked::of_generations(context);
        let generations = match self.generations_read(page, parts) {
            Some(generations) => spent(context, generations)?,
            None => {
                let page = GenerationPage { board: self.board.id, page };
                load_list(context, PageOf(page, parts)).await?
            }
        };
        Ok(generations.iter().cloned().map(GenerationObject::from).collect())
    }

    /// Members in the order of joining, by cursor; the owner is not one of them.
    #[graphql(
        guard = "Anyone(TokenScope::BoardsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::BoardsRead)),
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn members_connection(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Members at most, 0 to 100, from the beginning; 50 without `last`.")]
        first: Option<i32>,
        #[graphql(desc = "Cursor of the member behind whom the page begins.")] after: Option<
            String,
        >,
        #[graphql(desc = "Members at most, 0 to 100, from the end; not with `first`.")]
        last: Option<i32>,
        #[graphql(desc = "Cursor of the member before whom the page ends.")] before: Option<String>,
    ) -> Result<CountedConnection<MemberObject>> {
        let (after, before) = (after.as_deref(), before.as_deref());
        let walk = self.walk(context, CursorList::BoardMembers)?;
        let window = walk.window(PageRequest { first, after, last, before })?;
        if !self.visible {
            return Ok(walk.empty_page(window));
        }
        let board = self.board.id;
        let members = load_window(context, MembersIn(MemberWindow { board, window })).await?;
        Ok(walk.counted_page(members, window, Total::MembersOf(board), MemberObject::from))
    }

    /// Generations on the board, newest first, by cursor.
    #[graphql(
        guard = "Anyone(TokenScope::GenerationsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::GenerationsRead)),
        complexity = "page_cost(first, last, child_complexity)"
    )]
    async fn generations_connection(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Generations at most, 0 to 100, from the beginning; 50 without `last`.")]
        first: Option<i32>,
        #[graphql(desc = "Cursor of the generation behind which the page begins.")] after: Option<
            String,
        >,
        #[graphql(desc = "Generations at most, 0 to 100, from the end; not with `first`.")]
        last: Option<i32>,
        #[graphql(desc = "Cursor of the generation before which the page ends.")] before: Option<
            String,
        >,
    ) -> Result<CountedConnection<GenerationObject>> {
        let (after, before) = (after.as_deref(), before.as_deref());
        let walk = self.walk(context, CursorList::BoardGenerations)?;
        let window = walk.window(PageRequest { first, after, last, before })?;
        if !self.visible {
            return Ok(walk.empty_page(window));
        }
        let board = self.board.id;
        let key = GenerationsIn(GenerationWindow { board, window });
        let generations = load_window(context, key).await?;
        let total = Total::Known(self.board.generation_count);
        Ok(walk.counted_page(generations, window, total, GenerationObject::from))
    }

    /// Number of generations on the board.
    #[graphql(
        guard = "Anyone(TokenScope::GenerationsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::GenerationsRead))
    )]
    async fn generation_count(&self) -> i64 {
        if self.visible { self.board.generation_count } else { 0 }
    }
}

impl Fields for BoardFields {
    fn at_hand(&self, context: &Context<'_>, text: &mut Vec<u8>) -> bool {
        match context.item.node.name.node.as_str() {
            "id" => shown(self.id(context), text),
            "tenantId" => shown(self.tenant_id(context), text),
            "ownerId" => shown(self.owner_id(context), text),
            "title" => shown(self.title(context), text),
            "description" => shown(self.description(context), text),
            "isPublic" => shown(self.is_public(context), text),
            "settings" => stored(&self.board.settings, text),
            "metadata" => stored(&self.board.metadata, text),
            "createdAt" => shown(self.created_at(context), text),
            "updatedAt" => shown(self.updated_at(context), text),
            "generationCount" if may(context, TokenScope::GenerationsRead) => {
                shown(self.generation_count(context), text)
            }
            _ => false,
        }
    }

    fn together<'a>(places: &'a [Place<'a, Self>]) -> Option<BoxFuture<'a, Vec<Resolved>>> {
        let context = &places.first()?.context;
        let boards = places.iter().map(|place| place.object);
        match context.item.node.name.node.as_str() {
            "owner" => {
                let named = |board: &Self| (board.board.owner, board.board.owner_profile.clone());
                let owners = boards.map(named).collect();
                one_each(places, UserFields::load_each(context, owners))
            }
            "members"
                if may(context, TokenScope::BoardsRead) && boards.clone().all(|b| b.visible) =>
            {
                let parts = asked::of_user(&context.look_ahead().field("user"));
                let parts = parts.unwrap_or(UserParts::Face);
                let read: Option<Vec<_>> =
                    boards.clone().map(|board| board.members_read(parts)).collect();
                if let Some(read) = read {
                    let members = |list| Ok(MemberFields::of_list(&spent(context, list)?));
                    let read = read.into_iter().map(members).collect();
                    return list_each(places, std::future::ready(read));
                }
                let keys = boards.map(|board| MembersOf(board.board.id, parts)).collect();
                list_each(places, MemberFields::load_each(context, keys))
            }
            _ => None,
        }
    }
}

#[derive(Default)]
pub(super) struct BoardQueries;

#[Object]
impl BoardQueries {
    /// The board with that id; null when there is none in the tenant.
    #[graphql(
        guard = "Anyone(TokenScope::BoardsRead)",
        directive = access::apply(
            Caller::Anyone,
            Some(BoardPermission::View),
            granted(TokenScope::BoardsRead),
        )
    )]
    async fn board(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the board.")] id: Uuid,
    ) -> Result<Option<BoardObject>> {
        Ok(Session::scope_of(context)?
            .board_with(id.into(), asked::of_boards(context), asked::on_board(context))
            .await?
            .map(BoardObject::from))
    }

    /// Boards that the caller owns or is a member of.
    #[graphql(
        guard = "SignedIn(TokenScope::BoardsRead)",
        directive = access::apply(Caller::User, None, granted(TokenScope::BoardsRead)),
        complexity = "list_cost(limit, 50, child_complexity)"
    )]
    async fn my_boards(
        &self,
        context: &Context<'_>,
        #[graphql(default = 50, desc = "Boards at most, 0 to 100.")] limit: Option<i32>,
        #[graphql(default = 0, desc = "Boards to pass over.")] offset: Option<i32>,
        #[graphql(
            default_with = "Some(BoardQueryRole::Any)",
            desc = "How the caller stands to the boards."
        )]
        role: Option<BoardQueryRole>,
        #[graphql(default_with = "Some(SortOrder::UpdatedDesc)", desc = "Order of the list.")]
        sort: Option<SortOrder>,
    ) -> Result<LeanList<BoardFields>> {
        let page = page(limit, offset, 50)?;
        let role = role.unwrap_or(BoardQueryRole::Any).into();
        let sort = sort.unwrap_or(SortOrder::UpdatedDesc).into();
        Ok(objects(
            Session::scope_of(context)?
                .my_boards(role, sort, page, asked::of_boards(context))
                .await?,
        ))
    }

    /// Public boards of the tenant.
    #[graphql(
        guard = "Anyone(TokenScope::BoardsRead)",
        directive = access::apply(Caller::Anyone, None, granted(TokenScope::BoardsRead)),
        complexity = "list_cost(limit, 50, child_complexity)"
    )]
    async fn public_boards(
        &self,
        context: &Context<'_>,
        #[graphql(default = 50, desc = "Boards at most, 0 to 100.")] limit: Option<i32>,
        #[graphql(default = 0, desc = "Boards to pass over.")] offset: Option<i32>,
        #[graphql(default_with = "Some(SortOrder::UpdatedDesc)", desc = "Order of the list.")]
        sort: Option<SortOrder>,
    ) -> Result<LeanList<BoardFields>> {
        let page = page(limit, offset, 50)?;
        let sort = sort.unwrap_or(SortOrder::UpdatedDesc).into();
        Ok(objects(
            Session::scope_of(context)?
                .public_board_list(sort, page, asked::of_boards(context))
                .await?,
        ))
    }

    /// Boards that the caller may see and whose title or description holds the text, whatever the
    /// case; title hits first.
    #[graphql(
        guard = "SignedIn(TokenScope::BoardsRead)",
        directive = access::apply(Caller::User, None, granted(TokenScope::BoardsRead)),
        complexity = "list_cost(limit, 50, child_complexity)"
    )]
    async fn search_boards(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Text to look for, 1 to 255 characters; % and _ are letters.")]
        query: String,
        #[graphql(default = 50, desc = "Boards at most, 0 to 100.")] limit: Option<i32>,
        #[graphql(default = 0, desc = "Boards to pass over.")] offset: Option<i32>,
    ) -> Result<LeanList<BoardFields>> {
        let mut validator = Validator::new();
        let text = validator.text("query", &query, QUERY_MAX);
        validator.finish()?;
        let page = page(limit, offset, 50)?;
        Ok(objects(Session::scope_of(context)?.search_boards(&text, page).await?))
    }
}

/// A board to be created.
#[derive(InputObject)]
struct CreateBoardInput {
    /// Title, 1 to 255 characters after trimming.
    title: String,
    /// What the board is about, at most 10,000 characters.
    description: Option<String>,
    /// Whether everyone in the tenant may see the board.
    #[graphql(default_with = "Some(false)")]
    is_public: Option<bool>,
    /// Settings of the front end, a JSON object of at most 64 KiB.
    settings: Option<Json<serde_json::Value>>,
    /// Data of integrations, a JSON object of at most 64 KiB.
    metadata: Option<Json<serde_json::Value>>,
}

impl CreateBoardInput {
    fn check(self) -> Result<NewBoard, Error> {
        let mut validator = Validator::new();
        let new = NewBoard {
            title: validator.text("input.title", &self.title, TITLE_MAX),
            description: self.description.and_then(|text| {
                validator.optional_text("input.description", &text, DESCRIPTION_MAX)
            }),
            is_public: self.is_public.unwrap_or_default(),
            settings: object("input.settings", self.settings.as_ref(), &mut validator),
            metadata: object("input.metadata", self.metadata.as_ref(), &mut validator),
        };
        validator.finish()?;
        Ok(new)
    }
}

/// Changes to a board. What is omitted stays; null clears what may be empty.
#[derive(InputObject)]
struct UpdateBoardInput {
    /// Id of the board.
    id: Uuid,
    /// New title, 1 to 255 characters after trimming.
    title: MaybeUndefined<String>,
    /// New description; null removes it.
    description: MaybeUndefined<String>,
    /// New visibility.
    is_public: MaybeUndefined<bool>,
    /// Merged into the present settings (RFC 7396): members that are null are removed; null as a
    /// whole empties the settings.
    settings: MaybeUndefined<Json<serde_json::Value>>,
    /// Replaces the present metadata; null empties it.
    metadata: MaybeUndefined<Json<serde_json::Value>>,
}

impl UpdateBoardInput {
    fn check(self) -> Result<BoardChanges, Error> {
        let mut validator = Validator::new();
        let title = required_edit("input.title", self.title, &mut validator)
            .map(|title| validator.text("input.title", &title, TITLE_MAX));
        let changes = BoardChanges {
            title,
            description: text_edit(
                "input.description",
                self.description,
                DESCRIPTION_MAX,
                &mut validator,
            ),
            is_public: required_edit("input.isPublic", self.is_public, &mut validator),
            settings: object_edit("input.settings", self.settings, &mut validator),
            metadata: object_edit("input.metadata", self.metadata, &mut validator),
        };
        validator.finish()?;
        Ok(changes)
    }
}

/// A user to be made a member.
#[derive(InputObject)]
struct AddBoardMemberInput {
    /// Id of the board.
    board_id: Uuid,
    /// Id of a user of the tenant, not the owner.
    user_id: Uuid,
    /// What the member may do.
    #[graphql(default_with = "Some(BoardRole::Viewer)")]
    role: Option<BoardRole>,
}

#[derive(Default)]
pub(super) struct BoardMutations;

#[Object]
impl BoardMutations {
    /// Creates a board that the caller owns.
    #[graphql(
        guard = "SignedIn(TokenScope::BoardsWrite)",
        directive = access::apply(Caller::User, None, granted(TokenScope::BoardsWrite))
    )]
    async fn create_board(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The board.")] input: CreateBoardInput,
    ) -> Result<BoardObject> {
        let scope = Session::scope_of(context)?;
        let made = scope.create_board(input.check()?).await?;
        Trail::made(context, "board", made.id);
        Ok(made.into())
    }

    /// Changes a board.
    #[graphql(
        guard = "SignedIn(TokenScope::BoardsWrite)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::Update),
            granted(TokenScope::BoardsWrite),
        )
    )]
    async fn update_board(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The changes.")] input: UpdateBoardInput,
    ) -> Result<BoardObject> {
        let scope = Session::scope_of(context)?;
        let board = scope.authorize_board(input.id.into(), Permission::Update).await?;
        Ok(board.update(input.check()?).await?.into())
    }

    /// Deletes a board with its generations and their files.
    #[graphql(
        guard = "SignedIn(TokenScope::BoardsWrite)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::Delete),
            granted(TokenScope::BoardsWrite),
        )
    )]
    async fn delete_board(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the board.")] id: Uuid,
    ) -> Result<bool> {
        let scope = Session::scope_of(context)?;
        let board = scope.authorize_board(id.into(), Permission::Delete).await?;
        jobs::delete_board(context.data::<Artifacts>()?, board).await?;
        Ok(true)
    }

    /// Makes a user of the tenant a member of a board.
    #[graphql(
        guard = "SignedIn(TokenScope::MembersWrite)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::ManageMembers),
            granted(TokenScope::MembersWrite),
        )
    )]
    async fn add_board_member(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "The member.")] input: AddBoardMemberInput,
    ) -> Result<BoardObject> {
        let role = input.role.unwrap_or(BoardRole::Viewer).into();
        let board = Session::scope_of(context)?
            .authorize_board(input.board_id.into(), Permission::ManageMembers)
            .await?;
        Ok(board.add_member(input.user_id.into(), role).await?.into())
    }

    /// Takes a member off a board. Every member may take themselves off.
    #[graphql(
        guard = "SignedIn(TokenScope::MembersWrite)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::ManageMembers),
            granted(TokenScope::MembersWrite),
        )
    )]
    async fn remove_board_member(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the board.")] board_id: Uuid,
        #[graphql(desc = "Id of the member's user.")] user_id: Uuid,
    ) -> Result<BoardObject> {
        let scope = Session::scope_of(context)?;
        let (board_id, member) = (BoardId(board_id), UserId(user_id));
        let board = scope.authorize_removal(board_id, member).await?.remove_member(member).await?;
        let visible = board.is_public || scope.user()? != member;
        Ok(Lean(BoardFields { board: Arc::new(board), visible }))
    }

    /// Gives a member of a board another role.
    #[graphql(
        guard = "SignedIn(TokenScope::MembersWrite)",
        directive = access::apply(
            Caller::User,
            Some(BoardPermission::ManageMembers),
            granted(TokenScope::MembersWrite),
        )
    )]
    async fn update_board_member_role(
        &self,
        context: &Context<'_>,
        #[graphql(desc = "Id of the board.")] board_id: Uuid,
        #[graphql(desc = "Id of the member's user.")] user_id: Uuid,
        #[graphql(desc = "The new role.")] role: BoardRole,
    ) -> Result<BoardObject> {
        let board = Session::scope_of(context)?
            .authorize_board(board_id.into(), Permission::ManageMembers)
            .await?;
        Ok(board.change_role(user_id.into(), role.into()).await?.into())
    }
}
