//! Tenants run by their people: who is there, with which role, who is invited, who is shut out.

mod command;
mod invitations;
mod suspension;

use std::collections::BTreeSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Answer, Client, Issuer, Socket, TestApp, sql, text};

const SET_ROLE: &str = "mutation($id: UUID!, $role: TenantRole!) {
    setTenantRole(userId: $id, role: $role) { role user { id } } }";
const SUSPEND: &str = "mutation($id: UUID!) { suspendUser(userId: $id) { suspendedAt } }";
const REINSTATE: &str = "mutation($id: UUID!) { reinstateUser(userId: $id) { suspendedAt } }";
const INVITE: &str = "mutation($input: InviteUserInput!) {
    inviteUser(input: $input) { id email role invitedBy { id } createdAt expiresAt } }";
const REVOKE: &str = "mutation($id: UUID!) { revokeInvitation(id: $id) }";
const INVITATIONS: &str = "{ tenantInvitations { nodes { id email role invitedBy { id } } } }";

/// An admin of the only tenant.
async fn admin(app: &TestApp, subject: &str) -> Client {
    let client = app.user(subject);
    app.make_admin(&client).await;
    client
}

async fn set_role(admin: &Client, user: &str, role: &str) -> Answer {
    admin.graphql(SET_ROLE, json!({ "id": user, "role": role })).await
}

async fn suspend(admin: &Client, user: &str) -> Answer {
    admin.graphql(SUSPEND, json!({ "id": user })).await
}

async fn reinstate(admin: &Client, user: &str) -> Answer {
    admin.graphql(REINSTATE, json!({ "id": user })).await
}

async fn invite(admin: &Client, input: Value) -> Answer {
    admin.graphql(INVITE, json!({ "input": input })).await
}

async fn tenant_role(client: &Client) -> String {
    text(&client.data("{ me { tenantRole } }", json!({})).await["me"]["tenantRole"])
}

/// A caller whose token says these things.
fn caller(app: &TestApp, claims: &Value) -> Client {
    app.anonymous().with_token(&Issuer::trusted().token(claims))
}

/// Emails of the members that a filter leaves.
async fn members(admin: &Client, arguments: &str) -> Vec<String> {
    let query = format!("{{ tenantMembers({arguments}) {{ nodes {{ email }} }} }}");
    let nodes = admin.data(&query, json!({})).await["tenantMembers"]["nodes"].clone();
    nodes.as_array().expect("a list").iter().map(|node| text(&node["email"])).collect()
}

#[tokio::test]
async fn members_are_walked_by_cursor_and_each_is_seen_once() {
    const PAGE: &str = "query($after: String) { tenantMembers(first: 2, after: $after) {
        edges { cursor node { email role provider suspendedAt joinedAt user { id displayName } } }
        nodes { email } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    for subject in ["bob", "eve", "joe", "kim"] {
        app.user(subject).id().await;
    }
    let mut seen = Vec::new();
    let mut after = Value::Null;
    loop {
        let page = ada.data(PAGE, json!({ "after": after })).await["tenantMembers"].clone();
        let edges = page["edges"].as_array().expect("edges").clone();
        assert_eq!(page["pageInfo"]["hasPreviousPage"], !after.is_null());
        assert_eq!(page["pageInfo"]["startCursor"], edges[0]["cursor"]);
        assert_eq!(page["nodes"].as_array().map(Vec::len), Some(edges.len()));
        seen.extend(edges.iter().map(|edge| text(&edge["node"]["email"])));
        if seen.len() == 2 {
            let first = &edges[0]["node"];
            assert_eq!(
                first["user"],
                json!({ "id": ada.id().await, "displayName": "Name of ada" })
            );
            assert_eq!((&first["role"], &first["provider"]), (&json!("ADMIN"), &json!("jwt")));
            assert_eq!(first["suspendedAt"], Value::Null);
            assert!(first["joinedAt"].is_string());
            // Who joins while somebody reads on comes at the end.
            app.user("late").id().await;
        }
        after = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    let wanted =
        ["ada", "bob", "eve", "joe", "kim", "late"].map(|name| format!("{name}@example.com"));
    assert_eq!(seen, wanted);
    let none = ada.data("{ tenantMembers(first: 0) { nodes { email } } }", json!({})).await;
    assert_eq!(none["tenantMembers"]["nodes"], json!([]));
}

#[tokio::test]
async fn members_are_found_by_text_role_and_suspension() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    let (bob, eve) = (app.user("bob"), app.user("e_e"));
    app.make_admin(&bob).await;
    suspend(&ada, &eve.id().await).await;
    let mail = |names: &[&str]| -> Vec<String> {
        names.iter().map(|name| format!("{name}@example.com")).collect()
    };
    let cases: [(&str, &[&str]); 11] = [
        ("role: ADMIN", &["ada", "bob"]),
        ("role: MEMBER", &["e_e"]),
        ("suspended: true", &["e_e"]),
        ("suspended: false", &["ada", "bob"]),
        ("role: ADMIN, suspended: true", &[]),
        ("query: \"BOB@EXAMPLE\"", &["bob"]),
        ("query: \"name OF ad\"", &["ada"]),
        ("query: \" \"", &["ada", "bob", "e_e"]),
        ("query: \"_\"", &["e_e"]),
        ("query: \"%\"", &[]),
        ("query: \"nobody\"", &[]),
    ];
    for (arguments, wanted) in cases {
        assert_eq!(members(&ada, arguments).await, mail(wanted), "{arguments}");
    }
}

