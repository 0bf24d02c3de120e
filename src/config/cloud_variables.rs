//! The usual variables of the clouds, `AWS_ACCESS_KEY_ID` and its like, as the environment has them.

use std::fmt;

use secrecy::{ExposeSecret, SecretString};

/// What the variables of each cloud begin with.
const PREFIXES: [&str; 3] = ["AWS_", "AZURE_", "GOOGLE_"];
/// Those that begin with nothing of the kind: a key file of Google's, an endpoint of Azure's.
const OTHERS: [&str; 2] = ["SERVICE_ACCOUNT", "IDENTITY_ENDPOINT"];

/// The clouds' variables. `Debug` names them and leaves out their values.
#[derive(Clone, Default)]
pub struct CloudVariables(Vec<(String, SecretString)>);

impl CloudVariables {
    /// Whether a variable is one of them.
    #[must_use]
    pub fn holds(name: &str) -> bool {
        OTHERS.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
    }

    /// Those of a cloud, by what their names begin with. An empty one counts as not set.
    pub fn starting_with<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let named = self.0.iter().filter(move |(name, _)| name.starts_with(prefix));
        let pairs = named.map(|(name, value)| (name.as_str(), value.expose_secret()));
        pairs.filter(|(_, value)| !value.is_empty())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for CloudVariables {
    /// Takes what belongs to a cloud and leaves the rest.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        let ours = variables.filter(|(name, _): &(String, String)| Self::holds(name));
        Self(ours.map(|(name, value)| (name, SecretString::from(value))).collect())
    }
}

impl fmt::Debug for CloudVariables {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_clouds_variables_are_kept_and_their_values_not_shown() {
        let variables: CloudVariables = [
            ("AWS_SECRET_ACCESS_KEY", "s3cr3t"),
            ("AWS_REGION", ""),
            ("SERVICE_ACCOUNT", "/key.json"),
            ("BOARDS_API_PORT", "1"),
            ("PATH", "/bin"),
        ]
        .into_iter()
        .collect();
        let of = |prefix| variables.starting_with(prefix).collect::<Vec<_>>();
        assert_eq!(of("AWS_"), [("AWS_SECRET_ACCESS_KEY", "s3cr3t")]);
        assert_eq!(of("SERVICE_ACCOUNT"), [("SERVICE_ACCOUNT", "/key.json")]);
        assert_eq!(variables.0.len(), 3);
        let shown = format!("{variables:?}");
        assert!(shown.contains("AWS_SECRET_ACCESS_KEY") && !shown.contains("s3cr3t"), "{shown}");
    }
}
