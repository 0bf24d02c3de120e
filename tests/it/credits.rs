//! What generations cost, and credits: granted, reserved, spent and given back, each once.

use futures_util::future::join_all;
use sea_orm::{ConnectionTrait, Statement};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    Client, FAILING, PANICKING, RECORDED, SLOW, TestApp, TestAppBuilder, boards, run, sql,
};

const GRANT: &str = "mutation($u: UUID!, $a: Float!, $d: String) {
    grantCredits(userId: $u, amount: $a, description: $d) }";
const BALANCE: &str = "{ me { creditBalance } }";
const ESTIMATE: &str = "query($g: String!, $p: JSON!) {
    estimateCost(generatorName: $g, inputParams: $p) { usd kind basis credits } }";
const CREATE: &str = "mutation($b: UUID!, $g: String!) { createGeneration(input: { boardId: $b,
    generatorName: $g, artifactType: TEXT, inputParams: {} }) { id } }";
const CANCEL: &str = "mutation($id: UUID!) { cancelGeneration(id: $id) { status } }";
const DELETE: &str = "mutation($id: UUID!) { deleteGeneration(id: $id) }";

fn with_credits() -> TestAppBuilder {
    TestApp::builder().config(|config| config.credits = true)
}

async fn admin(app: &TestApp, name: &str) -> Client {
    let admin = app.user(name);
    app.make_admin(&admin).await;
    admin
}

async fn grant(admin: &Client, user: &Client, amount: f64) -> Value {
    let variables = json!({ "u": user.id().await, "a": amount });
    admin.data(GRANT, variables).await["grantCredits"].clone()
}

async fn balance(user: &Client) -> Value {
    user.data(BALANCE, json!({})).await["me"]["creditBalance"].clone()
}

async fn create(user: &Client, board: &str, generator: &str) -> String {
    user.generate_as(board, generator, "TEXT", json!({})).await
}

/// Every transaction, as type, amount and balance in ten-thousandths, in the order of writing.
async fn transactions(app: &TestApp) -> Vec<(String, i64, i64)> {
    let connection = app.database().connect().await;
    let query = "SELECT transaction_type, CAST(round(amount * 10000) AS bigint) AS amount,
        CAST(round(balance_after * 10000) AS bigint) AS balance FROM credit_transactions ORDER BY id";
    let statement = Statement::from_string(connection.get_database_backend(), query);
    let rows = connection.query_all_raw(statement).await.expect("an answer");
    let get = |row: &sea_orm::QueryResult| {
        let number = |name| row.try_get::<i64>("", name).expect("a number");
        (row.try_get("", "transaction_type").expect("a type"), number("amount"), number("balance"))
    };
    let found = rows.iter().map(get).collect();
    connection.close().await.expect("closed");
    found
}

async fn kinds(app: &TestApp) -> Vec<String> {
    transactions(app).await.into_iter().map(|(kind, ..)| kind).collect()
}

#[tokio::test]
async fn costs_are_estimated_for_parameters_that_are_good() {
    let app = with_credits().start().await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    for (generator, params, expected) in [
        ("qr-code", json!({ "text": "a" }), json!([0.0, "free", "stated", 0.0])),
        (SLOW, json!({}), json!([0.01, "per run", "stated", 1.0])),
        (PANICKING, json!({}), json!([null, "unknown", "unknown", 10.0])),
    ] {
        let data = ada.data(ESTIMATE, json!({ "g": generator, "p": params })).await;
        let found = &data["estimateCost"];
        let found = json!([found["usd"], found["kind"], found["basis"], found["credits"]]);
        assert_eq!(found, expected, "{generator}");
    }
    ada.refused_input(ESTIMATE, json!({ "g": "nobody", "p": {} }), &["generatorName"]).await;
    assert_eq!(ada.code(ESTIMATE, json!({ "g": "qr-code", "p": {} })).await, "BAD_USER_INPUT");
    assert_eq!(ada.code(ESTIMATE, json!({ "g": "qr-code", "p": [] })).await, "BAD_USER_INPUT");
    // Artifacts are checked as if the caller had asked to see them.
    let hidden = bob.upload_png(&bob.board("Hidden", false).await).await;
    let edit = |id: &str| json!({ "g": "image-edit", "p": { "image": id } });
    assert_eq!(ada.code(ESTIMATE, edit(&hidden)).await, "FORBIDDEN");
    let nobody = uuid::Uuid::now_v7().to_string();
    assert_eq!(ada.code(ESTIMATE, edit(&nobody)).await, "NOT_FOUND");
    assert_eq!(app.anonymous().code(ESTIMATE, edit(&nobody)).await, "UNAUTHENTICATED");
}

