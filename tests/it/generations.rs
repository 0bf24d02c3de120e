//! Generations: asked for, refused, repeated, stopped, deleted, and made by every built-in generator.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, FAILING, TestApp, text};

const CREATE: &str = "mutation($i: CreateGenerationInput!) { createGeneration(input: $i) {
    id status progress generatorName artifactType inputParams outputMetadata storageUrl
    thumbnailUrl additionalFiles { url } errorMessage startedAt completedAt
    inputArtifacts { generationId role artifactType } } }";
const READ: &str = "query($id: UUID!) { generation(id: $id) {
    id status generatorName inputParams outputMetadata boardId } }";
const CANCEL: &str = "mutation($id: UUID!) { cancelGeneration(id: $id) { status completedAt } }";
const DELETE: &str = "mutation($id: UUID!) { deleteGeneration(id: $id) }";
const REGENERATE: &str = "mutation($id: UUID!) { regenerate(id: $id) {
    id status generatorName inputParams outputMetadata inputArtifacts { generationId } } }";
const RETRY: &str = "mutation($id: UUID!) { retryGeneration(id: $id) { id status inputParams } }";
const COUNT: &str = "query($id: UUID!) { board(id: $id) { generationCount } }";

#[expect(clippy::needless_pass_by_value, reason = "callers write the value in place")]
fn request(board: &str, generator: &str, kind: &str, params: Value) -> Value {
    json!({ "i": {
        "boardId": board, "generatorName": generator, "artifactType": kind, "inputParams": params,
    } })
}

async fn count(client: &Client, board: &str) -> Value {
    client.data(COUNT, json!({ "id": board })).await["board"]["generationCount"].clone()
}

#[tokio::test]
async fn the_answer_comes_at_once_with_what_was_asked_for() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let source = ada.upload_png(&board).await;
    let mut input = request(&board, "image-edit", "IMAGE", json!({ "image": source, "blur": 2 }));
    input["i"]["metadata"] = json!({ "from": "a test" });
    let made = ada.data(CREATE, input).await["createGeneration"].clone();
    let id = made["id"].clone();
    let expected = json!({
        "id": id, "status": "PENDING", "progress": 0.0, "generatorName": "image-edit",
        "artifactType": "IMAGE", "inputParams": { "image": source, "blur": 2 },
        "outputMetadata": { "metadata": { "from": "a test" } }, "storageUrl": null,
        "thumbnailUrl": null, "additionalFiles": [], "errorMessage": null, "startedAt": null,
        "completedAt": null,
        "inputArtifacts": [{ "generationId": source, "role": "image", "artifactType": "IMAGE" }],
    });
    assert_eq!(made, expected);
    assert_eq!(count(&ada, &board).await, 2);
}

#[tokio::test]
async fn all_that_is_wrong_with_the_parameters_is_told_at_once() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let params = json!({ "width": 1, "height": "x", "palette": "no such", "bogus": 1 });
    let answer = ada.graphql(CREATE, request(&board, "pattern-image", "IMAGE", params)).await;
    assert_eq!(answer.code(), Some("BAD_USER_INPUT"));
    let mut paths = answer.violation_paths();
    paths.sort_unstable();
    let expected = [
        "inputParams",
        "inputParams.bogus",
        "inputParams.height",
        "inputParams.palette",
        "inputParams.width",
    ];
    assert_eq!(paths, expected, "{}", answer.body);
    assert_eq!(count(&ada, &board).await, 0);
}

