//! Two tenants never meet: users of both do random things, each with every id that anyone has ever
//! seen, and no answer to one tenant ever holds an id, title, name, email or count of the other. What
//! lives in the other tenant answers exactly as what does not exist.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::support::{Client, Issuer, Socket, TestApp, png, text};

const STEPS: usize = 400;
const TENANTS: [&str; 2] = ["one", "two"];
const USER: &str = "id tenantId authSubject email displayName";
/// Same walk again: `BOARDS_TEST_SEED=… cargo test --test it isolation::`.
const SEED: &str = "BOARDS_TEST_SEED";

/// `SplitMix64`: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % (bound as u64)).expect("below the bound")
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        if list.is_empty() { None } else { list.get(self.below(list.len())) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    Board,
    Generation,
    /// A generation that is a finished picture.
    Image,
    Tag,
    User,
    AccessToken,
    /// A user who never calls, and may be suspended.
    Bystander,
    Invitation,
}

/// A request. Its ids stand in its text, so that others can be put in their place.
#[derive(Clone, Debug)]
enum Call {
    Graphql { field: String, query: String, variables: Value },
    Upload { board: String, parent: Option<String> },
    Progress { id: String },
    File { path: String },
}

impl Call {
    fn text(&self) -> String {
        match self {
            Self::Graphql { variables, .. } => variables.to_string(),
            other => format!("{other:?}"),
        }
    }

    fn with(&self, old: &str, new: &str) -> Self {
        let put = |text: &String| text.replace(old, new);
        match self.clone() {
            Self::Graphql { field, query, variables } => {
                let variables = serde_json::from_str(&put(&variables.to_string())).expect("JSON");
                Self::Graphql { field, query, variables }
            }
            Self::Upload { board, parent } => {
                Self::Upload { board: put(&board), parent: parent.as_ref().map(put) }
            }
            Self::Progress { id } => Self::Progress { id: put(&id) },
            Self::File { path } => Self::File { path: put(&path) },
        }
    }

    /// Status and body. Of a stream that was let through, only the status.
    async fn send(&self, caller: &Client) -> (u16, String) {
        let request = match self {
            Self::Graphql { query, variables, .. } => {
                caller.post("/graphql").json(&json!({ "query": query, "variables": variables }))
            }
            Self::Upload { board, parent } => {
                let mut form = reqwest::multipart::Form::new()
                    .text("board_id", board.clone())
                    .text("artifact_type", "image");
                if let Some(parent) = parent {
                    form = form.text("parent_generation_id", parent.clone());
                }
                let file = reqwest::multipart::Part::bytes(png(4, 4)).file_name("dot.png");
                caller.post("/api/uploads/artifact").multipart(form.part("file", file))
            }
            Self::Progress { id } => caller.get(&format!("/api/sse/generations/{id}/progress")),
            Self::File { path } => caller.get(path),
        };
        let response = request.send().await.expect("an answer");
        let status = response.status().as_u16();
        if matches!(self, Self::Progress { .. }) && status == 200 {
            return (status, String::new());
        }
        let body = response.bytes().await.expect("a body");
        (status, String::from_utf8_lossy(&body).into_owned())
    }
}

/// Every UUID in a text.
fn ids_in(text: &str) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    let mut from = 0;
    while let Some(window) = text.as_bytes().get(from..from + 36) {
        let window = std::str::from_utf8(window).ok();
        match window.filter(|w| w.contains('-')).and_then(|w| Uuid::try_parse(w).ok()) {
            Some(id) => {
                ids.insert(id.to_string());
                from += 36;
            }
            None => from += 1,
        }
    }
    ids
}

#[derive(Debug)]
struct ModelBoard {
    owner: usize,
    is_public: bool,
    members: BTreeSet<usize>,
    generations: BTreeSet<String>,
}

impl ModelBoard {
    fn is_of(&self, user: usize) -> bool {
        self.owner == user || self.members.contains(&user)
    }
}

/// What there is in one tenant, going by its own answers.
struct World {
    name: &'static str,
    users: Vec<Client>,
    user_ids: Vec<String>,
    bystander: String,
    boards: BTreeMap<String, ModelBoard>,
    tags: BTreeMap<String, String>,
}

