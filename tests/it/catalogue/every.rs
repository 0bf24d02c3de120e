//! Every generator that comes with the server, once: from the mutation to the provider and back.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use boards::{
    config::FfmpegSetting,
    domain::ArtifactType,
    generators::{Catalogue, Declaration},
};
use bytes::Bytes;
use uuid::Uuid;

use super::{
    cases::{Case, UPLOADED, Wanted, cases, comparable},
    *,
};
use crate::support::{End, Script, Submission, png, text};

const PROVIDERS: [&str; 4] = ["fal", "kie", "openai", "replicate"];

const MADE: &str = "query($id: UUID!) { board(id: $id) { generations(limit: 100) {
    id status errorMessage externalJobId storageUrl artifactType outputMetadata
    attempts { outcome } inputArtifacts { generationId } } } }";

/// Uploaded artifacts, as many of each kind as some generator needs, no two of the same bytes.
#[derive(Default)]
struct Artifacts {
    ids: HashMap<ArtifactType, Vec<Uuid>>,
    by_bytes: HashMap<Bytes, Uuid>,
}

impl Artifacts {
    async fn upload(scene: &Scene, needed: &HashMap<ArtifactType, usize>) -> Self {
        let mut artifacts = Self::default();
        for (kind, count) in needed {
            for number in 0..*count {
                let bytes = file(*kind, number);
                let answer = scene.ada.upload(&scene.board, kind.as_str(), bytes.clone()).await;
                let id = text(&answer["id"]).parse().expect("an id");
                artifacts.ids.entry(*kind).or_default().push(id);
                artifacts.by_bytes.insert(bytes.into(), id);
            }
        }
        artifacts
    }

    /// A different one for each artifact of a case.
    fn instead_of(&self, wanted: &[(ArtifactType, Uuid)]) -> HashMap<Uuid, Uuid> {
        let mut free: HashMap<_, _> =
            self.ids.iter().map(|(kind, ids)| (kind, ids.iter())).collect();
        let mut next = |kind| *free.get_mut(kind).and_then(Iterator::next).expect("enough");
        wanted.iter().map(|(kind, id)| (*id, next(kind))).collect()
    }
}

/// A small file of a kind, another for each number.
fn file(kind: ArtifactType, number: usize) -> Vec<u8> {
    let number = u8::try_from(number).expect("few");
    match kind {
        ArtifactType::Image => png(8 + u32::from(number), 8),
        ArtifactType::Audio => {
            // A header (WAVE) and a moment of silence, not quite.
            let mut bytes = b"RIFF\x2c\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
            bytes.extend(b"\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\x08\0\0\0");
            bytes.extend([number; 8]);
            bytes
        }
        ArtifactType::Video => {
            let mut bytes = include_bytes!("../../data/media/video.mp4").to_vec();
            bytes.extend(b"\0\0\0\x09free");
            bytes.push(number);
            bytes
        }
        other => panic!("no generator takes a {other}"),
    }
}

/// The file of the stand-in that a generator's answer leads to.
fn output_of(kind: ArtifactType) -> &'static str {
    match kind {
        ArtifactType::Video => "clip.mp4",
        ArtifactType::Audio => "sound.wav",
        _ => "picture.png",
    }
}

/// What tells requests apart, whatever the artifacts in them.
fn key(provider: &str, path: &str, body: &Value) -> String {
    let blind = |text: &str| {
        let is_file = text.starts_with(UPLOADED) || text.contains("/files/");
        if is_file { "a file".to_owned() } else { text.to_owned() }
    };
    format!("{provider} {path} {}", comparable(body, &blind))
}

/// Everything that the checks of one case need.
struct Round {
    case: Case,
    declaration: Arc<Declaration>,
    artifacts: HashSet<Uuid>,
    board: String,
}

impl Round {
    fn path(&self) -> String {
        self.case.path(&self.declaration)
    }

    fn key(&self) -> String {
        key(self.declaration.provider(), &self.path(), &self.case.body)
    }

