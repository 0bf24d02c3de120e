//! Invitations: who uses one up, what it gives, and how it ends.

use boards::store::{JoinPolicy, TenantReference};
use chrono::{DateTime, Duration, Utc};
use futures_util::future::join_all;
use serde_json::{Value, json};

use super::{INVITATIONS, INVITE, REVOKE, admin, caller, invite, tenant_role};
use crate::support::{Client, Home, TestApp, sql, text};

const GUEST: &str = "guest@x.example";

/// Tenants of every join policy, each with an admin whom its token's claim let in.
struct Policies {
    app: TestApp,
}

impl Policies {
    async fn start() -> Self {
        let app = TestApp::builder().tenants(&["open"]).start().await;
        let system = app.store().system();
        let domains = ["x.example".to_owned()];
        system.create_tenant("domain", "D", JoinPolicy::Domain, &domains).await.expect("made");
        system.create_tenant("closed", "C", JoinPolicy::Invite, &[]).await.expect("made");
        Self { app }
    }

    async fn admin(&self, tenant: &str) -> Client {
        let admin = caller(&self.app, &json!({ "sub": "ada", "tenant": tenant }));
        self.app.make_admin(&admin).await;
        admin
    }

    fn guest(&self, tenant: &str, claims: &Value) -> Client {
        caller(&self.app, claims).with_tenant(tenant)
    }
}

fn verified(subject: &str, email: &str) -> Value {
    json!({ "sub": subject, "email": email, "email_verified": true })
}

async fn open(admin: &Client) -> usize {
    let found = admin.data(INVITATIONS, json!({})).await;
    found["tenantInvitations"]["nodes"].as_array().expect("a list").len()
}

async fn outcome(guest: &Client) -> String {
    let answer = guest.graphql("{ me { tenantRole } }", json!({})).await;
    match answer.code() {
        Some(code) => code.to_owned(),
        None => text(&answer.body["data"]["me"]["tenantRole"]),
    }
}

#[tokio::test]
async fn only_the_verified_address_opens_a_closed_tenant_once() {
    let world = Policies::start().await;
    let ada = world.admin("closed").await;
    let made = invite(&ada, json!({ "email": "Guest@X.Example", "role": "ADMIN" })).await;
    let made = &made.body["data"]["inviteUser"];
    assert_eq!((&made["email"], &made["role"]), (&json!(GUEST), &json!("ADMIN")));
    assert_eq!(made["invitedBy"]["id"], ada.id().await);
    let refused = [
        json!({ "sub": "1" }),
        json!({ "sub": "2", "email": GUEST }),
        json!({ "sub": "3", "email": GUEST, "email_verified": false }),
        json!({ "sub": "4", "email_verified": true }),
        verified("5", "other@x.example"),
        verified("6", "guest@x.example.org"),
        verified("7", "guest@x.example@y.example"),
    ];
    for claims in refused {
        assert_eq!(outcome(&world.guest("closed", &claims)).await, "FORBIDDEN", "{claims}");
    }
    assert_eq!(open(&ada).await, 1);
    let guest = world.guest("closed", &verified("guest", "gUEST@x.eXample"));
    assert_eq!(outcome(&guest).await, "ADMIN");
    assert_eq!(open(&ada).await, 0, "it is used up");
    let second = world.guest("closed", &verified("second", GUEST));
    assert_eq!(outcome(&second).await, "FORBIDDEN");
    let bare = world.guest("closed", &json!({ "sub": "guest" }));
    assert_eq!(outcome(&bare).await, "ADMIN", "a user needs no invitation any more");
}

#[tokio::test]
async fn under_every_policy_the_invitation_gives_the_role() {
    let world = Policies::start().await;
    for tenant in ["open", "domain", "closed"] {
        let ada = world.admin(tenant).await;
        for (email, role) in [("boss@x.example", "ADMIN"), ("hand@x.example", "MEMBER")] {
            assert_eq!(invite(&ada, json!({ "email": email, "role": role })).await.code(), None);
            let guest = world.guest(tenant, &verified(email, email));
            assert_eq!(outcome(&guest).await, role, "{tenant}");
            assert_eq!(open(&ada).await, 0, "{tenant}");
        }
        // A claim vouches for the user, not for the address.
        invite(&ada, json!({ "email": "late@x.example", "role": "ADMIN" })).await;
        let mut claims = json!({ "sub": "unproven", "email": "late@x.example", "tenant": tenant });
        assert_eq!(outcome(&caller(&world.app, &claims)).await, "MEMBER", "{tenant}");
        claims["sub"] = json!("proven");
        claims["email_verified"] = json!(true);
        assert_eq!(outcome(&caller(&world.app, &claims)).await, "ADMIN", "{tenant}");
    }
    for (tenant, expected) in [("open", "MEMBER"), ("domain", "MEMBER"), ("closed", "FORBIDDEN")] {
        let guest = world.guest(tenant, &verified("plain", "plain@x.example"));
        assert_eq!(outcome(&guest).await, expected, "without one");
    }
    let single = TestApp::start().await;
    let ada = admin(&single, "ada").await;
    invite(&ada, json!({ "email": GUEST, "role": "ADMIN" })).await;
    assert_eq!(outcome(&caller(&single, &verified("guest", GUEST))).await, "ADMIN");
}

