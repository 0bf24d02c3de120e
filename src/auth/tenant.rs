//! The tenant of a request: rules 1 to 3 of access.md.

use super::{Credentials, claims::VerifiedIdentity};
use crate::{
    domain::tenant_slug_is_valid,
    error::{Error, Result},
    store::{Tenant, TenantReference},
};

/// Whether the deployment has many tenants, and which is the default.
#[derive(Clone, Debug)]
pub struct Tenancy {
    multi_tenant: bool,
    default: TenantReference,
    /// In lower case, without a last dot.
    domain: Option<String>,
}

/// Where the name of the tenant came from, which decides who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The token vouches for its user, unless it is another provider's than a registered tenant's.
    Claim,
    /// The caller asks, by header or subdomain; the tenant's join policy decides.
    Asked,
    /// The only tenant, open to every valid token.
    Default,
}

/// The tenant that a request asks for.
#[derive(Debug)]
pub(super) struct ClaimedTenant {
    reference: TenantReference,
    source: Source,
}

/// What a request says of its tenant beside the token.
#[derive(Debug)]
pub(super) struct Asked {
    header: Option<TenantReference>,
    subdomain: Option<TenantReference>,
}

fn header(values: &[String]) -> Result<Option<TenantReference>> {
    match values {
        [] => Ok(None),
        [value] => TenantReference::parse(value.trim()).map(Some),
        _ => Err(Error::TenantNotFound),
    }
}

/// The tenant that hosts name, all of them the same: the label before `domain`. The domain itself
/// and hosts elsewhere name none.
fn subdomain(hosts: &[String], domain: &str) -> Result<Option<TenantReference>> {
    let Some((first, others)) = hosts.split_first() else { return Ok(None) };
    let label = |host: &str| {
        // Names are compared without case and may end in a dot (RFC 9110, section 4.2.3; RFC 1034,
        // section 3.1). A bracketed address holds colons too, but is never within the domain.
        let host = host.rsplit_once(':').map_or(host, |(host, _port)| host).to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let label = host.strip_suffix(domain)?.strip_suffix('.')?;
        Some(label.to_owned())
    };
    let named = label(first);
    if others.iter().any(|other| label(other) != named) {
        return Err(Error::TenantNotFound);
    }
    match named {
        None => Ok(None),
        Some(slug) if tenant_slug_is_valid(&slug) => Ok(Some(TenantReference::Slug(slug))),
        Some(_) => Err(Error::TenantNotFound),
    }
}

impl Tenancy {
    /// Everything is in one tenant.
    #[must_use]
    pub fn single(default_slug: &str) -> Self {
        let default = TenantReference::Slug(default_slug.to_owned());
        Self { multi_tenant: false, default, domain: None }
    }

    /// Each request names its tenant.
    #[must_use]
    pub fn multi(default_slug: &str) -> Self {
        Self { multi_tenant: true, ..Self::single(default_slug) }
    }

    /// The subdomains of this domain, in lower case, name tenants too.
    #[must_use]
    pub fn with_domain(self, domain: Option<String>) -> Self {
        Self { domain, ..self }
    }

    /// What a request says of its tenant beside the token.
    ///
    /// # Errors
    /// [`Error::TenantNotFound`] when a part of it is malformed or stands more than once.
    pub(super) fn asked(&self, credentials: &Credentials) -> Result<Asked> {
        let subdomain = match &self.domain {
            Some(domain) => subdomain(&credentials.hosts, domain)?,
            None => None,
        };
        Ok(Asked { header: header(&credentials.tenant)?, subdomain })
    }

    /// The tenant that a request asks for, by claim, by header or subdomain, or because there is
    /// only one.
    pub(super) fn claimed(
        &self,
        identity: Option<&VerifiedIdentity>,
        asked: &Asked,
    ) -> Result<ClaimedTenant> {
        if !self.multi_tenant {
            return Ok(ClaimedTenant { reference: self.default.clone(), source: Source::Default });
        }
        if let Some(claim) = identity.and_then(|identity| identity.tenant.as_deref()) {
            let reference = TenantReference::parse(claim)?;
            return Ok(ClaimedTenant { reference, source: Source::Claim });
        }
        let reference = asked.header.as_ref().or(asked.subdomain.as_ref()).cloned();
        let reference = reference.ok_or(Error::TenantRequired)?;
        Ok(ClaimedTenant { reference, source: Source::Asked })
    }