impl World {
    async fn new(app: &TestApp, name: &'static str) -> Self {
        let mut users = Vec::new();
        let mut user_ids = Vec::new();
        for subject in ["ada", "bob", "twin"] {
            // One subject is in both tenants; what they say of it differs.
            let own = format!("mark-{name}-{subject}");
            let claims = json!({
                "sub": if subject == "twin" { subject } else { own.as_str() },
                "name": own, "email": format!("{own}@mark-{name}.example"), "email_verified": true,
            });
            let token = Issuer::trusted().token(&claims);
            let user = app.anonymous().with_token(&token).with_tenant(name);
            user_ids.push(user.id().await);
            users.push(user);
        }
        // Who runs a tenant is told no more of the other than anyone.
        app.make_admin(&users[0]).await;
        let claims =
            json!({ "sub": format!("mark-{name}-eve"), "name": format!("mark-{name}-eve") });
        let eve = app.anonymous().with_token(&Issuer::trusted().token(&claims)).with_tenant(name);
        let bystander = eve.id().await;
        Self { name, users, user_ids, bystander, boards: BTreeMap::new(), tags: BTreeMap::new() }
    }

    /// The model follows an operation that went well.
    fn follow(&mut self, user: Option<usize>, field: &str, variables: &Value, data: &Value) {
        let input = variables.get("input").unwrap_or(variables);
        let given = |name: &str| input.get(name).and_then(Value::as_str).map(str::to_owned);
        let member = given("userId").and_then(|id| self.user_ids.iter().position(|u| *u == id));
        let board = given("boardId").or_else(|| given("id"));
        let board = board.and_then(|id| self.boards.get_mut(&id));
        match field {
            "createBoard" => {
                let is_public = input["isPublic"] == true;
                let owner = user.expect("a user made it");
                let (members, generations) = (BTreeSet::new(), BTreeSet::new());
                let board = ModelBoard { owner, is_public, members, generations };
                self.boards.insert(text(&data["id"]), board);
            }
            "updateBoard" => board.expect("its own").is_public = input["isPublic"] == true,
            "deleteBoard" => drop(self.boards.remove(&text(&input["id"]))),
            "addBoardMember" => {
                board.expect("its own").members.insert(member.expect("its own"));
            }
            "removeBoardMember" => {
                board.expect("its own").members.remove(&member.expect("its own"));
            }
            "createGeneration" | "regenerate" | "retryGeneration" => {
                let board = self.boards.get_mut(&text(&data["boardId"])).expect("its own");
                board.generations.insert(text(&data["id"]));
            }
            "deleteGeneration" => {
                let id = text(&input["id"]);
                for board in self.boards.values_mut() {
                    board.generations.remove(&id);
                }
            }
            "createTag" => drop(self.tags.insert(text(&data["id"]), text(&data["slug"]))),
            "deleteTag" => drop(self.tags.remove(&text(&input["id"]))),
            _ => {}
        }
    }
}

struct Walk {
    seed: u64,
    random: Random,
    worlds: [World; 2],
    /// The tenant that was first answered with an id.
    tenant_of: HashMap<String, usize>,
    /// Ids by what they are, of both tenants, those of deleted things too.
    ids: HashMap<Kind, Vec<(String, usize)>>,
    files: Vec<(String, usize)>,
    fields: Vec<String>,
    refused_foreign: usize,
    went_well: BTreeSet<String>,
}

impl Walk {
    async fn new(app: &TestApp, seed: u64) -> Self {
        let worlds = [World::new(app, TENANTS[0]).await, World::new(app, TENANTS[1]).await];
        let mut ids: HashMap<Kind, Vec<(String, usize)>> = HashMap::new();
        let mut tenant_of = HashMap::new();
        for (tenant, world) in worlds.iter().enumerate() {
            for id in &world.user_ids {
                ids.entry(Kind::User).or_default().push((id.clone(), tenant));
                tenant_of.insert(id.clone(), tenant);
            }
            ids.entry(Kind::Bystander).or_default().push((world.bystander.clone(), tenant));
            tenant_of.insert(world.bystander.clone(), tenant);
        }
        let mut fields = root_fields(&worlds[0].users[0]).await;
        let often =
            ["createBoard", "createBoard", "createGeneration", "upload", "upload", "createTag"];
        fields.extend(often.into_iter().chain(["upload", "progress", "file"]).map(str::to_owned));
        let random = Random(seed);
        let (files, went_well) = (Vec::new(), BTreeSet::new());
        Self { seed, random, worlds, tenant_of, ids, files, fields, refused_foreign: 0, went_well }
    }

