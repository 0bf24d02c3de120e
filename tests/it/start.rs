//! A newcomer's first minute.

use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn a_board_a_generation_and_its_picture() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("First", false).await;
    let generation = ada.generate(&board, "pattern-image", json!({ "prompt": "a calm sea" })).await;
    let ended = ada.ended(&generation).await;
    assert_eq!(ended["status"], "COMPLETED", "{ended}");
    assert_eq!(ended["progress"], 1.0);
    for link in ["storageUrl", "thumbnailUrl"] {
        let response = ada.follow(ended[link].as_str().expect("a link")).await;
        assert_eq!(response.status(), 200);
        image::load_from_memory(&response.bytes().await.expect("bytes")).expect("a picture");
    }
}

#[tokio::test]
async fn health_and_readiness() {
    let app = TestApp::start().await;
    for path in ["/health", "/ready"] {
        assert_eq!(app.anonymous().get(path).send().await.expect("an answer").status(), 200);
    }
}
