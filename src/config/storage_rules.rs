//! Stores beside the main one, and which files go into which.

use std::{fmt, str::FromStr, sync::Arc};

use uuid::Uuid;

use super::{StorageUrl, value::NotAllowed};
use crate::domain::{ArtifactType, TenantId, tenant_slug_is_valid};

/// Longest name of a store, in bytes.
const MAX_NAME_BYTES: usize = 32;
/// What the store of `BOARDS_STORAGE_URL` is called.
const MAIN: &str = "default";

/// The name of a store: `a` to `z`, `0` to `9` and inner hyphens, at most 32 bytes. Rows and links
/// hold it, so that a file is found wherever rules send the next one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StoreName(Arc<str>);

impl StoreName {
    /// The store of `BOARDS_STORAGE_URL`.
    #[must_use]
    pub fn main() -> Self {
        Self(MAIN.into())
    }

    /// Whether it is the store of `BOARDS_STORAGE_URL`.
    #[must_use]
    pub fn is_main(&self) -> bool {
        &*self.0 == MAIN
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for StoreName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl FromStr for StoreName {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let fits = text.len() <= MAX_NAME_BYTES
            && text.bytes().all(|byte| alphanumeric(byte) || byte == b'-')
            && text.bytes().next().is_some_and(alphanumeric)
            && text.bytes().next_back().is_some_and(alphanumeric);
        if fits { Ok(Self(text.into())) } else { Err(NotAllowed) }
    }
}

/// A store beside the main one: `videos=s3://bucket/videos`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedStore {
    /// What rules and rows call it.
    pub name: StoreName,
    /// Where it is.
    pub url: StorageUrl,
}

impl FromStr for NamedStore {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        let (name, url) = text.split_once('=').ok_or(NotAllowed)?;
        let name: StoreName = name.trim().parse()?;
        if name.is_main() {
            return Err(NotAllowed);
        }
        Ok(Self { name, url: url.trim().parse()? })
    }
}

/// A tenant, as rules name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuleTenant {
    /// By its id, which never changes.
    Id(TenantId),
    /// By its slug, which an operator may change.
    Slug(String),
}

/// Which new files go into a store: `video=videos`, `tenant:acme=acme`, `tenant:acme/video=acme`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageRule {
    /// Only files of this tenant.
    pub tenant: Option<RuleTenant>,
    /// Only files of this kind; a thumbnail goes where its artifact goes.
    pub artifact_type: Option<ArtifactType>,
    /// Where they go.
    pub store: StoreName,
}

impl FromStr for StorageRule {
    type Err = NotAllowed;

    fn from_str(text: &str) -> Result<Self, NotAllowed> {
        let (files, store) = text.split_once('=').ok_or(NotAllowed)?;
        let (files, store) = (files.trim(), store.trim().parse()?);
        let (tenant, kind) = match files.strip_prefix("tenant:") {
            None => (None, Some(files)),
            Some(rest) => match rest.split_once('/') {
                Some((tenant, kind)) => (Some(tenant), Some(kind)),
                None => (Some(rest), None),
            },
        };
        let artifact_type = kind.map(|kind| kind.parse().map_err(|()| NotAllowed)).transpose()?;
        Ok(Self { tenant: tenant.map(rule_tenant).transpose()?, artifact_type, store })
    }
}

fn rule_tenant(text: &str) -> Result<RuleTenant, NotAllowed> {
    if let Ok(id) = Uuid::try_parse(text) {
        return Ok(RuleTenant::Id(id.into()));
    }
    if tenant_slug_is_valid(text) { Ok(RuleTenant::Slug(text.to_owned())) } else { Err(NotAllowed) }
}

/// What is wrong with stores and rules that are right one by one, as the end of a sentence that
/// begins with the setting's key.
pub(super) fn fit_together(
    main: &StorageUrl,
    stores: &[NamedStore],
    rules: &[StorageRule],
) -> Result<(), (&'static str, String)> {
    for (place, store) in stores.iter().enumerate() {
        let before = &stores[..place];
        if before.iter().any(|other| other.name == store.name) {
            return Err(("stores", format!("names {} twice", store.name)));
        }
        // A file would belong to both, and be an orphan of one of them.
        if store.url == *main || before.iter().any(|other| other.url == store.url) {
            return Err(("stores", format!("gives {} the place of another store", store.name)));
        }
    }
    let is_known = |name: &StoreName| name.is_main() || stores.iter().any(|s| s.name == *name);
    match rules.iter().find(|rule| !is_known(&rule.store)) {
        Some(rule) => {
            let problem = format!("names the store {}, which BOARDS_STORES lacks", rule.store);
            Err(("storage_rules", problem))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Result<StorageRule, NotAllowed> {
        text.parse()
    }

    fn store(text: &str) -> NamedStore {
        text.parse().expect(text)
    }

    #[test]
    fn names_are_short_and_plain() {
        for name in ["a", "videos", "eu-1", &"a".repeat(32)] {
            assert_eq!(name.parse::<StoreName>().map(|name| name.to_string()), Ok(name.to_owned()));
        }
        for wrong in ["", "-a", "a-", "A", "a/b", "a:b", "a b", &"a".repeat(33)] {
            assert_eq!(wrong.parse::<StoreName>(), Err(NotAllowed), "{wrong}");
        }
        assert_eq!("default=s3://a".parse::<NamedStore>(), Err(NotAllowed));
    }

    #[test]
    fn rules_name_kinds_tenants_or_both() {
        let id = "0192b3a0-0000-7000-8000-00000000000a";
        let by_slug = Some(RuleTenant::Slug("acme".to_owned()));
        let by_id = Some(RuleTenant::Id(Uuid::try_parse(id).expect("an id").into()));
        for (text, tenant, artifact_type) in [
            ("video=videos".to_owned(), None, Some(ArtifactType::Video)),
            ("tenant:acme = videos".to_owned(), by_slug.clone(), None),
            ("tenant:acme/video=videos".to_owned(), by_slug, Some(ArtifactType::Video)),
            (format!("tenant:{id}=videos"), by_id, None),
        ] {
            let store = "videos".parse().expect("a name");
            assert_eq!(rule(&text), Ok(StorageRule { tenant, artifact_type, store }), "{text}");
        }
        for wrong in
            ["", "video", "=videos", "film=videos", "tenant:=a", "tenant:A=a", "video=s3://a"]
        {
            assert_eq!(rule(wrong), Err(NotAllowed), "{wrong}");
        }
    }

    #[test]
    fn stores_have_places_of_their_own_and_rules_name_them() {
        let main: StorageUrl = "s3://boards".parse().expect("a place");
        let check = |stores: &[NamedStore], rules: &[StorageRule]| {
            fit_together(&main, stores, rules).map_err(|(key, _)| key)
        };
        let (videos, other) = (store("videos=s3://videos"), store("other=gs://videos"));
        let rules = [rule("video=videos").expect("a rule"), rule("text=default").expect("a rule")];
        assert_eq!(check(&[videos.clone(), other], &rules), Ok(()));
        assert_eq!(check(&[], &rules), Err("storage_rules"));
        assert_eq!(check(&[videos.clone(), videos.clone()], &[]), Err("stores"));
        assert_eq!(check(&[videos, store("same=s3://videos/")], &[]), Err("stores"));
        assert_eq!(check(&[store("same=s3://boards/")], &[]), Err("stores"));
    }
}