#[tokio::test]
async fn requests_that_cannot_be_run_are_refused() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let good = json!({ "seed": 1 });
    let long = "x".repeat(64 * 1024);
    let no_params = ["inputParams"].as_slice();
    for (generator, kind, params, paths) in [
        ("no-such", "IMAGE", good.clone(), ["input.generatorName"].as_slice()),
        ("", "IMAGE", good.clone(), &["input.generatorName"]),
        ("pattern-image\0", "IMAGE", good.clone(), &["input.generatorName"]),
        (&long, "IMAGE", good.clone(), &["input.generatorName"]),
        ("user-upload-image", "IMAGE", good.clone(), &["input.generatorName"]),
        ("pattern-image", "AUDIO", good.clone(), &["input.artifactType"]),
        ("pattern-image", "VIDEO", json!([]), &["input.artifactType", "inputParams"]),
        ("pattern-image", "IMAGE", json!([]), no_params),
        ("pattern-image", "IMAGE", json!("text"), no_params),
        ("pattern-image", "IMAGE", json!({ "prompt": "a\0b" }), no_params),
        ("pattern-image", "IMAGE", json!({ "seed": 1, "\0": 1 }), no_params),
        ("pattern-image", "IMAGE", json!({ "prompt": long }), no_params),
        ("text-template", "TEXT", json!({ "template": "t", "values": { "a": "\0" } }), no_params),
        ("pattern-image", "IMAGE", json!({ "prompt": "" }), &["inputParams.prompt"]),
        ("tone-audio", "AUDIO", json!({ "notes": "C4", "frequency": 440 }), no_params),
        ("image-collage", "IMAGE", json!({ "images": [] }), &["inputParams.images"]),
        ("image-edit", "IMAGE", json!({ "image": "no id" }), &["inputParams.image"]),
    ] {
        ada.refused_input(CREATE, request(&board, generator, kind, params), paths).await;
    }
    for metadata in [json!([]), json!({ "a": "\0" }), json!({ "a": long })] {
        let mut input = request(&board, "pattern-image", "IMAGE", good.clone());
        input["i"]["metadata"] = metadata;
        ada.refused_input(CREATE, input, &["input.metadata"]).await;
    }
    assert_eq!(count(&ada, &board).await, 0);
}

#[tokio::test]
async fn artifacts_in_parameters_are_checked_as_if_the_caller_asked_for_them() {
    let app = TestApp::two_tenants().await;
    let (ada, bob) = (app.user_of("one", "ada"), app.user_of("one", "bob"));
    let other = app.user_of("two", "ada");
    let board = ada.board("t", false).await;
    let good = ada.upload_png(&board).await;
    let words = ada.upload_text(&board, "a text").await;
    let pending = ada.generate(&board, "pattern-image", json!({ "seed": 1 })).await;
    let cancelled = ada.generate(&board, "pattern-image", json!({ "seed": 1 })).await;
    ada.data(CANCEL, json!({ "id": cancelled })).await;
    let hidden = bob.upload_png(&bob.board("hidden", false).await).await;
    let open = bob.upload_png(&bob.board("open", true).await).await;
    let foreign = other.upload_png(&other.board("t", true).await).await;
    let nothing = Uuid::now_v7().to_string();
    let before = count(&ada, &board).await;
    let edit = |image: &str| request(&board, "image-edit", "IMAGE", json!({ "image": image }));
    for (image, code) in [(&nothing, "NOT_FOUND"), (&foreign, "NOT_FOUND"), (&hidden, "FORBIDDEN")]
    {
        assert_eq!(ada.code(CREATE, edit(image)).await, code);
    }
    for image in [&words, &pending, &cancelled] {
        ada.refused_input(CREATE, edit(image), &["inputParams.image"]).await;
    }
    let images = json!({ "images": [good, words, good, pending] });
    let collage = request(&board, "image-collage", "IMAGE", images);
    let paths = ["inputParams.images.1", "inputParams.images.3"];
    ada.refused_input(CREATE, collage, &paths).await;
    // What may not be seen decides, wherever it stands: its state must not show.
    let images = json!({ "images": [words, hidden] });
    let collage = request(&board, "image-collage", "IMAGE", images);
    assert_eq!(ada.code(CREATE, collage).await, "FORBIDDEN");
    let texts = json!({ "template": "t", "texts": [good] });
    let template = request(&board, "text-template", "TEXT", texts);
    ada.refused_input(CREATE, template, &["inputParams.texts.0"]).await;
    assert_eq!(count(&ada, &board).await, before);
    for image in [&good, &open, &good.to_uppercase()] {
        ada.data(CREATE, edit(image)).await;
    }
}

#[tokio::test]
async fn a_generation_is_made_again_with_the_same_parameters() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let source = ada.upload_png(&board).await;
    let mut input =
        request(&board, "image-edit", "IMAGE", json!({ "image": source, "rotate": 90 }));
    input["i"]["metadata"] = json!({ "kept": true });
    let first = text(&ada.data(CREATE, input).await["createGeneration"]["id"]);
    let again = ada.data(REGENERATE, json!({ "id": first })).await["regenerate"].clone();
    assert_ne!(again["id"], json!(first));
    assert_eq!(again["status"], "PENDING");
    assert_eq!(again["generatorName"], "image-edit");
    assert_eq!(again["inputParams"], json!({ "image": source, "rotate": 90 }));
    assert_eq!(again["outputMetadata"], json!({ "metadata": { "kept": true } }));
    assert_eq!(again["inputArtifacts"], json!([{ "generationId": source }]));
    assert_eq!(ada.code(REGENERATE, json!({ "id": source })).await, "BAD_USER_INPUT");
    assert_eq!(ada.code(REGENERATE, json!({ "id": Uuid::now_v7() })).await, "NOT_FOUND");
    // What it was made from is gone: it cannot be made again.
    ada.data(DELETE, json!({ "id": source })).await;
    assert_eq!(ada.code(REGENERATE, json!({ "id": first })).await, "NOT_FOUND");
}

