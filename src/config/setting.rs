//! What a setting is: its names, default, bounds and meaning.

use std::sync::LazyLock;

use super::table::ROWS;

/// What every variable of this server starts with.
pub(super) const PREFIX: &str = "BOARDS_";

/// One line of the table that settings are declared in.
pub(super) struct Row {
    pub(super) group: Group,
    pub(super) name: &'static str,
    pub(super) fallback: Fallback,
    pub(super) kind: Kind,
    pub(super) description: &'static str,
}

/// One setting under each of its names.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The environment variable, `BOARDS_API_PORT`. Errors use it, whatever the value came from.
    pub name: String,
    /// The key in the TOML file, `api_port`.
    pub key: String,
    /// The flag without its dashes, `api-port`.
    pub flag: String,
    /// What it belongs to.
    pub group: Group,
    /// What holds when nobody sets it.
    pub fallback: Fallback,
    /// What values it takes.
    pub kind: Kind,
    /// What it does, in a sentence without a full stop.
    pub description: &'static str,
}

/// What holds when a setting is not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This value, written as in the environment.
    Value(&'static str),
    /// A value that follows from other settings; holds how, for people.
    Derived(&'static str),
    /// Nothing.
    Unset,
}

/// The values that a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// True or false.
    Switch,
    /// A whole number between two bounds, both included.
    Number(u64, u64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Text; holds what is allowed, as the end of "must be …".
    Text(&'static str),
    /// As `Text`, and no message ever repeats the value.
    Secret(&'static str),
}

/// Settings that belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Where and how the server answers.
    Server,
    /// The database.
    Database,
    /// Who is asking.
    Authentication,
    /// Which tenant is meant.
    Tenants,
    /// Artifacts and links to them.
    Storage,
    /// Running generations.
    Worker,
    /// The providers that run generators elsewhere.
    Generators,
    /// What one request may cost.
    Limits,
    /// The log.
    Logs,
}

impl Group {
    /// The heading of the group.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Server => "Server",
            Self::Database => "Database",
            Self::Authentication => "Authentication",
            Self::Tenants => "Tenants",
            Self::Storage => "Storage",
            Self::Worker => "Worker",
            Self::Generators => "Generators",
            Self::Limits => "Limits",
            Self::Logs => "Logs",
        }
    }

    /// Whether commands other than `serve` take the group's flags.
    #[must_use]
    pub fn is_shared(self) -> bool {
        !matches!(self, Self::Server | Self::Worker | Self::Limits)
    }
}

impl Kind {
    /// What is allowed, as the end of "must be …".
    #[must_use]
    pub fn allowed(self) -> String {
        match self {
            Self::Switch => "true or false".to_owned(),
            Self::Number(low, high) => format!("a whole number from {low} to {high}"),
            Self::Choice(words) => format!("one of {}", words.join(", ")),
            Self::Text(allowed) | Self::Secret(allowed) => allowed.to_owned(),
        }
    }

    /// Whether messages may repeat the value.
    #[must_use]
    pub fn is_secret(self) -> bool {
        matches!(self, Self::Secret(_))
    }
}

impl Setting {
    /// What holds when nobody sets it, for people; empty when nothing does.
    #[must_use]
    pub fn default_text(&self) -> &'static str {
        match self.fallback {
            Fallback::Value(text) | Fallback::Derived(text) => text,
            Fallback::Unset => "",
        }
    }
}

impl From<&Row> for Setting {
    fn from(row: &Row) -> Self {
        let key = row.name.to_ascii_lowercase();
        Self {
            name: format!("{PREFIX}{}", row.name),
            flag: key.replace('_', "-"),
            key,
            group: row.group,
            fallback: row.fallback,
            kind: row.kind,
            description: row.description,
        }
    }
}

static SETTINGS: LazyLock<Vec<Setting>> =
    LazyLock::new(|| ROWS.iter().map(Setting::from).collect());

/// Every setting, group by group.
#[must_use]
pub fn reference() -> &'static [Setting] {
    &SETTINGS
}