    /// An id of that kind: mostly the tenant's own, often the other's, now and then nobody's.
    fn id(&mut self, tenant: usize, kind: Kind) -> String {
        let wanted = if self.random.chance(65) { tenant } else { 1 - tenant };
        let known = self.ids.get(&kind).map_or(&[][..], Vec::as_slice);
        let of_tenant: Vec<&String> =
            known.iter().filter(|(_, of)| *of == wanted).map(|(id, _)| id).collect();
        match self.random.pick(&of_tenant) {
            Some(id) if !self.random.chance(4) => (*id).clone(),
            _ => Uuid::new_v4().to_string(),
        }
    }

    /// A text that says whose it is.
    fn words(&mut self, tenant: usize) -> String {
        format!("mark-{}-{}", self.worlds[tenant].name, self.random.below(1_000_000))
    }

    fn graphql(field: &str, parameters: &str, arguments: &str, selection: &str, v: Value) -> Call {
        let kind = if MUTATIONS.contains(&field) { "mutation" } else { "query" };
        let parameters =
            if parameters.is_empty() { String::new() } else { format!("({parameters})") };
        let arguments = if arguments.is_empty() { String::new() } else { format!("({arguments})") };
        let query = format!("{kind}{parameters} {{ {field}{arguments} {selection} }}");
        Call::Graphql { field: field.to_owned(), query, variables: v }
    }

    fn propose(&mut self, tenant: usize) -> Call {
        let place = self.random.below(self.fields.len());
        let field = self.fields[place].clone();
        match field.as_str() {
            "upload" => {
                let board = self.id(tenant, Kind::Board);
                let parent = self.random.chance(40).then(|| self.id(tenant, Kind::Generation));
                Call::Upload { board, parent }
            }
            "progress" => Call::Progress { id: self.id(tenant, Kind::Generation) },
            "file" => match self.random.pick(&self.files) {
                Some((path, _)) => Call::File { path: path.clone() },
                None => Call::Progress { id: self.id(tenant, Kind::Generation) },
            },
            field if MUTATIONS.contains(&field) => self.mutation(tenant, field),
            field => self.query(tenant, field),
        }
    }

