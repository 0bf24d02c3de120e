//! Which issuer judges a token, and what tokens cannot make the server do.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::future::join_all;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::{
    auth::providers::{
        jwt::testing::{Issuer, SECRET},
        testing::{FakeProvider, NOW, Reply, at, client},
    },
    config::{ClientMethod, TokenType},
    error::Error,
};

const RS256: JwtAlgorithm = JwtAlgorithm::Rs256;

fn trusted(name: &str, provider: AuthProvider, issuer: &str) -> TrustedIssuer {
    TrustedIssuer {
        name: name.to_owned(),
        provider,
        issuer: Some(issuer.to_owned()),
        audiences: vec!["boards".to_owned()],
        jwks_url: None,
        introspection_url: None,
        client_id: None,
        client_secret: None,
        client_method: ClientMethod::Basic,
        token_type: TokenType::Any,
        algorithms: None,
        tenant_claim: None,
        tenants: None,
        platform_admin: false,
        jwt_algorithm: JwtAlgorithm::Hs256,
        jwt_secret: None,
        jwt_public_key: None,
    }
}

fn oidc(name: &str, provider: &FakeProvider) -> TrustedIssuer {
    trusted(name, AuthProvider::Oidc, &provider.url)
}

fn introspection(name: &str, provider: &FakeProvider) -> TrustedIssuer {
    TrustedIssuer {
        issuer: None,
        introspection_url: Some(format!("{}/introspect", provider.url).parse().expect("a URL")),
        client_id: Some("boards".to_owned()),
        client_secret: Some("secret".into()),
        ..trusted(name, AuthProvider::Introspection, "")
    }
}

fn verifier(issuers: Vec<TrustedIssuer>) -> IssuersVerifier {
    let leeway = Duration::from_secs(30);
    IssuersVerifier::with_client(issuers, leeway, &client()).expect("the issuers are good")
}

/// The claims of a good token of this provider, changed by `changes`.
fn claims(provider: &FakeProvider, changes: &Value) -> Value {
    let mut claims =
        json!({ "iss": provider.url, "aud": "boards", "sub": "ada", "exp": NOW + 3600 });
    for (name, value) in changes.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    claims
}

async fn refused(verifier: &IssuersVerifier, token: &str) -> bool {
    matches!(verifier.verify(token, at(0)).await, Err(Error::InvalidToken))
}

#[tokio::test]
async fn a_good_token_of_every_published_kind() {
    for algorithm in JwtAlgorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric()) {
        let issuer = Issuer::new(algorithm);
        let provider = FakeProvider::publishing(&[&issuer]).await;
        let algorithms = Some(vec![algorithm]);
        let verifier = verifier(vec![TrustedIssuer { algorithms, ..oidc("work", &provider) }]);
        let token = issuer.token_by("0", &claims(&provider, &json!({})));
        let identity = verifier.verify(&token, at(0)).await.expect("a good token");
        assert_eq!((&*identity.provider, identity.subject.as_str()), ("work", "ada"));
        let nameless = issuer.token(&claims(&provider, &json!({})));
        assert!(verifier.verify(&nameless, at(0)).await.is_ok(), "one key needs no name");
    }
}

