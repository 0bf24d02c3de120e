//! `boards serve`.

use tokio::signal::unix::{SignalKind, signal};

use super::{Failure, logs, print};
use crate::{
    app::{App, StartError},
    config::{AuthProvider, Config, Loaded},
    http,
};

pub(super) async fn run(loaded: Loaded) -> Result<(), Failure> {
    let Loaded { config, warnings, file } = loaded;
    let _log = logs::start(&config)?;
    if let Some(file) = file {
        tracing::debug!(file = %file.display(), "settings read");
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let shutdown = shutdown_signal()?;
    let listener = http::listen(config.listen_address()).map_err(StartError::Listen)?;
    let bound = listener.local_addr()?;
    let banner = banner(&config, &config.base_url(bound));
    let app = App::start(config, bound).await?;
    print(&banner)?;
    app.serve(listener, shutdown).await?;
    Ok(())
}

fn banner(config: &Config, url: &str) -> String {
    let issuers = config.trusted_issuers();
    let names: Vec<&str> = issuers.iter().map(|issuer| issuer.name.as_str()).collect();
    let provider = match names.as_slice() {
        [] => "none (everyone is one local user; for development)".to_owned(),
        names => names.join(", "),
    };
    let next = match config.auth_provider {
        AuthProvider::None if names.is_empty() => {
            "open the URL in a browser and run the example operations"
        }
        AuthProvider::Jwt => "sign a token with `boards token SUBJECT`",
        _ => "send a token of your identity provider",
    };
    let tenants = if config.multi_tenant_mode { "many, named by X-Tenant" } else { "one" };
    format!(
        "Boards is ready at {url}\n  \
           sign-in   {provider}\n  \
           tenants   {tenants}\n  \
           database  {}\n  \
           next      {next}",
        config.database_url
    )
}

/// Resolves on Ctrl-C and SIGTERM. The handlers are in place when this returns.
pub(super) fn shutdown_signal() -> Result<impl Future<Output = ()> + Send + 'static, Failure> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