    fn query(&mut self, tenant: usize, field: &str) -> Call {
        let (board, generation, user) = (board(), generation(), user());
        let by_id = |kind: Kind, selection: &str, walk: &mut Self| {
            let variables = json!({ "id": walk.id(tenant, kind) });
            Self::graphql(field, "$id: UUID!", "id: $id", selection, variables)
        };
        match field {
            "me" => Self::graphql(field, "", "", &user, json!({})),
            "user" => by_id(Kind::User, &user, self),
            "board" => by_id(Kind::Board, &board, self),
            "generation" => by_id(Kind::Generation, &generation, self),
            "tag" => by_id(Kind::Tag, "{ id tenantId name slug description metadata }", self),
            "tagBySlug" => {
                let whose = if self.random.chance(50) { tenant } else { 1 - tenant };
                let slugs: Vec<String> = self.worlds[whose].tags.values().cloned().collect();
                let slug = self.random.pick(&slugs).cloned().unwrap_or_default();
                let selection = "{ id tenantId name description }";
                Self::graphql(field, "$s: String!", "slug: $s", selection, json!({ "s": slug }))
            }
            "myBoards" | "publicBoards" => Self::graphql(field, "", "limit: 20", &board, json!({})),
            "myBoardsConnection" | "publicBoardsConnection" => {
                let selection = connection(&board);
                let end = ["first: 20", "last: 20"][self.random.below(2)];
                Self::graphql(field, "", end, &selection, json!({}))
            }
            "searchBoardsConnection" => {
                let text = ["mark-", "mark-one", "mark-two"][self.random.below(3)];
                let selection = connection(&board);
                Self::graphql(
                    field,
                    "$q: String!",
                    "query: $q, first: 20",
                    &selection,
                    json!({ "q": text }),
                )
            }
            "recentGenerationsConnection" => {
                let id = self.random.chance(60).then(|| self.id(tenant, Kind::Board));
                let selection = connection(&generation);
                Self::graphql(
                    field,
                    "$id: UUID",
                    "boardId: $id, last: 20",
                    &selection,
                    json!({ "id": id }),
                )
            }
            "searchBoards" => {
                let text = ["mark-", "mark-one", "mark-two"][self.random.below(3)];
                let arguments = "query: $q, limit: 20";
                Self::graphql(field, "$q: String!", arguments, &board, json!({ "q": text }))
            }
            "recentGenerations" => {
                let id = self.random.chance(60).then(|| self.id(tenant, Kind::Board));
                let arguments = "boardId: $id, limit: 20";
                Self::graphql(field, "$id: UUID", arguments, &generation, json!({ "id": id }))
            }
            "tags" => Self::graphql(field, "", "", "{ id name slug description }", json!({})),
            "accessTokens" => Self::graphql(field, "", "", "{ id name }", json!({})),
            "generators" => Self::graphql(field, "", "", "{ name }", json!({})),
            // Not `objectId`: of what was tried in vain it is the other tenant's id, as it was sent.
            "auditEvents" => {
                let selection = format!("{{ nodes {{ id actorId actor {user} action reason }} }}");
                Self::graphql(field, "", "first: 100", &selection, json!({}))
            }
            "tenantMembers" => {
                let text = ["", "mark", "mark-one", "mark-two"][self.random.below(4)];
                let selection =
                    format!("{{ nodes {{ email user {user} }} pageInfo {{ endCursor }} }}");
                Self::graphql(field, "$q: String", "query: $q", &selection, json!({ "q": text }))
            }
            "estimateCost" => {
                let id = self.id(tenant, Kind::Image);
                let arguments = "generatorName: \"image-edit\", inputParams: { image: $id }";
                Self::graphql(field, "$id: JSON", arguments, "{ usd }", json!({ "id": id }))
            }
            "providerKeys" => {
                let selection = format!("{{ provider updatedBy {user} }}");
                Self::graphql(field, "", "", &selection, json!({}))
            }
            "tenantInvitations" => {
                let selection = format!("{{ nodes {{ id email invitedBy {user} }} }}");
                Self::graphql(field, "", "", &selection, json!({}))
            }
            other => panic!("the walk does not know the query {other}"),
        }
    }

