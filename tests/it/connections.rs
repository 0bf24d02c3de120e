//! Lists by cursor, as the GraphQL Cursor Connections Specification has them: the same rows in the
//! same order as the lists with an offset, forwards and backwards.

mod changes;
mod cursors;
mod plans;
mod statements;
mod walking;

use serde_json::{Value, json};

use crate::support::{Client, TestApp, sql, text};

const SORTS: [&str; 4] = ["CREATED_ASC", "CREATED_DESC", "UPDATED_ASC", "UPDATED_DESC"];

/// A list, by cursor and by offset.
#[derive(Clone, Debug)]
struct List {
    /// The field by offset; by cursor it is called so with `Connection` behind it.
    field: &'static str,
    /// Its own arguments, each with a comma behind it.
    arguments: String,
    /// The board that it hangs below, if it does.
    board: Option<String>,
}

impl List {
    fn of(field: &'static str, arguments: &str) -> Self {
        Self { field, arguments: arguments.to_owned(), board: None }
    }

    fn below(board: &str, field: &'static str) -> Self {
        Self { field, arguments: String::new(), board: Some(board.to_owned()) }
    }

    fn within(&self, field: &str) -> String {
        match &self.board {
            Some(board) => format!("{{ board(id: \"{board}\") {{ {field} }} }}"),
            None => format!("{{ {field} }}"),
        }
    }

    /// The query of a page; `window` is arguments.
    fn query(&self, window: &str, selection: &str) -> String {
        let (field, arguments) = (self.field, &self.arguments);
        // Parentheses may not be empty, and `first` may be null.
        let window = if window.contains("first") {
            window.to_owned()
        } else {
            format!("first: null {window}")
        };
        self.within(&format!("{field}Connection({arguments} {window}) {{ {selection} }}"))
    }

    fn found<'a>(&self, data: &'a Value, field: &str) -> &'a Value {
        if self.board.is_some() { &data["board"][field] } else { &data[field] }
    }

    async fn page(&self, client: &Client, window: &str) -> Page {
        let selection = "edges { cursor node { id } } nodes { id }
            pageInfo { hasNextPage hasPreviousPage startCursor endCursor }";
        let data = client.data(&self.query(window, selection), json!({})).await;
        let found = self.found(&data, &format!("{}Connection", self.field)).clone();
        let edges = found["edges"].as_array().expect("edges").clone();
        let cursors: Vec<String> = edges.iter().map(|edge| text(&edge["cursor"])).collect();
        let nodes: Vec<&Value> = edges.iter().map(|edge| &edge["node"]).collect();
        let info = &found["pageInfo"];
        assert_eq!(found["nodes"], json!(nodes));
        assert_eq!(info["startCursor"], json!(cursors.first()));
        assert_eq!(info["endCursor"], json!(cursors.last()));
        Page {
            ids: nodes.iter().map(|node| text(&node["id"])).collect(),
            cursors,
            has_next: info["hasNextPage"] == true,
            has_previous: info["hasPreviousPage"] == true,
        }
    }

    async fn total(&self, client: &Client) -> u64 {
        let data = client.data(&self.query("first: 0", "totalCount"), json!({})).await;
        let found = self.found(&data, &format!("{}Connection", self.field));
        found["totalCount"].as_u64().expect("a count")
    }

    /// The ids of the whole list, by offset. It is no longer than a page.
    async fn whole(&self, client: &Client) -> Vec<String> {
        let (field, arguments) = (self.field, &self.arguments);
        let limit =
            if field == "members" { String::new() } else { format!("({arguments} limit: 100)") };
        let data = client.data(&self.within(&format!("{field}{limit} {{ id }}")), json!({})).await;
        let rows = self.found(&data, field).as_array().expect("a list").clone();
        rows.iter().map(|row| text(&row["id"])).collect()
    }
}

struct Page {
    ids: Vec<String>,
    cursors: Vec<String>,
    has_next: bool,
    has_previous: bool,
}

impl Page {
    fn end(&self) -> &str {
        self.cursors.last().expect("a row")
    }

    fn start(&self) -> &str {
        self.cursors.first().expect("a row")
    }
}

/// A server with boards that ada owns, that bob shares with her, that are public, and others; with
/// generations on them and members on one.
struct Place {
    app: TestApp,
    ada: Client,
    bob: Client,
    /// Ada's, with members and generations.
    board: String,
    /// On half of the generations.
    tag: String,
}

