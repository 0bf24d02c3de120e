//! The command line as clap reads it; nothing is run here.

mod demo;
mod duration;
mod flags;
mod generators;
mod storage;
mod tenant;
mod tenant_key;
mod time;
mod user;

use std::{num::NonZeroU32, path::PathBuf, time::Duration};

use chrono::{DateTime, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use url::Url;

use crate::{
    config::{Flags, Purpose},
    domain::tenant_slug_is_valid,
    store::TenantReference,
};

pub use demo::{DemoArgs, DemoKind};
pub use flags::{HiddenServeFlags, ServeFlags, SharedFlags, WorkerFlags};
pub use generators::{
    BUILTIN, GeneratorsCheckArgs, GeneratorsCommand, GeneratorsListArgs, GeneratorsRunArgs,
};
pub use storage::{StorageCommand, StorageGcArgs};
pub use tenant::{
    JoinPolicyArg, TenantApproveArgs, TenantCommand, TenantCreateArgs, TenantDeleteArgs,
    TenantShowArgs, TenantUpdateArgs,
};
pub use tenant_key::{TenantKeyArgs, TenantKeyCommand, TenantKeyListArgs};
pub use user::{
    OneUserArgs, PlaceArgs, TenantRoleArg, UserCommand, UserCreditsCommand, UserCreditsGrantArgs,
    UserInviteArgs, UserListArgs, UserRoleArgs,
};

/// Longest subject, email and name that the users' columns hold.
const MOST_CHARACTERS: usize = 255;

/// Everything on the command line.
#[derive(Debug, Parser)]
#[command(
    name = "boards",
    version,
    about = "Serves boards of generated media over GraphQL",
    long_about = "Serves boards of generated media over GraphQL, for many tenants at once.\n\n\
        Without a command it serves, and takes the flags of `boards serve`. Every setting is a \
        flag, an environment variable and a line in a TOML file; flags win over the environment, \
        the environment over the file.",
    after_help = "Examples:
  boards                                     serve on http://127.0.0.1:8088
  boards --api-port 9000                     the same on another port
  boards demo                                make sample data
  BOARDS_DATABASE_URL=postgres://… boards migrate
  boards serve --help                        every setting"
)]
pub struct Cli {
    /// TOML file with settings; else `BOARDS_CONFIG` names it, else it is `boards.toml`.
    #[arg(long, value_name = "FILE", global = true)]
    #[arg(help = "TOML file with settings [default: boards.toml, if there] [env: BOARDS_CONFIG]")]
    pub config: Option<PathBuf>,
    /// The flags of `serve`, for `boards` without a command.
    #[command(flatten)]
    pub settings: HiddenServeFlags,
    /// What to do; to serve, when it is left out.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer requests until Ctrl-C or SIGTERM (the default)
    #[command(after_help = "Examples:
  boards serve
  boards serve --data-dir /var/lib/boards --api-port 9000
  BOARDS_AUTH_PROVIDER=jwt BOARDS_JWT_SECRET=… boards serve --api-host 0.0.0.0")]
    Serve(ServeFlags),
    /// Run queued generations and answer no requests; beside servers, on PostgreSQL
    #[command(after_help = "Examples:
  boards serve --no-worker                   answers requests
  boards worker --worker-concurrency 16      runs generations; start as many as needed")]
    Worker(WorkerFlags),
    /// Bring the database's tables up to date, take migrations back, or list them
    #[command(after_help = "Examples:
  boards migrate                             apply all that is missing
  boards migrate status
  boards migrate down --steps 1 --database-url postgres://…")]
    Migrate(MigrateArgs),
    /// Print the GraphQL schema, or compare it with a file
    #[command(after_help = "Examples:
  boards schema > schema.graphql
  boards schema --check schema.graphql       exit 1 when they differ")]
    Schema(SchemaArgs),
    /// Make, list, change, approve and delete tenants
    #[command(after_help = "Examples:
  boards tenant create acme --name \"Acme Inc.\" --join domain --domain acme.com
  boards tenant list
  boards tenant delete acme --confirm acme")]
    Tenant {
        /// What to do with tenants.
        #[command(subcommand)]
        command: TenantCommand,
    },
    /// Read the audit log of all tenants
    #[command(after_help = "Examples:
  boards audit export > audit.jsonl
  boards audit export --tenant acme --from 2026-11-01 --to 2026-12-01")]
    Audit {
        /// Export.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// List and invite users, give roles, suspend and reinstate
    #[command(after_help = "Examples:
  boards user list
  boards user role ada@example.com admin --tenant acme
  boards user invite grace@example.com --tenant acme")]
    User {
        /// What to do.
        #[command(subcommand)]
        command: UserCommand,
    },
    /// Compare stored files with the rows that name them
    #[command(after_help = "Examples:
  boards storage gc
  boards storage gc --delete")]
    Storage {
        /// What to do.
        #[command(subcommand)]
        command: StorageCommand,
    },
    /// List, judge and run generators
    #[command(after_help = "Examples:
  boards generators list
  boards generators check my-generators/
  boards generators run qr-code --param text=https://example.com")]
    Generators {
        /// What to do.
        #[command(subcommand)]
        command: GeneratorsCommand,
    },
    /// Print a signed token for a user; needs the provider jwt with a secret
    #[command(after_help = "Examples:
  boards token alice
  boards token alice --tenant acme --email alice@acme.com --name Alice --expires 7d
  curl -H \"Authorization: Bearer $(boards token alice)\" …")]
    Token(TokenArgs),
    /// Make sample data: users, boards and generations
    #[command(after_help = "Examples:
  boards demo && boards
  boards demo openai                         an image by a stand-in for OpenAI's protocol")]
    Demo(DemoArgs),
    /// Ask a running server whether it is well: exit 0 if it is, 1 if not
    #[command(after_help = "Examples:
  boards health
  boards health http://127.0.0.1:9000/ready")]
    Health(HealthArgs),
}