#[tokio::test]
async fn of_subjects_who_come_at_once_one_uses_it() {
    let world = Policies::start().await;
    for (tenant, others) in [("closed", "FORBIDDEN"), ("open", "MEMBER")] {
        let ada = world.admin(tenant).await;
        for round in 0..4 {
            let email = format!("guest-{round}@x.example");
            invite(&ada, json!({ "email": email, "role": "ADMIN" })).await;
            let guests = (0..6).map(|n| verified(&format!("guest-{round}-{n}"), &email));
            let guests: Vec<Client> = guests.map(|claims| world.guest(tenant, &claims)).collect();
            let mut outcomes = join_all(guests.iter().map(outcome)).await;
            outcomes.sort_by_key(|outcome| outcome != "ADMIN");
            assert_eq!(outcomes[0], "ADMIN", "{tenant}");
            assert!(
                outcomes[1..].iter().all(|outcome| outcome == others),
                "{tenant}: {outcomes:?}"
            );
        }
    }
}

#[tokio::test]
async fn requests_of_one_subject_at_once_are_one_user() {
    let world = Policies::start().await;
    let ada = world.admin("closed").await;
    for round in 0..4 {
        let email = format!("guest-{round}@x.example");
        invite(&ada, json!({ "email": email })).await;
        let guest = world.guest("closed", &verified(&email, &email));
        let ids = join_all((0..12).map(|_| guest.id())).await;
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    }
}

#[tokio::test]
async fn an_invitation_ends_by_time_or_by_hand() {
    let world = Policies::start().await;
    let ada = world.admin("closed").await;
    let invitation = |answer: &Value| text(&answer["data"]["inviteUser"]["id"]);
    let first = invitation(&invite(&ada, json!({ "email": GUEST, "role": "ADMIN" })).await.body);
    assert_eq!(invite(&ada, json!({ "email": GUEST })).await.code(), Some("CONFLICT"));
    sql::execute(&world.app, "UPDATE invitations SET expires_at = created_at", []).await;
    assert_eq!(open(&ada).await, 0, "those that have expired are not shown");
    let guest = world.guest("closed", &verified("guest", GUEST));
    assert_eq!(outcome(&guest).await, "FORBIDDEN", "expired");

    let second = invitation(&invite(&ada, json!({ "email": GUEST })).await.body);
    assert_ne!(first, second);
    assert_eq!(ada.data(REVOKE, json!({ "id": second })).await["revokeInvitation"], true);
    assert_eq!(ada.code(REVOKE, json!({ "id": second })).await, "NOT_FOUND");
    assert_eq!(outcome(&guest).await, "FORBIDDEN", "taken back");
    invite(&ada, json!({ "email": GUEST })).await;
    assert_eq!(outcome(&guest).await, "MEMBER", "the new one counts, with its own role");
}

#[tokio::test]
async fn expired_invitations_keep_no_address() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    invite(&ada, json!({ "email": "old@x.example" })).await;
    sql::execute(&app, "UPDATE invitations SET expires_at = created_at", []).await;
    invite(&ada, json!({ "email": "new@x.example" })).await;
    let kept = sql::execute(&app, "UPDATE invitations SET role = role", []).await;
    assert_eq!(kept, 1);
}

#[tokio::test]
async fn an_address_that_a_member_has_without_proof_keeps_nobody_out() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    caller(&app, &json!({ "sub": "bob", "email": "Bob@X.Example" })).id().await;
    assert_eq!(
        invite(&ada, json!({ "email": "bob@x.example", "role": "ADMIN" })).await.code(),
        None
    );
    let email = "BOB@x.example";
    let refused = invite(&ada, json!({ "email": email })).await;
    assert_eq!(refused.code(), Some("CONFLICT"), "it is open");
    assert!(!refused.body.to_string().to_lowercase().contains(&email.to_lowercase()));
    assert_eq!(outcome(&caller(&app, &verified("owner", email))).await, "ADMIN");
}