#[tokio::test]
async fn a_name_is_found_as_it_is_written_in_any_alphabet() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    caller(&app, &json!({ "sub": "x", "name": "ÄDA Ωmega", "email": "x@example.com" })).id().await;
    for query in ["ÄDA", "Ωm", "ega", "MEGA"] {
        let found = members(&ada, &format!("query: \"{query}\"")).await;
        assert_eq!(found, ["x@example.com"], "{query}");
    }
}

#[tokio::test]
async fn what_a_page_shows_costs_the_same_whatever_the_rows() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    let bob = admin(&app, "bob").await;
    let members = "{ tenantMembers { nodes { email role user { id tenantRole displayName } } } }";
    let invitations = "{ tenantInvitations { nodes { email invitedBy { displayName } } } }";
    let cost = async |query: &str| {
        let before = app.store().statement_count();
        ada.data(query, json!({})).await;
        app.store().statement_count() - before
    };
    invite(&bob, json!({ "email": "first@x.example" })).await;
    let few = [cost(members).await, cost(invitations).await];
    for number in 0..20 {
        app.user(&format!("user-{number}")).id().await;
        let inviter = if number % 2 == 0 { &ada } else { &bob };
        invite(inviter, json!({ "email": format!("guest-{number}@x.example") })).await;
    }
    assert_eq!([cost(members).await, cost(invitations).await], few);
    assert_eq!(few, [3, 4]);
}

#[tokio::test]
async fn the_caller_is_judged_before_anything_is_said_about_what_they_send() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    let bob = app.user("bob");
    let (known, nobody) = (bob.id().await, Uuid::new_v4().to_string());
    let operations: [(&str, Value); 12] = [
        ("{ tenantMembers { nodes { email } } }", json!({})),
        ("{ tenantMembers(first: 101) { nodes { email } } }", json!({})),
        ("{ tenantMembers(after: \"x\") { nodes { email } } }", json!({})),
        ("{ tenantInvitations(first: -1) { nodes { email } } }", json!({})),
        (SET_ROLE, json!({ "id": known, "role": "ADMIN" })),
        (SET_ROLE, json!({ "id": nobody, "role": "ADMIN" })),
        (SUSPEND, json!({ "id": known })),
        (SUSPEND, json!({ "id": nobody })),
        (REINSTATE, json!({ "id": nobody })),
        (INVITE, json!({ "input": { "email": "no address" } })),
        (INVITE, json!({ "input": { "email": "bob@example.com" } })),
        (REVOKE, json!({ "id": nobody })),
    ];
    let narrow = app.user_with_scope("ada", "boards:read members:write platform:admin");
    for (query, variables) in &operations {
        let refused = bob.graphql(query, variables.clone()).await;
        assert_eq!(refused.code(), Some("FORBIDDEN"), "{query}: {}", refused.body);
        assert_eq!(refused.message(), Some("You don't have permission to run this tenant"));
        let anonymous = app.anonymous().graphql(query, variables.clone()).await;
        assert_eq!(anonymous.code(), Some("UNAUTHENTICATED"), "{query}");
        let lacking = narrow.graphql(query, variables.clone()).await;
        let scopes = lacking.body.pointer("/errors/0/extensions/requiredScopes");
        assert_eq!(scopes, Some(&json!(["tenant:admin"])), "{query}: {}", lacking.body);
    }
    let told = async |place: usize| {
        let (query, variables) = &operations[place];
        ada.code(query, variables.clone()).await
    };
    for (place, code) in [(1, "BAD_USER_INPUT"), (2, "BAD_USER_INPUT"), (3, "BAD_USER_INPUT")] {
        assert_eq!(told(place).await, code);
    }
    for (place, code) in [(5, "NOT_FOUND"), (7, "NOT_FOUND"), (8, "NOT_FOUND"), (11, "NOT_FOUND")] {
        assert_eq!(told(place).await, code);
    }
    let scoped = app.user_with_scope("bob", "tenant:admin");
    assert_eq!(scoped.code(operations[0].0, json!({})).await, "FORBIDDEN", "a scope gives no role");
}