/// `boards migrate`.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    /// Which way
    #[arg(value_enum, default_value_t = MigrateAction::Up)]
    pub action: MigrateAction,
    /// How many migrations [default: up all, down 1]
    #[arg(long, value_name = "N")]
    pub steps: Option<NonZeroU32>,
    /// Where the database is.
    #[command(flatten)]
    pub settings: SharedFlags,
}

/// Which way to migrate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MigrateAction {
    /// Apply what is missing
    Up,
    /// Take the last back, with the data in it
    Down,
    /// List what is applied and what is not
    Status,
}

/// `boards schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Compare with this file instead of printing
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
}

/// `boards audit …`.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Print events, oldest first
    #[command(after_help = "Examples:
  boards audit export > audit.jsonl
  boards audit export --tenant acme --from 2026-11-01T00:00:00Z")]
    Export(AuditExportArgs),
}

/// `boards audit export`.
#[derive(Debug, Args)]
pub struct AuditExportArgs {
    /// How events are printed
    #[arg(long, value_enum, default_value_t = AuditFormat::Jsonl)]
    pub format: AuditFormat,
    /// Only events of this tenant, by slug, or by id if it is gone; else of all and of the platform
    #[arg(long, value_name = "SLUG", value_parser = tenant_reference)]
    pub tenant: Option<TenantReference>,
    /// Not before: RFC 3339, or a date
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub from: Option<DateTime<Utc>>,
    /// Before: RFC 3339, or a date [default: now]
    #[arg(long, value_name = "TIME", value_parser = time::parse)]
    pub to: Option<DateTime<Utc>>,
    /// Where the database is.
    #[command(flatten)]
    pub settings: SharedFlags,
}

/// How events are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AuditFormat {
    /// A JSON object a line
    Jsonl,
}

/// `boards token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// The user's id at the provider (the claim sub)
    #[arg(value_parser = short_text)]
    pub subject: String,
    /// The tenant that the token vouches for
    #[arg(long, value_name = "SLUG", value_parser = tenant_slug)]
    pub tenant: Option<String>,
    /// The user's email; counts as verified
    #[arg(long, value_parser = short_text)]
    pub email: Option<String>,
    /// The user's name
    #[arg(long, value_parser = short_text)]
    pub name: Option<String>,
    /// What it is granted, such as "boards:read tags:write" [default: all that the user may do]
    #[arg(long, value_name = "SCOPES", value_parser = short_text)]
    pub scope: Option<String>,
    /// How long it is valid: a number and s, m, h or d
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = duration::parse)]
    pub expires: Duration,
    /// How tokens are signed.
    #[command(flatten)]
    pub settings: SharedFlags,
}

