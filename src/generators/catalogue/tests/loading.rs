//! What is wrong with a file is told with its line, before anything runs.

use std::{fs, path::Path};

use rstest::rstest;

use super::{
    super::{Catalogue, Flaw, Flaws, KnownProviders},
    *,
};

fn flaws(text: &str) -> Vec<Flaw> {
    match Declaration::read("test.yaml", text, &PROVIDERS) {
        Ok(_) => Vec::new(),
        Err(Flaws(flaws)) => flaws,
    }
}

#[test]
fn a_right_file_is_read() {
    assert_eq!(flaws(RIGHT), []);
}

#[rstest]
#[case(
    "provider: fal",
    "provider: fall",
    "there is no provider \"fall\", only fal, kie, openai, replicate"
)]
#[case("provider: fal", "provider: fal\nprovider: kie", "duplicate")]
#[case("artifact_type: image", "artifact_type: picture", "unknown variant")]
#[case("name: test", "name: other", "must be the same")]
#[case("name: test", "name: Test Case", "a name consists of")]
#[case("description: Makes an image from a text.", "description: x", "a sentence or two")]
#[case(
    "      description: What the image should show.",
    "      title: x",
    "prompt has no description"
)]
#[case("      type: integer", "      type: integers", "input:")]
#[case("default: 1", "default: one", "default of count")]
#[case("required: [prompt]", "required: [promt]", "there is no parameter \"promt\"")]
#[case(
    "required: [prompt]",
    "additionalProperties: true",
    "additionalProperties is nothing that belongs here"
)]
#[case("    - prompt\n", "    - promt\n", "there is no parameter \"promt\"")]
#[case("    - prompt\n", "", "prompt is not sent")]
#[case("    - prompt\n", "    - prompt\n    - prompt\n", "\"prompt\" is sent twice")]
#[case("    - prompt\n", "    - {form: prompt}\n", "form")]
#[case("    - prompt\n", "    - {from: prompt, to: \"\"}\n", "no name of a field")]
#[case("    - prompt\n", "    - {from: prompt, const: 5}\n", "one of from, const and value")]
#[case("    - prompt\n", "    - prompt\n    - {to: x}\n", "one of from, const and value")]
#[case("    - prompt\n", "    - prompt\n    - {const: 5}\n", "to is missing")]
#[case(
    "    - prompt\n",
    "    - prompt\n    - {to: x, const: 5, omit: if_null}\n",
    "a constant is always sent"
)]
#[case(
    "    - prompt\n",
    "    - prompt\n    - {to: x, const: 5, upload: one}\n",
    "so that from is needed"
)]
#[case("    - prompt\n", "    - {from: prompt, upload: one}\n", "prompt is no artifact")]
#[case("    - prompt\n", "    - {from: prompt, when: {is: 5}}\n", "there is no operator \"is\"")]
#[case(
    "    - prompt\n",
    "    - {from: prompt, when: {var: input.promt}}\n",
    "no parameter \"promt\""
)]
#[case("    - prompt\n", "    - {from: prompt, when: {var: item.url}}\n", "must begin with input")]
#[case(", upload: one, omit: if_null", "", "picture is an artifact, so it must be uploaded")]
#[case("upload: one", "upload: many", "picture is a single artifact")]
#[case("upload: many", "upload: one", "pictures is a list of artifacts")]
#[case("upload: many", "upload: many, drop_nulls: true", "nothing for artifacts")]
#[case("omit: if_null", "omit: null", "unknown variant `null`")]
#[case("  items: [\"$.images[*]\"]", "  items: [\"$.images[0]\"]", "is not a path")]
#[case("  items: [\"$.images[*]\"]", "  url: \"\"\n  items: [$.a]", "not the name of a member")]
#[case("width: {var: item.width}", "width: {var: [item.width]}", "var takes a path")]
#[case("width: {var: item.width}", "weight: {var: item.width}", "weight")]
#[case("  items: [\"$.images[*]\"]", "  items: []", "items says nowhere")]
#[case("response:\n", "response:\n  text: t\n", "text is no image")]
#[case("response:\n", "response:\n  url: u\n  text: t\n", "either text or a file")]
#[case("response:\n", "response:\n  additional: [{kind: A, url: x}]\n", "a kind consists of")]
#[case("endpoint:", "notes: [\"\"]\nendpoint:", "a note is a sentence")]
#[case("count: count", "count: prompt", "prompt is no whole number")]
#[case("count: count", "count: counts", "there is no parameter \"counts\"")]
#[case("count: count", "count: 65", "a number to 64")]
#[case("usd: {\"*\": [0.5, {var: input.count}]}", "usd: -1", "an amount in US dollars")]
#[case("usd: {\"*\": [0.5, {var: input.count}]}", "usd: {var: url}", "must begin with input")]
#[case("basis: stated", "basis: sure", "unknown variant")]
#[case("  fields:", "  model_at: model\n  fields:", "model_at needs a model")]
#[case("  fields:", "  unsent: [prompt]\n  fields:", "prompt is sent, in spite of unsent")]
#[case("  fields:", "  require_any: [[]]\n  fields:", "names no parameter")]
#[case("endpoint:", "documentation: [\"http://a.test\"]\nendpoint:", "begins with https")]
#[case("endpoint:", "  bad: [\nendpoint:", "")]
fn what_is_wrong_is_told_with_its_line(#[case] from: &str, #[case] to: &str, #[case] reason: &str) {
    let found = flaws(&changed(from, to));
    let about = found.iter().find(|flaw| flaw.reason.contains(reason));
    let about = about.unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!(about.file, "test.yaml");
    assert!(about.line > 0, "{about}");
    assert!(!about.reason.contains('\n'), "{about}");
}