    async fn begin(&mut self, ada: &Client) {
        self.board = ada.board(&self.case.generator, false).await;
        let kind = self.declaration.artifact_type().as_str().to_uppercase();
        let params = self.case.params.clone();
        ada.generate_as(&self.board, &self.case.generator, &kind, params).await;
    }

    /// The generations that came of it, in the order of the provider's outputs.
    async fn end(&self, ada: &Client) -> Vec<Value> {
        let what = format!("{} ends", self.case.generator);
        eventually_within(BOUND, &what, async || {
            let data = ada.data(MADE, json!({ "id": self.board })).await;
            let mut made = data["board"]["generations"].as_array().expect("a list").clone();
            made.sort_by_key(|one| one["outputMetadata"]["batch_index"].as_u64());
            let goes_on = ["PENDING", "PROCESSING"].map(Value::from);
            made.iter().all(|one| !goes_on.contains(&one["status"])).then_some(made)
        })
        .await
    }

    async fn check(
        &self,
        scene: &Scene,
        made: &[Value],
        artifacts: &Artifacts,
    ) -> Result<(), String> {
        for one in made {
            expect("status", &one["status"], &json!("COMPLETED"))
                .map_err(|reason| format!("{reason}: {}", one["errorMessage"]))?;
        }
        expect("outputs", &made.len(), &self.case.outputs.len())?;
        self.check_request(scene, artifacts)?;
        self.check_batch(made)?;
        for (one, wanted) in made.iter().zip(&self.case.outputs) {
            let wanted = self.content(scene, wanted).await?;
            let stored = get(scene, one["storageUrl"].as_str().ok_or("no link")?).await?;
            expect("that the stored file is the provider's", &(stored == wanted), &true)?;
            let inputs = one["inputArtifacts"].as_array().ok_or("no lineage")?.iter();
            let inputs: HashSet<Uuid> =
                inputs.filter_map(|input| input["generationId"].as_str()?.parse().ok()).collect();
            expect("lineage", &inputs, &self.artifacts)?;
        }
        Ok(())
    }

    /// The bytes of an output.
    async fn content(&self, scene: &Scene, wanted: &Wanted) -> Result<Bytes, String> {
        if let Some(base64) = &wanted.base64 {
            return Ok(STANDARD.decode(base64).expect("base64").into());
        }
        match &wanted.text {
            Some(text) => Ok(Bytes::from(text.clone())),
            None => get(scene, &self.file(scene)).await,
        }
    }

    /// Where the provider has the files that it made.
    fn file(&self, scene: &Scene) -> String {
        scene.stand_in.file_url(output_of(self.declaration.artifact_type()))
    }

    /// One submission came, with the body of the case and with the files that it names.
    fn check_request(&self, scene: &Scene, artifacts: &Artifacts) -> Result<(), String> {
        let (path, provider) = (self.path(), self.declaration.provider());
        let mut submissions = scene.stand_in.submissions();
        submissions.retain(|one| key(one.provider, &one.path, &one.body) == self.key());
        let [submission] = submissions.as_slice() else {
            return Err(format!("{} submissions of the case to {path}", submissions.len()));
        };
        let uploads = scene.stand_in.uploads();
        let files = scene.stand_in.file_url("");
        let uploaded = |text: &str| {
            let place = text.strip_prefix(&files).and_then(|rest| rest.split('/').next());
            let upload = place.and_then(|place| uploads.get(place.parse::<usize>().ok()?));
            let artifact = upload.and_then(|upload| artifacts.by_bytes.get(&upload.bytes));
            artifact.map_or_else(|| text.to_owned(), |id| format!("{UPLOADED}{id}"))
        };
        let wanted = comparable(&self.case.body, &str::to_owned);
        expect("body", &comparable(&submission.body, &uploaded), &wanted)?;
        let sent = submission.files.iter().map(|file| {
            (file.field.clone(), artifacts.by_bytes.get(&file.bytes).copied().unwrap_or_default())
        });
        expect("files", &sent.collect(), &self.case.files)?;
        expect("a job", &submission.job.is_empty(), &(provider == "openai"))
    }

