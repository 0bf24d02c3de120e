//! `boards migrate`.

use std::{num::NonZeroU32, path::Path};

use super::{
    Failure,
    args::{MigrateAction, MigrateArgs},
    print,
};
use crate::{app::StartError, config::Config, store::Store};

pub(super) async fn run(config: Config, arguments: &MigrateArgs) -> Result<(), Failure> {
    let url = &config.database_url;
    if let Some(folder) = url.sqlite_path().as_deref().and_then(Path::parent) {
        std::fs::create_dir_all(folder)?;
    }
    let store = Store::connect(url, 2, config.request_timeout).await?;
    match (arguments.action, arguments.steps) {
        (MigrateAction::Up, None) => store.migrate_up(url).await.map_err(StartError::from)?,
        (MigrateAction::Up, Some(_)) => {
            return Err(Failure::new("--steps goes with `boards migrate down`"));
        }
        (MigrateAction::Down, steps) => {
            store
                .migrate_down(url, steps.map_or(1, NonZeroU32::get))
                .await
                .map_err(StartError::from)?;
        }
        (MigrateAction::Status, _) => {}
    }
    for migration in store.migration_status().await? {
        let state = if migration.applied { "applied" } else { "missing" };
        print(&format!("{state}  {}", migration.name))?;
    }
    Ok(store.close().await?)
}
