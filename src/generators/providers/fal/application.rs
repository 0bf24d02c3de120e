//! Names of fal's applications: `fal-ai/flux-2/edit`.

use serde::Deserialize;
use serde_json::Value;

/// Longest name.
const MOST_BYTES: usize = 200;
/// Owners whose applications are named by one segment more.
const NAMESPACES: [&str; 2] = ["workflows", "comfy"];

/// What a generator's file says of where it runs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Endpoint {
    pub(super) application: Application,
}

impl Endpoint {
    pub(super) fn read(endpoint: &Value) -> Result<Self, String> {
        Self::deserialize(endpoint).map_err(|error| error.to_string())
    }

    /// The same with the application that parameters choose. Its jobs must be found by the endpoint alone.
    pub(super) fn choosing(self, chosen: Option<&str>) -> Result<Self, String> {
        let Some(chosen) = chosen else { return Ok(self) };
        let application = Application::try_from(chosen.to_owned())?;
        if application.owner_and_name().eq(self.application.owner_and_name()) {
            Ok(Self { application })
        } else {
            Err(format!("{chosen} is not an endpoint of the application {}", self.application.0))
        }
    }
}

/// The name of an application.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Application(String);

impl Application {
    /// All of it: where jobs are submitted.
    pub(super) fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split('/')
    }

    /// Its beginning, under which the jobs of all its endpoints are.
    pub(super) fn owner_and_name(&self) -> impl Iterator<Item = &str> {
        self.segments().take(length_of_name(&self.0))
    }
}

fn length_of_name(text: &str) -> usize {
    let is_longer = text.split('/').next().is_some_and(|first| NAMESPACES.contains(&first));
    if is_longer { 3 } else { 2 }
}

impl TryFrom<String> for Application {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let is_segment = |segment: &str| {
            segment.starts_with(|c: char| c.is_ascii_alphanumeric())
                && segment.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.".contains(&c))
        };
        let is_name = text.len() <= MOST_BYTES
            && text.split('/').count() >= length_of_name(&text)
            && text.split('/').all(is_segment);
        if is_name {
            Ok(Self(text))
        } else {
            Err(format!("application must be a name such as fal-ai/flux-2/edit, not {text:?}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn name(text: &str) -> String {
        let endpoint = Endpoint::read(&json!({ "application": text })).expect(text);
        endpoint.application.owner_and_name().collect::<Vec<_>>().join("/")
    }

    #[test]
    fn jobs_are_under_owner_and_name() {
        assert_eq!(name("fal-ai/flux-2/edit"), "fal-ai/flux-2");
        assert_eq!(name("fal-ai/kling-video/v2.5-turbo/pro/image-to-video"), "fal-ai/kling-video");
        assert_eq!(name("veed/fabric-1.0"), "veed/fabric-1.0");
        assert_eq!(name("workflows/me/mine/part"), "workflows/me/mine");
        assert_eq!(name("comfy/me/mine"), "comfy/me/mine");
    }

    #[test]
    fn parameters_choose_among_the_endpoints_of_one_application() {
        let choose = |chosen| {
            let endpoint = Endpoint::read(&json!({ "application": "fal-ai/flux-2" }));
            endpoint.expect("an endpoint").choosing(chosen)
        };
        let chosen = choose(Some("fal-ai/flux-2/edit")).expect("chosen").application;
        assert_eq!(chosen.segments().collect::<Vec<_>>(), ["fal-ai", "flux-2", "edit"]);
        assert!(choose(None).is_ok());
        assert!(choose(Some("fal-ai/veo3")).is_err() && choose(Some("https://x/y")).is_err());
    }

    #[test]
    fn other_endpoints_are_refused_with_the_reason() {
        for text in [
            "",
            "flux",
            "fal-ai/",
            "/fal-ai/flux",
            "fal-ai//flux",
            "fal-ai/../flux",
            "fal-ai/.hidden",
            "https://queue.fal.run/fal-ai/flux",
            "fal-ai/fl ux",
            "fal-ai/flux?x=1",
            "fal-ai/flux#x",
            "fal-ai/%2e%2e",
            "workflows/me",
        ] {
            let error = Endpoint::read(&json!({ "application": text })).err().expect(text);
            assert!(error.contains("must be a name such as"), "{error}");
        }
        let unknown = Endpoint::read(&json!({ "application": "a/b", "url": "x" })).err();
        assert!(unknown.expect("refused").contains("unknown field `url`"));
        assert!(Endpoint::read(&json!({})).err().expect("refused").contains("application"));
        assert!(Endpoint::read(&json!("a/b")).is_err());
    }
}