impl Place {
    async fn new() -> Self {
        let app = TestApp::start().await;
        let (ada, bob) = (app.user("ada"), app.user("bob"));
        let mut boards = Vec::new();
        for number in 0..9 {
            boards.push(described(&ada, number, number % 2 == 0).await);
            let shared = described(&bob, number, number % 4 == 0).await;
            bob.add_member(&shared, &ada, "VIEWER").await;
            boards.push(shared);
            // Not ada's to see, and between what she sees.
            boards.push(described(&bob, number, false).await);
        }
        let mut generations = Vec::new();
        for number in 0..24 {
            let owner = if number % 3 == 0 { &ada } else { &bob };
            let place = number % 9 * 3 + number % 3;
            let prompt = ["A Lamp", "desk"][number / 3 % 2];
            let params = json!({ "seed": number, "prompt": prompt });
            generations.push(owner.generate(&boards[place], "pattern-image", params).await);
        }
        let board = boards[0].clone();
        for number in 0..7 {
            generations.push(
                ada.generate(&board, "pattern-image", json!({ "seed": number, "prompt": "lamp" }))
                    .await,
            );
            ada.add_member(&board, &app.user(&format!("member-{number}")), "VIEWER").await;
        }
        let tag = "mutation { createTag(input: { name: \"Light\" }) { id } }";
        let tag = text(&ada.data(tag, json!({})).await["createTag"]["id"]);
        let put = "mutation($g: UUID!, $t: UUID!) {
            addTagToGeneration(generationId: $g, tagId: $t) { id } }";
        for (index, generation) in generations.iter().enumerate().filter(|(index, _)| index % 4 < 2)
        {
            let owner = if index < 24 && index % 3 != 0 { &bob } else { &ada };
            owner.data(put, json!({ "g": generation, "t": tag })).await;
        }
        let place = Self { app, ada, bob, board, tag };
        place.make_ties("boards", &boards).await;
        place.make_ties("generations", &generations).await;
        let joined = "UPDATE board_members SET joined_at = (SELECT MIN(joined_at) FROM board_members)
            WHERE user_id IN (SELECT id FROM users WHERE auth_subject IN ('member-2', 'member-3', 'member-4'))";
        assert_eq!(sql::execute(&place.app, joined, []).await, 3);
        place
    }

    /// Gives every row one of three moments, so that most tie with others.
    async fn make_ties(&self, table: &str, ids: &[String]) {
        let moment = |second: i64| {
            chrono::DateTime::from_timestamp(1_790_000_000 + second, 0).expect("a time")
        };
        for (index, id) in (0..).zip(ids) {
            let statement =
                format!("UPDATE {table} SET created_at = $1, updated_at = $2 WHERE id = $3");
            let values = [moment(index % 3).into(), moment(-index % 4).into(), sql::id(id)];
            assert_eq!(sql::execute(&self.app, &statement, values).await, 1);
        }
    }

    /// Every list there is, with every order and some filters.
    async fn lists(&self) -> Vec<List> {
        let mut lists = Vec::new();
        for sort in SORTS {
            lists.push(List::of("publicBoards", &format!("sort: {sort},")));
            for role in ["ANY", "OWNER", "MEMBER"] {
                lists.push(List::of("myBoards", &format!("role: {role}, sort: {sort},")));
            }
        }
        lists.push(List::of("searchBoards", "query: \"lamp\","));
        lists.push(List::of("searchBoards", "query: \"desk\","));
        lists.push(List::of("recentGenerations", ""));
        lists.push(List::of("recentGenerations", "status: PENDING, artifactType: IMAGE,"));
        lists.push(List::of("recentGenerations", "status: FAILED,"));
        lists.push(List::of("recentGenerations", &format!("boardId: \"{}\",", self.board)));
        for filter in self.filters().await {
            lists.push(List::of("recentGenerations", &filter));
        }
        lists.push(List::below(&self.board, "generations"));
        lists.push(List::below(&self.board, "members"));
        lists
    }

    /// Filters of generations, alone and together.
    async fn filters(&self) -> Vec<String> {
        let (tag, board, bob) = (&self.tag, &self.board, self.bob.id().await);
        let (tag, user) = (format!("tagIds: [\"{tag}\"],"), format!("userId: \"{bob}\","));
        let lamp = "query: \"LAMP\",";
        vec![
            format!("{user} {lamp}"),
            format!("{tag} {user} {lamp} generatorName: \"pattern-image\","),
            format!("{tag} boardId: \"{board}\","),
            format!("{lamp} boardId: \"{board}\","),
            "query: \"la\",".to_owned(),
            "generatorName: \"pattern-image\",".to_owned(),
            lamp.to_owned(),
            user,
            tag,
        ]
    }
}

/// A board with a lamp in its title, in its description, in both or in neither.
async fn described(owner: &Client, number: usize, is_public: bool) -> String {
    let create = "mutation($i: CreateBoardInput!) { createBoard(input: $i) { id } }";
    let (title, description) =
        [("Lamp", "A desk"), ("Desk", "Lamps"), ("lamp desk", "lamp"), ("x", "y")][number % 4];
    let input = json!({ "title": title, "description": description, "isPublic": is_public });
    text(&owner.data(create, json!({ "i": input })).await["createBoard"]["id"])
}
