//! The catalogue: generators of providers as data, a YAML file each. The files that come with the server
//! are in `generators/`, where README.md says how one is written; a folder of one's own adds others or
//! takes their place.
//!
//! Nothing here sends anything: a [`Declaration`] turns parameters into a request, and an answer into
//! outputs. The adapters in [`super::providers`] carry them.

mod check;
mod declaration;
mod expression;
mod file;
mod flaw;
mod folder;
mod input;
mod known;
mod path;
mod price;
mod request;
mod response;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, LazyLock},
};

use rust_embed::RustEmbed;

pub use declaration::Declaration;
pub use flaw::{Flaw, Flaws};
pub use input::{ArtifactFacts, Input};
pub use known::KnownProviders;
pub use request::{DeclaredFile, DeclaredRequest};
pub use response::{DeclaredAddition, DeclaredContent, DeclaredOutput};

/// The files that come with the server. A debug build reads them where they were when it was built.
#[derive(RustEmbed)]
#[folder = "generators"]
struct Embedded;

/// Declared generators by name. Cheap to clone.
#[derive(Clone, Default)]
pub struct Catalogue {
    declarations: BTreeMap<String, Arc<Declaration>>,
}

impl Catalogue {
    /// Those that come with the server.
    ///
    /// # Errors
    /// All that is wrong with their files, which tests rule out.
    pub fn embedded(known: &dyn KnownProviders) -> Result<Self, Flaws> {
        // Whatever the providers, the files are the same: a process reads them once.
        static READ: LazyLock<Result<Catalogue, Flaws>> = LazyLock::new(read_embedded);
        let catalogue = READ.clone()?;
        let flaws: Vec<Flaw> =
            catalogue.iter().filter_map(|declared| declared.provider_flaw(known)).collect();
        if flaws.is_empty() { Ok(catalogue) } else { Err(Flaws(flaws)) }
    }

    /// These, and those of the `.yaml` files right in `folder`; those of the folder count where both have
    /// a name.
    ///
    /// # Errors
    /// All that is wrong with all of its files, or why it cannot be read.
    pub fn with_folder(self, folder: &Path, known: &dyn KnownProviders) -> Result<Self, Flaws> {
        self.with_files(folder::read(folder), Some(known))
    }

    /// The generator of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Declaration>> {
        self.declarations.get(name)
    }

    /// Every generator, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Declaration>> {
        self.declarations.values()
    }

    /// These and those of `files`, which count where both have a name.
    fn with_files(
        mut self,
        files: impl IntoIterator<Item = folder::ReadFile>,
        known: Option<&dyn KnownProviders>,
    ) -> Result<Self, Flaws> {
        let Judged { mut declarations, flaws } = judge(files, known);
        if !flaws.is_empty() {
            return Err(Flaws(flaws));
        }
        self.declarations.append(&mut declarations);
        Ok(self)
    }
}

/// What there is in files that were judged.
#[derive(Default)]
pub struct Judged {
    /// What the good ones declare, by name.
    pub declarations: BTreeMap<String, Arc<Declaration>>,
    /// All that is wrong with the others.
    pub flaws: Vec<Flaw>,
}

impl Judged {
    /// Judges a file, or the `.yaml` files right in a folder.
    #[must_use]
    pub fn at(path: &Path, known: &dyn KnownProviders) -> Self {
        let files = if path.is_dir() { folder::read(path) } else { vec![folder::read_file(path)] };
        judge(files, Some(known))
    }
}

fn judge(
    files: impl IntoIterator<Item = folder::ReadFile>,
    known: Option<&dyn KnownProviders>,
) -> Judged {
    let mut judged = Judged::default();
    for file in files {
        let declared = file
            .map_err(|flaw| Flaws(vec![flaw]))
            .and_then(|(path, text)| check::read(&path, &text, known));
        match declared {
            Err(found) => judged.flaws.extend(found.0),
            Ok(declared) => {
                let name = declared.name().to_owned();
                if let Some(first) = judged.declarations.get(&name) {
                    let reason = format!("{} declares {name}, too", first.file());
                    let file = declared.file().to_owned();
                    judged.flaws.push(Flaw { file, line: 0, reason });
                } else {
                    judged.declarations.insert(name, Arc::new(declared));
                }
            }
        }
    }
    judged
}

fn read_embedded() -> Result<Catalogue, Flaws> {
    let files = Embedded::iter().filter(|name| name.ends_with(".yaml")).filter_map(|name| {
        let text = String::from_utf8_lossy(&Embedded::get(&name)?.data).into_owned();
        Some(Ok((name.into_owned(), text)))
    });
    Catalogue::default().with_files(files, None)
}
