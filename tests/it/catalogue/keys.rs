//! Keys: the tenant's before the deployment's, none at all, and servers that need none.

use boards::config::GeneratorKeys;

use super::*;
use crate::support::{Fault, Kind};

const OFFERED: &str = "{ generators { name provider available } }";

fn keyless(builder: TestAppBuilder) -> TestAppBuilder {
    builder.config(|config| config.generator_api_keys = GeneratorKeys::default())
}

/// What the last submission said of who sent it.
fn authorization(stand_in: &StandIn) -> Option<String> {
    let last = stand_in.submissions().pop().expect("a submission");
    Some(last.headers.get("authorization")?.to_str().expect("a text").to_owned())
}

#[tokio::test]
async fn without_a_key_generators_are_listed_as_unavailable_and_fail() {
    let scene = Scene::with(keyless).await;
    let offered = scene.ada.data(OFFERED, json!({})).await["generators"].clone();
    let of = |provider: &'static str| {
        let offered = offered.as_array().expect("a list").iter();
        offered.filter(move |generator| generator["provider"] == provider)
    };
    for provider in ["fal", "kie", "replicate"] {
        assert!(of(provider).count() > 0, "{provider}");
        assert!(of(provider).all(|generator| generator["available"] == false), "{provider}");
    }
    for (generator, key) in [(FAL, "FAL_KEY"), (REPLICATE, "REPLICATE_API_TOKEN")] {
        let picture = scene.picture(generator).await;
        let message = failure(&picture);
        assert!(message.starts_with("There is no key to ") && message.contains(key), "{message}");
    }
    assert_eq!(scene.stand_in.requests(Kind::Submit), 0);
}

#[tokio::test]
async fn a_server_of_ones_own_needs_no_key() {
    let scene = Scene::with(keyless).await;
    let offered = scene.ada.data(OFFERED, json!({})).await["generators"].clone();
    let mut own = offered.as_array().expect("a list").iter().filter(|one| one["name"] == OPENAI);
    assert_eq!(own.next().expect("it is there")["available"], true);
    assert_completed(&scene.picture(OPENAI).await, &["COMPLETED"]);
    assert_eq!(authorization(&scene.stand_in), None);
    // Nobody pays for it, so that it can be asked for again.
    scene.stand_in.fault(Kind::Submit, &Fault::CutAfter, 1);
    assert_completed(&scene.picture(OPENAI).await, &["RETRIED", "COMPLETED"]);
}

#[tokio::test]
async fn the_key_of_the_tenant_counts_before_that_of_the_deployment() {
    let stand_in = StandIn::start().await;
    let app = TestApp::builder().catalogue(&stand_in).tenants(&["one", "two"]).start().await;
    let (one, two) = (app.user_of("one", "ada"), app.user_of("two", "ada"));
    app.make_admin(&one).await;
    let set = "mutation { setProviderKey(provider: \"fal\", key: \"of-tenant-one\") { provider } }";
    one.data(set, json!({})).await;
    for (client, generator, wanted) in [
        (&one, FAL, "Key of-tenant-one"),
        (&two, FAL, "Key FAL_KEY-value"),
        (&one, REPLICATE, "Bearer REPLICATE_API_TOKEN-value"),
    ] {
        let board = client.board("B", false).await;
        let picture = client.generate(&board, generator, json!({ "prompt": "a cat" })).await;
        assert_completed(&ended(client, &picture).await, &["COMPLETED"]);
        assert_eq!(authorization(&stand_in).as_deref(), Some(wanted));
    }
    let delete = "mutation { deleteProviderKey(provider: \"fal\") }";
    one.data(delete, json!({})).await;
    let board = one.board("B", false).await;
    let picture = one.generate(&board, FAL, json!({ "prompt": "a cat" })).await;
    assert_completed(&ended(&one, &picture).await, &["COMPLETED"]);
    assert_eq!(authorization(&stand_in).as_deref(), Some("Key FAL_KEY-value"));
}
