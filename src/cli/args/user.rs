//! `boards user …`.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::{SharedFlags, duration, short_text, tenant_slug};
use crate::{
    config::Flags,
    domain::{Credits, EmailAddress, TenantRole},
};

/// What to do with the users of a tenant.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// List the users: id, role, active or suspended, email and name
    #[command(after_help = "Examples:
  boards user list
  boards user list --tenant acme --query ada")]
    List(UserListArgs),
    /// Give a user another role in the tenant
    #[command(after_help = "Examples:
  boards user role ada@example.com admin
  boards user role 01a20144-7a28-72db-bbcb-ffc583baec45 member --tenant acme")]
    Role(UserRoleArgs),
    /// Let an email address join: whoever signs in with it, verified, becomes a user
    #[command(after_help = "Examples:
  boards user invite grace@example.com
  boards user invite grace@example.com --role admin --expires 30d --tenant acme")]
    Invite(UserInviteArgs),
    /// Shut a user out; what they own stays
    #[command(after_help = "Examples:
  boards user suspend ada@example.com --tenant acme")]
    Suspend(OneUserArgs),
    /// Let a suspended user in again
    #[command(after_help = "Examples:
  boards user reinstate ada@example.com --tenant acme")]
    Reinstate(OneUserArgs),
    /// Credits of a user, where generations cost credits
    #[command(after_help = "Examples:
  boards user credits grant ada@example.com 500 --tenant acme")]
    Credits {
        /// What to do with them.
        #[command(subcommand)]
        command: UserCreditsCommand,
    },
}

/// `boards user credits …`.
#[derive(Debug, Subcommand)]
pub enum UserCreditsCommand {
    /// Give a user credits; prints how many they have then
    #[command(after_help = "Examples:
  boards user credits grant ada@example.com 500
  boards user credits grant ada@example.com 2.5 --description \"Thanks\" --tenant acme")]
    Grant(UserCreditsGrantArgs),
}

/// `boards user credits grant`.
#[derive(Debug, Args)]
pub struct UserCreditsGrantArgs {
    /// The user's email or id
    #[arg(value_name = "EMAIL_OR_ID", value_parser = short_text)]
    pub user: String,
    /// Credits, above 0 and below 1000000, with at most four decimals
    #[arg(value_parser = credits)]
    pub amount: Credits,
    /// What for
    #[arg(long, value_name = "TEXT", value_parser = short_text)]
    pub description: Option<String>,
    /// Where they are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `boards user list`.
#[derive(Debug, Args)]
pub struct UserListArgs {
    /// Only users with this in their name or email
    #[arg(long, value_name = "TEXT", value_parser = short_text)]
    pub query: Option<String>,
    /// Where they are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `boards user role`.
#[derive(Debug, Args)]
pub struct UserRoleArgs {
    /// The user's email or id
    #[arg(value_name = "EMAIL_OR_ID", value_parser = short_text)]
    pub user: String,
    /// The role
    #[arg(value_enum)]
    pub role: TenantRoleArg,
    /// Where they are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `boards user invite`.
#[derive(Debug, Args)]
pub struct UserInviteArgs {
    /// The address
    #[arg(value_parser = email)]
    pub email: EmailAddress,
    /// The role that the new user gets
    #[arg(long, value_enum, default_value_t = TenantRoleArg::Member)]
    pub role: TenantRoleArg,
    /// How long the invitation is good, at most 90d: a number and s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "14d", value_parser = duration::parse)]
    pub expires: Duration,
    /// Where they will be.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// `boards user suspend` and `boards user reinstate`.
#[derive(Debug, Args)]
pub struct OneUserArgs {
    /// The user's email or id
    #[arg(value_name = "EMAIL_OR_ID", value_parser = short_text)]
    pub user: String,
    /// Where they are.
    #[command(flatten)]
    pub place: PlaceArgs,
}

/// Which tenant's users are meant, and the database.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// The tenant [default: the only one]
    #[arg(long, value_name = "SLUG", value_parser = tenant_slug)]
    pub tenant: Option<String>,
    /// Where the database is.
    #[command(flatten)]
    pub settings: SharedFlags,
}

/// Role of a user in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TenantRoleArg {
    /// Uses the tenant
    Member,
    /// Also runs it: its people and invitations
    Admin,
}

impl From<TenantRoleArg> for TenantRole {
    fn from(role: TenantRoleArg) -> Self {
        match role {
            TenantRoleArg::Member => Self::Member,
            TenantRoleArg::Admin => Self::Admin,
        }
    }
}

impl UserCommand {
    /// Which tenant's users are meant.
    #[must_use]
    pub fn place(&self) -> &PlaceArgs {
        match self {
            Self::List(args) => &args.place,
            Self::Role(args) => &args.place,
            Self::Invite(args) => &args.place,
            Self::Suspend(args) | Self::Reinstate(args) => &args.place,
            Self::Credits { command: UserCreditsCommand::Grant(args) } => &args.place,
        }
    }

    pub(super) fn settings(&self) -> &Flags {
        &self.place().settings.0
    }
}

fn credits(text: &str) -> Result<Credits, &'static str> {
    let number = text.parse().ok().and_then(Credits::exactly);
    number.ok_or("a number above 0 and below 1000000 with at most four decimals")
}

fn email(text: &str) -> Result<EmailAddress, &'static str> {
    EmailAddress::parse(text.trim()).ok_or("one email address of at most 255 characters")
}
