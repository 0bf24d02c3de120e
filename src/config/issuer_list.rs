//! The list `[[auth_issuers]]` of the TOML file.

use std::path::PathBuf;

use figment::{
    Figment, Source,
    value::{Dict, Value},
};
use secrecy::SecretString;

use super::{
    AuthProvider, ClientMethod, ConfigError, JwtAlgorithm, LEAST_SECRET_BYTES, TokenType,
    TrustedIssuer, claim,
    issuer::{MOST_NAME_CHARACTERS, Problem},
    key_file, secret_file,
    setting::nearest,
    tenant_slug,
    value::NotAllowed,
};

/// The key of the list.
pub(super) const KEY: &str = "auth_issuers";

/// Everything that may stand in an entry.
const KEYS: [&str; 19] = [
    "name",
    "provider",
    "issuer",
    "audience",
    "jwks_url",
    "introspection_url",
    "client_id",
    "client_secret",
    "client_secret_file",
    "client_method",
    "token_type",
    "algorithms",
    "tenant_claim",
    "tenants",
    "platform_admin",
    "jwt_algorithm",
    "jwt_secret",
    "jwt_public_key",
    "jwt_public_key_file",
];

/// Most entries; each costs memory and, with keys of its own, a connection.
const MOST_ENTRIES: usize = 50;

/// Reads the list; without one, there are no issuers in it.
///
/// # Errors
/// What is wrong, with file, entry and key.
pub(super) fn read(figment: &Figment) -> Result<Vec<TrustedIssuer>, ConfigError> {
    let Ok(value) = figment.find_value(KEY) else { return Ok(Vec::new()) };
    let whole = || ConfigError::Issuer {
        place: file(figment).map_or_else(String::new, |file| format!("{}: ", file.display())),
        key: KEY.to_owned(),
        problem: format!("must be at most {MOST_ENTRIES} tables, each under [[{KEY}]]"),
    };
    let Value::Array(_, entries) = value else { return Err(whole()) };
    if entries.len() > MOST_ENTRIES {
        return Err(whole());
    }
    let mut issuers = Vec::with_capacity(entries.len());
    for (place, entry) in entries.iter().enumerate() {
        let Value::Dict(_, values) = entry else { return Err(whole()) };
        let name = values.get("name").and_then(Value::as_str);
        let entry = Entry { place: place_of(figment, place, name), values };
        issuers.push(entry.read()?);
    }
    Ok(issuers)
}

/// The failure of one key of an entry that was read.
pub(super) fn wrong(
    figment: &Figment,
    place: usize,
    issuer: &TrustedIssuer,
    Problem { key, text }: Problem,
) -> ConfigError {
    let place = place_of(figment, place, Some(&issuer.name));
    ConfigError::Issuer { place, key: key.to_owned(), problem: text }
}

fn file(figment: &Figment) -> Option<PathBuf> {
    match figment.find_metadata(KEY)?.source.as_ref()? {
        Source::File(path) => Some(path.clone()),
        _ => None,
    }
}

fn place_of(figment: &Figment, place: usize, name: Option<&str>) -> String {
    let file =
        file(figment).map_or_else(|| "boards.toml".into(), |file| file.display().to_string());
    let short = |name: &str| name.chars().take(MOST_NAME_CHARACTERS).collect::<String>();
    let name = name.map_or_else(String::new, |name| format!(" ({:?})", short(name)));
    format!("{file}: {KEY} entry {}{name}: ", place + 1)
}

struct Entry<'a> {
    place: String,
    values: &'a Dict,
}