#[tokio::test]
async fn only_what_failed_or_was_cancelled_is_tried_again() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let failing = json!({ "message": "out of paint" });
    let failed = ada.generate_as(&board, FAILING, "TEXT", failing.clone()).await;
    let ended = ada.ended(&failed).await;
    assert_eq!(
        (&ended["status"], &ended["errorMessage"]),
        (&json!("FAILED"), &json!("out of paint"))
    );
    let retried = ada.data(RETRY, json!({ "id": failed })).await["retryGeneration"].clone();
    assert_ne!(retried["id"], json!(failed));
    assert_eq!((&retried["status"], &retried["inputParams"]), (&json!("PENDING"), &failing));
    ada.ended(&text(&retried["id"])).await;

    let done = ada.upload_png(&board).await;
    for query in [RETRY, CANCEL] {
        assert_eq!(ada.code(query, json!({ "id": done })).await, "CONFLICT");
    }
    assert_eq!(ada.code(CANCEL, json!({ "id": failed })).await, "CONFLICT");
    assert_eq!(ada.data(READ, json!({ "id": failed })).await["generation"]["status"], "FAILED");
}

#[tokio::test]
async fn a_queued_generation_is_cancelled_once_and_deleted_once() {
    let app = TestApp::start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let id = ada.generate(&board, "pattern-image", json!({ "seed": 1 })).await;
    assert_eq!(ada.code(RETRY, json!({ "id": id })).await, "CONFLICT");
    let cancelled = ada.data(CANCEL, json!({ "id": id })).await["cancelGeneration"].clone();
    assert_eq!(cancelled["status"], "CANCELLED");
    assert!(cancelled["completedAt"].is_string());
    assert_eq!(ada.code(CANCEL, json!({ "id": id })).await, "CONFLICT");
    let retried = ada.data(RETRY, json!({ "id": id })).await["retryGeneration"].clone();
    assert_eq!(retried["status"], "PENDING");
    for id in [text(&retried["id"]), id] {
        assert_eq!(ada.data(DELETE, json!({ "id": id })).await["deleteGeneration"], true);
        assert_eq!(ada.data(READ, json!({ "id": id })).await["generation"], Value::Null);
        for query in [DELETE, CANCEL, RETRY, REGENERATE] {
            assert_eq!(ada.code(query, json!({ "id": id })).await, "NOT_FOUND");
        }
    }
    assert_eq!(count(&ada, &board).await, 0);
}

/// What each built-in generator is asked for, and a look at what it made.
struct Case {
    generator: &'static str,
    kind: &'static str,
    params: Value,
    looks_right: fn(&[u8]) -> bool,
}

fn size_of(bytes: &[u8]) -> Option<(u32, u32)> {
    let picture = image::load_from_memory(bytes).ok()?;
    Some((picture.width(), picture.height()))
}

fn says_hello(bytes: &[u8]) -> bool {
    let Ok(picture) = image::load_from_memory(bytes) else { return false };
    let mut code = rqrr::PreparedImage::prepare_from_greyscale(
        picture.width() as usize,
        picture.height() as usize,
        |x, y| {
            let (x, y) = (u32::try_from(x).unwrap_or(0), u32::try_from(y).unwrap_or(0));
            picture.to_luma8().get_pixel(x, y).0[0]
        },
    );
    let codes = code.detect_grids();
    codes.len() == 1 && codes[0].decode().is_ok_and(|(_, content)| content == "hello")
}

