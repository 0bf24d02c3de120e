//! An issuer whose tokens are taken, and what must be said about it before the server starts.

use secrecy::SecretString;

use super::{
    AuthProvider, ClientMethod, JwtAlgorithm, JwtKey, JwtKeyError, ProviderUrl, TokenType,
};

/// Longest name of an issuer: what the column `users.auth_provider` holds.
pub(super) const MOST_NAME_CHARACTERS: usize = 50;

/// The algorithms that published keys may have unless others are configured.
const OPEN_ID_ALGORITHMS: [JwtAlgorithm; 5] = [
    JwtAlgorithm::Rs256,
    JwtAlgorithm::Ps256,
    JwtAlgorithm::Es256,
    JwtAlgorithm::Es384,
    JwtAlgorithm::EdDsa,
];

/// One issuer of the list, or the one of the environment.
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// Unique, 1–50 characters; becomes `users.auth_provider`, so that a subject of this issuer is
    /// nobody else's.
    pub name: String,
    /// How its tokens are judged; never [`AuthProvider::None`].
    pub provider: AuthProvider,
    /// What `iss` must be, to the letter.
    pub issuer: Option<String>,
    /// `aud` must hold one of these.
    pub audiences: Vec<String>,
    /// Where the keys are, instead of where discovery or the preset says.
    pub jwks_url: Option<ProviderUrl>,
    /// Where tokens are introspected.
    pub introspection_url: Option<ProviderUrl>,
    /// Who this server is at the introspection endpoint.
    pub client_id: Option<String>,
    /// The secret that goes with it.
    pub client_secret: Option<SecretString>,
    /// How both are sent.
    pub client_method: ClientMethod,
    /// What `typ` must be.
    pub token_type: TokenType,
    /// The algorithms that may be used; `None` leaves that to the provider's defaults.
    pub algorithms: Option<Vec<JwtAlgorithm>>,
    /// The one claim that names the tenant; `None` tries the usual names.
    pub tenant_claim: Option<String>,
    /// Slugs of the only tenants that it may vouch for; `None` is all.
    pub tenants: Option<Vec<String>>,
    /// Whether the scope `platform:admin` counts in its tokens.
    pub platform_admin: bool,
    /// The algorithm of the provider `jwt`.
    pub jwt_algorithm: JwtAlgorithm,
    /// The shared secret of the provider `jwt`, or Supabase's legacy secret.
    pub jwt_secret: Option<SecretString>,
    /// The public key in PEM of the provider `jwt`.
    pub jwt_public_key: Option<String>,
}

/// What is wrong with an issuer: a key of its entry, and the rest of the sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) key: &'static str,
    pub(super) text: String,
}

fn problem(key: &'static str, text: impl Into<String>) -> Problem {
    Problem { key, text: text.into() }
}

impl TrustedIssuer {
    /// The algorithms that its tokens may have.
    #[must_use]
    pub fn allowed_algorithms(&self) -> Vec<JwtAlgorithm> {
        if let Some(algorithms) = &self.algorithms {
            return algorithms.clone();
        }
        match self.provider {
            AuthProvider::None | AuthProvider::Introspection => Vec::new(),
            AuthProvider::Jwt => vec![self.jwt_algorithm],
            AuthProvider::Auth0 | AuthProvider::Clerk => vec![JwtAlgorithm::Rs256],
            AuthProvider::Oidc => OPEN_ID_ALGORITHMS.to_vec(),
            AuthProvider::Supabase => {
                let legacy = self.jwt_secret.is_some().then_some(JwtAlgorithm::Hs256);
                OPEN_ID_ALGORITHMS.into_iter().chain(legacy).collect()
            }
        }
    }

    /// The configured key that fits the algorithm, if there is one.
    #[must_use]
    pub fn key_for(&self, algorithm: JwtAlgorithm) -> Option<JwtKey> {
        if algorithm.is_symmetric() {
            self.jwt_secret.clone().map(JwtKey::Secret)
        } else {
            self.jwt_public_key.clone().map(JwtKey::PublicPem)
        }
    }

