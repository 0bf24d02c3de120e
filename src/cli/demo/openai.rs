//! `boards demo openai`: an image on a board, made by a server with `OpenAI`'s protocol that needs no account.
//! Queue, worker, adapter and HTTP are the real ones; only who draws is not.

use std::{path::PathBuf, time::Duration};

use serde_json::json;
use tokio::time::Instant;

use super::{
    Home, board, home, queue,
    stand_in::{MODEL, StandIn},
};
use crate::{
    app::{StartError, WorkerApp, lock_out_servers, open_generators, open_links, open_providers},
    cli::{Failure, print},
    config::{Config, GeneratorKeys},
    domain::{GenerationId, GenerationStatus},
    generators::{Registry, providers::PROVIDER_NAMES},
    store::{Generation, Scope},
};

/// The generator of the catalogue that is run.
const GENERATOR: &str = "openai-image";
const PROVIDER: &str = "openai";
const OPENAI_KEY: &str = "OPENAI_API_KEY";
const PROMPT: &str = "a calm sea at dawn";
/// How long the image may take, on a machine that is busy with something else.
const PATIENCE: Duration = Duration::from_mins(1);
/// How often it is looked whether it is there.
const POLL: Duration = Duration::from_millis(100);

pub(super) async fn run(mut config: Config, prompt: Option<&str>) -> Result<(), Failure> {
    // The worker of this process takes over what runs on an SQLite database.
    let _lock = lock_out_servers(&config)?;
    let drawing = Registry::builtin().map_err(StartError::Generators)?;
    let stand_in = StandIn::start(drawing).await?;
    point_at(&mut config, &stand_in)?;
    let app = WorkerApp::start(config.clone()).await?;
    let made = make(&config, &app, prompt.unwrap_or(PROMPT)).await;
    app.work(std::future::ready(())).await;
    let (title, generation) = made?;
    report(&config, &stand_in, title, &generation)
}

/// Has the adapter ask the stand-in, without any key, and the worker leave all else to others that there may
/// be on this database.
fn point_at(config: &mut Config, stand_in: &StandIn) -> Result<(), Failure> {
    let url = stand_in.url().parse();
    config.provider_addresses.openai =
        url.map_err(|_| Failure::new("the stand-in has no address"))?;
    let keys = &config.generator_api_keys;
    let others = keys.names().filter(|name| *name != OPENAI_KEY);
    let others = others.filter_map(|name| Some((name.to_owned(), keys.get(name)?.clone())));
    config.generator_api_keys =
        others.fold(GeneratorKeys::default(), |kept, (name, key)| kept.with(name, key));
    // Generators of this process have no provider.
    let elsewhere = PROVIDER_NAMES.into_iter().filter(|name| *name != PROVIDER).chain([""]);
    config.provider_concurrency = elsewhere.map(|name| (name.to_owned(), 0)).collect();
    config.worker_enabled = true;
    Ok(())
}

async fn make(
    config: &Config,
    app: &WorkerApp,
    prompt: &str,
) -> Result<(&'static str, Generation), Failure> {
    const TITLE: &str = "An image by a stand-in";
    let registry = open_generators(config, &open_providers(config)?)?;
    let Home { scope, .. } = home(config, app.store()).await?;
    let board = board(&scope, TITLE, "Made over OpenAI's protocol, without an account", false);
    let params = json!({ "prompt": prompt, "model": MODEL, "size": "512x512" });
    let queued = queue(&scope, &registry, &board.await?, GENERATOR, params).await?;
    Ok((TITLE, wait(&scope, queued.id).await?))
}

/// Waits for a generation to end well.
async fn wait(scope: &Scope, id: GenerationId) -> Result<Generation, Failure> {
    let until = Instant::now() + PATIENCE;
    while Instant::now() < until {
        let generation = scope.generation(id).await?;
        let generation = generation.ok_or_else(|| Failure::new("the generation was deleted"))?;
        match generation.status {
            GenerationStatus::Completed => return Ok(generation),
            GenerationStatus::Failed | GenerationStatus::Cancelled => {
                let message = generation.error_message.as_deref().unwrap_or("it was cancelled");
                return Err(Failure::new(format!("the generation failed: {message}")));
            }
            GenerationStatus::Pending | GenerationStatus::Processing => {
                tokio::time::sleep(POLL).await;
            }
        }
    }
    Err(Failure::new(format!("the generation {id} is not done yet; a worker may still run it")))
}

fn report(
    config: &Config,
    stand_in: &StandIn,
    title: &str,
    generation: &Generation,
) -> Result<(), Failure> {
    let stored = generation.storage_url.as_deref().unwrap_or_default();
    let link = open_links(config, config.listen_address())?.link(stored);
    let file = file(config, stored).map(|path| format!("\n  file        {}", path.display()));
    // With PostgreSQL there may be a worker that was faster, and has another server.
    let by = if stand_in.was_asked() { stand_in.url() } else { "another worker".to_owned() };
    print(&format!(
        "Made an image with {GENERATOR}, by {by}\n  \
           board       {} \"{title}\"\n  \
           generation  {}{}\n  \
           link        {link}\n              opens once `boards` serves, which shows the board too",
        generation.board,
        generation.id,
        file.unwrap_or_default(),
    ))
}

/// The file itself, where it is on this machine.
fn file(config: &Config, stored: &str) -> Option<PathBuf> {
    Some(config.storage_url.directory()?.join(stored.strip_prefix("storage:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_worker_of_the_demo_leaves_to_others_what_it_cannot_run() {
        let mut config = Config::for_tests("unused");
        config.generator_api_keys =
            GeneratorKeys::default().with(OPENAI_KEY, "s3cr3t").with("FAL_KEY", "s3cr3t");
        let drawing = Registry::builtin().expect("generators");
        let stand_in = StandIn::start(drawing).await.expect("it starts");
        point_at(&mut config, &stand_in).expect("an address");
        let limit = |provider: &str| {
            let limits = &config.provider_concurrency;
            limits.iter().find(|(name, _)| name == provider).map(|(_, most)| *most)
        };
        for elsewhere in ["", "fal", "kie", "replicate"] {
            assert_eq!(limit(elsewhere), Some(0), "{elsewhere}");
        }
        assert_eq!(limit(PROVIDER), None);
        // Jobs of others may have to be cancelled meanwhile; the stand-in is sent no key.
        assert_eq!(config.generator_api_keys.names().collect::<Vec<_>>(), ["FAL_KEY"]);
        assert!(config.provider_addresses.openai.is_private());
    }
}