#[tokio::test]
async fn a_thousand_tokens_need_one_fetch() {
    let issuer = Issuer::new(RS256);
    let provider = FakeProvider::publishing(&[&issuer]).await;
    let verifier = verifier(vec![oidc("work", &provider)]);
    let token = issuer.token_by("0", &claims(&provider, &json!({})));
    let answers = join_all((0..1000).map(|_| verifier.verify(&token, at(0)))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(provider.fetches(), 1);
}

#[rstest]
#[case::other_audience(json!({ "aud": "files" }))]
#[case::no_audience(json!({ "aud": null }))]
#[case::list_without_us(json!({ "aud": ["files", "mail"] }))]
#[case::numbers_among_audiences(json!({ "aud": ["boards", 7] }))]
#[case::expired(json!({ "exp": NOW - 31 }))]
#[case::expiry_as_text(json!({ "exp": "1900000000" }))]
#[case::expiry_is_huge(json!({ "exp": 1e300 }))]
#[case::expiry_is_larger_than_numbers(json!({ "exp": u64::MAX }))]
#[case::expiry_in_a_list(json!({ "exp": [NOW + 60] }))]
#[case::no_expiry(json!({ "exp": null }))]
#[case::not_yet(json!({ "nbf": NOW + 31 }))]
#[case::subjects(json!({ "sub": ["ada"] }))]
#[case::no_subject(json!({ "sub": "" }))]
#[case::slash(json!({ "iss": "SLASH" }))]
#[case::issuers(json!({ "iss": ["SAME"] }))]
#[tokio::test]
async fn claims_that_are_refused(#[case] mut changes: Value) {
    let issuer = Issuer::new(RS256);
    let provider = FakeProvider::publishing(&[&issuer]).await;
    if changes["iss"] == "SLASH" {
        changes["iss"] = format!("{}/", provider.url).into();
    }
    if changes["iss"].is_array() {
        changes["iss"] = json!([provider.url]);
    }
    let verifier = verifier(vec![oidc("work", &provider)]);
    assert!(refused(&verifier, &issuer.token_by("0", &claims(&provider, &changes))).await);
}

#[tokio::test]
async fn fractions_of_seconds_are_dates() {
    let issuer = Issuer::new(RS256);
    let provider = FakeProvider::publishing(&[&issuer]).await;
    let verifier = verifier(vec![oidc("work", &provider)]);
    let claims = claims(&provider, &json!({ "exp": 1_800_000_060.5, "nbf": 1_799_999_999.5 }));
    assert!(verifier.verify(&issuer.token_by("0", &claims), at(0)).await.is_ok());
}

/// A token signed by HMAC with `secret`.
fn signed_by_hmac(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(claims.to_string())
    );
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag))
}

#[tokio::test]
async fn a_published_key_is_no_secret() {
    let issuer = Issuer::new(RS256);
    let provider = FakeProvider::publishing(&[&issuer]).await;
    let oct =
        json!({ "kty": "oct", "alg": "HS256", "kid": "o", "k": URL_SAFE_NO_PAD.encode(SECRET) });
    let keys = json!({ "keys": [issuer.jwk("0"), oct] });
    provider.reply("/jwks", Reply::Json(keys, None));
    let verifier = verifier(vec![oidc("work", &provider)]);
    let claims = claims(&provider, &json!({}));
    let modulus =
        URL_SAFE_NO_PAD.decode(issuer.jwk("0")["n"].as_str().expect("n")).expect("base64");
    for (id, secret) in
        [("0", issuer.public.as_bytes()), ("0", &modulus), ("o", SECRET.as_bytes()), ("0", b"")]
    {
        let token = signed_by_hmac(&json!({ "alg": "HS256", "kid": id }), &claims, secret);
        assert!(refused(&verifier, &token).await);
    }
    assert_eq!(provider.requests(), 0, "an algorithm that may not be used needs no keys");
}

#[tokio::test]
async fn tokens_choose_no_key_and_cause_no_fetch() {
    let (issuer, stranger) = (Issuer::new(RS256), Issuer::new(JwtAlgorithm::Es256));
    let provider = FakeProvider::publishing(&[&issuer]).await;
    let elsewhere = FakeProvider::publishing(&[&stranger]).await;
    let verifier = verifier(vec![oidc("work", &provider)]);
    let address = format!("{}/jwks", elsewhere.url);
    let own = claims(&provider, &json!({})).to_string();
    for header in [
        json!({ "alg": "ES256", "kid": "0", "jku": address }),
        json!({ "alg": "ES256", "kid": "0", "x5u": address }),
        json!({ "alg": "ES256", "kid": address }),
        json!({ "alg": "ES256", "jwk": stranger.jwk("0") }),
        json!({ "alg": "ES256", "x5c": ["AAAA"] }),
    ] {
        assert!(refused(&verifier, &stranger.signed(&header.to_string(), &own)).await, "{header}");
    }
    let foreign = stranger.token_by("0", &claims(&elsewhere, &json!({})));
    assert!(refused(&verifier, &foreign).await);
    assert_eq!(elsewhere.requests(), 0);
    assert!(provider.fetches() <= 2, "the keys, and once more for keys that are not there");
}