#[test]
fn lines_are_those_of_what_is_wrong() {
    for (from, to, place) in [
        ("provider: fal", "provider: fall", "provider: fal"),
        ("      description: More pictures.\n", "", "    pictures:"),
        ("{from: count, to: n}", "{from: count, to: \"\"}", "{from: count"),
        ("{var: item.width}", "{var: it.width}", "{var: item.width}"),
        ("basis: stated", "basis: sure", "basis: stated"),
        ("response:\n", "response:\n  itemz: 5\n", "response:"),
    ] {
        let found = flaws(&changed(from, to));
        assert_eq!(found.len(), 1, "{found:?}");
        // A block begins in the line after its key.
        let line = line_of(place);
        assert!((line..=line + 1).contains(&found[0].line), "{} for {place}, {line}", found[0]);
    }
}

#[test]
fn several_flaws_of_a_file_are_told_at_once() {
    let text = changed("provider: fal", "provider: fall")
        .replace("basis: stated", "basis: stated\nnotes: [\"\"]");
    let found = flaws(&text.replace("{from: count, to: n}", "{from: counts, to: n}"));
    assert!(found.len() >= 3, "{found:?}");
}

#[test]
fn a_file_is_bounded() {
    let long = format!("{RIGHT}\n# {}", "x".repeat(200_000));
    assert!(flaws(&long)[0].reason.contains("longer than"));
    let aliases = changed("default: []", "default: &a []\n      examples: [*a]");
    assert_eq!(flaws(&aliases).len(), 1, "aliases are refused");
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(flaws(&changed("default: []", &format!("default: {deep}"))).len(), 1);
}

/// Providers that refuse an endpoint.
struct Strict;

impl KnownProviders for Strict {
    fn names(&self) -> Vec<&str> {
        vec!["fal"]
    }

    fn check_endpoint(&self, provider: &str, endpoint: &Value) -> Result<(), String> {
        assert_eq!(provider, "fal");
        match endpoint["application"].as_str() {
            Some("test/app") => Ok(()),
            _ => Err("application is missing".to_owned()),
        }
    }
}

#[test]
fn the_provider_judges_the_endpoint() {
    assert!(Declaration::read("test.yaml", RIGHT, &Strict).is_ok());
    let text = changed("application: test/app", "applikation: test/app");
    let Err(Flaws(found)) = Declaration::read("test.yaml", &text, &Strict) else { panic!("read") };
    assert_eq!(found[0].reason, "endpoint: application is missing");
    assert!(found[0].line > 0);
}

/// A folder with these files.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("file");
    }
    folder
}

fn refused(folder: &Path) -> Vec<String> {
    match Catalogue::default().with_folder(folder, &PROVIDERS) {
        Ok(_) => Vec::new(),
        Err(Flaws(flaws)) => flaws.iter().map(Flaw::to_string).collect(),
    }
}

#[test]
fn a_folder_adds_and_overrides() {
    let own = RIGHT.replace("name: test", "name: fal-flux-2");
    let folder = folder(&[
        ("test.yaml", RIGHT),
        ("fal-flux-2.yaml", &own),
        ("README.md", "not a generator"),
        (".hidden.yaml", "neither"),
    ]);
    let catalogue = embedded().with_folder(folder.path(), &PROVIDERS);
    let catalogue = catalogue.unwrap_or_else(|flaws| panic!("{flaws}"));
    assert_eq!(catalogue.iter().count(), embedded().iter().count() + 1);
    assert!(catalogue.get("test").is_some());
    let overridden = catalogue.get("fal-flux-2").expect("fal-flux-2");
    assert_eq!(overridden.description(), "Makes an image from a text.");
    assert!(Path::new(overridden.file()).starts_with(folder.path()));
}

#[test]
fn all_broken_files_are_told_at_once() {
    let broken = changed("provider: fal", "provider: fall");
    let folder = folder(&[
        ("a.yaml", &broken),
        ("test.yaml", RIGHT),
        ("test.yml", RIGHT),
        ("z.yaml", "name: [\n"),
    ]);
    fs::create_dir(folder.path().join("y.yaml")).expect("folder");
    let found = refused(folder.path()).join("\n");
    for wanted in ["test.yml: the file's name must end in .yaml", "y.yaml: this is no file"] {
        assert!(found.contains(wanted), "{found}");
    }
    fs::remove_dir(folder.path().join("y.yaml")).expect("folder");
    fs::remove_file(folder.path().join("test.yml")).expect("file");
    let found = refused(folder.path()).join("\n");
    for wanted in ["a.yaml:5: there is no provider", "a.yaml:2: the name", "z.yaml:"] {
        assert!(found.contains(wanted), "{found}");
    }
}

#[test]
fn a_name_is_declared_once() {
    let files = ["a/test.yaml", "b/test.yaml"].map(|path| Ok((path.to_owned(), RIGHT.to_owned())));
    let result = Catalogue::default().with_files(files, None);
    let Err(flaws) = result else { panic!("read") };
    assert_eq!(flaws.to_string(), "b/test.yaml: a/test.yaml declares test, too");
}

#[test]
fn a_folder_that_cannot_be_read_is_told() {
    let found = refused(Path::new("/nonexistent/folder"));
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with("/nonexistent/folder: the folder cannot be read"), "{found:?}");
}

#[test]
fn what_is_no_text_is_told() {
    let folder = folder(&[]);
    fs::write(folder.path().join("a.yaml"), [0xff, 0xfe, 0x00]).expect("file");
    assert!(refused(folder.path())[0].contains("not in UTF-8"));
}