#[tokio::test]
async fn without_credits_nothing_is_counted() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    assert_eq!(balance(&ada).await, Value::Null);
    let estimated = ada.data(ESTIMATE, json!({ "g": SLOW, "p": {} })).await;
    assert_eq!(estimated["estimateCost"]["credits"], Value::Null);
    assert_eq!(ada.code(GRANT, json!({ "u": ada.id().await, "a": 1 })).await, "CONFLICT");
    create(&ada, &ada.board("1", false).await, SLOW).await;
    assert!(transactions(&app).await.is_empty());
}

#[tokio::test]
async fn credits_are_granted_to_people_of_the_tenant_and_seen_by_themselves() {
    let app = TestApp::builder().tenants(&["one", "two"]).config(|config| {
        config.multi_tenant_mode = true;
        config.credits = true;
    });
    let app = app.start().await;
    let (ada, bob) = (app.user_of("one", "ada"), app.user_of("one", "bob"));
    app.make_admin(&ada).await;
    assert_eq!(balance(&bob).await, 0.0);
    assert_eq!(grant(&ada, &bob, 2.5).await, 2.5);
    let variables = json!({ "u": bob.id().await, "a": 0.0001, "d": " Thanks " });
    assert_eq!(ada.data(GRANT, variables).await["grantCredits"], 2.5001);
    assert_eq!((balance(&bob).await, balance(&ada).await), (json!(2.5001), json!(0.0)));
    let of_bob = "query($u: UUID!) { user(id: $u) { creditBalance } }";
    let seen = ada.data(of_bob, json!({ "u": bob.id().await })).await;
    assert_eq!(seen["user"]["creditBalance"], Value::Null);
    let written = [("grant".to_owned(), 25_000, 25_000), ("grant".to_owned(), 1, 25_001)];
    assert_eq!(transactions(&app).await, written);

    let id = bob.id().await;
    for bad in [0.0, -1.0, 0.00001, 1e6, 1e300] {
        ada.refused_input(GRANT, json!({ "u": id, "a": bad }), &["amount"]).await;
    }
    let full = ada.code(GRANT, json!({ "u": id, "a": 999_999.9 })).await;
    assert_eq!((full.as_str(), balance(&bob).await), ("CONFLICT", json!(2.5001)));
    assert_eq!(bob.code(GRANT, json!({ "u": id, "a": 1 })).await, "FORBIDDEN");
    for nobody in [uuid::Uuid::now_v7().to_string(), app.user_of("two", "bob").id().await] {
        assert_eq!(ada.code(GRANT, json!({ "u": nobody, "a": 1 })).await, "NOT_FOUND");
    }
}

#[tokio::test]
async fn fifty_at_once_with_credits_for_ten_are_ten() {
    let app = with_credits().start().await;
    let (ada, bob) = (admin(&app, "ada").await, app.user("bob"));
    grant(&ada, &bob, 10.5).await;
    let board = bob.board("Full", false).await;
    let wanted = (0..50).map(|_| bob.graphql(CREATE, json!({ "b": board, "g": SLOW })));
    let answers = join_all(wanted).await;
    let refused: Vec<_> = answers.iter().filter_map(|answer| answer.code()).collect();
    assert_eq!(refused, ["CONFLICT"; 40]);
    let refusal = answers.iter().find(|answer| answer.code().is_some()).expect("a refusal");
    assert_eq!(refusal.body["errors"][0]["extensions"]["reason"], "INSUFFICIENT_CREDITS");
    assert_eq!(refusal.message(), Some("You do not have enough credits: this costs 1"));
    assert_eq!(balance(&bob).await, 0.5);
    let count =
        bob.data("query($b: UUID!) { board(id: $b) { generationCount } }", json!({ "b": board }));
    assert_eq!(count.await["board"]["generationCount"], 10);
    // What costs nothing is still made, what nothing is known of is not.
    bob.generate(&board, "qr-code", json!({ "text": "free" })).await;
    assert_eq!(bob.code(CREATE, json!({ "b": board, "g": PANICKING })).await, "CONFLICT");
}