#[tokio::test]
async fn roles_are_given_and_taken_and_shown_to_whom_they_concern() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    let (bob, eve) = (app.user("bob"), app.user("eve"));
    let (bob_id, ada_id) = (bob.id().await, ada.id().await);
    let role_of = async |viewer: &Client, id: &str| {
        let query = "query($id: UUID!) { user(id: $id) { tenantRole } }";
        viewer.data(query, json!({ "id": id })).await["user"]["tenantRole"].clone()
    };
    assert_eq!(role_of(&ada, &bob_id).await, "MEMBER");
    assert_eq!(role_of(&bob, &bob_id).await, "MEMBER");
    assert_eq!(role_of(&bob, &ada_id).await, Value::Null);
    assert_eq!(role_of(&app.user_with_scope("ada", "boards:read"), &bob_id).await, Value::Null);

    let given = set_role(&ada, &bob_id, "ADMIN").await;
    let wanted = json!({ "role": "ADMIN", "user": { "id": bob_id } });
    assert_eq!(given.body["data"]["setTenantRole"], wanted);
    assert_eq!(role_of(&bob, &ada_id).await, "ADMIN", "on the next request");
    assert_eq!(set_role(&bob, &bob_id, "ADMIN").await.code(), None, "again changes nothing");
    assert_eq!(set_role(&bob, &ada_id, "MEMBER").await.code(), None);
    assert_eq!(ada.code(INVITATIONS, json!({})).await, "FORBIDDEN");
    assert_eq!(set_role(&eve, &eve.id().await, "ADMIN").await.code(), Some("FORBIDDEN"));

    let board = eve.board("Hers", false).await;
    let query = "query($id: UUID!) { board(id: $id) { id } }";
    assert_eq!(
        bob.code(query, json!({ "id": board })).await,
        "FORBIDDEN",
        "boards are another matter"
    );
}

#[tokio::test]
async fn the_last_active_admin_stays() {
    let app = TestApp::start().await;
    let (ada, bob) = (admin(&app, "ada").await, app.user("bob"));
    let (ada_id, bob_id) = (ada.id().await, bob.id().await);
    let alone = set_role(&ada, &ada_id, "MEMBER").await;
    assert_eq!(alone.code(), Some("CONFLICT"));
    assert_eq!(alone.message(), Some("The tenant's last active admin cannot be demoted"));
    assert_eq!(suspend(&ada, &ada_id).await.code(), Some("BAD_USER_INPUT"), "not oneself");

    app.make_admin(&bob).await;
    assert_eq!(suspend(&ada, &ada_id).await.code(), Some("BAD_USER_INPUT"), "not even then");
    assert_eq!(suspend(&ada, &bob_id).await.code(), None);
    assert_eq!(
        set_role(&ada, &ada_id, "MEMBER").await.code(),
        Some("CONFLICT"),
        "bob is suspended"
    );
    assert_eq!(set_role(&ada, &bob_id, "MEMBER").await.code(), None, "he was no active one");
    assert_eq!(set_role(&ada, &bob_id, "ADMIN").await.code(), None);
    assert_eq!(set_role(&ada, &ada_id, "MEMBER").await.code(), Some("CONFLICT"), "still suspended");
    assert_eq!(reinstate(&ada, &bob_id).await.code(), None);
    assert_eq!(set_role(&ada, &ada_id, "MEMBER").await.code(), None);
    assert_eq!(tenant_role(&bob).await, "ADMIN");
    let operator = app.store().system().people(app.tenant_of(&bob).await);
    let refused = operator.suspend(bob_id.parse::<Uuid>().expect("an id").into()).await;
    assert_eq!(refused.expect_err("the last one").code(), "CONFLICT");
}

