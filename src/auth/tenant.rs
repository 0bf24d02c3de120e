//! The tenant of a request: rules 1 to 3 of access.md.

use super::claims::VerifiedIdentity;
use crate::{
    error::{Error, Result},
    store::{Tenant, TenantReference},
};

/// Whether the deployment has many tenants, and which is the default.
#[derive(Clone, Debug)]
pub struct Tenancy {
    multi_tenant: bool,
    default: TenantReference,
}

/// Where the name of the tenant came from, which decides who is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// The token vouches for its user.
    Claim,
    /// The caller asks; the tenant's join policy decides.
    Header,
    /// The only tenant, open to every valid token.
    Default,
}

/// The tenant that a request asks for.
#[derive(Debug)]
pub(super) struct ClaimedTenant {
    reference: TenantReference,
    source: Source,
}

/// The X-Tenant header.
///
/// # Errors
/// [`Error::TenantNotFound`] when it is malformed or sent more than once.
pub(super) fn header(values: &[String]) -> Result<Option<TenantReference>> {
    match values {
        [] => Ok(None),
        [value] => TenantReference::parse(value.trim()).map(Some),
        _ => Err(Error::TenantNotFound),
    }
}

impl Tenancy {
    /// Everything is in one tenant.
    #[must_use]
    pub fn single(default_slug: &str) -> Self {
        Self { multi_tenant: false, default: TenantReference::Slug(default_slug.to_owned()) }
    }

    /// Each request names its tenant.
    #[must_use]
    pub fn multi(default_slug: &str) -> Self {
        Self { multi_tenant: true, ..Self::single(default_slug) }
    }

    /// The tenant that a request asks for, by claim, by header, or because there is only one.
    pub(super) fn claimed(
        &self,
        identity: Option<&VerifiedIdentity>,
        header: Option<&TenantReference>,
    ) -> Result<ClaimedTenant> {
        if !self.multi_tenant {
            return Ok(ClaimedTenant { reference: self.default.clone(), source: Source::Default });
        }
        if let Some(claim) = identity.and_then(|identity| identity.tenant.as_deref()) {
            let reference = TenantReference::parse(claim)?;
            return Ok(ClaimedTenant { reference, source: Source::Claim });
        }
        let reference = header.cloned().ok_or(Error::TenantRequired)?;
        Ok(ClaimedTenant { reference, source: Source::Header })
    }
}

impl ClaimedTenant {
    pub(super) fn reference(&self) -> &TenantReference {
        &self.reference
    }

    pub(super) fn source(&self) -> Source {
        self.source
    }

    /// X-Tenant may repeat what a claim or the deployment says already, by slug or id.
    pub(super) fn check_header(
        &self,
        header: Option<&TenantReference>,
        tenant: &Tenant,
    ) -> Result<()> {
        let agrees = header.is_none_or(|header| header.names(tenant));
        match (agrees, self.source) {
            (true, _) => Ok(()),
            (false, Source::Claim) => Err(Error::forbidden("use another tenant than your token's")),
            (false, Source::Header | Source::Default) => Err(Error::TenantNotFound),
        }
    }
}