#[tokio::test]
async fn what_is_cancelled_deleted_or_shut_out_is_given_back_once() {
    let app = with_credits().start().await;
    let (ada, bob) = (admin(&app, "ada").await, app.user("bob"));
    grant(&ada, &bob, 10.0).await;
    let (board, other) = (bob.board("1", false).await, bob.board("2", false).await);
    let (first, second) = (create(&bob, &board, SLOW).await, create(&bob, &board, SLOW).await);
    for _ in 0..2 {
        create(&bob, &other, SLOW).await;
    }
    create(&bob, &board, SLOW).await;
    assert_eq!(balance(&bob).await, 5.0);

    // Many cancel and delete at once: it is given back once.
    let cancels = join_all((0..8).map(|_| bob.graphql(CANCEL, json!({ "id": first }))));
    let deletes = join_all((0..8).map(|_| bob.graphql(DELETE, json!({ "id": first }))));
    tokio::join!(cancels, deletes);
    assert_eq!(balance(&bob).await, 6.0);
    bob.data(DELETE, json!({ "id": second })).await;
    assert_eq!(balance(&bob).await, 7.0);
    bob.data("mutation($b: UUID!) { deleteBoard(id: $b) }", json!({ "b": other })).await;
    assert_eq!(balance(&bob).await, 9.0);
    let suspend = "mutation($u: UUID!) { suspendUser(userId: $u) { role } }";
    let id = bob.id().await;
    ada.data(suspend, json!({ "u": id })).await;
    ada.data(&suspend.replace("suspendUser", "reinstateUser"), json!({ "u": id })).await;
    assert_eq!(balance(&bob).await, 10.0);
    let written = kinds(&app).await;
    assert_eq!(written.iter().filter(|kind| *kind == "reserve").count(), 5);
    assert_eq!(written.iter().filter(|kind| *kind == "refund").count(), 5);
    let (_, _, last) = transactions(&app).await.pop().expect("a transaction");
    assert_eq!(last, 100_000);
    assert_eq!(app.store().system().settle_forgotten_credits().await.expect("settled"), 0);
}

#[tokio::test]
async fn what_is_made_is_paid_and_what_fails_is_given_back() {
    let app = with_credits().worker().start().await;
    let (ada, bob) = (admin(&app, "ada").await, app.user("bob"));
    grant(&ada, &bob, 100.0).await;
    let board = bob.board("1", false).await;
    for (generator, status, left) in
        [(RECORDED, "COMPLETED", 99.0), (FAILING, "FAILED", 99.0), (PANICKING, "FAILED", 99.0)]
    {
        let made = create(&bob, &board, generator).await;
        assert_eq!(bob.ended(&made).await["status"], status);
        assert_eq!(balance(&bob).await, left, "{generator}");
        // What has ended was settled: its deletion gives nothing back.
        bob.data(DELETE, json!({ "id": made })).await;
        assert_eq!(balance(&bob).await, left, "{generator}");
    }
    let expected = ["grant", "reserve", "finalize", "reserve", "refund", "reserve", "refund"]
        .map(str::to_owned);
    assert_eq!(kinds(&app).await, expected);
}

