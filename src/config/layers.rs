//! The four places that values come from, laid over one another by figment: defaults, the TOML
//! file, the environment, flags.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use figment::{
    Figment, Metadata, Profile, Provider,
    providers::{Format, Toml},
    value::{Dict, Map, Value},
};

use super::{
    CloudVariables, ConfigError, generator_keys, issuer_list,
    setting::{Fallback, PREFIX, by_key, by_name, nearest, reference},
    usual_names,
};

/// The variable that names the TOML file.
const FILE_VARIABLE: &str = "BOARDS_CONFIG";
/// Variables with our prefix that are not for the server.
const FOREIGN_VARIABLES: [&str; 1] = ["BOARDS_TEST_DATABASE_URL"];
/// The file that is read when none is named.
const DEFAULT_FILE: &str = "boards.toml";
/// No configuration is larger; a larger file is a mistake.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Names of layers in figment's metadata.
pub(super) const DEFAULTS: &str = "default";
pub(super) const FILE: &str = "file";
pub(super) const ENVIRONMENT: &str = "environment";
pub(super) const FLAGS: &str = "flag";

/// What the command line sets. `Debug` names the settings and leaves out their values.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Flags {
    /// `--config`: the TOML file.
    file: Option<PathBuf>,
    values: BTreeMap<&'static str, String>,
}

impl Flags {
    /// No flags.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads this TOML file.
    #[must_use]
    pub fn with_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// Sets the setting with this TOML key, `api_port`; an unknown key changes nothing.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        if let Some(setting) = by_key(key) {
            self.values.insert(&setting.key, value.into());
        }
        self
    }

    /// These flags and those of `other`, which win.
    #[must_use]
    pub fn overridden_by(mut self, other: Self) -> Self {
        self.file = other.file.or(self.file);
        self.values.extend(other.values);
        self
    }
}

impl fmt::Debug for Flags {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Flags")
            .field("file", &self.file)
            .field("set", &self.values.keys())
            .finish()
    }
}

/// All layers, and what was noticed while laying them.
pub(super) struct Layers {
    pub(super) figment: Figment,
    pub(super) file: Option<PathBuf>,
    pub(super) warnings: Vec<String>,
    pub(super) cloud_variables: CloudVariables,
}

impl Layers {
    pub(super) fn gather(
        flags: &Flags,
        environment: impl IntoIterator<Item = (String, String)>,
        directory: &Path,
    ) -> Result<Self, ConfigError> {
        let environment: Vec<(String, String)> = environment.into_iter().collect();
        let cloud_variables = environment.iter().cloned().collect();
        let environment = Environment::read(environment);
        let file = file_to_read(flags, environment.file, directory);
        let mut figment = Figment::new().merge(Layer::new(DEFAULTS, defaults()));
        for usual in environment.usual {
            figment = figment.merge(usual);
        }
        if let Some(path) = &file {
            figment = figment.merge(read_file(path)?);
        }
        let flags = flags.values.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        let figment = figment
            .merge(Layer::new(ENVIRONMENT, environment.values))
            .merge(Layer::new(FLAGS, flags.map(as_value).collect()));
        Ok(Self { figment, file, warnings: environment.warnings, cloud_variables })
    }
}

struct Layer {
    metadata: Metadata,
    values: Dict,
}

impl Layer {
    fn new(name: &'static str, values: Dict) -> Self {
        Self { metadata: Metadata::named(name), values }
    }
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        self.metadata.clone()
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Profile::Default.collect(self.values.clone()))
    }
}

fn as_value((key, text): (String, String)) -> (String, Value) {
    (key, Value::from(text))
}

fn defaults() -> Dict {
    let values = reference().iter().filter_map(|setting| match setting.fallback {
        Fallback::Value(text) => Some((setting.key.clone(), text.to_owned())),
        Fallback::Derived(_) | Fallback::Unset => None,
    });
    values.map(as_value).collect()
}

#[derive(Default)]
struct Environment {
    file: Option<PathBuf>,
    values: Dict,
    /// Each a layer of its own, named as the variable is.
    usual: Vec<Layer>,
    warnings: Vec<String>,
}

impl Environment {
    /// An empty variable counts as not set: compose files write `${NAME:-}`.
    fn read(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut read = Self::default();
        let mut keys = Dict::new();
        for (name, value) in variables.into_iter().filter(|(_, value)| !value.is_empty()) {
            if let Some(usual) = usual_names::usual_name(&name) {
                let setting = (usual.key.to_owned(), (usual.read)(&value));
                read.usual.push(Layer::new(usual.name, Dict::from([as_value(setting)])));
            } else if usual_names::is_key(&name) {
                keys.insert(name, Value::from(value));
            } else if name == FILE_VARIABLE {
                read.file = Some(value.into());
            } else if let Some(setting) = by_name(&name) {
                read.values.insert(setting.key.clone(), Value::from(value));
            } else if name.starts_with(PREFIX) && !FOREIGN_VARIABLES.contains(&name.as_str()) {
                let known = reference().iter().map(|setting| setting.name.as_str());
                let hint = hint(nearest(&name, known.chain([FILE_VARIABLE])));
                read.warnings.push(format!("the environment has the unknown setting {name}{hint}"));
            }
        }
        if !keys.is_empty() {
            let keys = Dict::from([(generator_keys::USUAL.to_owned(), Value::from(keys))]);
            read.usual.push(Layer::new(ENVIRONMENT, keys));
        }
        read.warnings.sort();
        read
    }
}

fn is_known(key: &str) -> bool {
    key == issuer_list::KEY || by_key(key).is_some()
}

fn hint(nearest: Option<&str>) -> String {
    match nearest {
        Some(name) => format!("; did you mean {name}?"),
        None => "; `boards serve --help` lists all".to_owned(),
    }
}

fn file_to_read(flags: &Flags, variable: Option<PathBuf>, directory: &Path) -> Option<PathBuf> {
    let named = flags.file.clone().or(variable).map(|path| directory.join(path));
    named.or_else(|| Some(directory.join(DEFAULT_FILE)).filter(|path| path.exists()))
}

fn read_file(path: &Path) -> Result<Layer, ConfigError> {
    let wrong = |problem: String| ConfigError::File { path: path.to_owned(), problem };
    let size = std::fs::metadata(path).map(|metadata| metadata.len());
    if size.is_ok_and(|size| size > MAX_FILE_BYTES) {
        return Err(wrong("is larger than 1 MiB".to_owned()));
    }
    let text =
        std::fs::read_to_string(path).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    let data = Toml::string(&text).data().map_err(|error| {
        // The lines after the first repeat the file, secrets included.
        let error = error.to_string().replace("TOML parse error", "error");
        wrong(format!("is not TOML: {}", error.lines().next().unwrap_or_default()))
    })?;
    let values = data.into_values().next().unwrap_or_default();
    if let Some(key) = values.keys().find(|key| !is_known(key)) {
        let known = reference().iter().map(|setting| setting.key.as_str());
        let known = nearest(key, known.chain([issuer_list::KEY]));
        // A file that looks like the environment is a likely slip too.
        let known = known.or_else(|| by_name(key).map(|setting| setting.key.as_str()));
        let key = key.escape_debug().to_string();
        return Err(ConfigError::UnknownKey { file: path.to_owned(), key, hint: hint(known) });
    }
    Ok(Layer { metadata: Metadata::from(FILE, path), values })
}