impl Entry<'_> {
    fn read(&self) -> Result<TrustedIssuer, ConfigError> {
        self.check_keys()?;
        let issuer = TrustedIssuer {
            name: self.required("name", NAME, name)?,
            provider: self.required("provider", PROVIDER, provider)?,
            issuer: self.text("issuer")?,
            audiences: self.list("audience", "text or a list of texts", text)?.unwrap_or_default(),
            jwks_url: self.optional("jwks_url", URL, str::parse)?,
            introspection_url: self.optional("introspection_url", URL, str::parse)?,
            client_id: self.text("client_id")?,
            client_secret: self.one_of("client_secret", self.secret("client_secret", 1)?, {
                self.optional("client_secret_file", "the path of a file with the secret", |path| {
                    secret_file(path)
                })?
            })?,
            client_method: self
                .optional("client_method", "basic or post", str::parse)?
                .unwrap_or(ClientMethod::Basic),
            token_type: self
                .optional("token_type", "any or at+jwt", str::parse)?
                .unwrap_or(TokenType::Any),
            algorithms: self.list(
                "algorithms",
                "a list of algorithms such as RS256",
                str::parse,
            )?,
            tenant_claim: self.optional("tenant_claim", "the name of a claim", claim)?,
            tenants: self.list("tenants", "a list of tenants' slugs", tenant_slug)?,
            platform_admin: self.switch("platform_admin")?,
            jwt_algorithm: self
                .optional("jwt_algorithm", "the name of an algorithm such as RS256", str::parse)?
                .unwrap_or(JwtAlgorithm::Hs256),
            jwt_secret: self.secret("jwt_secret", LEAST_SECRET_BYTES)?,
            jwt_public_key: self.one_of("jwt_public_key", self.text("jwt_public_key")?, {
                self.optional("jwt_public_key_file", "the path of a PEM file with a public key", {
                    key_file
                })?
            })?,
        };
        match issuer.unused().first() {
            None => Ok(issuer),
            Some(key) => {
                let provider = issuer.provider;
                Err(self
                    .wrong(key, format!("means nothing to the provider {provider}: leave it out")))
            }
        }
    }

    fn check_keys(&self) -> Result<(), ConfigError> {
        let Some(unknown) = self.values.keys().find(|key| !KEYS.contains(&key.as_str())) else {
            return Ok(());
        };
        let hint = match nearest(unknown, KEYS.into_iter()) {
            Some(known) => format!("did you mean {known}?"),
            None => format!("there are {}", KEYS.join(", ")),
        };
        let problem = format!("is an unknown key; {hint}");
        Err(self.wrong(&unknown.escape_debug().to_string(), problem))
    }

    fn wrong(&self, key: &str, problem: String) -> ConfigError {
        ConfigError::Issuer { place: self.place.clone(), key: key.to_owned(), problem }
    }

    fn must_be(&self, key: &str, allowed: &str) -> ConfigError {
        self.wrong(key, format!("must be {allowed}"))
    }

    fn optional<T>(
        &self,
        key: &str,
        allowed: &str,
        read: impl FnOnce(&str) -> Result<T, NotAllowed>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.values.get(key) else { return Ok(None) };
        let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
        let read = text.ok_or(NotAllowed).and_then(read);
        read.map(Some).map_err(|NotAllowed| self.must_be(key, allowed))
    }

    fn required<T>(
        &self,
        key: &str,
        allowed: &str,
        read: impl FnOnce(&str) -> Result<T, NotAllowed>,
    ) -> Result<T, ConfigError> {
        self.optional(key, allowed, read)?.ok_or_else(|| self.must_be(key, allowed))
    }

    fn text(&self, key: &str) -> Result<Option<String>, ConfigError> {
        self.optional(key, "text that is not empty", text)
    }

    /// As it is: spaces count.
    fn secret(&self, key: &str, least: usize) -> Result<Option<SecretString>, ConfigError> {
        let Some(value) = self.values.get(key) else { return Ok(None) };
        let secret = value.as_str().filter(|secret| secret.len() >= least);
        let allowed = format!("text of at least {least} bytes");
        secret.map(|secret| Some(secret.into())).ok_or_else(|| self.must_be(key, &allowed))
    }

    fn switch(&self, key: &str) -> Result<bool, ConfigError> {
        match self.values.get(key) {
            None => Ok(false),
            Some(Value::Bool(_, switch)) => Ok(*switch),
            Some(_) => Err(self.must_be(key, "true or false")),
        }
    }

    /// A list of at least one text, or one text alone.
    fn list<T: PartialEq>(
        &self,
        key: &str,
        allowed: &str,
        read: impl Fn(&str) -> Result<T, NotAllowed>,
    ) -> Result<Option<Vec<T>>, ConfigError> {
        let wrong = || self.must_be(key, allowed);
        let values = match self.values.get(key) {
            None => return Ok(None),
            Some(Value::Array(_, values)) if !values.is_empty() => values.as_slice(),
            Some(value @ Value::String(..)) => std::slice::from_ref(value),
            Some(_) => return Err(wrong()),
        };
        let mut items = Vec::with_capacity(values.len());
        for value in values {
            let text = value.as_str().map(str::trim).filter(|text| !text.is_empty());
            let item = text.ok_or(NotAllowed).and_then(&read).map_err(|NotAllowed| wrong())?;
            if !items.contains(&item) {
                items.push(item);
            }
        }
        Ok(Some(items))
    }

    fn one_of<T>(
        &self,
        key: &str,
        inline: Option<T>,
        file: Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        if inline.is_some() && file.is_some() {
            let problem = format!("is set, and {key}_file too: leave one of them out");
            return Err(self.wrong(key, problem));
        }
        Ok(inline.or(file))
    }
}

const NAME: &str = "1 to 50 letters, digits, dots, hyphens and underscores, and not none";
const PROVIDER: &str = "one of jwt, oidc, auth0, clerk, supabase, introspection";
const URL: &str = "an https URL without user and fragment (http for this machine alone)";

#[expect(clippy::unnecessary_wraps, reason = "one of several readers of a text")]
fn text(text: &str) -> Result<String, NotAllowed> {
    Ok(text.to_owned())
}

/// Nothing may take over the local user of the provider none.
fn name(text: &str) -> Result<String, NotAllowed> {
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    let fits = text.len() <= MOST_NAME_CHARACTERS && text.chars().all(plain) && text != "none";
    if fits { Ok(text.to_owned()) } else { Err(NotAllowed) }
}

fn provider(text: &str) -> Result<AuthProvider, NotAllowed> {
    let provider = text.parse()?;
    if provider == AuthProvider::None { Err(NotAllowed) } else { Ok(provider) }
}
