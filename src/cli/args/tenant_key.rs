//! `boards tenant key …` as clap reads it.

use clap::{Args, Subcommand};

use super::{SharedFlags, tenant_slug};
use crate::{config::Flags, domain::KEYED_PROVIDERS};

/// `boards tenant key …`.
#[derive(Debug, Subcommand)]
pub enum TenantKeyCommand {
    /// Give a tenant a key of its own at a provider; the key is read from standard input
    #[command(after_help = "Examples:
  boards tenant key set acme fal < fal.key
  printenv REPLICATE_API_TOKEN | boards tenant key set acme replicate")]
    Set(TenantKeyArgs),
    /// Take a tenant's key at a provider away
    #[command(after_help = "Examples:
  boards tenant key delete acme fal")]
    Delete(TenantKeyArgs),
    /// List the providers at which a tenant has a key, and when it was set
    #[command(after_help = "Examples:
  boards tenant key list acme")]
    List(TenantKeyListArgs),
}

/// `boards tenant key set` and `boards tenant key delete`.
#[derive(Debug, Args)]
pub struct TenantKeyArgs {
    /// The tenant's slug or id
    #[arg(value_parser = tenant_slug)]
    pub tenant: String,
    /// The provider
    #[arg(value_parser = KEYED_PROVIDERS)]
    pub provider: String,
    /// Where the database is.
    #[command(flatten)]
    pub settings: SharedFlags,
}

/// `boards tenant key list`.
#[derive(Debug, Args)]
pub struct TenantKeyListArgs {
    /// The tenant's slug or id
    #[arg(value_parser = tenant_slug)]
    pub tenant: String,
    /// Where the database is.
    #[command(flatten)]
    pub settings: SharedFlags,
}

impl TenantKeyCommand {
    /// Which tenant's keys are meant, by slug or id.
    #[must_use]
    pub fn tenant(&self) -> &str {
        match self {
            Self::Set(args) | Self::Delete(args) => &args.tenant,
            Self::List(args) => &args.tenant,
        }
    }

    pub(super) fn settings(&self) -> &Flags {
        match self {
            Self::Set(args) | Self::Delete(args) => &args.settings.0,
            Self::List(args) => &args.settings.0,
        }
    }
}
