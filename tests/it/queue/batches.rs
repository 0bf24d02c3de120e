//! Several outputs become several generations, each with what is beside it.

use serde_json::{Value, json};

use crate::support::{BATCH, TestApp, text};

const FOUND: &str = "query($id: UUID!) { board(id: $id) { generationCount generations {
    id status generatorName outputMetadata storageUrl createdAt progress user { id }
    inputArtifacts { generationId role } additionalFiles { type url metadata } } } }";

#[tokio::test]
async fn each_output_is_a_generation_with_the_same_lineage() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let (source, board) = (ada.board("Source", false).await, ada.board("B", false).await);
    let picture = ada.upload_png(&source).await;
    let params = json!({ "number": 3, "source": picture });
    let asked = ada.generate_as(&board, BATCH, "TEXT", params).await;
    assert_eq!(ada.ended(&asked).await["status"], "COMPLETED");

    let found = ada.data(FOUND, json!({ "id": board })).await["board"].clone();
    assert_eq!(found["generationCount"], 3);
    let mut made: Vec<Value> = found["generations"].as_array().expect("a list").clone();
    made.sort_by_key(|one| one["outputMetadata"]["batch_index"].as_u64());
    assert_eq!(made[0]["id"], asked.as_str(), "the one that was asked for is the first");
    for (one, position) in made.iter().zip([0, 2, 3]) {
        let metadata = &one["outputMetadata"];
        let batch = ["batch_id", "batch_index", "batch_size"].map(|name| metadata[name].clone());
        assert_eq!(batch, [json!(asked), json!(position), json!(3)], "{one}");
        assert_eq!((&one["status"], &one["progress"]), (&json!("COMPLETED"), &json!(1.0)));
        let lineage = json!([{ "generationId": picture, "role": "source" }]);
        assert_eq!(one["inputArtifacts"], lineage);
        let file = ada.follow(&text(&one["storageUrl"])).await;
        assert_eq!(file.text().await.expect("a text"), format!("text {position}"));
        let beside = &one["additionalFiles"][0];
        assert_eq!(
            (&beside["type"], &beside["metadata"]["file_size"]),
            (&json!("note"), &json!(8))
        );
        let file = ada.follow(&text(&beside["url"])).await;
        assert_eq!(file.text().await.expect("a text"), format!("beside {position}"));
        assert!(!app.files_of(&text(&one["id"])).is_empty());
    }
    let query = "query($id: UUID!) { generation(id: $id) { descendants { children { generation { id } } } } }";
    let tree = ada.data(query, json!({ "id": picture })).await;
    let children = &tree["generation"]["descendants"]["children"];
    assert_eq!(children.as_array().expect("a list").len(), 3, "the lineage knows all of them");
}

#[tokio::test]
async fn a_file_beside_an_artifact_is_for_those_who_see_the_board() {
    let app = TestApp::builder().worker().start().await;
    let (ada, eve) = (app.user("ada"), app.user("eve"));
    let board = ada.board("B", false).await;
    let asked = ada.generate_as(&board, BATCH, "TEXT", json!({ "number": 1 })).await;
    ada.ended(&asked).await;
    let found = ada.data(FOUND, json!({ "id": board })).await["board"]["generations"][0].clone();
    assert_eq!(found["outputMetadata"]["batch_id"], Value::Null, "one alone is no batch");
    let link = text(&found["additionalFiles"][0]["url"]);
    let path = url::Url::parse(&link).expect("a URL").path().to_owned();
    assert_eq!(ada.get(&path).send().await.expect("an answer").status(), 200);
    for (who, wanted) in [(&eve, 403), (&app.anonymous(), 401)] {
        assert_eq!(who.get(&path).send().await.expect("an answer").status(), wanted);
    }
}