/// Runs end, are cancelled and are shut out at the same time; nobody waits for another in a circle, and each
/// reservation is settled once.
#[tokio::test]
async fn ends_of_all_kinds_at_once_settle_each_once() {
    let app = with_credits().worker().start().await;
    let (ada, bob) = (admin(&app, "ada").await, app.user("bob"));
    grant(&ada, &bob, 100.0).await;
    let board = bob.board("1", true).await;
    bob.add_member(&board, &ada, "ADMIN").await;
    let made = join_all((0..30).map(|_| create(&bob, &board, RECORDED))).await;
    let cancels = join_all(made.iter().map(|id| ada.graphql(CANCEL, json!({ "id": id }))));
    let id = bob.id().await;
    let suspend = "mutation($u: UUID!) { suspendUser(userId: $u) { role } }";
    let (cancelled, suspended) = tokio::join!(cancels, ada.graphql(suspend, json!({ "u": id })));
    assert_eq!(suspended.code(), None, "{}", suspended.body);
    for answer in cancelled {
        assert!(matches!(answer.code(), None | Some("CONFLICT")), "{}", answer.body);
    }
    ada.data(&suspend.replace("suspendUser", "reinstateUser"), json!({ "u": id })).await;
    for one in &made {
        bob.ended(one).await;
    }
    let kinds = kinds(&app).await;
    let number = |kind: &str| kinds.iter().filter(|one| *one == kind).count();
    assert_eq!((number("reserve"), number("finalize") + number("refund")), (30, 30));
    let paid = u32::try_from(number("finalize")).expect("few");
    assert_eq!(balance(&bob).await, 100.0 - f64::from(paid));
}

/// Whatever ended a generation without settling it, such as an older server, the sweep finds it.
#[tokio::test]
async fn what_was_forgotten_is_settled_later_and_once() {
    let app = with_credits().start().await;
    let (ada, bob) = (admin(&app, "ada").await, app.user("bob"));
    grant(&ada, &bob, 10.0).await;
    let board = bob.board("1", false).await;
    for _ in 0..4 {
        create(&bob, &board, SLOW).await;
    }
    for (change, place) in [
        ("UPDATE generations SET status = 'completed'", 0),
        ("UPDATE generations SET status = 'failed'", 1),
        ("DELETE FROM generations", 2),
    ] {
        let one = format!(
            "{change} WHERE id = (SELECT id FROM generations ORDER BY id LIMIT 1 OFFSET {place})"
        );
        assert_eq!(sql::execute(&app, &one, []).await, 1);
    }
    let store = app.store();
    let system = || store.system();
    let (one, two) = (system(), system());
    let sweeps = tokio::join!(one.settle_forgotten_credits(), two.settle_forgotten_credits());
    assert_eq!(sweeps.0.expect("settled") + sweeps.1.expect("settled"), 3);
    assert_eq!(balance(&bob).await, 8.0, "one is made, one waits");
    assert_eq!(system().settle_forgotten_credits().await.expect("settled"), 0);
    let mut written = kinds(&app).await.split_off(5);
    written.sort();
    assert_eq!(written, ["finalize", "refund", "refund"]);
}

#[tokio::test]
async fn the_database_itself_keeps_balances_above_zero() {
    let app = with_credits().start().await;
    let ada = admin(&app, "ada").await;
    grant(&ada, &ada, 1.0).await;
    let connection = app.database().connect().await;
    let below = "UPDATE credit_balances SET balance = balance - 10001";
    assert!(connection.execute_unprepared(below).await.is_err());
    connection.close().await.expect("closed");
}

#[tokio::test]
async fn credits_are_granted_in_a_shell() {
    let app = with_credits().start().await;
    let bob = app.user("bob");
    let id = bob.id().await;
    let folder = TempDir::new().expect("a folder");
    let shell = async |arguments: &[&str], credits: &str| {
        let mut command = boards(folder.path(), &["user", "credits", "grant"]);
        command
            .args(arguments)
            .env("BOARDS_DATABASE_URL", app.database().url().expose())
            .env("BOARDS_CREDITS", credits);
        run(command).await
    };
    let done = shell(&["bob@example.com", "2.5", "--description", "Thanks"], "on").await;
    assert_eq!((done.code, done.stdout), (Some(0), format!("{id}  2.5\n")), "{}", done.stderr);
    assert_eq!(balance(&bob).await, 2.5);
    for (arguments, credits) in [
        (["bob@example.com", "1"], "off"),
        (["bob@example.com", "0"], "on"),
        (["nobody@x.example", "1"], "on"),
    ] {
        assert_ne!(shell(&arguments, credits).await.code, Some(0), "{arguments:?}");
    }
    assert_eq!(balance(&bob).await, 2.5);
}
