//! Servers and workers beside each other on one PostgreSQL and one folder of files, and a stand-in for
//! their provider.

use boards::config::DatabaseUrl;

use super::{ChildServer, ChildWorker, Home, StandIn};

/// What makes pictures at the stand-in, which knows them by their `prompt`.
pub(crate) const PROVIDED: &str = "fal-flux-2";

/// See the module.
pub(crate) struct Cluster {
    pub(crate) home: Home,
    pub(crate) stand_in: StandIn,
    settings: Vec<(String, String)>,
}

impl Cluster {
    /// With settings that all of its processes have.
    pub(crate) async fn new(settings: &[(&str, &str)]) -> Self {
        Self::with(Home::new().await, settings).await
    }

    /// The same on an empty PostgreSQL database of somebody else's.
    pub(crate) async fn on(url: &DatabaseUrl, settings: &[(&str, &str)]) -> Self {
        Self::with(Home::on(url).await, settings).await
    }

    async fn with(home: Home, own: &[(&str, &str)]) -> Self {
        let stand_in = StandIn::start().await;
        // PostgreSQL has 100 connections, for all tests that run at this time.
        let usual = [
            ("BOARDS_DATABASE_MAX_CONNECTIONS", "4"),
            ("BOARDS_GENERATOR_API_KEYS", r#"{"FAL_KEY": "key:of-the-tests"}"#),
            ("BOARDS_RATE_LIMIT", "off"),
        ];
        let mut settings: Vec<(String, String)> =
            stand_in.settings().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let rest = usual.iter().chain(own);
        settings.extend(rest.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        Self { home, stand_in, settings }
    }

    /// Starts a server that runs nothing.
    pub(crate) async fn node(&self) -> ChildServer {
        self.home.start_node(&self.settings()).await
    }

    /// Starts a worker.
    pub(crate) async fn worker(&self) -> ChildWorker {
        self.home.start_worker(&self.settings()).await
    }

    fn settings(&self) -> Vec<(&str, &str)> {
        self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }
}
