//! `boards health`, for containers that have no curl.

use std::time::Duration;

use url::Url;

use super::{Failure, print};
use crate::config::Config;

const TIMEOUT: Duration = Duration::from_secs(5);

pub(super) async fn run(config: &Config, url: Option<Url>) -> Result<(), Failure> {
    let url = url.map_or_else(|| config.health_url(), Url::into);
    let unwell = |why: String| Failure::new(format!("{url} {why}"));
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(TIMEOUT)
        .build()
        .map_err(|error| unwell(error.to_string()))?;
    match client.get(&url).send().await {
        Ok(answer) if answer.status().is_success() => print("ok"),
        Ok(answer) => Err(unwell(format!("answers {}", answer.status()))),
        Err(error) if error.is_timeout() => Err(unwell("does not answer in time".to_owned())),
        Err(_) => Err(unwell("cannot be reached".to_owned())),
    }
}
