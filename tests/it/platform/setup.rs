//! What operators do over REST, and who is none.

use boards::{config::AuthProvider, store::AuditFilter};
use reqwest::{Method, header};
use serde_json::{Value, json};

use super::{TENANTS, at, delete, get, operator, patch, platform, post, refusal, send};
use crate::support::{
    Client, Issuer, SECRET, SIGNING_SECRET, TestApp, eventually, on_postgres, sql, text,
};

const STATUS: &str = "/api/setup/status";

async fn every_route(caller: &Client) -> Vec<(u16, String, Option<String>)> {
    let routes = [
        (Method::GET, STATUS.to_owned()),
        (Method::GET, TENANTS.to_owned()),
        (Method::POST, TENANTS.to_owned()),
        (Method::GET, at("one")),
        (Method::PATCH, at("one")),
        (Method::DELETE, at("one")),
    ];
    let mut answers = Vec::new();
    for (method, path) in routes {
        // Whoever may not do this learns nothing of what is wrong with the body either.
        let response = send(caller, method, &path, &json!({ "confirm": "one", "wrong": 1 })).await;
        let challenge = response.headers().get(header::WWW_AUTHENTICATE);
        let challenge = challenge.map(|value| value.to_str().expect("text").to_owned());
        let status = response.status().as_u16();
        let body: Value = response.json().await.expect("JSON");
        answers.push((status, text(&body["error"]), challenge));
    }
    answers
}

#[tokio::test]
async fn only_a_token_that_names_the_scope_is_an_operators() {
    let app = platform().start().await;
    let admin = app.user_of("one", "ada");
    let promote = "UPDATE users SET tenant_role = 'admin' WHERE id = $1";
    assert_eq!(sql::execute(&app, promote, [sql::id(&admin.id().await)]).await, 1);
    let make = "mutation { createAccessToken(name: \"n\", scopes: [\"tenant:admin\"]) { token } }";
    let own = text(&admin.data(make, json!({})).await["createAccessToken"]["token"]);
    let challenge = "Bearer error=\"insufficient_scope\", scope=\"platform:admin\"";
    let invalid = "Bearer error=\"invalid_token\"";
    let expired =
        Issuer::trusted().token(&json!({ "sub": "operator", "scope": "platform:admin", "exp": 1 }));
    let everything_else = "boards:read boards:write members:write generations:read \
        generations:write tags:write tokens:write tenant:admin access:check platform platform:*";
    let cases = [
        (app.anonymous(), 401, "UNAUTHENTICATED", "Bearer"),
        (app.anonymous().with_token("nonsense"), 401, "UNAUTHENTICATED", invalid),
        (app.anonymous().with_token(&expired), 401, "UNAUTHENTICATED", invalid),
        (app.anonymous().with_token(&own), 401, "UNAUTHENTICATED", invalid),
        (app.user("ada"), 403, "FORBIDDEN", challenge),
        (admin, 403, "FORBIDDEN", challenge),
        (app.user_with_scope("ada", everything_else), 403, "FORBIDDEN", challenge),
    ];
    for (caller, status, code, challenge) in cases {
        for answer in every_route(&caller).await {
            let found = answer.2.as_deref().unwrap_or_default();
            assert_eq!((answer.0, answer.1.as_str()), (status, code), "{answer:?}");
            assert!(found.starts_with(challenge), "{answer:?}");
            assert_eq!(found.contains("error="), challenge != "Bearer", "{answer:?}");
        }
    }
    let lookup = get(&operator(&app), &at("one")).await;
    assert_eq!((lookup.0, &lookup.1["status"]), (200, &json!("active")), "nothing was done");
}

#[tokio::test]
async fn a_provider_makes_nobody_an_operator_unless_it_is_configured_to() {
    let app = platform().config(|config| config.auth_platform_admin = false).start().await;
    for answer in every_route(&operator(&app)).await {
        assert_eq!((answer.0, answer.1.as_str()), (403, "FORBIDDEN"), "{answer:?}");
    }
}

#[tokio::test]
async fn the_scope_opens_nothing_in_a_tenant() {
    let app = platform().start().await;
    let operator = operator(&app).with_tenant("one");
    let refused = operator.graphql("{ myBoards { id } }", json!({})).await;
    assert_eq!(refused.code(), Some("FORBIDDEN"), "{}", refused.body);
    let both = app.user_with_scope("operator", "platform:admin boards:read").with_tenant("one");
    let board = app.user_of("one", "ada").board("Private", false).await;
    let query = "query($id: UUID!) { board(id: $id) { id } }";
    assert_eq!(both.code(query, json!({ "id": board })).await, "FORBIDDEN", "no role on it");
}

