//! `boards schema`.

use std::path::Path;

use super::{Failure, print};
use crate::graphql;

pub(super) fn run(check: Option<&Path>) -> Result<(), Failure> {
    let served = graphql::sdl();
    let Some(path) = check else { return print(&served) };
    let kept = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("{} cannot be read: {error}", path.display())))?;
    if kept.trim_end() == served.trim_end() {
        return Ok(());
    }
    let path = path.display();
    Err(Failure::new(format!("{path} differs from the schema; run `boards schema > {path}`")))
}
