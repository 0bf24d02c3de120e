//! Everyone who calls, and the boards that they call for.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::atomic::{AtomicUsize, Ordering},
};

use serde_json::{Value, json};

use crate::support::{Client, TestApp, png, text};

/// How a caller stands to the boards of a [`Place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Actor {
    Owner,
    Admin,
    Editor,
    Viewer,
    /// Of the same tenant, without a part in the board; an admin of the tenant.
    Outsider,
    /// Without a token.
    Anonymous,
    /// A user of another tenant.
    Foreigner,
    /// The owner's subject, in another tenant, whose admin it is.
    Twin,
    /// Was an editor and made a generation; is no member any more.
    Removed,
    /// Was an editor and made a generation; is a viewer now.
    Demoted,
}

impl Actor {
    /// In the order of the table's columns.
    pub(super) const ALL: [Self; 10] = [
        Self::Owner,
        Self::Admin,
        Self::Editor,
        Self::Viewer,
        Self::Outsider,
        Self::Anonymous,
        Self::Foreigner,
        Self::Twin,
        Self::Removed,
        Self::Demoted,
    ];

    fn client(self, app: &TestApp) -> Client {
        match self {
            Self::Anonymous => app.anonymous().with_tenant("one"),
            Self::Foreigner => app.user_of("two", "foreigner"),
            Self::Twin => app.user_of("two", "owner"),
            other => app.user_of("one", &format!("{other:?}").to_lowercase()),
        }
    }
}

/// A server with two tenants, and everyone who calls it.
pub(super) struct World {
    pub(super) app: TestApp,
    clients: HashMap<Actor, Client>,
    ids: HashMap<Actor, String>,
    /// Users of tenant one who never call: one is a member of every board, the other of none.
    pub(super) bystander: String,
    pub(super) newcomer: String,
    /// A picture that the server may fetch.
    pub(super) picture_url: String,
    counter: AtomicUsize,
}

/// A board with members, generations and a tag.
#[derive(Default)]
pub(super) struct Place {
    pub(super) board: String,
    pub(super) tag: String,
    pub(super) tag_slug: String,
    /// The owner's.
    pub(super) access_token: String,
    /// One that waits in the queue, for each actor who could make one once.
    generations: HashMap<Actor, String>,
    pub(super) cancelled: String,
    /// An invitation into the tenant, and the address that it is for.
    pub(super) invitation: String,
    pub(super) invited: String,
}

impl Place {
    /// The actor's own generation; the owner's for an actor who never could make one.
    pub(super) fn own(&self, actor: Actor) -> &str {
        self.generations.get(&actor).map_or(self.made_by_owner(), String::as_str)
    }

    /// A generation that is not the actor's.
    pub(super) fn not_own(&self, actor: Actor) -> &str {
        match actor {
            Actor::Owner => &self.generations[&Actor::Editor],
            _ => self.made_by_owner(),
        }
    }

    /// The owner's, which bears the tag.
    pub(super) fn made_by_owner(&self) -> &str {
        &self.generations[&Actor::Owner]
    }
}

impl World {
    pub(super) async fn start() -> Self {
        let pictures = serve_a_picture().await;
        let app = TestApp::builder().tenants(&["one", "two"]).fetch_from(pictures).start().await;
        let mut clients = HashMap::new();
        let mut ids = HashMap::new();
        for actor in Actor::ALL {
            let client = actor.client(&app);
            if actor != Actor::Anonymous {
                ids.insert(actor, client.id().await);
            }
            if matches!(actor, Actor::Outsider | Actor::Twin) {
                app.make_admin(&client).await;
            }
            clients.insert(actor, client);
        }
        let bystander = app.user_of("one", "bystander").id().await;
        let newcomer = app.user_of("one", "newcomer").id().await;
        let picture_url = format!("http://{pictures}/dot.png");
        let counter = AtomicUsize::new(0);
        Self { app, clients, ids, bystander, newcomer, picture_url, counter }
    }

    pub(super) fn client(&self, actor: Actor) -> &Client {
        &self.clients[&actor]
    }

    /// The actor's user id; the owner's for one who has none.
    pub(super) fn id(&self, actor: Actor) -> &str {
        self.ids.get(&actor).unwrap_or_else(|| &self.ids[&Actor::Owner])
    }

    /// A text that was not used before.
    pub(super) fn unique(&self, stem: &str) -> String {
        format!("{stem}-{}", self.counter.fetch_add(1, Ordering::Relaxed))
    }