/// `boards health`.
#[derive(Debug, Args)]
pub struct HealthArgs {
    /// What to ask [default: /health at the configured address]
    #[arg(value_parser = web_url)]
    pub url: Option<Url>,
}

impl Cli {
    /// All settings on the command line; those behind the command win over those before it.
    #[must_use]
    pub fn flags(&self) -> Flags {
        let before = self.settings.0.clone();
        let before = match &self.config {
            Some(file) => before.with_file(file),
            None => before,
        };
        match self.command.as_ref().and_then(Command::settings) {
            Some(behind) => before.overridden_by(behind.clone()),
            None => before,
        }
    }

    /// What the configuration is read for.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        match self.command {
            None | Some(Command::Serve(_)) => Purpose::Serve,
            Some(Command::Worker(_)) => Purpose::Work,
            Some(_) => Purpose::Command,
        }
    }
}

impl Command {
    fn settings(&self) -> Option<&Flags> {
        match self {
            Self::Serve(flags) => Some(&flags.0),
            Self::Worker(flags) => Some(&flags.0),
            Self::Migrate(args) => Some(&args.settings.0),
            Self::Audit { command: AuditCommand::Export(args) } => Some(&args.settings.0),
            Self::Tenant { command } => Some(command.settings()),
            Self::User { command } => Some(command.settings()),
            Self::Storage { command } => Some(command.settings()),
            Self::Generators { command } => Some(command.settings()),
            Self::Demo(args) => Some(&args.settings.0),
            Self::Token(args) => Some(&args.settings.0),
            Self::Schema(_) | Self::Health(_) => None,
        }
    }
}

fn tenant_slug(text: &str) -> Result<String, &'static str> {
    if tenant_slug_is_valid(text) {
        Ok(text.to_owned())
    } else {
        Err("a slug holds a to z, 0 to 9 and inner hyphens, at most 255 characters")
    }
}

fn tenant_reference(text: &str) -> Result<TenantReference, &'static str> {
    TenantReference::parse(text).map_err(|_| "the slug or the id of a tenant")
}

fn short_text(text: &str) -> Result<String, &'static str> {
    let text = text.trim();
    let fits = (1..=MOST_CHARACTERS).contains(&text.chars().count());
    if fits && !text.chars().any(char::is_control) {
        Ok(text.to_owned())
    } else {
        Err("1 to 255 characters, none of them control characters")
    }
}

