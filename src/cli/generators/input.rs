//! What a run by hand is given: parameters as words of a command line, and files in the place of artifacts.

use std::{collections::HashMap, fs, path::PathBuf};

use bytes::Bytes;
use serde_json::{Map, Value};

use super::Failure;
use crate::{
    artifacts::{Ffmpeg, MediaScanner, Previews, Source},
    cli::args::GeneratorsRunArgs,
    config::Config,
    domain::{GenerationId, JsonObject},
    generators::{Arity, ArtifactFacts, ArtifactReference, Entry, InputArtifact, InputSchema},
};

/// Bytes of all files that one run reads, as in a worker.
const MAX_INPUT_BYTES: u64 = 512 * 1024 * 1024;

/// What a run reads.
pub(super) struct Given {
    /// Parameters that satisfy the schema, defaults filled in.
    pub(super) params: JsonObject,
    /// The files, by the ids that stand for them among the parameters.
    pub(super) artifacts: HashMap<GenerationId, InputArtifact>,
    /// What is known of them.
    pub(super) facts: ArtifactFacts,
}

/// Checks parameters and reads files, in the words of the API where something is wrong.
pub(super) async fn given(
    config: &Config,
    entry: &Entry,
    arguments: &GeneratorsRunArgs,
) -> Result<Given, Failure> {
    let mut params = match &arguments.params_json {
        None => Map::new(),
        Some(text) => serde_json::from_str(text).map_err(|error| {
            Failure::new(format!("--params-json must be a JSON object: {error}"))
        })?,
    };
    for (name, text) in &arguments.params {
        params.insert(name.clone(), value(&entry.schema, name, text));
    }
    let files = place_files(entry, &mut params, &arguments.inputs)?;
    let params = entry.schema.check(&Value::Object(params)).map_err(|violations| {
        let messages: Vec<_> = violations.into_iter().map(|wrong| wrong.message).collect();
        Failure::new(format!("{}: {}", arguments.name, messages.join("; ")))
    })?;
    let (artifacts, facts) = read(config, &entry.schema.artifacts(&params), &files).await?;
    Ok(Given { params, artifacts, facts })
}

/// JSON where it is JSON, but a parameter that is a text takes it as it stands: `text=123`.
fn value(schema: &InputSchema, name: &str, text: &str) -> Value {
    let is_text = schema.document()["properties"][name]["type"] == "string";
    let parsed = if is_text { None } else { serde_json::from_str(text).ok() };
    parsed.unwrap_or_else(|| Value::from(text))
}

/// Puts made-up ids into the parameters that take artifacts; the files that they stand for.
fn place_files(
    entry: &Entry,
    params: &mut JsonObject,
    inputs: &[(String, String)],
) -> Result<HashMap<GenerationId, PathBuf>, Failure> {
    let arities: HashMap<&str, Arity> = entry.schema.artifact_parameters().collect();
    let mut files = HashMap::new();
    for (name, path) in inputs {
        let id = GenerationId::new();
        let reference = Value::from(id.to_string());
        match arities.get(name.as_str()) {
            None => {
                let generator = entry.generator.name();
                return Err(Failure::new(format!("{generator}: {name} takes no artifact")));
            }
            Some(Arity::One) => {
                params.insert(name.clone(), reference);
            }
            Some(Arity::Many) => {
                let list = params.entry(name).or_insert_with(|| Value::Array(Vec::new()));
                if let Value::Array(list) = list {
                    list.push(reference);
                }
            }
        }
        files.insert(id, PathBuf::from(path));
    }
    Ok(files)
}

async fn read(
    config: &Config,
    references: &[ArtifactReference],
    files: &HashMap<GenerationId, PathBuf>,
) -> Result<(HashMap<GenerationId, InputArtifact>, ArtifactFacts), Failure> {
    let (mut artifacts, mut facts) = (HashMap::new(), ArtifactFacts::new());
    if references.is_empty() {
        return Ok((artifacts, facts));
    }
    let staging = tempfile::tempdir()?;
    let ffmpeg = Ffmpeg::find(&config.ffmpeg).map_err(crate::app::StartError::from)?;
    let previews = Previews::new(ffmpeg, staging.path().to_owned());
    let mut left = MAX_INPUT_BYTES;
    for reference in references {
        let (artifact, known) = read_one(reference, files, &mut left, &previews).await?;
        artifacts.insert(reference.generation, artifact);
        facts.insert(reference.generation, known);
    }
    Ok((artifacts, facts))
}

/// A file that is of the kind that the parameter takes, and what the server would know of it.
async fn read_one(
    reference: &ArtifactReference,
    files: &HashMap<GenerationId, PathBuf>,
    left: &mut u64,
    previews: &Previews,
) -> Result<(InputArtifact, JsonObject), Failure> {
    let role = &reference.role;
    let path = files.get(&reference.generation).ok_or_else(|| {
        Failure::new(format!(
            "{role}: there is no database here; name a file with --input {role}=FILE"
        ))
    })?;
    let wrong = |reason: &dyn std::fmt::Display| {
        Failure::new(format!("{role}: {}: {reason}", path.display()))
    };
    let length = fs::metadata(path).map_err(|error| wrong(&error))?.len();
    *left = left.checked_sub(length).ok_or_else(|| wrong(&"the files are too long"))?;
    let bytes = Bytes::from(fs::read(path).map_err(|error| wrong(&error))?);
    let media = MediaScanner::scan(&bytes).accept_as(reference.artifact_type);
    let media = media.map_err(|mismatch| wrong(&mismatch))?;
    let mut facts = previews.of(Source::Bytes(bytes.clone()), media).await.facts;
    facts.insert("content_type".to_owned(), Value::from(media.content_type));
    facts.insert("file_size".to_owned(), Value::from(length));
    let content_type = media.content_type.to_owned();
    Ok((InputArtifact { artifact_type: reference.artifact_type, content_type, bytes }, facts))
}