#[tokio::test]
async fn an_operator_is_in_no_tenant() {
    let app = platform().start().await;
    let plain = operator(&app);
    let claim = Issuer::trusted()
        .token(&json!({ "sub": "operator", "scope": "platform:admin", "tenant": "unknown" }));
    for caller in [
        plain.clone().with_tenant("two"),
        plain.clone().with_tenant("Not a slug"),
        app.anonymous().with_token(&claim),
    ] {
        assert_eq!(get(&caller, &at("one")).await.1["slug"], "one");
    }
    let connection = app.database().connect().await;
    let users = sea_orm::Statement::from_string(
        sea_orm::ConnectionTrait::get_database_backend(&connection),
        "SELECT count(*) AS count FROM users",
    );
    let row = sea_orm::ConnectionTrait::query_one_raw(&connection, users).await.expect("counted");
    assert_eq!(row.expect("a row").try_get::<i64>("", "count").expect("a number"), 0);
}

#[tokio::test]
async fn under_provider_none_the_local_user_is_the_operator() {
    let app =
        TestApp::builder().config(|config| config.auth_provider = AuthProvider::None).start().await;
    let (status, body) = get(&app.anonymous(), STATUS).await;
    assert_eq!((status, &body["auth_providers"]), (200, &json!([])));
}

