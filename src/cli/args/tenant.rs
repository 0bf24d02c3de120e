//! `boards tenant …` as clap reads it.

use clap::{Args, Subcommand, ValueEnum};

use super::{SharedFlags, TenantKeyCommand, short_text, tenant_slug};
use crate::{config::Flags, domain};

/// `boards tenant …`.
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// Make a tenant
    #[command(after_help = "Examples:
  boards tenant create acme --name \"Acme Inc.\"
  boards tenant create acme --name \"Acme Inc.\" --join domain --domain acme.com --domain acme.org
  boards tenant create acme --name \"Acme Inc.\" --admin ada@acme.com")]
    Create(TenantCreateArgs),
    /// List the tenants: id, slug, status, join policy, domains, name
    #[command(after_help = "Examples:
  boards tenant list")]
    List(SharedFlags),
    /// Show one tenant
    #[command(after_help = "Examples:
  boards tenant show acme")]
    Show(TenantShowArgs),
    /// Change a tenant; what is not named stays
    #[command(after_help = "Examples:
  boards tenant update acme --name \"Acme Ltd.\" --slug acme-ltd
  boards tenant update acme --join domain --domain acme.com
  boards tenant update acme --join invite --no-domains")]
    Update(TenantUpdateArgs),
    /// Open a tenant that somebody registered and that waits for it
    #[command(after_help = "Examples:
  boards tenant approve acme")]
    Approve(TenantApproveArgs),
    /// Delete a tenant with everything in it, for good
    #[command(after_help = "Examples:
  boards tenant delete acme --confirm acme")]
    Delete(TenantDeleteArgs),
    /// Keys of a tenant's own at providers of generators
    #[command(after_help = "Examples:
  boards tenant key set acme fal < fal.key
  boards tenant key list acme
  boards tenant key delete acme fal")]
    Key {
        /// What to do with them.
        #[command(subcommand)]
        command: TenantKeyCommand,
    },
}

/// `boards tenant create`.
#[derive(Debug, Args)]
pub struct TenantCreateArgs {
    /// Its slug: a to z, 0 to 9 and inner hyphens
    #[arg(value_parser = tenant_slug)]
    pub slug: String,
    /// Its name, for people
    #[arg(long, value_parser = short_text)]
    pub name: String,
    /// Who may come in without being added
    #[arg(long, value_enum, default_value_t = JoinPolicyArg::Invite)]
    pub join: JoinPolicyArg,
    /// With --join domain: an email domain that may come in; may be repeated
    #[arg(long = "domain", value_name = "DOMAIN", value_parser = email_domain)]
    #[arg(required_if_eq("join", "domain"))]
    pub domains: Vec<String>,
    /// Whom to invite to run it, by email
    #[arg(long, value_name = "EMAIL", value_parser = short_text)]
    pub admin: Option<String>,
    /// Where the database is.
    #[command(flatten)]
    pub settings: SharedFlags,
}

/// `boards tenant show`.
#[derive(Debug, Args)]
pub struct TenantShowArgs {
    /// Its slug or id
    #[arg(value_parser = tenant_slug)]
    pub tenant: String,
    /// Where the database is.
    #[command(flatten)]
    pub settings: SharedFlags,
}

/// `boards tenant update`.
#[derive(Debug, Args)]
pub struct TenantUpdateArgs {
    /// Its slug or id
    #[arg(value_parser = tenant_slug)]
    pub tenant: String,
    /// A new name
    #[arg(long, value_parser = short_text)]
    pub name: Option<String>,
    /// A new slug
    #[arg(long, value_parser = tenant_slug)]
    pub slug: Option<String>,
    /// Who may come in without being added
    #[arg(long, value_enum)]
    pub join: Option<JoinPolicyArg>,
    /// An email domain that may come in, instead of those there are; may be repeated
    #[arg(long = "domain", value_name = "DOMAIN", value_parser = email_domain)]
    pub domains: Vec<String>,
    /// Takes all email domains away
    #[arg(long, conflicts_with = "domains")]
    pub no_domains: bool,
    /// Where the database is.
    #[command(flatten)]
    pub settings: SharedFlags,
}

/// `boards tenant approve`.
#[derive(Debug, Args)]
pub struct TenantApproveArgs {
    /// Its slug or id
    #[arg(value_parser = tenant_slug)]
    pub tenant: String,
    /// Where the database is.
    #[command(flatten)]
    pub settings: SharedFlags,
}

/// `boards tenant delete`.
#[derive(Debug, Args)]
pub struct TenantDeleteArgs {
    /// Its slug or id
    #[arg(value_parser = tenant_slug)]
    pub tenant: String,
    /// Its slug once more: nothing brings it back
    #[arg(long, value_name = "SLUG", value_parser = tenant_slug)]
    pub confirm: String,
    /// Where database and files are.
    #[command(flatten)]
    pub settings: SharedFlags,
}

/// Who may come into a tenant without being added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum JoinPolicyArg {
    /// Anyone with a valid token
    Open,
    /// Whoever has a verified email at one of the domains
    Domain,
    /// Nobody
    Invite,
}

impl TenantCommand {
    /// The settings behind the command.
    pub(super) fn settings(&self) -> &Flags {
        match self {
            Self::Create(args) => &args.settings.0,
            Self::List(flags) => &flags.0,
            Self::Show(args) => &args.settings.0,
            Self::Update(args) => &args.settings.0,
            Self::Approve(args) => &args.settings.0,
            Self::Delete(args) => &args.settings.0,
            Self::Key { command } => command.settings(),
        }
    }
}

fn email_domain(text: &str) -> Result<String, &'static str> {
    domain::email_domain(text).ok_or("a domain such as acme.com, without @")
}