fn cases(picture: &str, words: &str) -> Vec<Case> {
    vec![
        Case {
            generator: "qr-code",
            kind: "IMAGE",
            params: json!({ "text": "hello", "size": 64, "error_correction": "low" }),
            looks_right: says_hello,
        },
        Case {
            generator: "pattern-image",
            kind: "IMAGE",
            params: json!({ "prompt": "waves", "width": 40, "height": 24 }),
            looks_right: |bytes| size_of(bytes) == Some((40, 24)),
        },
        Case {
            generator: "image-edit",
            kind: "IMAGE",
            params: json!({ "image": picture, "crop_width": 6, "rotate": 90, "invert": true }),
            looks_right: |bytes| size_of(bytes) == Some((8, 6)),
        },
        Case {
            generator: "image-collage",
            kind: "IMAGE",
            params: json!({
                "images": [picture, picture, picture], "columns": 3, "gap": 0,
                "cell_width": 16, "cell_height": 20,
            }),
            looks_right: |bytes| size_of(bytes) == Some((48, 20)),
        },
        Case {
            generator: "tone-audio",
            kind: "AUDIO",
            params: json!({ "notes": "C4 E4 G4:2", "duration": 0.2, "waveform": "triangle" }),
            looks_right: |bytes| bytes.starts_with(b"RIFF") && bytes[8..].starts_with(b"WAVE"),
        },
        Case {
            generator: "text-template",
            kind: "TEXT",
            params: json!({
                "template": "{{ greeting }}: {{ texts[0] | upper }}", "texts": [words],
                "values": { "greeting": "Grüße" },
            }),
            looks_right: |bytes| bytes == "Grüße: A TEXT".as_bytes(),
        },
    ]
}

#[tokio::test]
async fn every_built_in_generator_makes_its_artifact() {
    let app = TestApp::builder().worker().start().await;
    let ada = app.user("ada");
    let board = ada.board("t", false).await;
    let (picture, words) = (ada.upload_png(&board).await, ada.upload_text(&board, "a text").await);
    let cases = cases(&picture, &words);
    let known = ada.data("{ generators { name } }", json!({})).await["generators"].clone();
    let mut known: Vec<String> =
        known.as_array().expect("a list").iter().map(|one| text(&one["name"])).collect();
    known.retain(|name| !name.starts_with("test-"));
    let mut tried: Vec<&str> = cases.iter().map(|case| case.generator).collect();
    tried.sort_unstable();
    assert_eq!(known, tried, "a new generator needs a case here");
    for Case { generator, kind, params, looks_right } in cases {
        let mut made = Vec::new();
        for _ in 0..2 {
            let id = ada.generate_as(&board, generator, kind, params.clone()).await;
            let ended = ada.ended(&id).await;
            assert_eq!(ended["status"], "COMPLETED", "{generator}: {ended}");
            assert_eq!(ended["progress"], 1.0);
            assert_eq!(ended["thumbnailUrl"].is_string(), kind != "TEXT", "{generator}");
            let response = ada.follow(&text(&ended["storageUrl"])).await;
            let bytes = response.bytes().await.expect("bytes");
            assert_eq!(ended["outputMetadata"]["file_size"], bytes.len(), "{generator}");
            assert!(looks_right(&bytes), "{generator}");
            made.push(bytes);
        }
        assert!(made[0] == made[1], "{generator} makes the same again");
    }
}

#[tokio::test]
async fn generators_are_listed_by_the_kind_that_they_make() {
    let app = TestApp::start().await;
    let reader = app.anonymous();
    let query = "query($t: String) { generators(artifactType: $t) {
        name description artifactType inputSchema } }";
    let names = async |kind: Value| {
        let found = reader.data(query, json!({ "t": kind })).await["generators"].clone();
        let found = found.as_array().expect("a list").clone();
        found.iter().map(|one| text(&one["name"])).collect::<Vec<_>>()
    };
    let images = ["image-collage", "image-edit", "pattern-image", "qr-code"];
    for kind in ["image", "IMAGE", "Image"] {
        assert_eq!(names(json!(kind)).await, images);
    }
    assert_eq!(names(json!("audio")).await, ["tone-audio"]);
    assert!(names(json!("video")).await.is_empty());
    assert!(names(json!("text")).await.contains(&"text-template".to_owned()));
    let all = names(Value::Null).await;
    assert!(all.is_sorted() && all.len() > images.len(), "{all:?}");
    reader.refused_input(query, json!({ "t": "sculpture" }), &["artifactType"]).await;

    let found = reader.data(query, json!({ "t": "image" })).await["generators"].clone();
    let schema = |name: &str| {
        let mut found = found.as_array().expect("a list").iter();
        found.find(|one| one["name"] == name).expect("listed")["inputSchema"].clone()
    };
    let reference = json!("#/$defs/ImageArtifact");
    assert_eq!(schema("image-edit")["properties"]["image"]["$ref"], reference);
    assert_eq!(schema("image-collage")["properties"]["images"]["items"]["$ref"], reference);
    assert!(schema("image-edit")["$defs"]["ImageArtifact"].is_object());
}
