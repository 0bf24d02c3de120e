//! The server behind an identity provider: whose tokens are taken, what that costs, and what
//! happens while the provider is away.

use std::sync::{Arc, Mutex};

use boards::config::{AuthProvider, Config, TrustedIssuer};
use chrono::Utc;
use futures_util::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::{Client, IdentityProvider, Issuer, TestApp, TestAppBuilder, eventually};

const ME: &str = "{ me { authProvider authSubject } }";
const PROGRESS: &str = "/api/sse/generations/018f0000-0000-7000-8000-000000000000/progress";

/// Trusts what the provider signs for `boards`.
fn behind(provider: &IdentityProvider) -> TestAppBuilder {
    let issuer = provider.url.clone();
    TestApp::builder().config(move |config| {
        config.auth_provider = AuthProvider::Oidc;
        config.auth_issuer = Some(issuer);
        config.auth_audience = Some("boards".to_owned());
    })
}

/// A caller with a token of the provider, whose claims are changed by `changes`.
fn caller(app: &TestApp, issuer: &Issuer, provider: &IdentityProvider, changes: &Value) -> Client {
    let mut claims = json!({ "iss": provider.url, "aud": "boards", "sub": "ada" });
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    let algorithm = issuer.algorithm.to_string();
    let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": "key" });
    app.anonymous().with_token(&issuer.with_header(&header, &claims))
}

async fn status(caller: &Client, path: &str) -> StatusCode {
    caller.get(path).send().await.expect("an answer").status()
}

#[tokio::test]
async fn tokens_of_the_provider_are_taken() {
    let issuer = Issuer::es256();
    let provider = IdentityProvider::publishing(&issuer).await;
    let app = behind(&provider).start().await;
    let answer = caller(&app, &issuer, &provider, &json!({})).graphql(ME, json!({})).await;
    assert_eq!(answer.status, StatusCode::OK);
    let me = json!({ "authProvider": "oidc", "authSubject": "ada" });
    assert_eq!(answer.body, json!({ "data": { "me": me } }));
    let anonymous = app.anonymous().data("{ publicBoards { id } }", json!({})).await;
    assert_eq!(anonymous, json!({ "publicBoards": [] }));
}

#[tokio::test]
async fn tokens_for_others_reach_no_resolver_and_no_database() {
    let issuer = Issuer::es256();
    let provider = IdentityProvider::publishing(&issuer).await;
    let app = behind(&provider).start().await;
    let before = app.store().statement_count();
    for changes in [
        json!({ "aud": "files" }),
        json!({ "aud": ["files"] }),
        json!({ "aud": null }),
        json!({ "iss": "https://id.example" }),
        json!({ "iss": format!("{}/", provider.url) }),
        json!({ "exp": Utc::now().timestamp() - 60 }),
    ] {
        let caller = caller(&app, &issuer, &provider, &changes);
        assert_eq!(caller.code(ME, json!({})).await, "UNAUTHENTICATED", "{changes}");
        assert_eq!(caller.code("{ publicBoards { id } }", json!({})).await, "UNAUTHENTICATED");
        assert_eq!(status(&caller, PROGRESS).await, StatusCode::UNAUTHORIZED, "{changes}");
    }
    assert_eq!(app.store().statement_count(), before);
}

#[tokio::test]
async fn a_thousand_requests_cost_one_fetch_and_no_write() {
    let issuer = Issuer::rs256();
    let provider = IdentityProvider::publishing(&issuer).await;
    let app = behind(&provider).start().await;
    let ada = caller(&app, &issuer, &provider, &json!({}));
    ada.id().await;
    let writes: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&writes);
    app.store().observe_statements(move |statement| {
        if !statement.trim_start().to_uppercase().starts_with("SELECT") {
            seen.lock().expect("unbroken").push(statement.to_owned());
        }
    });
    for _ in 0..20 {
        let answers = join_all((0..50).map(|_| ada.data(ME, json!({})))).await;
        assert!(answers.iter().all(|data| data["me"]["authSubject"] == "ada"));
    }
    assert_eq!(provider.fetches(), 1);
    assert_eq!(*writes.lock().expect("unbroken"), Vec::<String>::new());
}

#[tokio::test]
async fn without_its_provider_the_server_starts_and_says_later() {
    let issuer = Issuer::es256();
    let provider = IdentityProvider::publishing(&issuer).await;
    provider.set_down(true);
    let app = behind(&provider).start().await;
    let ada = caller(&app, &issuer, &provider, &json!({}));
    for query in [ME, "{ publicBoards { id } }"] {
        assert_eq!(ada.code(query, json!({})).await, "AUTH_UNAVAILABLE");
    }
    assert_eq!(status(&ada, PROGRESS).await, StatusCode::SERVICE_UNAVAILABLE);
    let stranger = caller(&app, &issuer, &provider, &json!({ "iss": "https://id.example" }));
    assert_eq!(stranger.code(ME, json!({})).await, "UNAUTHENTICATED", "that is known anyway");
    assert_eq!(app.anonymous().code(ME, json!({})).await, "UNAUTHENTICATED");
    app.anonymous().data("{ publicBoards { id } }", json!({})).await;
    provider.set_down(false);
    eventually("the provider is asked again", async || {
        ada.graphql(ME, json!({})).await.body.get("errors").is_none().then_some(())
    })
    .await;
    provider.set_down(true);
    ada.data(ME, json!({})).await;
}