#[tokio::test]
async fn the_status_says_how_the_deployment_stands_and_no_secret() {
    let app = platform().start().await;
    let operator = operator(&app);
    let closed = "UPDATE tenants SET status = 'pending' WHERE slug = 'two'";
    assert_eq!(sql::execute(&app, closed, []).await, 1);
    let (status, body) = get(&operator, STATUS).await;
    assert_eq!(status, 200, "{body}");
    let kind = if on_postgres() { "postgresql" } else { "sqlite" };
    let wanted = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "multi_tenant": true,
        "default_tenant": "default",
        "registration": "off",
        "auth_providers": ["jwt"],
        "database": { "kind": kind, "migrated": true, "missing_migrations": [] },
        "tenants": { "active": 2, "pending": 1, "deleting": 0 },
    });
    assert_eq!(body, wanted);
    let shown = body.to_string();
    for secret in [SECRET, SIGNING_SECRET, app.database().url().expose()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[tokio::test]
async fn a_tenant_is_made_shown_and_used() {
    let app = platform().start().await;
    let operator = operator(&app);
    let asked = json!({
        "name": " Acme Inc. ", "slug": "acme", "join_policy": "domain",
        "join_domains": ["Acme.COM", "acme.com", "acme.org"],
    });
    let made = send(&operator, Method::POST, TENANTS, &asked).await;
    assert_eq!(made.status(), 201);
    let location = made.headers()[header::LOCATION].to_str().expect("text").to_owned();
    let made: Value = made.json().await.expect("JSON");
    for (field, wanted) in [
        ("slug", json!("acme")),
        ("name", json!("Acme Inc.")),
        ("status", json!("active")),
        ("join_policy", json!("domain")),
        ("join_domains", json!(["acme.com", "acme.org"])),
        ("registered_by", Value::Null),
    ] {
        assert_eq!(made[field], wanted, "{field}");
    }
    assert_eq!(location, at(&text(&made["id"])));
    for path in [location, at("acme")] {
        assert_eq!(get(&operator, &path).await, (200, made.clone()));
    }
    let claims = json!({ "sub": "ada", "email": "ada@acme.org", "email_verified": true });
    let ada = app.anonymous().with_token(&Issuer::trusted().token(&claims)).with_tenant("acme");
    ada.id().await;
    let minimal = post(&operator, TENANTS, &json!({ "name": "www", "slug": "www" })).await;
    assert_eq!((minimal.0, &minimal.1["join_policy"]), (201, &json!("invite")));
}

#[tokio::test]
async fn input_is_judged_strictly() {
    let app = platform().start().await;
    let operator = operator(&app);
    let long = "a".repeat(256);
    let cases = [
        (json!({ "slug": "acme" }), "body"),
        (json!({ "name": "A", "slug": "acme", "settings": {} }), "body"),
        (json!({ "name": "A", "slug": "acme", "join_policy": null }), "body"),
        (json!({ "name": "A", "slug": 7 }), "body"),
        (json!(["A", "acme"]), "body"),
        (json!({ "name": " ", "slug": "acme" }), "name"),
        (json!({ "name": long, "slug": "acme" }), "name"),
        (json!({ "name": "A\u{0}", "slug": "acme" }), "name"),
        (json!({ "name": "A", "slug": "Acme" }), "slug"),
        (json!({ "name": "A", "slug": long }), "slug"),
        (json!({ "name": "A", "slug": "01a20144-7a28-72db-bbcb-ffc583baec45" }), "slug"),
        (json!({ "name": "A", "slug": "01a201447a2872dbbbcbffc583baec45" }), "slug"),
        (json!({ "name": "A", "slug": "acme", "join_policy": "all" }), "join_policy"),
        (json!({ "name": "A", "slug": "acme", "join_policy": "domain" }), "join_domains"),
        (json!({ "name": "A", "slug": "acme", "join_domains": ["acme"] }), "join_domains.0"),
    ];
    for (body, path) in cases {
        let answer = post(&operator, TENANTS, &body).await;
        assert_eq!(refusal(&answer), (400, "BAD_USER_INPUT"), "{body}: {answer:?}");
        assert_eq!(answer.1["violations"][0]["path"], path, "{body}: {answer:?}");
    }
    let taken = post(&operator, TENANTS, &json!({ "name": "A", "slug": "one" })).await;
    assert_eq!(refusal(&taken), (409, "CONFLICT"));
    let body = json!({ "name": "A", "slug": "acme" }).to_string();
    for (content_type, status) in [
        (None, 415),
        (Some("text/plain"), 415),
        (Some("application/x-www-form-urlencoded"), 415),
        (Some("application/json; charset=utf-8"), 201),
    ] {
        let mut request = operator.post(TENANTS).body(body.clone());
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        assert_eq!(request.send().await.expect("an answer").status(), status, "{content_type:?}");
    }
    let huge = json!({ "name": "a".repeat(70_000), "slug": "huge" });
    assert_eq!(refusal(&post(&operator, TENANTS, &huge).await), (413, "PAYLOAD_TOO_LARGE"));
    let twice = operator.post(TENANTS).header("content-type", "application/json");
    let twice = twice.body(r#"{"name": "A", "slug": "twice", "slug": "again"}"#).send().await;
    assert_eq!(twice.expect("an answer").status(), 400);
}

async fn slugs(operator: &Client, parameters: &str) -> (Vec<String>, Option<String>) {
    let (status, body) = get(operator, &format!("{TENANTS}?{parameters}")).await;
    assert_eq!(status, 200, "{parameters}: {body}");
    let tenants = body["tenants"].as_array().expect("a list");
    let slugs = tenants.iter().map(|tenant| text(&tenant["slug"])).collect();
    (slugs, body["next_cursor"].as_str().map(str::to_owned))
}

#[tokio::test]
async fn pages_hold_each_tenant_once_whatever_happens_between_them() {
    let app = platform().start().await;
    let operator = operator(&app);
    for slug in ["a-1", "a-2", "b-1"] {
        post(&operator, TENANTS, &json!({ "name": slug, "slug": slug })).await;
    }
    let (mut seen, mut cursor) = slugs(&operator, "limit=2").await;
    // Neither a new name nor a tenant that is gone moves the others.
    assert_eq!(patch(&operator, &at("b-1"), &json!({ "slug": "0-first" })).await.0, 200);
    assert_eq!(sql::execute(&app, "DELETE FROM tenants WHERE slug = 'one'", []).await, 1);
    while let Some(after) = cursor {
        let (page, next) = slugs(&operator, &format!("limit=2&cursor={after}")).await;
        assert!(page.len() == 2 || next.is_none());
        seen.extend(page);
        cursor = next;
    }
    assert_eq!(seen, ["default", "one", "two", "a-1", "a-2", "0-first"]);
    assert_eq!(slugs(&operator, "slug_prefix=a-").await, (vec!["a-1".into(), "a-2".into()], None));
    let pending = "UPDATE tenants SET status = 'pending' WHERE slug = 'a-2'";
    assert_eq!(sql::execute(&app, pending, []).await, 1);
    assert_eq!(slugs(&operator, "status=pending").await, (vec!["a-2".into()], None));
    assert_eq!(slugs(&operator, "slug_prefix=a-&status=active").await.0, ["a-1"]);
    for wrong in [
        "limit=0",
        "limit=101",
        "limit=many",
        "limit=1&limit=2",
        "cursor=x",
        "status=open",
        "slug_prefix=%25",
        "slug_prefix=_",
        "offset=1",
    ] {
        let answer = get(&operator, &format!("{TENANTS}?{wrong}")).await;
        assert_eq!(refusal(&answer), (400, "BAD_USER_INPUT"), "{wrong}");
    }
}

#[tokio::test]
async fn changes_touch_what_they_name() {
    let app = platform().start().await;
    let operator = operator(&app);
    let before = get(&operator, &at("one")).await.1;
    let (status, renamed) = patch(&operator, &at("one"), &json!({ "name": "First" })).await;
    assert_eq!((status, &renamed["name"], &renamed["slug"]), (200, &json!("First"), &json!("one")));
    assert_ne!(renamed["updated_at"], before["updated_at"]);
    let by_id = at(&text(&before["id"]));
    let moved = json!({ "slug": "first", "join_policy": "domain", "join_domains": ["x.com"] });
    let (status, moved) = patch(&operator, &by_id, &moved).await;
    assert_eq!((status, &moved["slug"], &moved["name"]), (200, &json!("first"), &json!("First")));
    assert_eq!(moved["join_domains"], json!(["x.com"]));
    let outsider = app.user_of("first", "ada");
    assert_eq!(outsider.code("{ me { id } }", json!({})).await, "FORBIDDEN");
    assert_eq!(
        app.user_of("one", "ada").code("{ me { id } }", json!({})).await,
        "TENANT_NOT_FOUND"
    );

    let cases = [
        ("first", json!({ "slug": "two" }), 409, "CONFLICT"),
        ("first", json!({ "join_domains": [] }), 400, "BAD_USER_INPUT"),
        ("first", json!({ "status": "pending" }), 400, "BAD_USER_INPUT"),
        ("first", json!({ "status": "deleting" }), 400, "BAD_USER_INPUT"),
        ("first", json!({ "id": "x" }), 400, "BAD_USER_INPUT"),
        ("first", json!({ "name": null }), 400, "BAD_USER_INPUT"),
        ("default", json!({ "slug": "other" }), 409, "CONFLICT"),
        ("unknown", json!({ "name": "X" }), 404, "TENANT_NOT_FOUND"),
        ("Not%20a%20slug", json!({ "name": "X" }), 404, "TENANT_NOT_FOUND"),
    ];
    for (slug, body, status, code) in cases {
        let answer = patch(&operator, &at(slug), &body).await;
        assert_eq!(refusal(&answer), (status, code), "{slug} {body}: {answer:?}");
    }
    let same = json!({ "slug": "default", "name": "Home" });
    assert_eq!(patch(&operator, &at("default"), &same).await.0, 200);
}

#[tokio::test]
async fn a_deletion_is_meant() {
    let app = platform().start().await;
    let operator = operator(&app);
    let cases = [
        ("one", json!({}), 400, "BAD_USER_INPUT"),
        ("one", json!({ "confirm": "two" }), 400, "BAD_USER_INPUT"),
        ("one", json!({ "confirm": "ONE" }), 400, "BAD_USER_INPUT"),
        ("one", json!({ "confirm": "one", "force": true }), 400, "BAD_USER_INPUT"),
        ("default", json!({ "confirm": "default" }), 409, "CONFLICT"),
        ("unknown", json!({ "confirm": "unknown" }), 404, "TENANT_NOT_FOUND"),
    ];
    for (slug, body, status, code) in cases {
        let answer = delete(&operator, &at(slug), &body).await;
        assert_eq!(refusal(&answer), (status, code), "{slug} {body}: {answer:?}");
    }
    let id = text(&get(&operator, &at("one")).await.1["id"]);
    let by_id = delete(&operator, &at(&id), &json!({ "confirm": id })).await;
    assert_eq!(refusal(&by_id), (400, "BAD_USER_INPUT"), "the slug is what people know");
    let without = operator.request(Method::DELETE, &at("one")).send().await.expect("an answer");
    assert_eq!(without.status(), 415);
    assert_eq!(get(&operator, &at("one")).await.1["status"], "active");
}

/// Who is named becomes the tenant's first admin with their first sign-in, by a verified email.
#[tokio::test]
async fn a_tenant_is_made_with_its_first_admin() {
    let app = platform().start().await;
    let operator = operator(&app);
    let wrong = json!({ "name": "Three", "slug": "three", "admin_email": "nobody" });
    let refused = post(&operator, TENANTS, &wrong).await;
    assert_eq!(refusal(&refused), (400, "BAD_USER_INPUT"));
    assert_eq!(refused.1["violations"][0]["path"], "admin_email");
    assert_eq!(get(&operator, &at("three")).await.0, 404, "nothing was made");
    let body = json!({ "name": "Three", "slug": "three", "admin_email": "Ada@Example.com" });
    assert_eq!(post(&operator, TENANTS, &body).await.0, 201);
    let bob = app.user_of("three", "bob");
    assert_eq!(bob.code("{ me { id } }", json!({})).await, "FORBIDDEN", "nobody else was invited");
    let ada = app.user_of("three", "ada");
    let me = ada.data("{ me { tenantRole } }", json!({})).await;
    assert_eq!(me["me"]["tenantRole"], "ADMIN");
}

/// What operators do is on record with who they are, in no tenant; also what they fail in.
#[tokio::test]
async fn acts_of_operators_are_recorded() {
    let app = platform().start().await;
    let operator = operator(&app);
    let made = post(&operator, TENANTS, &json!({ "name": "Three", "slug": "three" })).await.1;
    patch(&operator, &at("three"), &json!({ "name": "Drei" })).await;
    patch(&operator, &at("nowhere"), &json!({ "name": "Drei" })).await;
    delete(&operator, &at("three"), &json!({ "confirm": "other" })).await;
    delete(&operator, &at("three"), &json!({ "confirm": "three" })).await;
    get(&app.user("ada"), TENANTS).await;
    let expected = [
        ("platform.tenant.create", "ALLOWED", None),
        ("platform.tenant.update", "ALLOWED", None),
        ("platform.tenant.update", "DENIED", Some("TENANT_NOT_FOUND")),
        ("platform.tenant.delete", "FAILED", Some("BAD_USER_INPUT")),
        ("platform.tenant.delete", "ALLOWED", None),
    ];
    let all = AuditFilter::default();
    let events = eventually("all is written", async || {
        let events = app.store().audit().export(None, &all, None, 1000).await.expect("events");
        let refused = events.iter().any(|event| event.action == TENANTS);
        let acts: Vec<_> =
            events.into_iter().filter(|event| event.action.starts_with("platform.")).collect();
        (refused && acts.len() == expected.len()).then_some(acts)
    })
    .await;
    for event in &events {
        assert_eq!(event.tenant, None, "{event:?}");
        assert_eq!(event.provider.as_deref(), Some("jwt"), "{event:?}");
        assert_eq!(event.subject.as_deref(), Some("operator"), "{event:?}");
    }
    let mut found: Vec<_> = events
        .iter()
        .map(|event| (event.action.as_str(), event.decision.as_str(), event.reason.as_deref()))
        .collect();
    // Refusals are written a little later than acts.
    found.sort_unstable();
    let mut expected = expected.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
    let id = text(&made["id"]);
    let objects = events.iter().filter(|event| event.object_id.as_ref() == Some(&id)).count();
    assert_eq!(objects, 3, "what was done names its tenant");
}

/// A tenant that nobody can run must not be left.
#[tokio::test]
async fn a_tenant_and_its_first_invitation_are_made_both_or_neither() {
    let app = platform().start().await;
    let refuse = if on_postgres() {
        "ALTER TABLE invitations ADD CONSTRAINT none CHECK (false)"
    } else {
        "CREATE TRIGGER none BEFORE INSERT ON invitations BEGIN SELECT RAISE(ABORT, 'none'); END"
    };
    sql::execute(&app, refuse, []).await;
    let operator = operator(&app);
    let body = json!({ "name": "Three", "slug": "three", "admin_email": "ada@example.com" });
    assert_eq!(post(&operator, TENANTS, &body).await.0, 500);
    assert_eq!(get(&operator, &at("three")).await.0, 404, "no tenant without its admin");
}