    fn mutation(&mut self, tenant: usize, field: &str) -> Call {
        let (board, words) = (board(), self.words(tenant));
        let by_input = |kind: &str, selection: &str, input: Value| {
            let parameters = format!("$input: {kind}!");
            Self::graphql(field, &parameters, "input: $input", selection, json!({ "input": input }))
        };
        let by_id = |selection: &str, id: String| {
            Self::graphql(field, "$id: UUID!", "id: $id", selection, json!({ "id": id }))
        };
        match field {
            "createBoard" => {
                let input = json!({ "title": words, "description": words,
                    "isPublic": self.random.chance(40), "settings": { "name": words } });
                by_input("CreateBoardInput", &board, input)
            }
            "updateBoard" => {
                let input = json!({ "id": self.id(tenant, Kind::Board), "title": words,
                    "isPublic": self.random.chance(40), "metadata": { "name": words } });
                by_input("UpdateBoardInput", &board, input)
            }
            "deleteBoard" => by_id("", self.id(tenant, Kind::Board)),
            "addBoardMember" => {
                let role = ["VIEWER", "EDITOR", "ADMIN"][self.random.below(3)];
                let input = json!({ "boardId": self.id(tenant, Kind::Board),
                    "userId": self.id(tenant, Kind::User), "role": role });
                by_input("AddBoardMemberInput", &board, input)
            }
            "removeBoardMember" | "updateBoardMemberRole" => {
                let role = if field == "removeBoardMember" { "" } else { ", role: EDITOR" };
                let variables = json!({ "boardId": self.id(tenant, Kind::Board),
                    "userId": self.id(tenant, Kind::User) });
                let arguments = format!("boardId: $boardId, userId: $userId{role}");
                let parameters = "$boardId: UUID!, $userId: UUID!";
                Self::graphql(field, parameters, &arguments, &board, variables)
            }
            "createGeneration" => self.create_generation(tenant, &words),
            "cancelGeneration" | "regenerate" | "retryGeneration" => {
                by_id(&generation(), self.id(tenant, Kind::Generation))
            }
            "deleteGeneration" => by_id("", self.id(tenant, Kind::Generation)),
            "uploadArtifact" => {
                let input = json!({ "boardId": self.id(tenant, Kind::Board),
                    "artifactType": "IMAGE", "fileUrl": "http://127.0.0.1:1/x.png",
                    "parentGenerationId": self.id(tenant, Kind::Generation) });
                by_input("UploadArtifactInput", &generation(), input)
            }
            "createTag" => {
                // The same slugs in both tenants: what is taken in one is free in the other.
                let slug = format!("slug-{}", self.random.below(6));
                let input = json!({ "name": words, "slug": slug, "metadata": { "name": words } });
                by_input("CreateTagInput", "{ id tenantId name slug }", input)
            }
            "updateTag" => {
                let input = json!({ "id": self.id(tenant, Kind::Tag), "name": words });
                by_input("UpdateTagInput", "{ id tenantId name slug }", input)
            }
            "deleteTag" => by_id("", self.id(tenant, Kind::Tag)),
            "createAccessToken" => {
                let arguments = "name: $n, scopes: [\"boards:read\"]";
                let selection = "{ accessToken { id name } }";
                Self::graphql(field, "$n: String!", arguments, selection, json!({ "n": words }))
            }
            "revokeAccessToken" => by_id("", self.id(tenant, Kind::AccessToken)),
            "inviteUser" => {
                // The same addresses in both tenants, too.
                let email = format!("guest-{}@x.example", self.random.below(6));
                by_input("InviteUserInput", "{ id email }", json!({ "email": email }))
            }
            "grantCredits" => {
                let variables = json!({ "id": self.id(tenant, Kind::User) });
                Self::graphql(field, "$id: UUID!", "userId: $id, amount: 1", "", variables)
            }
            "setProviderKey" => {
                let selection = format!("{{ provider updatedBy {} }}", user());
                let arguments = "provider: \"fal\", key: \"key\"";
                Self::graphql(field, "", arguments, &selection, json!({}))
            }
            "deleteProviderKey" => Self::graphql(field, "", "provider: \"fal\"", "", json!({})),
            "revokeInvitation" => by_id("", self.id(tenant, Kind::Invitation)),
            "setTenantRole" | "suspendUser" | "reinstateUser" => {
                let arguments = match field {
                    "setTenantRole" => "userId: $id, role: ADMIN",
                    _ => "userId: $id",
                };
                let variables = json!({ "id": self.id(tenant, Kind::Bystander) });
                let selection = format!("{{ email user {} }}", user());
                Self::graphql(field, "$id: UUID!", arguments, &selection, variables)
            }
            "addTagToGeneration" | "removeTagFromGeneration" => {
                let variables = json!({ "g": self.id(tenant, Kind::Generation),
                    "t": self.id(tenant, Kind::Tag) });
                let selection = if field == "addTagToGeneration" { "{ id name slug }" } else { "" };
                let arguments = "generationId: $g, tagId: $t";
                Self::graphql(field, "$g: UUID!, $t: UUID!", arguments, selection, variables)
            }
            other => panic!("the walk does not know the mutation {other}"),
        }
    }

    fn create_generation(&mut self, tenant: usize, words: &str) -> Call {
        let (generator, params) = match self.random.below(3) {
            0 => ("pattern-image", json!({ "prompt": words })),
            1 => {
                let image = self.id(tenant, Kind::Image);
                ("image-edit", json!({ "image": image, "grayscale": true }))
            }
            _ => {
                let images = [self.id(tenant, Kind::Image), self.id(tenant, Kind::Image)];
                ("image-collage", json!({ "images": images }))
            }
        };
        let board = self.id(tenant, Kind::Board);
        Self::creation(&board, generator, &params, words)
    }

    fn creation(board: &str, generator: &str, params: &Value, words: &str) -> Call {
        let input = json!({ "boardId": board, "generatorName": generator, "artifactType": "IMAGE",
            "inputParams": params, "metadata": { "name": words } });
        Self::graphql(
            "createGeneration",
            "$input: CreateGenerationInput!",
            "input: $input",
            &generation(),
            json!({ "input": input }),
        )
    }