    /// A new board on which everyone stands as their name says.
    pub(super) async fn place(&self, public: bool) -> Place {
        let owner = self.client(Actor::Owner);
        let board = owner.board(&self.unique("Needle"), public).await;
        let add = "mutation($b: UUID!, $a: UUID!, $e: UUID!, $v: UUID!, $r: UUID!, $d: UUID!, $y: UUID!) {
            a: addBoardMember(input: { boardId: $b, userId: $a, role: ADMIN }) { id }
            e: addBoardMember(input: { boardId: $b, userId: $e, role: EDITOR }) { id }
            v: addBoardMember(input: { boardId: $b, userId: $v, role: VIEWER }) { id }
            r: addBoardMember(input: { boardId: $b, userId: $r, role: EDITOR }) { id }
            d: addBoardMember(input: { boardId: $b, userId: $d, role: EDITOR }) { id }
            y: addBoardMember(input: { boardId: $b, userId: $y, role: VIEWER }) { id } }";
        let members = json!({
            "b": board, "a": self.id(Actor::Admin), "e": self.id(Actor::Editor),
            "v": self.id(Actor::Viewer), "r": self.id(Actor::Removed),
            "d": self.id(Actor::Demoted), "y": self.bystander,
        });
        owner.data(add, members).await;
        let mut generations = HashMap::new();
        for actor in [Actor::Owner, Actor::Admin, Actor::Editor, Actor::Removed, Actor::Demoted] {
            let params = json!({ "prompt": "a calm sea" });
            let made = self.client(actor).generate(&board, "pattern-image", params).await;
            generations.insert(actor, made);
        }
        let tag_slug = self.unique("tag");
        let finish = "mutation($b: UUID!, $r: UUID!, $d: UUID!, $s: String!) {
            removeBoardMember(boardId: $b, userId: $r) { id }
            updateBoardMemberRole(boardId: $b, userId: $d, role: VIEWER) { id }
            createTag(input: { name: $s }) { id }
            createAccessToken(name: $s, scopes: \"boards:read\") { accessToken { id } }
            createGeneration(input: { boardId: $b, generatorName: \"pattern-image\",
                artifactType: IMAGE, inputParams: { prompt: \"a storm\" } }) { id } }";
        let finish_variables = json!({
            "b": board, "r": self.id(Actor::Removed), "d": self.id(Actor::Demoted), "s": tag_slug,
        });
        let finished = owner.data(finish, finish_variables).await;
        let tag = text(&finished["createTag"]["id"]);
        let access_token = text(&finished["createAccessToken"]["accessToken"]["id"]);
        let cancelled = text(&finished["createGeneration"]["id"]);
        let mark = "mutation($c: UUID!, $g: UUID!, $t: UUID!) {
            cancelGeneration(id: $c) { id }
            addTagToGeneration(generationId: $g, tagId: $t) { id } }";
        let marks = json!({ "c": cancelled, "g": generations[&Actor::Owner], "t": tag });
        owner.data(mark, marks).await;
        let invited = format!("{}@x.example", self.unique("guest"));
        let invite = "mutation($e: String!) { inviteUser(input: { email: $e }) { id } }";
        let made = self.client(Actor::Outsider).data(invite, json!({ "e": invited })).await;
        let invitation = text(&made["inviteUser"]["id"]);
        Place { board, tag, tag_slug, access_token, generations, cancelled, invitation, invited }
    }

    /// A place of which there is nothing but the tag.
    pub(super) async fn only_a_tag(&self) -> Place {
        let tag_slug = self.unique("tag");
        let query = "mutation($s: String!) { createTag(input: { name: $s }) { id } }";
        let made = self.client(Actor::Owner).data(query, json!({ "s": tag_slug })).await;
        Place { tag: text(&made["createTag"]["id"]), tag_slug, ..Place::default() }
    }

    /// All that a refused change could have changed, as the owner sees it.
    pub(super) async fn snapshot(&self, place: &Place) -> Value {
        let query = "query($b: UUID!, $t: UUID!) {
            board(id: $b) {
                title description isPublic settings metadata updatedAt generationCount
                members { id userId role joinedAt }
                generations { id status updatedAt tags { id } } }
            tag(id: $t) { name slug }
            accessTokens { id name scopes } }";
        let variables = json!({ "b": place.board, "t": place.tag });
        let mut seen = self.client(Actor::Owner).data(query, variables).await;
        // The owner has others for other places.
        let tokens = seen["accessTokens"].as_array_mut().expect("a list");
        tokens.retain(|token| token["id"] == place.access_token);
        seen
    }
}

async fn serve_a_picture() -> SocketAddr {
    let picture = || async { ([("content-type", "image/png")], png(8, 8)) };
    let routes = axum::Router::new().route("/dot.png", axum::routing::get(picture));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    tokio::spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
    address
}
