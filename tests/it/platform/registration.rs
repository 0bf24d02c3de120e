//! Tenants that people register.

use boards::config::{Config, Scopes, TenantRegistration};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{REGISTER, at, get, operator, patch, platform, post, refusal};
use crate::support::{Client, Issuer, TestApp, sql};

const OFF: (u16, &str) = (403, "FORBIDDEN");

async fn open(tweak: impl FnOnce(&mut Config) + 'static) -> TestApp {
    let settings = |config: &mut Config| config.tenant_registration = TenantRegistration::Open;
    platform().config(settings).config(tweak).start().await
}

async fn register(caller: &Client, slug: &str) -> (u16, Value) {
    post(caller, REGISTER, &json!({ "name": format!("Of {slug}"), "slug": slug })).await
}

fn with_email(app: &TestApp, subject: &str, email: &str, verified: bool) -> Client {
    let claims = json!({ "sub": subject, "email": email, "email_verified": verified });
    app.anonymous().with_token(&Issuer::trusted().token(&claims))
}

#[tokio::test]
async fn it_is_off_unless_it_is_configured_and_there_are_many_tenants() {
    let off = platform().start().await;
    assert_eq!(refusal(&register(&off.user("ada"), "acme").await), OFF);
    let single = TestApp::builder()
        .config(|config| config.tenant_registration = TenantRegistration::Open)
        .start()
        .await;
    assert_eq!(refusal(&register(&single.user("ada"), "acme").await), OFF);
    let anonymous = register(&single.anonymous(), "acme").await;
    assert_eq!(refusal(&anonymous), (401, "UNAUTHENTICATED"));
}

#[tokio::test]
async fn who_registers_a_tenant_runs_it_and_nobody_else_is_in_it() {
    let app = open(|_| {}).await;
    let ada = app.user("ada");
    let (status, made) = register(&ada, "acme").await;
    assert_eq!((status, &made["status"]), (201, &json!("active")), "{made}");
    assert_eq!(made["registered_by"], json!({ "provider": "jwt", "subject": "ada" }));
    let me = ada.clone().with_tenant("acme").data("{ me { id email } }", json!({})).await;
    assert_eq!(me["me"]["email"], "ada@example.com");
    let id = sql::id(me["me"]["id"].as_str().expect("an id"));
    let is_admin = "UPDATE users SET tenant_role = 'admin' WHERE id = $1 AND tenant_role = 'admin'";
    assert_eq!(sql::execute(&app, is_admin, [id]).await, 1);
    let bob = app.user_of("acme", "bob");
    assert_eq!(bob.code("{ me { id } }", json!({})).await, "FORBIDDEN");
}

#[tokio::test]
async fn a_token_that_was_narrowed_needs_the_scope() {
    let app = open(|_| {}).await;
    for scope in ["", "boards:read boards:write", "platform:admin"] {
        let refused = register(&app.user_with_scope("ada", scope), "acme").await;
        assert_eq!(refusal(&refused), OFF, "{scope}");
    }
    let own = app.anonymous().with_token("bds_0123456789");
    assert_eq!(refusal(&register(&own, "acme").await), (401, "UNAUTHENTICATED"));
    assert_eq!(register(&app.user_with_scope("ada", "tenant:admin"), "acme").await.0, 201);
    let strict = open(|config| config.scopes = Scopes::Required).await;
    assert_eq!(refusal(&register(&strict.user("ada"), "acme").await), OFF);
}

#[tokio::test]
async fn only_verified_emails_of_the_domains_count() {
    let app = open(|config| config.tenant_registration_domains = vec!["acme.com".to_owned()]).await;
    for (email, verified) in [
        ("ada@acme.com", false),
        ("ada@other.com", true),
        ("ada@sub.acme.com", true),
        ("ada@notacme.com", true),
    ] {
        let refused = register(&with_email(&app, "ada", email, verified), "acme").await;
        assert_eq!(refusal(&refused), OFF, "{email}");
    }
    let nameless = app.anonymous().with_token(&Issuer::trusted().token(&json!({ "sub": "ada" })));
    assert_eq!(refusal(&register(&nameless, "acme").await), OFF);
    assert_eq!(register(&with_email(&app, "ada", "ada@ACME.com", true), "acme").await.0, 201);
}