    /// A board, a picture on it and something made of the picture, so that there is something to leak.
    async fn begin(&mut self, tenant: usize) {
        let create = self.mutation(tenant, "createBoard");
        self.perform(tenant, Some(0), create).await;
        let board = self.worlds[tenant].boards.keys().next().expect("a board").clone();
        let upload = Call::Upload { board: board.clone(), parent: None };
        self.perform(tenant, Some(0), upload).await;
        let images = self.ids[&Kind::Image].iter().filter(|(_, of)| *of == tenant);
        let image = images.map(|(id, _)| id.clone()).next().expect("a picture");
        let params = json!({ "image": image, "grayscale": true });
        let derive = Self::creation(&board, "image-edit", &params, "mark");
        self.perform(tenant, Some(0), derive).await;
        assert_eq!(self.worlds[tenant].boards[&board].generations.len(), 2);
    }

    async fn step(&mut self) {
        let tenant = self.random.below(2);
        let call = self.propose(tenant);
        let user = (!self.random.chance(8)).then(|| self.actor(tenant, &call));
        self.perform(tenant, user, call).await;
    }

    async fn perform(&mut self, tenant: usize, user: Option<usize>, call: Call) {
        let world = &self.worlds[tenant];
        let caller = match user {
            Some(user) => world.users[user].clone(),
            None => Client::new(world.users[0].address()).with_tenant(world.name),
        };
        let (status, body) = call.send(&caller).await;
        self.looks_clean(tenant, &call, &body);
        self.foreign_is_as_good_as_missing(tenant, &caller, &call, (status, &body)).await;
        self.learn(tenant, user, &call, status, &body);
    }

    /// Mostly someone who may do it: else little would come to be.
    fn actor(&mut self, tenant: usize, call: &Call) -> usize {
        let world = &self.worlds[tenant];
        let named = ids_in(&call.text());
        let board = world.boards.iter().find(|(id, board)| {
            named.contains(*id) || board.generations.iter().any(|id| named.contains(id))
        });
        match board {
            Some((_, board)) if self.random.chance(70) => board.owner,
            _ => self.random.below(world.users.len()),
        }
    }

    /// No word of the other tenant, and none of its ids but those that the caller has just sent.
    fn looks_clean(&self, tenant: usize, call: &Call, body: &str) {
        let foreign = format!("mark-{}", self.worlds[1 - tenant].name);
        let seed = self.seed;
        assert!(!body.contains(&foreign), "seed {seed}: {call:?} was told {body}");
        let sent = ids_in(&call.text());
        for id in ids_in(body) {
            let is_foreign = self.tenant_of.get(&id) == Some(&(1 - tenant));
            assert!(!is_foreign || sent.contains(&id), "seed {seed}: {call:?} was told {body}");
        }
    }

    /// The same request with an id that is nobody's gives the same answer.
    async fn foreign_is_as_good_as_missing(
        &mut self,
        tenant: usize,
        caller: &Client,
        call: &Call,
        (status, body): (u16, &str),
    ) {
        let sent = ids_in(&call.text());
        let foreign = sent.iter().filter(|id| self.tenant_of.get(*id) == Some(&(1 - tenant)));
        let exchange: Vec<(String, String)> =
            foreign.map(|id| (id.clone(), Uuid::new_v4().to_string())).collect();
        if exchange.is_empty() {
            return;
        }
        let missing = exchange.iter().fold(call.clone(), |call, (old, new)| call.with(old, new));
        let (missing_status, missing_body) = missing.send(caller).await;
        let missing_body =
            exchange.iter().fold(missing_body, |body, (old, new)| body.replace(new, old));
        let seed = self.seed;
        assert_eq!((status, body), (missing_status, &*missing_body), "seed {seed}: {call:?}");
        self.refused_foreign += 1;
    }

    fn learn(&mut self, tenant: usize, user: Option<usize>, call: &Call, status: u16, body: &str) {
        let sent = ids_in(&call.text());
        for id in ids_in(body) {
            if !sent.contains(&id) {
                self.tenant_of.entry(id).or_insert(tenant);
            }
        }
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        match call {
            Call::Graphql { field, variables, .. } if body.get("errors").is_none() => {
                let data = &body["data"][field];
                if *data != Value::Null {
                    self.went_well.insert(field.clone());
                    self.worlds[tenant].follow(user, field, variables, data);
                    self.keep(tenant, field, data);
                }
            }
            Call::Upload { board, .. } if status == 200 => {
                let id = text(&body["id"]);
                let of_board = self.worlds[tenant].boards.get_mut(board).expect("its own");
                of_board.generations.insert(id.clone());
                for kind in [Kind::Generation, Kind::Image] {
                    self.ids.entry(kind).or_default().push((id.clone(), tenant));
                }
                let url = url::Url::parse(&text(&body["storageUrl"])).expect("a URL");
                self.files.push((url.path().to_owned(), tenant));
            }
            Call::Progress { id } if status == 200 => {
                assert_eq!(self.tenant_of.get(id), Some(&tenant), "seed {}", self.seed);
            }
            _ => {}
        }
    }