fn web_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"));
    url.ok_or("a URL such as http://127.0.0.1:8088/health")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;
    use crate::config::Config;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    fn cli(line: &str) -> Cli {
        parse(line).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    fn config(line: &str) -> Config {
        let cli = cli(line);
        let loaded = Config::load(cli.purpose(), &cli.flags(), [], Path::new("/nonexistent"));
        loaded.unwrap_or_else(|error| panic!("{line}: {error}")).config
    }

    #[test]
    fn clap_finds_no_fault() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        fn visit(command: &mut clap::Command) {
            let help = command.render_long_help().to_string();
            assert!(help.contains("Examples:"), "{help}");
            let commands = command.get_subcommands_mut();
            commands.filter(|command| command.get_name() != "help").for_each(visit);
        }
        let mut command = Cli::command();
        command.build();
        visit(&mut command);
    }

    #[test]
    fn serving_is_the_default_and_takes_the_same_flags() {
        for line in ["boards --api-port 9000", "boards serve --api-port 9000"] {
            assert_eq!(cli(line).purpose(), Purpose::Serve);
            assert_eq!(config(line).api_port, 9000);
        }
        assert_eq!(config("boards --api-port 1 serve --api-port 2").api_port, 2);
        assert_eq!(cli("boards migrate").purpose(), Purpose::Command);
    }

    #[test]
    fn a_process_has_a_role() {
        assert!(config("boards serve").worker_enabled);
        assert!(!config("boards serve --no-worker").worker_enabled);
        assert!(!config("boards --no-worker").worker_enabled);
        assert!(parse("boards serve --no-worker --worker-enabled true").is_err());
        let url = "--database-url postgres://h/b";
        assert_eq!(cli("boards worker").purpose(), Purpose::Work);
        assert_eq!(config(&format!("boards worker {url} --job-attempts 7")).job_attempts, 7);
        assert!(parse("boards worker --no-worker").is_err());
        // A worker that does not work is a mistake, and so is one beside a server on SQLite.
        for line in ["boards worker", &format!("boards worker {url} --worker-enabled false")] {
            let cli = cli(line);
            let loaded = Config::load(cli.purpose(), &cli.flags(), [], Path::new("/nonexistent"));
            assert!(loaded.is_err(), "{line}");
        }
    }

    #[test]
    fn switches_may_stand_alone() {
        assert!(config("boards --migrate").migrate);
        assert!(!config("boards --migrate=false").migrate);
        assert!(!config("boards serve --playground false").playground);
        assert!(config("boards --multi-tenant-mode tenant list").multi_tenant_mode);
    }

    #[test]
    fn commands_with_a_database_take_its_flags_before_and_behind() {
        for command in [
            "audit export",
            "migrate down",
            "tenant list",
            "tenant create acme --name A",
            "user list",
            "user role a@b.example admin",
            "user invite a@b.example",
            "user suspend a@b.example --tenant acme",
            "user credits grant a@b.example 2.5 --tenant acme",
            "tenant key set acme fal",
            "tenant key list acme",
            "token alice",
            "demo",
            "demo openai",
            "storage gc",
            "generators list",
            "generators check",
            "generators run qr-code",
        ] {
            let url = "--database-url postgres://h/b --auth-provider jwt";
            for line in [format!("boards {command} {url}"), format!("boards {url} {command}")] {
                assert_eq!(config(&line).database_url.to_string(), "postgres://h/b", "{line}");
            }
            assert!(parse(&format!("boards {command} --api-port 1")).is_err(), "{command}");
        }
    }

    #[test]
    fn the_file_is_taken_anywhere() {
        for line in ["boards --config a.toml", "boards tenant list --config a.toml"] {
            assert_eq!(cli(line).flags(), Flags::new().with_file("a.toml"), "{line}");
        }
    }

    #[test]
    fn secrets_are_not_in_debug() {
        let secret = "s3cr3t-s3cr3t-s3cr3t-s3cr3t-s3cr3t";
        let cli = cli(&format!("boards token alice --jwt-secret {secret}"));
        assert!(!format!("{cli:?} {:?}", cli.flags()).contains("s3cr3t"));
    }

    #[test]
    fn migrations_go_up_unless_told() {
        let migrate = |line: &str| match cli(line).command {
            Some(Command::Migrate(args)) => (args.action, args.steps.map(NonZeroU32::get)),
            other => panic!("{other:?}"),
        };
        assert_eq!(migrate("boards migrate"), (MigrateAction::Up, None));
        assert_eq!(migrate("boards migrate down --steps 2"), (MigrateAction::Down, Some(2)));
        assert!(parse("boards migrate down --steps 0").is_err());
        assert!(parse("boards migrate sideways").is_err());
    }

    #[test]
    fn tenants_need_good_slugs_and_domains() {
        let line = "boards tenant create acme --name Acme --join domain --domain Acme.com";
        match cli(line).command {
            Some(Command::Tenant { command: TenantCommand::Create(args) }) => {
                assert_eq!(
                    (args.join, args.domains),
                    (JoinPolicyArg::Domain, vec!["acme.com".into()])
                );
            }
            other => panic!("{other:?}"),
        }
        for wrong in [
            "boards tenant create acme",
            "boards tenant create Acme! --name A",
            "boards tenant create acme --name A --join domain",
            "boards tenant create acme --name A --join domain --domain @acme.com",
            "boards tenant create acme --name A --join sometimes",
        ] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn parameters_are_names_and_values() {
        let line = "boards generators run a --param text=a=b --param n= --input image=a.png";
        match cli(line).command {
            Some(Command::Generators { command: GeneratorsCommand::Run(args) }) => {
                let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
                assert_eq!(args.params, [pair("text", "a=b"), pair("n", "")]);
                assert_eq!(args.inputs, [pair("image", "a.png")]);
            }
            other => panic!("{other:?}"),
        }
        for wrong in ["run", "run a --param text", "run a --param =x", "list --provider nobody"] {
            assert!(parse(&format!("boards generators {wrong}")).is_err(), "{wrong}");
        }
        assert!(parse("boards demo --prompt x").is_err());
    }

    #[test]
    fn health_takes_only_web_addresses() {
        assert!(parse("boards health").is_ok());
        assert!(parse("boards health https://a.b/ready").is_ok());
        assert!(parse("boards health file:///etc/passwd").is_err());
    }
}