#[tokio::test]
async fn slugs_are_free_unreserved_and_no_ids() {
    let app = open(|config| config.default_tenant_slug = "home".to_owned()).await;
    let ada = app.user("ada");
    let long = "a".repeat(64);
    for slug in ["home", "www", "admin", "api", "xn--80ak6aa92e", "Acme", "", &long] {
        let refused = register(&ada, slug).await;
        assert_eq!(refusal(&refused), (400, "BAD_USER_INPUT"), "{slug}");
        assert_eq!(refused.1["violations"][0]["path"], "slug", "{slug}");
    }
    let id = register(&ada, "01a20144-7a28-72db-bbcb-ffc583baec45").await;
    assert_eq!(refusal(&id), (400, "BAD_USER_INPUT"));
    assert_eq!(refusal(&register(&ada, "one").await), (409, "CONFLICT"));
    let more = json!({ "name": "A", "slug": "acme", "join_policy": "open" });
    assert_eq!(refusal(&post(&ada, REGISTER, &more).await), (400, "BAD_USER_INPUT"));
}

#[tokio::test]
async fn the_maximum_holds_however_many_ask_at_once() {
    let app = open(|config| config.tenant_registration_max = 2).await;
    let (ada, bob) = (app.user("ada"), app.user("bob"));
    let slugs: Vec<String> = (0..12).map(|number| format!("acme-{number}")).collect();
    let answers = join_all(slugs.iter().map(|slug| register(&ada, slug))).await;
    let made = answers.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!(made, 2, "{answers:?}");
    assert!(answers.iter().all(|answer| answer.0 == 201 || refusal(answer) == OFF), "{answers:?}");
    assert_eq!(register(&bob, "of-bob").await.0, 201);

    let rivals: Vec<Client> = (0..8).map(|number| app.user(&format!("rival-{number}"))).collect();
    let answers = join_all(rivals.iter().map(|rival| register(rival, "wanted"))).await;
    let won = answers.iter().filter(|(status, _)| *status == 201).count();
    assert_eq!(won, 1, "{answers:?}");
    assert!(answers.iter().all(|answer| answer.0 == 201 || refusal(answer) == (409, "CONFLICT")));
}

#[tokio::test]
async fn a_tenant_that_needs_approval_is_closed_until_it_has_it() {
    let app = platform()
        .config(|config| config.tenant_registration = TenantRegistration::Approval)
        .start()
        .await;
    let ada = app.user("ada");
    let (status, made) = register(&ada, "acme").await;
    assert_eq!((status, &made["status"]), (201, &json!("pending")));
    let inside = ada.clone().with_tenant("acme");
    assert_eq!(inside.code("{ me { id } }", json!({})).await, "TENANT_NOT_FOUND");
    let path = at("acme");
    let by_herself = patch(&ada, &path, &json!({ "status": "active" })).await;
    assert_eq!(refusal(&by_herself), (403, "FORBIDDEN"));
    let operator = operator(&app);
    assert_eq!(get(&operator, &path).await.1["status"], "pending");
    let (status, approved) = patch(&operator, &path, &json!({ "status": "active" })).await;
    assert_eq!((status, &approved["status"]), (200, &json!("active")));
    inside.id().await;
}

#[tokio::test]
async fn a_token_with_a_tenant_claim_registers_that_slug_alone() {
    let app = open(|_| {}).await;
    let claims = json!({ "sub": "ada", "tenant": "acme" });
    let ada = app.anonymous().with_token(&Issuer::trusted().token(&claims));
    assert_eq!(refusal(&register(&ada, "bigcorp").await), OFF);
    let unreadable = json!({ "sub": "ada", "tenant": ["bigcorp"] });
    let unreadable = app.anonymous().with_token(&Issuer::trusted().token(&unreadable));
    assert_eq!(refusal(&register(&unreadable, "bigcorp").await), OFF);
    assert_eq!(register(&ada, "acme").await.0, 201);
}

#[tokio::test]
async fn only_claims_of_the_same_provider_vouch_in_a_registered_tenant() {
    let app = open(|_| {}).await;
    assert_eq!(register(&app.user("ada"), "acme").await.0, 201);
    let claiming = |subject: &str| {
        let claims = json!({ "sub": subject, "tenant": "acme",
            "email": format!("{subject}@acme.com"), "email_verified": true });
        app.anonymous().with_token(&Issuer::trusted().token(&claims))
    };
    claiming("bob").id().await;
    let foreign = "UPDATE tenants SET registered_by_provider = 'other' WHERE slug = 'acme'";
    assert_eq!(sql::execute(&app, foreign, []).await, 1);
    claiming("bob").id().await;
    assert_eq!(claiming("cy").code("{ me { id } }", json!({})).await, "FORBIDDEN");
    let operator = operator(&app);
    for (email_domain, outcome) in [("other.com", 403), ("acme.com", 200)] {
        let policy = json!({ "join_policy": "domain", "join_domains": [email_domain] });
        assert_eq!(patch(&operator, &at("acme"), &policy).await.0, 200);
        let answer = claiming("cy").graphql("{ me { id } }", json!({})).await;
        assert_eq!(answer.code(), (outcome == 403).then_some("FORBIDDEN"), "{email_domain}");
    }
}