    fn keep(&mut self, tenant: usize, field: &str, data: &Value) {
        let kind = match field {
            "createBoard" => Kind::Board,
            "createGeneration" | "regenerate" | "retryGeneration" => Kind::Generation,
            "createTag" => Kind::Tag,
            "createAccessToken" => Kind::AccessToken,
            "inviteUser" => Kind::Invitation,
            _ => return,
        };
        let data = data.get("accessToken").unwrap_or(data);
        self.ids.entry(kind).or_default().push((text(&data["id"]), tenant));
    }

    /// Lists and counts are those of a model that knows this tenant alone.
    async fn lists_agree_with_the_model(&self, tenant: usize, user: usize) {
        let query = "{ publicBoards(limit: 100) { id } myBoards(limit: 100) { id }
            searchBoards(query: \"MARK-\", limit: 100) { id generationCount }
            recentGenerations(limit: 100) { id } tags { id }
            publicBoardsConnection { totalCount } myBoardsConnection { totalCount }
            searchBoardsConnection(query: \"MARK-\") { totalCount }
            recentGenerationsConnection { totalCount } }";
        let world = &self.worlds[tenant];
        let data = world.users[user].data(query, json!({})).await;
        let listed = |field: &str| -> BTreeSet<String> {
            let list = data[field].as_array().expect("a list");
            assert!(list.len() < 100, "the walk is too long for one page");
            let total = &data[format!("{field}Connection")]["totalCount"];
            assert!(field == "tags" || *total == list.len(), "seed {}: {field}", self.seed);
            list.iter().map(|item| text(&item["id"])).collect()
        };
        let ids = |which: &dyn Fn(&ModelBoard) -> bool| -> BTreeSet<String> {
            world.boards.iter().filter(|(_, b)| which(b)).map(|(id, _)| id.clone()).collect()
        };
        let seed = self.seed;
        assert_eq!(listed("publicBoards"), ids(&|board| board.is_public), "seed {seed}");
        let own = |board: &ModelBoard| board.is_of(user);
        assert_eq!(listed("myBoards"), ids(&own), "seed {seed}");
        let visible = |board: &ModelBoard| board.is_public || board.is_of(user);
        assert_eq!(listed("searchBoards"), ids(&visible), "seed {seed}");
        assert_eq!(listed("tags"), world.tags.keys().cloned().collect(), "seed {seed}");
        let shown = world.boards.values().filter(|board| visible(board));
        let generations: BTreeSet<String> =
            shown.flat_map(|board| board.generations.iter().cloned()).collect();
        assert_eq!(listed("recentGenerations"), generations, "seed {seed}");
        for found in data["searchBoards"].as_array().expect("a list") {
            let board = &world.boards[&text(&found["id"])];
            assert_eq!(found["generationCount"], board.generations.len(), "seed {seed}: {found}");
        }
    }

    /// Subscriptions refuse the other tenant's ids as they refuse nobody's.
    async fn subscriptions_agree(&self, tenant: usize) {
        let mut socket = Socket::open(&self.worlds[tenant].users[0]).await;
        let fields = [
            (Kind::Board, "subscription($id: UUID!) { boardUpdated(boardId: $id) { id title } }"),
            (Kind::Generation, "subscription($id: UUID!) { generationUpdated(id: $id) { id } }"),
        ];
        for (kind, query) in fields {
            let foreign = self.ids[&kind].iter().filter(|(_, of)| *of != tenant).take(8);
            let mut answers = BTreeSet::new();
            for id in foreign.map(|(id, _)| id.clone()).chain([Uuid::new_v4().to_string()]) {
                socket.start(&id, query, json!({ "id": id })).await;
                let mut heard = Vec::new();
                loop {
                    let message = socket.next().await.expect("an answer");
                    heard.push(message.to_string().replace(&id, ""));
                    if message["type"] != "next" {
                        break;
                    }
                }
                answers.insert(heard);
            }
            assert_eq!(answers.len(), 1, "seed {}: {answers:?}", self.seed);
        }
    }
}

const MUTATIONS: [&str; 27] = [
    "createBoard",
    "updateBoard",
    "deleteBoard",
    "addBoardMember",
    "removeBoardMember",
    "updateBoardMemberRole",
    "createGeneration",
    "cancelGeneration",
    "deleteGeneration",
    "regenerate",
    "retryGeneration",
    "uploadArtifact",
    "createTag",
    "updateTag",
    "deleteTag",
    "addTagToGeneration",
    "removeTagFromGeneration",
    "createAccessToken",
    "revokeAccessToken",
    "inviteUser",
    "revokeInvitation",
    "setProviderKey",
    "deleteProviderKey",
    "grantCredits",
    "setTenantRole",
    "suspendUser",
    "reinstateUser",
];

fn user() -> String {
    format!("{{ {USER} boards {{ id title }} memberBoards {{ id title }} }}")
}

fn generation() -> String {
    format!(
        "{{ id tenantId boardId userId storageUrl thumbnailUrl inputParams outputMetadata
           errorMessage board {{ id title ownerId }} user {{ {USER} }} tags {{ id name slug }}
           inputArtifacts {{ generationId generation {{ id }} }}
           ancestry {{ generation {{ id }} parents {{ generation {{ id board {{ title }} }} }} }}
           descendants {{ generation {{ id }} children {{ generation {{ id }} }} }} }}"
    )
}

