//! `boards generators` and `boards demo openai`, as a person runs them.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{End, Ended, Script, Serving, StandIn, TestDatabase, boards, eventually, run};

/// What an environment may have of the providers.
const USUAL: [&str; 9] = [
    "FAL_KEY",
    "FAL_KEY_ID",
    "FAL_KEY_SECRET",
    "FAL_QUEUE_RUN_HOST",
    "KIE_API_KEY",
    "OPENAI_API_KEY",
    "OPENAI_BASE_URL",
    "REPLICATE_API_TOKEN",
    "REPLICATE_BASE_URL",
];

/// `boards generators …` with no key of whoever runs the tests.
fn generators(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = boards(folder, &["generators"]);
    for name in USUAL {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

async fn listed(folder: &Path, arguments: &[&str], settings: &[(&str, &str)]) -> Vec<Value> {
    let mut command = generators(folder, &["list", "--json"]);
    command.args(arguments).envs(settings.iter().copied());
    let ended = run(command).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    serde_json::from_str(&ended.stdout).expect("a list")
}

fn names(list: &[Value]) -> BTreeSet<&str> {
    list.iter().map(|entry| entry["name"].as_str().expect("a name")).collect()
}

fn entry<'a>(list: &'a [Value], name: &str) -> &'a Value {
    list.iter().find(|entry| entry["name"] == name).expect(name)
}

#[tokio::test]
async fn the_list_is_the_whole_catalogue() {
    let folder = TempDir::new().expect("a folder");
    let vectors = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/generator-vectors.json");
    let vectors = fs::read_to_string(vectors).expect("vectors");
    let vectors: Vec<Value> = serde_json::from_str(&vectors).expect("a list");
    let older: BTreeSet<&str> =
        vectors.iter().map(|vector| vector["generator"].as_str().expect("a name")).collect();
    assert_eq!(older.len(), 98);
    let all = listed(folder.path(), &[], &[]).await;
    let found = names(&all);
    assert!(older.is_subset(&found), "{:?}", older.difference(&found).collect::<Vec<_>>());
    for name in ["qr-code", "text-template", "openai-image"] {
        assert!(found.contains(name), "{name}");
    }
    let table = run(generators(folder.path(), &["list"])).await.stdout;
    assert_eq!(table.lines().count(), all.len() + 1);
    let shown: Vec<_> =
        table.lines().skip(1).filter_map(|line| line.split_whitespace().next()).collect();
    assert!(shown.is_sorted() && shown.len() == all.len(), "{shown:?}");
    assert!(!folder.path().join("data").exists(), "to list needs no database");
}

#[tokio::test]
async fn without_a_key_a_generator_is_listed_as_unavailable() {
    let folder = TempDir::new().expect("a folder");
    let all = listed(folder.path(), &[], &[]).await;
    for (name, missing) in [
        ("fal-flux-2", json!("FAL_KEY")),
        ("kie-suno-v5-5", json!("KIE_API_KEY")),
        ("replicate-flux-pro", json!("REPLICATE_API_TOKEN")),
        ("openai-image", json!("OPENAI_API_KEY")),
        ("qr-code", json!(null)),
    ] {
        let entry = entry(&all, name);
        assert_eq!(entry["missing"], missing, "{name}");
        assert_eq!(entry["available"], missing.is_null(), "{name}");
    }
    let settings = [("FAL_KEY", "s3cr3t"), ("BOARDS_OPENAI_URL", "http://127.0.0.1:9/v1")];
    let all = listed(folder.path(), &[], &settings).await;
    for (name, available) in
        [("fal-flux-2", true), ("openai-image", true), ("replicate-flux-pro", false)]
    {
        assert_eq!(entry(&all, name)["available"], available, "{name}");
    }
    let table = run(generators(folder.path(), &["list", "--provider", "kie"])).await.stdout;
    assert!(table.contains("no: KIE_API_KEY") && !table.contains("fal-"), "{table}");
}

#[tokio::test]
async fn the_list_is_narrowed() {
    let folder = TempDir::new().expect("a folder");
    let own = listed(folder.path(), &["--provider", "builtin", "--type", "audio"], &[]).await;
    assert_eq!(names(&own), BTreeSet::from(["tone-audio"]));
    assert_eq!(own[0]["cost"]["usd"], "0");
    let text = listed(folder.path(), &["--type", "text", "--provider", "openai"], &[]).await;
    assert_eq!(names(&text), BTreeSet::from(["openai-transcription", "openai-whisper"]));
}