    /// Where its keys are, where that is known without discovery.
    #[must_use]
    pub fn keys_url(&self) -> Option<ProviderUrl> {
        let issuer = self.issuer.as_deref()?.trim_end_matches('/');
        let known = matches!(
            self.provider,
            AuthProvider::Auth0 | AuthProvider::Clerk | AuthProvider::Supabase
        );
        let preset = known.then(|| format!("{issuer}/.well-known/jwks.json").parse().ok());
        self.jwks_url.clone().or_else(|| preset.flatten())
    }

    /// Whether what is there is enough to judge tokens.
    pub(super) fn check(&self) -> Result<(), Problem> {
        match self.provider {
            AuthProvider::None => Err(problem("provider", "must judge tokens; none does not")),
            AuthProvider::Jwt => self.check_configured_key(),
            AuthProvider::Introspection => self.check_introspection(),
            AuthProvider::Oidc
            | AuthProvider::Auth0
            | AuthProvider::Clerk
            | AuthProvider::Supabase => self.check_published_keys(),
        }
    }

    fn check_configured_key(&self) -> Result<(), Problem> {
        let algorithm = self.jwt_algorithm;
        let setting = if algorithm.is_symmetric() { "jwt_secret" } else { "jwt_public_key" };
        let Some(key) = self.key_for(algorithm) else {
            return Err(problem(setting, self.key_is_missing()));
        };
        let reason = |error: JwtKeyError| problem(setting, error.to_string());
        key.read(algorithm).map(drop).map_err(reason)
    }

    fn key_is_missing(&self) -> String {
        let algorithm = self.jwt_algorithm;
        if !algorithm.is_symmetric() {
            return format!("must be set, or its file: {algorithm} needs a public key in PEM");
        }
        let other = if self.jwt_public_key.is_some() {
            ", or for the public key choose RS256, ES256, EdDSA or another such algorithm"
        } else {
            ""
        };
        format!(
            "must be set: the provider jwt with {algorithm} needs at least 32 random bytes \
             (openssl rand -base64 48){other}"
        )
    }

    fn check_published_keys(&self) -> Result<(), Problem> {
        let issuer = self.check_issuer()?.ok_or_else(|| {
            problem("issuer", format!("must be set: {}", issuer_example(self.provider)))
        })?;
        check_preset(self.provider, issuer)?;
        self.check_audience()?;
        self.check_algorithms()?;
        if self.provider == AuthProvider::Supabase && self.jwt_secret.is_some() {
            let reason = |error: JwtKeyError| problem("jwt_secret", error.to_string());
            let key = self.key_for(JwtAlgorithm::Hs256).map(|key| key.read(JwtAlgorithm::Hs256));
            key.transpose().map_err(reason)?;
        }
        Ok(())
    }

    /// The issuer, which must be a URL that documents can be asked from.
    fn check_issuer(&self) -> Result<Option<&str>, Problem> {
        let Some(issuer) = self.issuer.as_deref() else { return Ok(None) };
        match issuer.parse::<ProviderUrl>() {
            Ok(url) if !url.has_query() => Ok(Some(issuer)),
            _ => Err(problem(
                "issuer",
                "must be an https URL without user, query and fragment (http for this machine \
                 alone), exactly as the tokens' iss has it",
            )),
        }
    }

    fn check_audience(&self) -> Result<(), Problem> {
        if !self.audiences.is_empty() {
            return Ok(());
        }
        let example = match self.provider {
            AuthProvider::Supabase => "authenticated",
            AuthProvider::Clerk => {
                "what the JWT template's claim aud says; session tokens of Clerk have none without"
            }
            _ => "the identifier of this API at the provider",
        };
        let provider = self.provider;
        Err(problem(
            "audience",
            format!(
                "must be set: the provider {provider} takes no token without knowing for whom it \
                 was made ({example})"
            ),
        ))
    }

    fn check_algorithms(&self) -> Result<(), Problem> {
        let allowed = self.allowed_algorithms();
        if allowed.is_empty() {
            return Err(problem("algorithms", "must name at least one algorithm"));
        }
        let legacy = self.provider == AuthProvider::Supabase && self.jwt_secret.is_some();
        let wrong = |algorithm: &&JwtAlgorithm| {
            algorithm.is_symmetric() && !(legacy && **algorithm == JwtAlgorithm::Hs256)
        };
        match allowed.iter().find(wrong) {
            None => Ok(()),
            Some(algorithm) => Err(problem(
                "algorithms",
                format!(
                    "must not name {algorithm}: a published key cannot be a secret (HS256 is for \
                     supabase with its legacy secret)"
                ),
            )),
        }
    }