/// Trusts the provider as `work` for the tenants of these slugs.
fn listed(provider: &IdentityProvider, tenants: &[&str]) -> TrustedIssuer {
    let single = Config {
        auth_provider: AuthProvider::Oidc,
        auth_issuer: Some(provider.url.clone()),
        auth_audience: Some("boards".to_owned()),
        ..Config::for_tests("unused")
    };
    let issuer = single.trusted_issuers().remove(0);
    let tenants = Some(tenants.iter().map(|slug| (*slug).to_owned()).collect());
    TrustedIssuer { name: "work".to_owned(), tenants, ..issuer }
}

#[tokio::test]
async fn an_issuer_vouches_for_its_tenants_alone() {
    let (work, other) = (Issuer::es256(), Issuer::eddsa());
    let (work_provider, other_provider) =
        (IdentityProvider::publishing(&work).await, IdentityProvider::publishing(&other).await);
    let listed = listed(&work_provider, &["one"]);
    let app = behind(&other_provider)
        .tenants(&["one", "two"])
        .config(move |config| config.auth_issuers = vec![listed])
        .start()
        .await;
    for (tenant, code) in [("one", None), ("two", Some("FORBIDDEN"))] {
        let claims = json!({ "tenant": tenant });
        let by_claim = caller(&app, &work, &work_provider, &claims);
        let by_header = caller(&app, &work, &work_provider, &json!({})).with_tenant(tenant);
        for caller in [by_claim, by_header] {
            let answer = caller.graphql(ME, json!({})).await;
            assert_eq!(answer.code(), code, "{}", answer.body);
            if code.is_none() {
                assert_eq!(answer.body["data"]["me"]["authProvider"], "work");
            }
        }
        let elsewhere = caller(&app, &other, &other_provider, &claims);
        assert_eq!(elsewhere.data(ME, json!({})).await["me"]["authProvider"], "oidc");
    }
}

#[tokio::test]
async fn one_subject_of_two_issuers_is_two_users() {
    let (work, other) = (Issuer::es256(), Issuer::es256());
    let (work_provider, other_provider) =
        (IdentityProvider::publishing(&work).await, IdentityProvider::publishing(&other).await);
    let listed = listed(&work_provider, &["default"]);
    let app = behind(&other_provider).config(move |config| config.auth_issuers = vec![listed]);
    let app = app.start().await;
    let first = caller(&app, &work, &work_provider, &json!({})).id().await;
    let second = caller(&app, &other, &other_provider, &json!({})).id().await;
    assert_ne!(first, second);
}

#[tokio::test]
async fn opaque_tokens_are_introspected() {
    let provider = IdentityProvider::publishing(&Issuer::es256()).await;
    let url = format!("{}/introspect", provider.url);
    let app = TestApp::builder()
        .config(move |config| {
            config.auth_provider = AuthProvider::Introspection;
            config.auth_introspection_url = Some(url.parse().expect("a URL"));
            config.auth_audience = Some("boards".to_owned());
            config.auth_client_id = Some("boards".to_owned());
            config.auth_client_secret = Some("secret".into());
        })
        .start()
        .await;
    let exp = Utc::now().timestamp() + 3600;
    let good = json!({ "active": true, "sub": "ada", "aud": "boards", "exp": exp });
    provider.knows("good", good.clone());
    let mut other = good;
    other["aud"] = json!("files");
    provider.knows("for-files", other);
    let good = app.anonymous().with_token("good");
    let me = json!({ "authProvider": "introspection", "authSubject": "ada" });
    for _ in 0..10 {
        assert_eq!(good.data(ME, json!({})).await["me"], me);
    }
    assert_eq!(provider.questions(), 1);
    let before = app.store().statement_count();
    for token in ["for-files", "unknown"] {
        let caller = app.anonymous().with_token(token);
        assert_eq!(caller.code(ME, json!({})).await, "UNAUTHENTICATED", "{token}");
    }
    provider.set_down(true);
    let unasked = app.anonymous().with_token("unasked");
    assert_eq!(unasked.code(ME, json!({})).await, "AUTH_UNAVAILABLE");
    assert_eq!(status(&unasked, PROGRESS).await, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(app.store().statement_count(), before);
    assert_eq!(good.data(ME, json!({})).await["me"], me, "known for half a minute");
}