fn connection(node: &str) -> String {
    format!("{{ totalCount edges {{ cursor node {node} }} pageInfo {{ hasNextPage endCursor }} }}")
}

fn board() -> String {
    format!(
        "{{ id tenantId ownerId title description settings metadata owner {{ {USER} }}
           members {{ id userId invitedBy user {{ {USER} }} inviter {{ {USER} }} }}
           generations(limit: 10) {{ id tags {{ id name }} user {{ displayName }} inputParams
             descendants {{ children {{ generation {{ id }} }} }} }} generationCount
           generationsConnection(last: 5) {{ totalCount edges {{ cursor node {{ id }} }} }}
           membersConnection(first: 5) {{ totalCount edges {{ cursor node {{ userId }} }} }} }}"
    )
}

/// All root fields of queries and mutations: a new one must be taught to the walk.
async fn root_fields(caller: &Client) -> Vec<String> {
    let query = "{ __schema { queryType { fields { name } } mutationType { fields { name } } } }";
    let schema = caller.data(query, Value::Object(Map::new())).await;
    let names = |kind: &str| -> Vec<String> {
        let fields = schema["__schema"][kind]["fields"].as_array().expect("fields").clone();
        fields.iter().map(|field| text(&field["name"])).collect()
    };
    let mutations = names("mutationType");
    assert!(mutations.iter().all(|name| MUTATIONS.contains(&name.as_str())), "{mutations:?}");
    [names("queryType"), mutations].concat()
}

#[tokio::test]
async fn no_answer_to_one_tenant_ever_holds_anything_of_the_other() {
    let app = TestApp::builder()
        .tenants(&TENANTS)
        .config(|config| {
            config.max_query_complexity = 1_000_000;
            config.max_query_depth = 30;
        })
        .start()
        .await;
    let seed = std::env::var(SEED).ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(|| Uuid::new_v4().as_u64_pair().0);
    let mut walk = Walk::new(&app, seed).await;
    for tenant in 0..2 {
        walk.begin(tenant).await;
    }
    for step in 0..STEPS {
        walk.step().await;
        if step % 20 == 0 {
            let user = walk.random.below(3);
            walk.lists_agree_with_the_model(step / 20 % 2, user).await;
        }
    }
    for tenant in 0..2 {
        for user in 0..3 {
            walk.lists_agree_with_the_model(tenant, user).await;
        }
        walk.subscriptions_agree(tenant).await;
    }
    assert!(walk.refused_foreign > STEPS / 10, "seed {seed}: the walk never left its tenant");
    assert!(walk.went_well.len() > 18, "seed {seed}: little went well: {:?}", walk.went_well);
}