    /// The tenant that an access token of this server is bound to, which it names as a claim would.
    /// Without multi-tenancy the tokens of other tenants open nothing.
    pub(super) fn of_own_token(&self, tenant: &Tenant) -> Result<ClaimedTenant> {
        let reference = TenantReference::Id(tenant.id);
        if self.multi_tenant {
            return Ok(ClaimedTenant { reference, source: Source::Claim });
        }
        if !self.default.names(tenant) {
            return Err(Error::TenantNotFound);
        }
        Ok(ClaimedTenant { reference, source: Source::Default })
    }
}

impl ClaimedTenant {
    pub(super) fn reference(&self) -> &TenantReference {
        &self.reference
    }

    pub(super) fn source(&self) -> Source {
        self.source
    }

    /// X-Tenant, by slug or id, and a subdomain may repeat what is said already.
    pub(super) fn check(&self, asked: &Asked, tenant: &Tenant) -> Result<()> {
        let mut named = asked.header.iter().chain(&asked.subdomain);
        match (named.all(|reference| reference.names(tenant)), self.source) {
            (true, _) => Ok(()),
            (false, Source::Claim) => Err(Error::forbidden("use another tenant than your token's")),
            (false, Source::Asked) => Err(Error::forbidden("use two tenants at once")),
            (false, Source::Default) => Err(Error::TenantNotFound),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(&[], Ok(None))]
    #[case(&["boards.example.com"], Ok(None))]
    #[case(&["BOARDS.example.com.:8088"], Ok(None))]
    #[case(&["127.0.0.1:8088"], Ok(None))]
    #[case(&["[::1]:8088"], Ok(None))]
    #[case(&["example.com"], Ok(None))]
    #[case(&["notboards.example.com"], Ok(None))]
    #[case(&["boards.example.com.evil.example"], Ok(None))]
    #[case(&["acme.boards.example.com"], Ok(Some("acme")))]
    #[case(&["acme.boards.example.com:443"], Ok(Some("acme")))]
    #[case(&["acme.boards.example.com:"], Ok(Some("acme")))]
    #[case(&["acme.boards.example.com."], Ok(Some("acme")))]
    #[case(&["ACME.Boards.Example.Com.:443"], Ok(Some("acme")))]
    #[case(&["acme.boards.example.com", "acme.boards.example.com"], Ok(Some("acme")))]
    #[case(&["acme.boards.example.com", "ACME.boards.example.com:1"], Ok(Some("acme")))]
    #[case(&["a.b.boards.example.com"], Err(()))]
    #[case(&[".boards.example.com"], Err(()))]
    #[case(&["acme..boards.example.com"], Err(()))]
    #[case(&["-acme.boards.example.com"], Err(()))]
    #[case(&["a_b.boards.example.com"], Err(()))]
    #[case(&["user@acme.boards.example.com"], Err(()))]
    #[case(&["acme.boards.example.com", "other.boards.example.com"], Err(()))]
    #[case(&["acme.boards.example.com", "boards.example.com"], Err(()))]
    #[case(&["boards.example.com", "acme.boards.example.com"], Err(()))]
    fn subdomains(#[case] hosts: &[&str], #[case] expected: Result<Option<&str>, ()>) {
        let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
        match (subdomain(&hosts, "boards.example.com"), expected) {
            (Ok(Some(TenantReference::Slug(slug))), Ok(Some(expected))) => {
                assert_eq!(slug, expected);
            }
            (Ok(None), Ok(None)) | (Err(Error::TenantNotFound), Err(())) => {}
            (found, expected) => panic!("{hosts:?}: {found:?}, not {expected:?}"),
        }
    }

    #[test]
    fn a_subdomain_is_a_slug_even_if_it_looks_like_an_id() {
        let host = "0193b1a0-0000-7000-8000-000000000000.boards.example.com".to_owned();
        let found = subdomain(&[host], "boards.example.com");
        assert!(matches!(found, Ok(Some(TenantReference::Slug(_)))), "{found:?}");
    }
}
