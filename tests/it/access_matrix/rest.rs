//! REST asks the same policy: uploads, progress and files, each by every caller.

use reqwest::{
    StatusCode,
    multipart::{Form, Part},
};
use serde_json::{Value, json};

use super::world::{Actor, World};
use crate::support::{png, text};

/// Statuses for Owner, Admin, Editor, Viewer, Outsider, Anonymous, Foreigner, Twin, Removed and
/// Demoted.
const UPLOAD: [u16; 10] = [200, 200, 200, 403, 403, 401, 404, 404, 403, 403];
const SEE_PRIVATE: [u16; 10] = [200, 200, 200, 200, 403, 401, 404, 404, 403, 200];
const SEE_PUBLIC: [u16; 10] = [200, 200, 200, 200, 200, 200, 404, 404, 200, 200];

#[tokio::test]
async fn uploads_progress_and_files() {
    let world = World::start().await;
    for (public, see) in [(false, SEE_PRIVATE), (true, SEE_PUBLIC)] {
        let place = world.place(public).await;
        let uploaded = world.client(Actor::Owner).upload_png(&place.board).await;
        let file = path_of_file(&world, Actor::Owner, &uploaded).await;
        let progress = format!("/api/sse/generations/{}/progress", place.cancelled);
        for (index, actor) in Actor::ALL.into_iter().enumerate() {
            let client = world.client(actor);
            let what = format!("{actor:?}, public: {public}");
            let form = Form::new()
                .text("board_id", place.board.clone())
                .text("artifact_type", "image")
                .part("file", Part::bytes(png(8, 8)).file_name("dot.png"));
            let upload = client.post("/api/uploads/artifact").multipart(form);
            assert_eq!(status(upload).await, UPLOAD[index], "an upload by {what}");
            assert_eq!(status(client.get(&progress)).await, see[index], "progress for {what}");
            assert_eq!(status(client.get(&file)).await, see[index], "a file for {what}");
        }
    }
}

/// Nobody guesses: an id that does not exist answers as one of another tenant does.
#[tokio::test]
async fn what_does_not_exist_answers_as_what_is_foreign() {
    let world = World::start().await;
    let place = world.place(true).await;
    let uploaded = world.client(Actor::Owner).upload_png(&place.board).await;
    let file = path_of_file(&world, Actor::Owner, &uploaded).await;
    let nobody = uuid::Uuid::new_v4().to_string();
    let foreigner = world.client(Actor::Foreigner);
    for (foreign, missing) in [
        (
            format!("/api/sse/generations/{uploaded}/progress"),
            format!("/api/sse/generations/{nobody}/progress"),
        ),
        (file.clone(), file.replace(&uploaded, &nobody)),
    ] {
        let foreign = body(foreigner.get(&foreign)).await;
        assert_eq!(foreign, body(foreigner.get(&missing)).await);
        assert_eq!(foreign["error"], "NOT_FOUND", "{foreign}");
    }
}

/// A key names a tenant, a board, a generation and a file; only the generation's own row says which
/// files are its own, whatever lies in the store under its id.
#[tokio::test]
async fn a_file_is_not_reached_through_another_generation_of_the_caller() {
    let world = World::start().await;
    let theirs = world.place(false).await;
    let uploaded = world.client(Actor::Owner).upload_png(&theirs.board).await;
    let file = path_of_file(&world, Actor::Owner, &uploaded).await;
    let outsider = world.client(Actor::Outsider);
    assert_eq!(status(outsider.get(&file)).await, 403);
    let board = outsider.board("My own", false).await;
    let own = outsider.upload_png(&board).await;
    let own_file = path_of_file(&world, Actor::Outsider, &own).await;
    assert_eq!(status(outsider.get(&own_file)).await, 200);
    let store = world.app.config.storage_url.directory().expect("a folder");
    let on_disk = |path: &str| store.join(path.trim_start_matches("/api/storage/"));
    for strange in [file.replace(&uploaded, &own), own_file.replace("artifact", "left-over")] {
        let copy = on_disk(&strange);
        std::fs::create_dir_all(copy.parent().expect("a folder")).expect("made");
        std::fs::copy(on_disk(&own_file), copy).expect("copied");
        assert_eq!(status(outsider.get(&strange)).await, 404, "{strange}");
    }
}

/// The path of an artifact without its signature.
async fn path_of_file(world: &World, actor: Actor, generation: &str) -> String {
    let query = "query($id: UUID!) { generation(id: $id) { storageUrl } }";
    let found = world.client(actor).data(query, json!({ "id": generation })).await;
    let link = text(&found["generation"]["storageUrl"]);
    url::Url::parse(&link).expect("an absolute URL").path().to_owned()
}

async fn status(request: reqwest::RequestBuilder) -> StatusCode {
    request.send().await.expect("an answer").status()
}

async fn body(request: reqwest::RequestBuilder) -> Value {
    request.send().await.expect("an answer").json().await.expect("JSON")
}
