//! Links to artifacts as clients get them.

use chrono::Utc;

use super::{LinkSigner, Location, location::split};

/// Makes the absolute, signed, expiring links of the files in our store. Cheap to clone.
#[derive(Clone)]
pub struct Links {
    signer: LinkSigner,
    base_url: String,
}

impl Links {
    /// Links below `base_url`, which has no slash at its end.
    #[must_use]
    pub fn new(signer: LinkSigner, base_url: String) -> Self {
        Self { signer, base_url }
    }

    /// The link for what a row says about a file. It leads to this server, whatever the store: a list
    /// needs one for each row, and the signature of a cloud may have to wait for credentials, ends with
    /// them and is another each time, so that no browser would find the picture in its cache.
    #[must_use]
    pub fn link(&self, stored: &str) -> String {
        match split(stored) {
            None => stored.to_owned(),
            Some((None, key)) => self.signed(key),
            Some((Some(store), key)) => self.signed(&format!("{store}/{key}")),
        }
    }

    fn signed(&self, path: &str) -> String {
        let signature = self.signer.sign(path, Utc::now());
        format!("{}/api/storage/{path}?{signature}", self.base_url)
    }

    /// Whether a request for a file carries a signature that we made and that has not run out.
    #[must_use]
    pub fn verify(&self, location: &Location, expires: &str, signature: &str) -> bool {
        self.signer.verify(&location.to_string(), expires, signature, Utc::now())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const KEY: &str = "0192b3a0-0000-7000-8000-00000000000a/0192b3a0-0000-7000-8000-00000000000b/\
                       0192b3a0-0000-7000-8000-00000000000c/artifact.png";

    #[test]
    fn a_link_opens_its_file_in_its_store_alone() {
        let signer = LinkSigner::new(&[7; 32], Duration::from_hours(1)).expect("a signer");
        let links = Links::new(signer, "https://boards.example".to_owned());
        for (stored, path) in [
            (format!("storage:{KEY}"), KEY.to_owned()),
            (format!("storage+videos:{KEY}"), format!("videos/{KEY}")),
        ] {
            let link = links.link(&stored);
            let (address, query) = link.split_once('?').expect("signed");
            assert_eq!(address, format!("https://boards.example/api/storage/{path}"));
            let (expires, signature) = query.split_once('&').expect("two parameters");
            let expires = expires.strip_prefix("expires=").expect("an end");
            let signature = signature.strip_prefix("signature=").expect("a signature");
            for other in [KEY.to_owned(), format!("videos/{KEY}"), format!("films/{KEY}")] {
                let location = other.parse().expect("a place");
                assert_eq!(links.verify(&location, expires, signature), other == path, "{other}");
            }
        }
    }

    #[test]
    fn addresses_elsewhere_stay_as_they_are() {
        let signer = LinkSigner::new(&[7; 32], Duration::from_hours(1)).expect("a signer");
        let links = Links::new(signer, String::new());
        for stored in ["https://provider.example/a.png", "storage.example/a.png", ""] {
            assert_eq!(links.link(stored), stored);
        }
    }
}