/// Each finds another admin, unless they wait for one another.
#[tokio::test]
async fn admins_who_go_at_the_same_time_leave_one() {
    let app = TestApp::start().await;
    let admins = join_all(["a", "b", "c", "d"].map(|name| admin(&app, name))).await;
    let ids = join_all(admins.iter().map(Client::id)).await;
    let restore = "UPDATE users SET tenant_role = 'admin', disabled_at = NULL";
    for round in 0..6 {
        let answers = if round % 2 == 0 {
            join_all((0..4).map(|one| set_role(&admins[one], &ids[one], "MEMBER"))).await
        } else {
            join_all((0..4).map(|one| suspend(&admins[one], &ids[(one + 1) % 4]))).await
        };
        let done = answers.iter().filter(|answer| answer.code().is_none()).count();
        let refusals: BTreeSet<_> = answers.iter().filter_map(Answer::code).collect();
        assert!(
            refusals.iter().all(|code| ["CONFLICT", "FORBIDDEN"].contains(code)),
            "{refusals:?}"
        );
        let left = "UPDATE users SET updated_at = updated_at
             WHERE tenant_role = 'admin' AND disabled_at IS NULL";
        let left = sql::execute(&app, left, []).await;
        assert!(left >= 1, "round {round}: nobody runs the tenant");
        assert_eq!(4 - left, done as u64, "round {round}");
        assert!(round % 2 == 1 || left == 1, "three may go");
        sql::execute(&app, restore, []).await;
    }
}

/// A WebSocket keeps what it learned at its beginning; the role is asked again all the same.
#[tokio::test]
async fn a_connection_older_than_the_loss_of_the_role_is_no_admins() {
    let app = TestApp::start().await;
    let (ada, bob) = (admin(&app, "ada").await, admin(&app, "bob").await);
    let mut socket = Socket::open(&bob).await;
    socket.start("1", INVITATIONS, json!({})).await;
    assert!(socket.rest("1").await[0]["data"].is_object());
    set_role(&ada, &bob.id().await, "MEMBER").await;
    socket.start("2", INVITATIONS, json!({})).await;
    if let Some(message) = socket.next().await {
        let code = message.pointer("/payload/errors/0/extensions/code");
        assert_eq!(code, Some(&json!("FORBIDDEN")), "{message}");
    }
}

#[tokio::test]
async fn the_local_user_of_provider_none_is_an_admin() {
    let none = boards::config::AuthProvider::None;
    let app = TestApp::builder().config(move |config| config.auth_provider = none).start().await;
    let local = app.anonymous();
    assert_eq!(tenant_role(&local).await, "ADMIN");
    local.data(INVITATIONS, json!({})).await;
}

#[tokio::test]
async fn two_tenants_know_nothing_of_one_another() {
    let app = TestApp::two_tenants().await;
    let (one, two) = (app.user_of("one", "ada"), app.user_of("two", "bob"));
    app.make_admin(&one).await;
    app.make_admin(&two).await;
    let eve = app.user_of("one", "eve").id().await;
    let invited = invite(&one, json!({ "email": "guest@x.example" })).await;
    let invitation = text(&invited.body["data"]["inviteUser"]["id"]);
    let nobody = Uuid::new_v4().to_string();
    for (query, foreign) in
        [(SET_ROLE, &eve), (SUSPEND, &eve), (REINSTATE, &eve), (REVOKE, &invitation)]
    {
        let ask = async |id: &str| {
            let mut variables = json!({ "id": id });
            if query == SET_ROLE {
                variables["role"] = json!("ADMIN");
            }
            two.graphql(query, variables).await
        };
        let answer = ask(foreign).await;
        assert_eq!(answer.code(), Some("NOT_FOUND"), "{query}");
        assert_eq!(answer.body, ask(&nobody).await.body, "{query}");
    }
    assert_eq!(members(&one, "first: 9").await, ["ada@example.com", "eve@example.com"]);
    assert_eq!(members(&two, "first: 9").await, ["bob@example.com"]);
    assert_eq!(members(&two, "query: \"eve\"").await, [""; 0]);
    assert_eq!(two.data(INVITATIONS, json!({})).await["tenantInvitations"]["nodes"], json!([]));
    let again = invite(&two, json!({ "email": "guest@x.example" })).await;
    assert_eq!(again.code(), None, "what is taken in one is free in the other");

    let page = "query($after: String) { tenantMembers(first: 1, after: $after) {
        nodes { email } pageInfo { endCursor } } }";
    let cursor = one.data(page, json!({})).await["tenantMembers"]["pageInfo"]["endCursor"].clone();
    let refused = two.graphql(page, json!({ "after": cursor })).await;
    assert_eq!(refused.code(), Some("BAD_USER_INPUT"));
    let other_list = "query($after: String) { tenantInvitations(after: $after) { nodes { id } } }";
    assert_eq!(one.code(other_list, json!({ "after": cursor })).await, "BAD_USER_INPUT");
}