    fn check_introspection(&self) -> Result<(), Problem> {
        let missing = |key, why: &str| Err(problem(key, format!("must be set: {why}")));
        self.check_issuer()?;
        if self.introspection_url.is_none() {
            return missing("introspection_url", "the provider introspection asks there");
        }
        self.check_audience()?;
        if self.client_id.is_none() {
            return missing("client_id", "the introspection endpoint wants to know who asks");
        }
        if self.client_secret.is_none() {
            return missing("client_secret", "the introspection endpoint wants to know who asks");
        }
        Ok(())
    }

    /// What is set and means nothing to the provider.
    pub(super) fn unused(&self) -> Vec<&'static str> {
        let introspects = self.provider == AuthProvider::Introspection;
        let publishes = !introspects && self.provider != AuthProvider::Jwt;
        let has_secret = matches!(self.provider, AuthProvider::Jwt | AuthProvider::Supabase);
        [
            ("jwks_url", self.jwks_url.is_some() && !publishes),
            ("algorithms", self.algorithms.is_some() && !publishes),
            ("introspection_url", self.introspection_url.is_some() && !introspects),
            ("client_id", self.client_id.is_some() && !introspects),
            ("client_secret", self.client_secret.is_some() && !introspects),
            ("token_type", self.token_type != TokenType::Any && introspects),
            ("jwt_secret", self.jwt_secret.is_some() && !has_secret),
            ("jwt_public_key", self.jwt_public_key.is_some() && self.provider != AuthProvider::Jwt),
        ]
        .into_iter()
        .filter_map(|(key, unused)| unused.then_some(key))
        .collect()
    }
}

fn issuer_example(provider: AuthProvider) -> &'static str {
    match provider {
        AuthProvider::Auth0 => "https://YOUR-TENANT.auth0.com/ with the slash at the end",
        AuthProvider::Clerk => "https://YOUR-APP.clerk.accounts.dev without a slash at the end",
        AuthProvider::Supabase => "https://PROJECT.supabase.co/auth/v1",
        _ => "what the provider's /.well-known/openid-configuration calls issuer",
    }
}

fn check_preset(provider: AuthProvider, issuer: &str) -> Result<(), Problem> {
    let right = match provider {
        AuthProvider::Auth0 => issuer.ends_with('/'),
        AuthProvider::Clerk => !issuer.ends_with('/'),
        AuthProvider::Supabase => issuer.ends_with("/auth/v1"),
        _ => true,
    };
    if right {
        return Ok(());
    }
    Err(problem("issuer", format!("must be of the form {}", issuer_example(provider))))
}

/// Whether the issuers can be told apart; gives the place of the one that cannot.
pub(super) fn check_together(issuers: &[TrustedIssuer]) -> Result<(), (usize, Problem)> {
    for (place, issuer) in issuers.iter().enumerate() {
        let others = || issuers[..place].iter();
        let introspects = issuer.provider == AuthProvider::Introspection;
        if others().any(|other| other.name == issuer.name) {
            return Err((place, problem("name", "must not be another issuer's name too")));
        }
        if issuer.issuer.is_some() && others().any(|other| other.issuer == issuer.issuer) {
            return Err((place, problem("issuer", "must not be another entry's issuer too")));
        }
        if issuer.issuer.is_none() && !introspects && issuers.len() > 1 {
            let text = "must be set: with several issuers, a token's iss says which is meant";
            return Err((place, problem("issuer", text)));
        }
        let is_nameless = |other: &TrustedIssuer| {
            other.provider == AuthProvider::Introspection && other.issuer.is_none()
        };
        if is_nameless(issuer) && others().any(is_nameless) {
            let text = "must be set: of several entries with the provider introspection only one \
                        can judge opaque tokens, which say nothing of their issuer";
            return Err((place, problem("issuer", text)));
        }
    }
    Ok(())
}