#[rstest]
#[case("none")]
#[case("None")]
#[case("NONE")]
#[case("nOnE")]
#[case("")]
#[case("rs256")]
#[tokio::test]
async fn no_algorithm_but_those_that_are_allowed(#[case] name: &str) {
    let issuer = Issuer::new(RS256);
    let provider = FakeProvider::publishing(&[&issuer]).await;
    let verifier = verifier(vec![oidc("work", &provider)]);
    let header = json!({ "alg": name, "kid": "0" }).to_string();
    let token = issuer.signed(&header, &claims(&provider, &json!({})).to_string());
    assert!(refused(&verifier, &token).await);
    let (message, _) = token.rsplit_once('.').expect("three parts");
    assert!(refused(&verifier, &format!("{message}.")).await);
    assert_eq!(provider.requests(), 0);
}

#[tokio::test]
async fn tokens_of_strange_shapes_are_refused_without_asking() {
    let issuer = Issuer::new(RS256);
    let provider = FakeProvider::publishing(&[&issuer]).await;
    let verifier = verifier(vec![oidc("work", &provider)]);
    let good = issuer.token_by("0", &claims(&provider, &json!({})));
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let nested = issuer.signed(r#"{"alg":"RS256","kid":"0","cty":"JWT"}"#, &good);
    let twice = format!(r#"{{"iss":"{}","iss":"{}"}}"#, provider.url, provider.url);
    let encrypted = URL_SAFE_NO_PAD.encode(r#"{"alg":"RSA-OAEP","enc":"A128GCM"}"#);
    for token in [
        nested.as_str(),
        &issuer.signed(r#"{"alg":"RS256","kid":"0"}"#, &twice),
        &format!("{encrypted}.AAAA.AAAA.AAAA.AAAA"),
        &format!("{good}.{signature}"),
        message,
        "opaque",
        "",
        "..",
        &"a".repeat(20_000),
    ] {
        assert!(refused(&verifier, token).await, "{token}");
    }
    assert_eq!(provider.requests(), 0);
}

#[tokio::test]
async fn a_claim_that_stands_twice_is_refused() {
    let issuer = Issuer::new(RS256);
    let provider = FakeProvider::publishing(&[&issuer]).await;
    let verifier = verifier(vec![oidc("work", &provider)]);
    let claims = claims(&provider, &json!({})).to_string();
    for twice in [r#","sub":"eve"}"#, r#","aud":"boards"}"#, r#","exp":1900000000}"#] {
        let payload = claims.replace('}', twice);
        assert!(refused(&verifier, &issuer.signed(r#"{"alg":"RS256","kid":"0"}"#, &payload)).await);
    }
}

#[tokio::test]
async fn critical_extensions_and_other_types_are_refused() {
    let issuer = Issuer::new(RS256);
    let provider = FakeProvider::publishing(&[&issuer]).await;
    let lax = verifier(vec![oidc("work", &provider)]);
    let token_type = TokenType::AccessToken;
    let strict = verifier(vec![TrustedIssuer { token_type, ..oidc("work", &provider) }]);
    let claims = claims(&provider, &json!({})).to_string();
    let token =
        |more: &str| issuer.signed(&format!(r#"{{"alg":"RS256","kid":"0"{more}}}"#), &claims);
    for (more, by_lax, by_strict) in [
        ("", true, false),
        (r#","typ":"JWT""#, true, false),
        (r#","typ":"at+jwt""#, true, true),
        (r#","typ":"application/at+jwt""#, true, true),
        (r#","typ":"id+jwt""#, false, false),
        (r#","typ":"at+jwt","crit":["b64"],"b64":false"#, false, false),
        (r#","typ":"at+jwt","crit":[]"#, false, false),
    ] {
        assert_eq!(lax.verify(&token(more), at(0)).await.is_ok(), by_lax, "{more}");
        assert_eq!(strict.verify(&token(more), at(0)).await.is_ok(), by_strict, "{more}");
    }
}

#[tokio::test]
async fn the_issuer_in_the_token_picks_the_entry() {
    let (one, two) = (Issuer::new(JwtAlgorithm::Es256), Issuer::new(JwtAlgorithm::EdDsa));
    let (first, second) =
        (FakeProvider::publishing(&[&one]).await, FakeProvider::publishing(&[&two]).await);
    let secret = TrustedIssuer {
        jwt_secret: Some(SECRET.into()),
        ..trusted("scripts", AuthProvider::Jwt, "scripts")
    };
    let verifier = verifier(vec![oidc("one", &first), secret, oidc("two", &second)]);
    let provider_of = async |token: &str| {
        verifier.verify(token, at(0)).await.ok().map(|identity| identity.provider.to_string())
    };
    let own = claims(&first, &json!({}));
    assert_eq!(provider_of(&one.token_by("0", &own)).await.as_deref(), Some("one"));
    assert_eq!(second.requests(), 0);
    let other = claims(&second, &json!({}));
    assert_eq!(provider_of(&two.token_by("0", &other)).await.as_deref(), Some("two"));
    assert_eq!(provider_of(&one.token_by("0", &other)).await, None, "another's key");
    let scripts = claims(&first, &json!({ "iss": "scripts" }));
    let hmac = Issuer::new(JwtAlgorithm::Hs256);
    assert_eq!(provider_of(&hmac.token(&scripts)).await.as_deref(), Some("scripts"));
    assert_eq!(provider_of(&hmac.token(&own)).await, None, "the secret is one issuer's own");
    for iss in [json!("https://id.example"), json!(null), json!(7)] {
        assert_eq!(provider_of(&hmac.token(&claims(&first, &json!({ "iss": iss })))).await, None);
    }
}

#[tokio::test]
async fn a_provider_that_is_down_is_no_reason_to_refuse() {
    let issuer = Issuer::new(RS256);
    let provider = FakeProvider::publishing(&[&issuer]).await;
    provider.reply("/jwks", Reply::Status(502));
    let verifier = verifier(vec![oidc("work", &provider)]);
    let token = issuer.token_by("0", &claims(&provider, &json!({})));
    let answer = verifier.verify(&token, at(0)).await;
    assert!(matches!(answer, Err(Error::AuthUnavailable)), "{answer:?}");
    provider.publish(&[&issuer]);
    assert!(verifier.verify(&token, at(5)).await.is_ok());
}

#[tokio::test]
async fn an_issuer_is_trusted_as_far_as_configured() {
    let issuer = Issuer::new(RS256);
    let provider = FakeProvider::publishing(&[&issuer]).await;
    let scope = json!({ "scope": "boards:read platform:admin" });
    let token = issuer.token_by("0", &claims(&provider, &scope));
    let of = async |issuer: TrustedIssuer| {
        verifier(vec![issuer]).verify(&token, at(0)).await.expect("a good token")
    };
    let narrow = of(TrustedIssuer { tenants: Some(vec!["acme".into()]), ..oidc("a", &provider) });
    let narrow = narrow.await;
    assert_eq!(narrow.scopes, Some(vec!["boards:read".to_owned()]));
    assert!(narrow.is_allowed_in("acme") && !narrow.is_allowed_in("other"));
    let wide = of(TrustedIssuer { platform_admin: true, ..oidc("a", &provider) }).await;
    assert_eq!(wide.scopes.map(|scopes| scopes.len()), Some(2));
    assert!(wide.allowed_tenants.is_none());
}

#[tokio::test]
async fn supabase_may_use_its_legacy_secret_beside_its_keys() {
    let issuer = Issuer::new(JwtAlgorithm::Es256);
    let provider = FakeProvider::start().await;
    let keys = json!({ "keys": [issuer.jwk("0")] });
    provider.reply("/auth/v1/.well-known/jwks.json", Reply::Json(keys, None));
    let name = format!("{}/auth/v1", provider.url);
    let without = trusted("supabase", AuthProvider::Supabase, &name);
    let with = TrustedIssuer { jwt_secret: Some(SECRET.into()), ..without.clone() };
    let (with, without) = (verifier(vec![with]), verifier(vec![without]));
    let claims = claims(&provider, &json!({ "iss": name }));
    let published = issuer.token_by("0", &claims);
    let legacy = Issuer::new(JwtAlgorithm::Hs256).token(&claims);
    assert!(with.verify(&published, at(0)).await.is_ok());
    assert!(without.verify(&published, at(0)).await.is_ok());
    assert!(with.verify(&legacy, at(0)).await.is_ok());
    assert!(refused(&without, &legacy).await);
    let longer = Issuer::new(JwtAlgorithm::Hs512).token(&claims);
    assert!(refused(&with, &longer).await, "HS256 alone");
}

#[rstest]
#[case(AuthProvider::Auth0, "/", "/.well-known/jwks.json")]
#[case(AuthProvider::Clerk, "", "/.well-known/jwks.json")]
#[tokio::test]
async fn presets_know_where_the_keys_are(
    #[case] preset: AuthProvider,
    #[case] end: &str,
    #[case] path: &str,
) {
    let issuer = Issuer::new(RS256);
    let provider = FakeProvider::start().await;
    provider.reply(path, Reply::Json(json!({ "keys": [issuer.jwk("0")] }), None));
    let name = format!("{}{end}", provider.url);
    let verifier = verifier(vec![trusted("preset", preset, &name)]);
    let granted = json!({ "iss": name, "permissions": ["boards:read"] });
    let token = issuer.token_by("0", &claims(&provider, &granted));
    let identity = verifier.verify(&token, at(0)).await.expect("a good token");
    assert_eq!(identity.scopes, Some(vec!["boards:read".to_owned()]));
    assert_eq!(provider.requests(), 1, "and need no discovery");
}

fn active(changes: &Value) -> Reply {
    let mut answer = json!({
        "active": true, "sub": "ada", "aud": "boards", "exp": NOW + 3600, "token_type": "Bearer",
    });
    for (name, value) in changes.as_object().expect("an object") {
        answer[name] = value.clone();
    }
    Reply::Json(answer, None)
}

#[tokio::test]
async fn opaque_tokens_go_to_the_one_who_introspects() {
    let issuer = Issuer::new(RS256);
    let signing = FakeProvider::publishing(&[&issuer]).await;
    let opaque = FakeProvider::start().await;
    opaque.reply("/introspect", active(&json!({})));
    let verifier = verifier(vec![oidc("signed", &signing), introspection("opaque", &opaque)]);
    assert!(verifier.would_ask("an-opaque-token", at(0)).await);
    let identity = verifier.verify("an-opaque-token", at(0)).await.expect("a good token");
    assert_eq!(&*identity.provider, "opaque");
    assert!(!verifier.would_ask("an-opaque-token", at(0)).await, "it was asked");
    assert_eq!(signing.requests(), 0);
    let token = issuer.token_by("0", &claims(&signing, &json!({})));
    assert_eq!(&*verifier.verify(&token, at(0)).await.expect("good").provider, "signed");
    let stranger = issuer.token_by("0", &claims(&signing, &json!({ "iss": "https://x.example" })));
    assert!(refused(&verifier, &stranger).await);
    assert_eq!(opaque.requests(), 1, "what is signed by nobody we know is asked of nobody");
}

#[tokio::test]
async fn signed_tokens_may_be_introspected_by_their_issuer() {
    let issuer = Issuer::new(RS256);
    let (first, second) = (FakeProvider::start().await, FakeProvider::start().await);
    first.reply("/introspect", active(&json!({ "iss": first.url })));
    second.reply("/introspect", active(&json!({})));
    let named = TrustedIssuer { issuer: Some(first.url.clone()), ..introspection("first", &first) };
    let verifier = verifier(vec![named, introspection("second", &second)]);
    let token = issuer.token_by("0", &claims(&first, &json!({})));
    assert_eq!(&*verifier.verify(&token, at(0)).await.expect("good").provider, "first");
    assert_eq!(&*verifier.verify("opaque", at(0)).await.expect("good").provider, "second");
    assert_eq!((first.requests(), second.requests()), (1, 1));
}

#[tokio::test]
async fn only_unknown_opaque_tokens_would_be_asked_about() {
    let issuer = Issuer::new(RS256);
    let signing = FakeProvider::publishing(&[&issuer]).await;
    let opaque = FakeProvider::start().await;
    opaque.reply("/introspect", active(&json!({})));
    let verifier = verifier(vec![oidc("signed", &signing), introspection("opaque", &opaque)]);
    let token = issuer.token_by("0", &claims(&signing, &json!({})));
    let stranger = issuer.token_by("0", &claims(&signing, &json!({ "iss": "https://x.example" })));
    for signed in [token, stranger] {
        assert!(!verifier.would_ask(&signed, at(0)).await);
    }
    assert!(verifier.would_ask("opaque", at(0)).await);
    assert_eq!(opaque.requests(), 0, "a question about a question");
    assert!(verifier.verify("opaque", at(0)).await.is_ok());
    assert!(!verifier.would_ask("opaque", at(29)).await);
    assert!(verifier.would_ask("opaque", at(30)).await);
}