#[tokio::test]
async fn a_broken_file_is_told_with_its_line() {
    let folder = TempDir::new().expect("a folder");
    let own = folder.path().join("own");
    fs::create_dir(&own).expect("a folder");
    let good =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/generators/openai-image.yaml"));
    let good = good.expect("a file").replace("name: openai-image", "name: mine");
    fs::write(own.join("mine.yaml"), &good).expect("written");
    let fine = run(generators(folder.path(), &["check", "own"])).await;
    assert_eq!((fine.code, fine.stdout.as_str()), (Some(0), "1 generators are fine\n"), "{fine:?}");

    let broken = good.replace("name: mine", "name: other").replace("    - n\n", "    - m\n");
    fs::write(own.join("other.yaml"), &broken).expect("written");
    let line = broken.lines().position(|line| line == "    - m").expect("a line") + 1;
    let ended = run(generators(folder.path(), &["check", "own", "missing.yaml"])).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    let reason = format!("own/other.yaml:{line}: ");
    assert!(ended.stdout.lines().any(|found| found.starts_with(&reason)), "{ended:?}");
    assert!(ended.stdout.contains("missing.yaml: the file cannot be read"), "{ended:?}");
    assert_eq!(ended.stderr, "boards: 2 broken, 1 fine\n");

    // So do those that the server would read, and it does not start.
    let whole = run(generators(folder.path(), &["check"])).await;
    assert!(whole.code == Some(0) && whole.stdout.ends_with("are fine\n"), "{whole:?}");
    for arguments in [&["generators", "check"][..], &["serve"], &["generators", "list"]] {
        let mut command = boards(folder.path(), arguments);
        command.env("BOARDS_GENERATORS_DIR", "own").env("BOARDS_LOG_LEVEL", "warn");
        let Ended { code, stdout, stderr } = run(command).await;
        assert_eq!(code, Some(1), "{arguments:?}");
        assert!(format!("{stdout}{stderr}").contains(&reason), "{arguments:?}: {stderr}");
    }
}

#[tokio::test]
async fn a_folder_of_ones_own_adds_and_takes_the_place() {
    let folder = TempDir::new().expect("a folder");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/generators/openai-image.yaml");
    let text = fs::read_to_string(source).expect("a file");
    for name in ["mine", "fal-flux-2"] {
        let own = text.replace("name: openai-image", &format!("name: {name}"));
        fs::write(folder.path().join(format!("{name}.yaml")), own).expect("written");
    }
    let path = folder.path().to_str().expect("a path");
    let all = listed(folder.path(), &[], &[("BOARDS_GENERATORS_DIR", path)]).await;
    assert_eq!(entry(&all, "mine")["provider"], "openai");
    assert_eq!(entry(&all, "fal-flux-2")["provider"], "openai");
}

#[tokio::test]
async fn a_generator_of_this_process_runs_and_reads_files() {
    let folder = TempDir::new().expect("a folder");
    // A text that could be read as a number stays one.
    let arguments = ["run", "qr-code", "--param", "text=123", "--param", "size=128"];
    let made = run(generators(folder.path(), &arguments)).await;
    assert_eq!((made.code, made.stdout.as_str()), (Some(0), "./qr-code-1.png\n"), "{made:?}");
    assert!(made.stderr.contains(" %  "), "{made:?}");
    let again = run(generators(folder.path(), &arguments)).await;
    assert_eq!(again.stdout, "./qr-code-2.png\n", "no file is written over");

    let arguments = ["run", "image-collage", "--input", "images=qr-code-1.png", "--input"];
    let mut command = generators(folder.path(), &arguments);
    command.args(["images=qr-code-2.png", "--params-json", r#"{"columns": 2, "gap": 0}"#]);
    let made = run(command).await;
    assert_eq!(made.stdout, "./image-collage-1.png\n", "{made:?}");
    image::open(folder.path().join("image-collage-1.png")).expect("a picture");
}

#[tokio::test]
async fn what_is_wrong_with_a_run_is_one_line() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("text.txt"), "no picture").expect("written");
    let cases: &[(&[&str], &str)] = &[
        (&["nothing"], "there is no generator nothing"),
        (&["qr-code", "--param", "size=1"], "size must be at least 64; text is required"),
        (&["qr-code", "--param", "text=x", "--param", "sise=64"], "sise is not a parameter"),
        (&["qr-code", "--params-json", "[1]"], "--params-json must be a JSON object"),
        (&["qr-code", "--input", "text=text.txt"], "text takes no artifact"),
        (&["image-edit", "--input", "image=text.txt"], "The file is text, not an image"),
        (&["image-edit", "--input", "image=missing.png"], "missing.png: No such file"),
        (
            &["image-edit", "--param", "image=0192b3a0-0000-7000-8000-00000000000a"],
            "name a file with --input image=FILE",
        ),
        (
            &["fal-flux-2", "--param", "prompt=x"],
            "fal-flux-2 needs a key to its provider: set FAL_KEY",
        ),
    ];
    for (arguments, wanted) in cases {
        let mut command = generators(folder.path(), &["run"]);
        command.args(*arguments);
        let ended = run(command).await;
        assert_eq!(ended.code, Some(1), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stderr.trim_end().lines().count(), 1, "{arguments:?}: {ended:?}");
        assert!(ended.stderr.contains(wanted), "{arguments:?}: {ended:?}");
    }
}