    fn check_batch(&self, made: &[Value]) -> Result<(), String> {
        let first = &made[0];
        let has_job = first["externalJobId"].is_string();
        expect("externalJobId", &has_job, &(self.declaration.provider() != "openai"))?;
        expect("attempts", &first["attempts"], &json!([{ "outcome": "COMPLETED" }]))?;
        if let [single] = made {
            let batch = &single["outputMetadata"]["batch_id"];
            return expect("a batch of one", batch, &Value::Null);
        }
        for (one, wanted) in made.iter().zip(&self.case.outputs) {
            let facts = &one["outputMetadata"];
            let batch = json!([facts["batch_id"], facts["batch_index"], facts["batch_size"]]);
            expect("batch", &batch, &json!([first["id"], wanted.position, made.len()]))?;
        }
        Ok(())
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, is: &T, wanted: &T) -> Result<(), String> {
    if is == wanted { Ok(()) } else { Err(format!("{what} is {is:?}, wanted {wanted:?}")) }
}

async fn get(scene: &Scene, url: &str) -> Result<Bytes, String> {
    let answer = scene.ada.follow(url).await;
    expect("status of a link", &answer.status().as_u16(), &200)?;
    answer.bytes().await.map_err(|error| error.to_string())
}

/// The rounds of all generators, and the artifacts that they are given.
async fn prepare(scene: &Scene) -> (Vec<Round>, Artifacts) {
    let catalogue = Catalogue::embedded(&PROVIDERS).expect("files without flaws");
    let mut needed: HashMap<ArtifactType, usize> = HashMap::new();
    let mut declared = Vec::new();
    for case in cases() {
        let declaration = Arc::clone(catalogue.get(&case.generator).expect(&case.generator));
        let wanted = case.artifacts(&declaration);
        for (kind, _) in &wanted {
            let count = wanted.iter().filter(|(other, _)| other == kind).count();
            let most = needed.entry(*kind).or_default();
            *most = count.max(*most);
        }
        declared.push((case, declaration, wanted));
    }
    assert_eq!(declared.len(), catalogue.iter().count(), "every generator has a case");
    let artifacts = Artifacts::upload(scene, &needed).await;
    let round = |(case, declaration, wanted): (Case, Arc<Declaration>, Vec<_>)| {
        let instead = artifacts.instead_of(&wanted);
        let output = scene.stand_in.file_url(output_of(declaration.artifact_type()));
        let case = case.with(&instead, &output);
        let artifacts = instead.into_values().collect();
        Round { case, declaration, artifacts, board: String::new() }
    };
    (declared.into_iter().map(round).collect(), artifacts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_generator_makes_what_its_provider_gives() {
    let scene = Scene::with(|builder| {
        builder.config(|config| {
            config.worker_concurrency = 32;
            // The clip of the stand-in has no picture to show.
            config.ffmpeg = FfmpegSetting::Off;
        })
    })
    .await;
    scene.stand_in.script(Script::at_once(End::Done));
    let (mut rounds, artifacts) = prepare(&scene).await;
    let answers: HashMap<String, Value> =
        rounds.iter().map(|round| (round.key(), round.case.answer.clone())).collect();
    assert_eq!(answers.len(), rounds.len(), "no two cases ask for the same");
    scene.stand_in.results(move |submission: &Submission| {
        let key = key(submission.provider, &submission.path, &submission.body);
        answers.get(&key).cloned().unwrap_or_else(|| json!({ "no case": key }))
    });
    for round in &mut rounds {
        round.begin(&scene.ada).await;
    }
    let mut failures = Vec::new();
    for round in &rounds {
        let made = round.end(&scene.ada).await;
        if let Err(reason) = round.check(&scene, &made, &artifacts).await {
            failures.push(format!("{}: {reason}", round.case.generator));
        }
    }
    assert!(failures.is_empty(), "{} failures\n{}", failures.len(), failures.join("\n"));
    assert_eq!(scene.stand_in.submissions().len(), rounds.len());
}