/// The settings as a Markdown table of variable, default and meaning, as the README shows it.
#[must_use]
pub fn reference_table() -> String {
    let row = |setting: &Setting| {
        let default = match setting.fallback {
            Fallback::Value(text) => format!("`{text}`"),
            Fallback::Derived(text) => text.to_owned(),
            Fallback::Unset => "–".to_owned(),
        };
        format!("| {} | {default} | {} |\n", setting.name, setting.description)
    };
    let head = String::from("| variable | default | |\n|---|---|---|\n");
    head + &reference().iter().map(row).collect::<String>()
}

/// The setting with this TOML key.
pub(super) fn by_key(key: &str) -> Option<&'static Setting> {
    reference().iter().find(|setting| setting.key == key)
}

/// The setting with this variable.
pub(super) fn by_name(name: &str) -> Option<&'static Setting> {
    reference().iter().find(|setting| setting.name == name)
}

/// The known name that `unknown` is most likely a slip of.
pub(super) fn nearest<'a>(unknown: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let bound = (unknown.chars().count() / 3).clamp(1, 3);
    known
        .map(|name| (edit_distance(unknown, name), name))
        .filter(|(distance, _)| *distance <= bound)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many insertions, deletions and substitutions lead from one to the other (Levenshtein).
fn edit_distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut previous: Vec<usize> = (0..=to.len()).collect();
    for (row, left) in from.chars().enumerate() {
        let mut current = vec![row + 1];
        for (column, right) in to.iter().enumerate() {
            let replaced = previous[column] + usize::from(left != *right);
            current.push(replaced.min(previous[column + 1] + 1).min(current[column] + 1));
        }
        previous = current;
    }
    previous[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_variables_are_all_there() {
        for name in [
            "DATABASE_URL",
            "DATA_DIR",
            "API_HOST",
            "API_PORT",
            "AUTH_PROVIDER",
            "JWT_SECRET",
            "JWT_ALGORITHM",
            "AUTH_ISSUER",
            "AUTH_AUDIENCE",
            "AUTH_LEEWAY_SECONDS",
            "TENANT_CLAIM",
            "MULTI_TENANT_MODE",
            "DEFAULT_TENANT_SLUG",
            "STORAGE_URL",
            "PUBLIC_URL",
            "CORS_ORIGINS",
            "MAX_UPLOAD_BYTES",
            "WORKER_ENABLED",
            "WORKER_CONCURRENCY",
            "RATE_LIMIT",
            "INTROSPECTION",
            "PLAYGROUND",
            "LOG_LEVEL",
            "LOG_FORMAT",
        ] {
            assert!(by_name(&format!("BOARDS_{name}")).is_some(), "{name}");
        }
    }

    #[test]
    fn one_setting_has_three_names() {
        let setting = by_key("api_port").expect("known");
        assert_eq!((setting.name.as_str(), setting.flag.as_str()), ("BOARDS_API_PORT", "api-port"));
    }

    #[test]
    fn no_name_stands_twice() {
        let mut keys: Vec<_> = reference().iter().map(|setting| &setting.key).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), reference().len());
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = || reference().iter().map(|setting| setting.key.as_str());
        assert_eq!(nearest("api_prot", known()), Some("api_port"));
        assert_eq!(nearest("api_por", known()), Some("api_port"));
        assert_eq!(nearest("databse_ulr", known()), Some("database_url"));
        assert_eq!(nearest("database_ur", known()), Some("database_url"));
        assert_eq!(nearest("something_else", known()), None);
        assert_eq!(nearest("port", known()), None);
    }

    #[test]
    fn distances() {
        assert_eq!(edit_distance("", "abc"), 3);
        assert_eq!(edit_distance("kitten", "sitting"), 3);
        assert_eq!(edit_distance("same", "same"), 0);
    }

    #[test]
    fn the_table_names_every_setting() {
        let table = reference_table();
        assert!(reference().iter().all(|setting| table.contains(&format!("| {} |", setting.name))));
    }
}