#[tokio::test]
async fn a_generator_of_a_provider_runs_by_hand() {
    let folder = TempDir::new().expect("a folder");
    let stand_in = StandIn::start().await;
    stand_in.require_key("s3cr3t");
    for (name, key) in [("openai-image", "OPENAI_API_KEY"), ("fal-flux-2", "FAL_KEY")] {
        let arguments = ["run", name, "--param", "prompt=a calm sea", "--out", "made"];
        let mut command = generators(folder.path(), &arguments);
        command.envs(stand_in.settings()).env(key, "s3cr3t");
        let ended = run(command).await;
        assert_eq!(ended.stdout, format!("made/{name}-1.png\n"), "{ended:?}");
        let path = folder.path().join("made").join(format!("{name}-1.png"));
        image::open(path).expect("a picture");
    }
    assert_eq!(stand_in.submissions()[0].body["prompt"], "a calm sea");
}

#[tokio::test]
async fn an_interrupted_run_is_cancelled_at_its_provider() {
    let folder = TempDir::new().expect("a folder");
    let stand_in = StandIn::start().await;
    stand_in.script(Script::at_once(End::Never));
    let mut command =
        generators(folder.path(), &["run", "fal-flux-2", "--param", "prompt=a calm sea"]);
    command.envs(stand_in.settings()).env("FAL_KEY", "s3cr3t");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    let job = eventually("the job runs", async || {
        let job = stand_in.submissions().first()?.job.clone();
        (stand_in.polls_of(&job) > 0).then_some(job)
    })
    .await;
    let id = child.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().expect("kill runs");
    assert!(sent.success());
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
    let ended = ended.await.expect("joined").expect("it ends");
    let stderr = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("cancelled at the provider"), "{stderr}");
    assert_eq!(stand_in.cancels(), [job]);
}

#[tokio::test]
async fn a_demo_makes_an_image_over_openais_protocol() {
    let folder = TempDir::new().expect("a folder");
    let database = TestDatabase::migrated(folder.path()).await;
    let command = |arguments: &[&str]| {
        let mut command = boards(folder.path(), arguments);
        command.env("BOARDS_DATABASE_URL", database.url().expose()).env("BOARDS_LOG_LEVEL", "warn");
        command
    };
    // What else waits is left to those who can run it.
    assert_eq!(run(command(&["demo"])).await.code, Some(0));
    let made = run(command(&["demo", "openai", "--prompt", "a harbour"])).await;
    assert_eq!(made.code, Some(0), "{made:?}");
    let first = made.stdout.lines().next().expect("a line");
    assert!(first.starts_with("Made an image with openai-image, by http://127.0.0.1:"), "{made:?}");
    let file = made.stdout.lines().find_map(|line| line.trim().strip_prefix("file "));
    let file = folder.path().join(file.expect("a file").trim());
    assert_eq!(image::open(file).expect("a picture").width(), 512);

    let mut command = command(&["--worker-enabled", "false"]);
    for name in USUAL {
        command.env_remove(name);
    }
    let server = Serving::start(command).await;
    let query =
        "{ myBoards { title generations { status generatorName storageUrl inputParams } } }";
    let boards = server.client().data(query, json!({})).await["myBoards"].clone();
    let boards = boards.as_array().expect("boards");
    let made = boards.iter().find(|board| board["title"] == "An image by a stand-in");
    let generation = &made.expect("a board")["generations"][0];
    assert_eq!(generation["status"], "COMPLETED");
    assert_eq!(generation["generatorName"], "openai-image");
    assert_eq!(generation["inputParams"]["prompt"], "a harbour");
    assert!(generation["storageUrl"].is_string());
    let waiting = boards.iter().filter(|board| board["title"] != "An image by a stand-in");
    for generation in waiting.flat_map(|board| board["generations"].as_array().expect("a list")) {
        assert_eq!(generation["status"], "PENDING");
    }
}
