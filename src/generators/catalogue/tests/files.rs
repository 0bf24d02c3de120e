//! The files that come with the server.

use std::{collections::BTreeSet, path::Path};

use serde_json::json;

use super::{
    super::{Catalogue, DeclaredContent},
    *,
};
use crate::generators::{InputSchema, Registry};

/// Those that no other Boards server has.
const OWN: [&str; 2] = ["openai-image", "openai-transcription"];

#[test]
fn all_that_servers_have_had_are_there_and_our_own() {
    let catalogue = embedded();
    let names: BTreeSet<&str> = catalogue.iter().map(|declared| declared.name()).collect();
    assert_eq!(names.len(), 98 + OWN.len());
    assert!(OWN.iter().all(|name| names.contains(name)));
    for declared in catalogue.iter() {
        assert!(PROVIDERS.contains(&declared.provider()));
        assert!(!declared.documentation().is_empty(), "{}", declared.name());
        assert_eq!(declared.file(), format!("{}.yaml", declared.name()));
    }
}

#[test]
fn providers_judge_what_comes_with_the_server_too() {
    let Err(flaws) = Catalogue::embedded(&["fal", "openai", "replicate"]) else { panic!("read") };
    assert_eq!(flaws.0.len(), 8);
    let first = flaws.0[0].to_string();
    assert_eq!(
        first,
        "kie-nano-banana-edit.yaml:4: there is no provider \"kie\", only fal, openai, replicate"
    );
}

#[test]
fn none_has_the_name_of_a_generator_of_this_process() {
    let registry = Registry::builtin().expect("registry");
    for declared in embedded().iter() {
        assert!(registry.get(declared.name()).is_none(), "{}", declared.name());
    }
}

#[test]
fn every_schema_compiles_anew_and_describes_itself() {
    for declared in embedded().iter() {
        let document = declared.schema().document().clone();
        let again = InputSchema::compile(document).expect("compiles");
        assert_eq!(again.document(), declared.schema().document());
        let properties = again.document()["properties"].as_object().expect("properties");
        for (name, schema) in properties {
            let description = schema["description"].as_str().unwrap_or_default();
            assert!(description.ends_with('.'), "{}: {name}", declared.name());
        }
        assert!(declared.description().ends_with('.'), "{}", declared.name());
    }
}

#[test]
fn the_folder_holds_what_is_embedded() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("generators");
    let own = Catalogue::default().with_folder(&folder, &PROVIDERS);
    let own = own.unwrap_or_else(|flaws| panic!("{flaws}"));
    let names = |catalogue: &Catalogue| -> Vec<String> {
        catalogue.iter().map(|declared| declared.name().to_owned()).collect()
    };
    assert_eq!(names(&own), names(&embedded()));
}

#[test]
fn images_of_a_server_of_ones_own_come_as_addresses_or_in_the_answer() {
    let catalogue = embedded();
    let image = catalogue.get("openai-image").expect("openai-image");
    let params = filled(image, &json!({"prompt": "a cat", "n": 2, "model": "my-model"}));
    assert_eq!(image.expected_outputs(&params), 2);
    let input = image.input(&params, &HashMap::new());
    let request = image.request(&input, &HashMap::new()).expect("request");
    assert_eq!(request.model.as_deref(), Some("my-model"));
    let body = json!({"model": "my-model", "prompt": "a cat", "n": 2, "size": "1024x1024"});
    assert_eq!(request.body, body);
    let answer = json!({"data": [
        {"b64_json": "aGVsbG8="}, {"url": "http://localhost:8080/a.png", "b64_json": null},
    ]});
    let outputs = image.outputs(&input, &answer).expect("outputs");
    assert_eq!(outputs[0].content, DeclaredContent::Bytes("hello".into()));
    let url = "http://localhost:8080/a.png".parse().expect("URL");
    assert_eq!(outputs[1].content, DeclaredContent::Url(url));
    assert_eq!(outputs[0].facts, *json!({"width": 1024, "height": 1024}).as_object().expect("map"));
}

#[test]
fn transcription_sends_the_file_itself() {
    let catalogue = embedded();
    let transcription = catalogue.get("openai-transcription").expect("openai-transcription");
    let id = uuid::Uuid::from_u128(7);
    let params = filled(transcription, &json!({"audio": id}));
    let input = transcription.input(&params, &HashMap::new());
    assert!(transcription.uploads(&input).is_empty());
    let request = transcription.request(&input, &HashMap::new()).expect("request");
    assert_eq!(request.files.len(), 1);
    assert_eq!((request.files[0].field.as_str(), request.files[0].generation.0), ("file", id));
    assert_eq!(request.body, json!({"model": "whisper-1"}));
    let outputs = transcription.outputs(&input, &json!({"text": ""})).expect("outputs");
    assert_eq!(outputs[0].content, DeclaredContent::Text(String::new()));
}

#[test]
fn a_cover_comes_beside_each_song() {
    let catalogue = embedded();
    let songs = catalogue.get("kie-suno-v5-5").expect("kie-suno-v5-5");
    let params = filled(songs, &json!({"title": "a", "style": "b"}));
    assert_eq!(songs.expected_outputs(&params), 2);
    let input = songs.input(&params, &HashMap::new());
    let answer = json!({"data": {"response": {"sunoData": [
        {"audioUrl": "https://a.test/1.mp3", "imageUrl": "https://a.test/1.jpeg"},
        {"audioUrl": "https://a.test/2.mp3", "imageUrl": "nowhere"},
    ]}}});
    let outputs = songs.outputs(&input, &answer).expect("outputs");
    assert_eq!(outputs[0].additional.len(), 1);
    assert_eq!(outputs[0].additional[0].kind, "cover");
    assert!(outputs[1].additional.is_empty(), "an address that is none costs no song");
}

#[test]
fn the_example_of_the_readme_is_right() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("generators/README.md");
    let readme = std::fs::read_to_string(readme).expect("README.md");
    let example = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next());
    let read = Declaration::read("my-portrait.yaml", example.expect("an example"), &PROVIDERS);
    let example = read.unwrap_or_else(|flaws| panic!("{flaws}"));
    let params = filled(&example, &json!({"photo": uuid::Uuid::from_u128(1), "style": "chalk"}));
    let input = example.input(&params, &HashMap::new());
    let urls = example.uploads(&input).into_iter().map(|id| (id, "up".to_owned())).collect();
    let request = example.request(&input, &urls).expect("request");
    let wanted = json!({"image_url": "up", "prompt": "a drawing in chalk", "num_images": 1});
    assert_eq!(request.body, wanted);
}
