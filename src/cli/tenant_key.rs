//! `boards tenant key`: a tenant's keys at providers, for an operator with a shell.

use std::io::Read;

use secrecy::SecretString;

use super::{
    Failure,
    args::{TenantKeyArgs, TenantKeyCommand},
    print, recorded,
};
use crate::{
    app::open_vault,
    audit::AuditEvent,
    config::Config,
    domain::{Validator, keyed_provider, provider_key},
    error::Error,
    store::{People, ProviderKey, Store, TenantReference},
};

/// Bytes of standard input that are read; a key has fewer.
const INPUT_MAX: u64 = 4096;

pub(super) async fn run(
    config: &Config,
    store: &Store,
    command: &TenantKeyCommand,
) -> Result<(), Failure> {
    let slug = command.tenant();
    let tenant = store.system().tenant(&TenantReference::parse(slug)?).await?;
    let tenant = tenant.ok_or_else(|| Failure::new(format!("there is no tenant \"{slug}\"")))?;
    let people = store.system().people(tenant.id);
    match command {
        TenantKeyCommand::Set(arguments) => set(config, store, &people, arguments).await,
        TenantKeyCommand::Delete(arguments) => delete(store, &people, arguments).await,
        TenantKeyCommand::List(_) => list(&people).await,
    }
}

async fn set(
    config: &Config,
    store: &Store,
    people: &People,
    arguments: &TenantKeyArgs,
) -> Result<(), Failure> {
    open_vault(config, store)?;
    let mut validator = Validator::new();
    let provider = keyed_provider("PROVIDER", &arguments.provider, &mut validator);
    let key = provider_key("the key on standard input", &read_key()?, &mut validator);
    validator.finish()?;
    let outcome = people.set_provider_key(provider, &key).await;
    print(&line(&noted(store, people, "setProviderKey", outcome).await?))
}

async fn delete(store: &Store, people: &People, arguments: &TenantKeyArgs) -> Result<(), Failure> {
    let mut validator = Validator::new();
    let provider = keyed_provider("PROVIDER", &arguments.provider, &mut validator);
    validator.finish()?;
    let outcome = people.delete_provider_key(provider).await;
    noted(store, people, "deleteProviderKey", outcome).await?;
    print(&format!("{provider}  deleted"))
}

async fn list(people: &People) -> Result<(), Failure> {
    for key in people.provider_keys().await? {
        print(&line(&key))?;
    }
    Ok(())
}

/// Not an argument, which other users of the machine could see and shells remember.
fn read_key() -> Result<SecretString, Failure> {
    let mut text = String::new();
    let read = std::io::stdin().take(INPUT_MAX).read_to_string(&mut text);
    let text = SecretString::from(text);
    read.map_err(|_| Failure::new("standard input must be the key, as text"))?;
    Ok(text)
}

/// Puts an act into the tenant's audit log, where its admins see that none of them did it.
async fn noted(
    store: &Store,
    people: &People,
    action: &'static str,
    outcome: Result<ProviderKey, Error>,
) -> Result<ProviderKey, Failure> {
    let event = AuditEvent::new(action).in_tenant(people.tenant());
    let event = match &outcome {
        Ok(key) => event.on("providerKey", key.id),
        Err(_) => event,
    };
    recorded(store, event, outcome).await
}

fn line(key: &ProviderKey) -> String {
    format!("{}  {}", key.provider, key.updated_at.format("%Y-%m-%dT%H:%M:%SZ"))
}
