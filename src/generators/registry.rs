//! The generators that this server offers, by name.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{Catalogue, DeclaredGenerator, Generator, InputSchema, builtin, providers::Providers};

/// A generator and its compiled input schema.
pub struct Entry {
    /// The generator.
    pub generator: Arc<dyn Generator>,
    /// Its parameters.
    pub schema: Arc<InputSchema>,
}

/// Every generator, made once at start.
pub struct Registry {
    entries: BTreeMap<String, Arc<Entry>>,
}

impl Registry {
    /// The generators that come with the server.
    ///
    /// # Errors
    /// See [`Registry::new`].
    pub fn builtin() -> Result<Self, String> {
        Self::new(builtin::all())
    }

    /// Exactly these generators; add [`builtin::all`] to have those too.
    ///
    /// # Errors
    /// Says which generator has a name twice or an input schema that cannot be used.
    pub fn new(generators: Vec<Arc<dyn Generator>>) -> Result<Self, String> {
        let mut entries = BTreeMap::new();
        for generator in generators {
            let name = generator.name().to_owned();
            let schema = generator
                .compiled_schema()
                .map_err(|reason| format!("generator {name}: {reason}"))?;
            if entries.contains_key(&name) {
                return Err(format!("generator {name} is registered twice"));
            }
            entries.insert(name, Arc::new(Entry { generator, schema }));
        }
        Ok(Self { entries })
    }

    /// The generators that come with the server, and those of the catalogue.
    ///
    /// # Errors
    /// See [`Registry::new`]; also a generator whose provider is unknown.
    pub fn of_catalogue(catalogue: &Catalogue, providers: &Providers) -> Result<Self, String> {
        let mut generators = builtin::all();
        generators.extend(declared(catalogue, providers)?);
        Self::new(generators)
    }

    /// The generator of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Arc<Entry>> {
        self.entries.get(name)
    }

    /// Who runs each generator that does not run in this process, by its name.
    #[must_use]
    pub fn providers(&self) -> HashMap<String, String> {
        let provider = |entry: &Arc<Entry>| {
            let provider = entry.generator.provider()?;
            Some((entry.generator.name().to_owned(), provider.to_owned()))
        };
        self.iter().filter_map(provider).collect()
    }

    /// Every generator, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.entries.values()
    }
}

/// The generators of a catalogue, each with the adapter of its provider.
///
/// # Errors
/// Says which generator names a provider that there is not.
pub fn declared(
    catalogue: &Catalogue,
    providers: &Providers,
) -> Result<Vec<Arc<dyn Generator>>, String> {
    let generator = |declaration: &Arc<super::Declaration>| {
        let (name, provider) = (declaration.name(), declaration.provider());
        let provider = providers
            .get(provider)
            .ok_or_else(|| format!("generator {name}: there is no provider {provider}"))?;
        let generator = DeclaredGenerator::new(Arc::clone(declaration), Arc::clone(provider));
        Ok(Arc::new(generator) as Arc<dyn Generator>)
    };
    catalogue.iter().map(generator).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builtins_are_listed_by_name() {
        let registry = Registry::builtin().expect("registry");
        let names: Vec<_> = registry.iter().map(|entry| entry.generator.name()).collect();
        let wanted = [
            "image-collage",
            "image-edit",
            "pattern-image",
            "qr-code",
            "text-template",
            "tone-audio",
        ];
        assert_eq!(names, wanted);
        assert!(registry.get("qr-code").is_some());
        assert!(registry.get("QR-code").is_none());
    }

    #[test]
    fn a_name_is_registered_once() {
        let twice = builtin::all().into_iter().chain(builtin::all()).collect();
        let error = Registry::new(twice).err().expect("refused");
        assert!(error.contains("registered twice"));
    }

    #[test]
    fn every_parameter_is_described() {
        let registry = Registry::builtin().expect("registry");
        for entry in registry.iter() {
            let document = entry.schema.document();
            assert_eq!(document["additionalProperties"], false, "{}", entry.generator.name());
            for (name, schema) in document["properties"].as_object().expect("properties") {
                let described = schema["description"].as_str().is_some_and(|text| text.len() > 10);
                assert!(described, "{}: {name}", entry.generator.name());
            }
        }
    }
}
