//! Variables without this server's prefix that have a usual meaning: what the providers' own programs
//! read, so that an environment that is made for those serves here too.

/// One that stands for a setting, where that is not set otherwise.
pub(super) struct UsualName {
    /// The variable.
    pub(super) name: &'static str,
    /// The TOML key of the setting.
    pub(super) key: &'static str,
    /// The setting's value for that of the variable.
    pub(super) read: fn(&str) -> String,
}

pub(super) const USUAL_NAMES: [UsualName; 3] = [
    // fal's own programs read a host and add the scheme.
    UsualName {
        name: "FAL_QUEUE_RUN_HOST",
        key: "fal_url",
        read: |host| format!("https://{host}"),
    },
    UsualName { name: "REPLICATE_BASE_URL", key: "replicate_url", read: str::to_owned },
    UsualName { name: "OPENAI_BASE_URL", key: "openai_url", read: str::to_owned },
];

/// Keys to providers by their usual names.
pub(super) const USUAL_KEYS: [&str; 4] =
    ["FAL_KEY", "REPLICATE_API_TOKEN", "OPENAI_API_KEY", "KIE_API_KEY"];
/// The two halves that `FAL_KEY` may come in.
pub(super) const FAL_KEY_HALVES: [&str; 2] = ["FAL_KEY_ID", "FAL_KEY_SECRET"];

/// The usual name that stands for a setting.
pub(super) fn usual_name(name: &str) -> Option<&'static UsualName> {
    USUAL_NAMES.iter().find(|usual| usual.name == name)
}

/// Whether the variable is a key to a provider, or half of one.
pub(super) fn is_key(name: &str) -> bool {
    USUAL_KEYS.contains(&name) || FAL_KEY_HALVES.contains(&name)
}

/// Whether the variable means something here.
pub(super) fn is_usual(name: &str) -> bool {
    usual_name(name).is_some() || is_key(name)
}
