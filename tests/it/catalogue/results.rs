//! What jobs give: files that are not there, are none, or come at the second try.

use super::*;
use crate::support::{Fault, Kind};

#[tokio::test]
async fn a_file_that_is_not_there_fails_the_generation() {
    let scene = Scene::start().await;
    let missing = scene.stand_in.file_url("missing.png");
    scene.stand_in.results(move |_| json!({ "images": [{ "url": missing }] }));
    let picture = scene.picture(FAL).await;
    let wanted = "What the provider made could not be fetched: The URL was answered with status \
                  404 instead of 200";
    assert_eq!(failure(&picture), wanted);
    assert!(scene.app.files_of(picture["id"].as_str().expect("an id")).is_empty());
}

#[tokio::test]
async fn a_page_is_no_picture() {
    let scene = Scene::start().await;
    scene.stand_in.fault(Kind::File, &Fault::Garbage, 1);
    let picture = scene.picture(FAL).await;
    let message = failure(&picture);
    assert!(message.contains("image"), "{message}");
    assert!(scene.app.files_of(picture["id"].as_str().expect("an id")).is_empty());
}

#[tokio::test]
async fn an_answer_without_a_file_fails_the_generation() {
    let scene = Scene::start().await;
    for answer in [json!({}), json!({ "images": [] }), json!({ "images": [{ "url": 7 }] })] {
        let given = answer.clone();
        scene.stand_in.results(move |_| given.clone());
        let picture = scene.picture(FAL).await;
        assert!(!failure(&picture).is_empty(), "{answer}");
    }
}

/// One of two files is there: neither is kept.
#[tokio::test]
async fn a_batch_is_kept_whole_or_not_at_all() {
    let scene = Scene::start().await;
    let urls = ["picture.png", "missing.png"].map(|name| scene.stand_in.file_url(name));
    scene.stand_in.results(move |_| json!({ "images": [{ "url": urls[0] }, { "url": urls[1] }] }));
    failure(&scene.picture(FAL).await);
    let files = scene.app.files();
    assert!(files.is_empty(), "{files:?}");
}

/// Answers that are the result cannot be asked for again.
#[tokio::test]
async fn a_file_that_cannot_be_fetched_is_fetched_again_at_once() {
    let scene = Scene::start().await;
    let file = json!({ "url": scene.stand_in.file_url("picture.png") });
    scene.stand_in.results(move |_| json!({ "images": [file], "data": [file] }));
    for generator in [FAL, OPENAI] {
        scene.stand_in.fault(Kind::File, &Fault::Status(503, json!({})), 1);
        let picture = scene.picture(generator).await;
        assert_completed(&picture, &["COMPLETED"]);
        let link = picture["storageUrl"].as_str().expect("a link");
        assert_eq!(scene.ada.follow(link).await.status(), 200);
    }
    assert_eq!((scene.jobs().len(), scene.stand_in.requests(Kind::File)), (2, 4));
}

#[tokio::test]
async fn a_file_that_cannot_be_fetched_for_long_is_fetched_by_another_attempt() {
    let scene = Scene::start().await;
    scene.stand_in.fault(Kind::File, &Fault::Status(503, json!({})), 4);
    assert_completed(&scene.picture(FAL).await, &["RETRIED", "COMPLETED"]);
    assert_eq!(scene.jobs().len(), 1, "of the same job");
}
