//! Where an issuer's keys are fetched from: an address that is known, or the one that the issuer's
//! discovery document names (`OpenID` Connect Discovery 1.0, section 4).

use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use headers::CacheControl;
use serde_json::Value;

use super::{
    super::{
        client::{Outage, ProviderClient},
        jwt::Members,
        locked,
        patience::is_within,
    },
    key_set::KeySet,
};
use crate::config::ProviderUrl;

/// Shortest and longest time for which keys are taken for current, whatever the answer says.
const LEAST_AGE: TimeDelta = TimeDelta::minutes(1);
const MOST_AGE: TimeDelta = TimeDelta::hours(24);
/// The same where the answer says nothing.
const USUAL_AGE: TimeDelta = TimeDelta::minutes(10);
/// How long a discovered address is believed.
const ADDRESS_AGE: TimeDelta = TimeDelta::hours(1);

/// Keys, and for how long they are current.
pub(super) struct Fetched {
    pub(super) keys: KeySet,
    pub(super) age: TimeDelta,
}

/// Fetches the keys of one issuer.
#[derive(Debug)]
pub(in super::super) struct KeySource {
    client: ProviderClient,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Known(ProviderUrl),
    Discovered {
        /// As tokens and the document spell it.
        issuer: String,
        document: ProviderUrl,
        address: Mutex<Option<(ProviderUrl, DateTime<Utc>)>>,
    },
}

impl KeySource {
    /// Keys at an address.
    pub(in super::super) fn at(client: ProviderClient, address: ProviderUrl) -> Self {
        Self { client, place: Place::Known(address) }
    }

    /// Keys at the address that the issuer's discovery document names; `None` when the issuer has
    /// no such document, because it is not a URL.
    pub(in super::super) fn of(client: ProviderClient, issuer: &str) -> Option<Self> {
        let base = issuer.trim_end_matches('/');
        let document = format!("{base}/.well-known/openid-configuration").parse().ok()?;
        let place =
            Place::Discovered { issuer: issuer.to_owned(), document, address: Mutex::default() };
        Some(Self { client, place })
    }

    /// The keys, discovery included, within the time of one exchange.
    pub(super) async fn fetch(&self, now: DateTime<Utc>) -> Result<Fetched, Outage> {
        let fetch = self.discover_and_fetch(now);
        let timed = tokio::time::timeout(self.client.timeout(), fetch);
        timed.await.unwrap_or(Err(Outage::TimedOut))
    }

    async fn discover_and_fetch(&self, now: DateTime<Utc>) -> Result<Fetched, Outage> {
        let address = self.address(now).await?;
        let fetched = self.fetch_from(&address).await;
        if fetched.is_err() {
            self.forget_address();
        }
        fetched
    }

    async fn fetch_from(&self, address: &ProviderUrl) -> Result<Fetched, Outage> {
        let answer = self.client.get(address).await?;
        let keys = KeySet::read(&answer.body).map_err(Outage::Garbage)?;
        // It would make every token a bad one; who has rolled back or forgotten its keys is down.
        if keys.len() == 0 {
            return Err(Outage::Garbage("no usable key"));
        }
        Ok(Fetched { keys, age: age(answer.cache_control.as_ref()) })
    }

    async fn address(&self, now: DateTime<Utc>) -> Result<ProviderUrl, Outage> {
        let (issuer, document, known) = match &self.place {
            Place::Known(address) => return Ok(address.clone()),
            Place::Discovered { issuer, document, address } => (issuer, document, address),
        };
        if let Some((address, since)) = locked(known).as_ref()
            && is_within(now, *since, ADDRESS_AGE)
        {
            return Ok(address.clone());
        }
        let answer = self.client.get(document).await?;
        let address = read_document(&answer.body, issuer, document).map_err(Outage::Garbage)?;
        *locked(known) = Some((address.clone(), now));
        Ok(address)
    }

    fn forget_address(&self) {
        if let Place::Discovered { address, .. } = &self.place {
            *locked(address) = None;
        }
    }
}

/// The address of the keys in a discovery document, which must be this issuer's own (section 4.3)
/// and must not lead from an encrypted address to one that is not.
fn read_document(
    json: &[u8],
    issuer: &str,
    document: &ProviderUrl,
) -> Result<ProviderUrl, &'static str> {
    let Ok(Members(members)) = serde_json::from_slice(json) else {
        return Err("a discovery document that is not a JSON object");
    };
    let text = |name| members.get(name).and_then(Value::as_str);
    if text("issuer") != Some(issuer) {
        return Err("a discovery document of another issuer than the configured one");
    }
    let address = text("jwks_uri").and_then(|address| address.parse::<ProviderUrl>().ok());
    let address = address.filter(|address| address.is_encrypted() || !document.is_encrypted());
    address.ok_or("a discovery document without an https address of the keys")
}

fn age(cache_control: Option<&CacheControl>) -> TimeDelta {
    match cache_control {
        Some(control) if control.no_store() || control.no_cache() => LEAST_AGE,
        control => match control.and_then(CacheControl::max_age) {
            Some(age) => {
                TimeDelta::from_std(age).map_or(MOST_AGE, |age| age.clamp(LEAST_AGE, MOST_AGE))
            }
            None => USUAL_AGE,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn ages_have_bounds() {
        let with_age = |seconds| CacheControl::new().with_max_age(Duration::from_secs(seconds));
        assert_eq!(age(None), USUAL_AGE);
        assert_eq!(age(Some(&CacheControl::new())), USUAL_AGE);
        assert_eq!(age(Some(&with_age(0))), LEAST_AGE);
        assert_eq!(age(Some(&with_age(3600))), TimeDelta::hours(1));
        assert_eq!(age(Some(&with_age(u64::from(u32::MAX)))), MOST_AGE);
        assert_eq!(age(Some(&with_age(3600).with_no_store())), LEAST_AGE);
        assert_eq!(age(Some(&with_age(3600).with_no_cache())), LEAST_AGE);
    }

    fn read(issuer: &str, document: &str, json: &str) -> Result<String, &'static str> {
        let document = document.parse().expect("an address");
        read_document(json.as_bytes(), issuer, &document).map(|address| address.to_string())
    }

    #[test]
    fn documents_are_the_issuers_own() {
        let own = "https://id.example/";
        let good = r#"{"issuer":"https://id.example/","jwks_uri":"https://keys.example/a"}"#;
        assert_eq!(read(own, own, good), Ok("https://keys.example/a".to_owned()));
        assert!(read("https://id.example", own, good).is_err(), "the slash counts");
        for wrong in [
            r#"{"issuer":"https://id.example/","jwks_uri":"http://keys.example/a"}"#,
            r#"{"issuer":"https://id.example/","jwks_uri":"http://127.0.0.1/a"}"#,
            r#"{"issuer":"https://id.example/","jwks_uri":["https://keys.example/a"]}"#,
            r#"{"issuer":"https://id.example/"}"#,
            r#"{"issuer":["https://id.example/"],"jwks_uri":"https://keys.example/a"}"#,
            r#"{"jwks_uri":"https://keys.example/a"}"#,
            r#"{"issuer":"x","issuer":"https://id.example/","jwks_uri":"https://k.example/"}"#,
            "[]",
            "",
        ] {
            assert!(read(own, own, wrong).is_err(), "{wrong}");
        }
        let home = "http://127.0.0.1:9";
        let keys = r#"{"issuer":"http://127.0.0.1:9","jwks_uri":"http://127.0.0.1:9/jwks"}"#;
        assert!(read(home, home, keys).is_ok(), "on this machine all may be plain");
    }
}