/// Addresses are personal: what is said about a wrong one does not repeat it.
#[tokio::test]
async fn what_is_wrong_with_an_invitation() {
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    let long = format!("{}@b.example", "a".repeat(250));
    let addresses =
        ["", "secret", "secret@", "@secret", "a@secret@b", "A <a@secret>", "a@sec\u{0}ret", &long];
    for email in addresses {
        let refused = invite(&ada, json!({ "email": email })).await;
        assert_eq!(refused.code(), Some("BAD_USER_INPUT"), "{email:?}");
        let violations = &refused.body["errors"][0]["extensions"]["violations"];
        assert_eq!(violations[0]["path"], "input.email", "{email:?}");
        assert!(!refused.body.to_string().contains("secret"), "{}", refused.body);
    }
    let now = Utc::now();
    let times = [
        (now - Duration::minutes(1), false),
        (now + Duration::days(89), true),
        (now + Duration::days(91), false),
        (DateTime::<Utc>::MAX_UTC - Duration::days(366), false),
    ];
    for (number, (time, good)) in times.into_iter().enumerate() {
        let email = format!("guest-{number}@x.example");
        let answer = invite(&ada, json!({ "email": email, "expiresAt": time })).await;
        assert_eq!(answer.code().is_none(), good, "{time}: {}", answer.body);
    }
    let answer = ada.data(INVITE, json!({ "input": { "email": GUEST, "role": null } })).await;
    let made = &answer["inviteUser"];
    let time = |field: &str| text(&made[field]).parse::<DateTime<Utc>>().expect("a time");
    let good_for = time("expiresAt") - time("createdAt");
    assert!((good_for - Duration::days(14)).abs() < Duration::minutes(1), "{good_for}");
    assert_eq!(made["role"], "MEMBER");
}

#[tokio::test]
async fn invitations_are_walked_by_cursor() {
    const PAGE: &str = "query($after: String) { tenantInvitations(first: 3, after: $after) {
        edges { node { email } } pageInfo { hasNextPage endCursor } } }";
    let app = TestApp::start().await;
    let ada = admin(&app, "ada").await;
    for number in 0..7 {
        invite(&ada, json!({ "email": format!("guest-{number}@x.example") })).await;
    }
    let (mut seen, mut after) = (Vec::new(), Value::Null);
    for more in [true, true, false] {
        let page = ada.data(PAGE, json!({ "after": after })).await["tenantInvitations"].clone();
        let edges = page["edges"].as_array().expect("edges");
        seen.extend(edges.iter().map(|edge| text(&edge["node"]["email"])));
        assert_eq!(page["pageInfo"]["hasNextPage"], more);
        after = page["pageInfo"]["endCursor"].clone();
    }
    let wanted: Vec<String> = (0..7).map(|number| format!("guest-{number}@x.example")).collect();
    assert_eq!(seen, wanted);
}

/// A known user's sign-in looks for no invitation; somebody who is not let in writes nothing.
#[tokio::test]
async fn invitations_cost_known_users_nothing_and_strangers_no_write() {
    let world = Policies::start().await;
    let ada = world.admin("closed").await;
    invite(&ada, json!({ "email": GUEST })).await;
    let guest = world.guest("closed", &verified("guest", GUEST));
    tenant_role(&guest).await;
    let before = world.app.store().statement_count();
    tenant_role(&guest).await;
    assert_eq!(world.app.store().statement_count() - before, 1);
    let seen = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let notes = std::sync::Arc::clone(&seen);
    world.app.store().observe_statements(move |sql| {
        notes.lock().expect("not poisoned").push(sql.to_owned());
    });
    let stranger = world.guest("closed", &verified("stranger", "stranger@x.example"));
    assert_eq!(outcome(&stranger).await, "FORBIDDEN");
    let seen = seen.lock().expect("not poisoned");
    assert!(seen.iter().all(|sql| sql.starts_with("SELECT")), "{seen:?}");
}

#[tokio::test]
async fn addresses_are_not_logged() {
    let home = Home::new().await;
    let settings = [("BOARDS_AUTH_PROVIDER", "none"), ("BOARDS_LOG_LEVEL", "debug")];
    let server = home.start(&settings).await;
    let local = server.anonymous();
    for (email, code) in [
        ("needle@x.example", None),
        ("Needle@x.example", Some("CONFLICT")),
        ("needle", Some("BAD_USER_INPUT")),
    ] {
        assert_eq!(invite(&local, json!({ "email": email })).await.code(), code);
    }
    local.data("{ tenantMembers(query: \"needle\") { nodes { email } } }", json!({})).await;
    let log = server.whole_log().await;
    assert!(log.contains("tenantMembers") || log.contains("(query)"), "{log}");
    assert!(!log.to_lowercase().contains("needle"), "{log}");
}

/// When the inviter's row goes, the invitation stays, without an inviter and in its tenant.
#[tokio::test]
async fn an_invitation_outlives_its_inviter() {
    let app = TestApp::start().await;
    let (ada, bob) = (admin(&app, "ada").await, admin(&app, "bob").await);
    invite(&bob, json!({ "email": GUEST })).await;
    sql::execute(&app, "DELETE FROM users WHERE id = $1", [sql::id(&bob.id().await)]).await;
    let left = ada.data(INVITATIONS, json!({})).await["tenantInvitations"]["nodes"].clone();
    assert_eq!((&left[0]["email"], &left[0]["invitedBy"]), (&json!(GUEST), &Value::Null));
    let system = app.store().system();
    let slug = TenantReference::Slug("default".to_owned());
    let tenant = system.tenant(&slug).await.expect("an answer").expect("there").id;
    let deleted = sql::execute(&app, "DELETE FROM tenants WHERE id = $1", [tenant.0.into()]).await;
    assert_eq!(deleted, 1, "with its people and invitations");
}
