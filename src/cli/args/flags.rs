//! Flags made from the table of settings, so that no setting is without one.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::config::{Fallback, Flags, Kind, Setting, reference};

const NO_WORKER: &str = "no_worker";

macro_rules! setting_flags {
    ($(#[$doc:meta])* $name:ident, $takes:expr, $roles:expr, hidden: $hidden:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default)]
        pub struct $name(pub Flags);

        impl Args for $name {
            fn augment_args(command: Command) -> Command {
                let command = command.args(taken($takes).map(|setting| flag(setting).hide($hidden)));
                if $roles { command.arg(no_worker().hide($hidden)) } else { command }
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }

        impl FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                Ok(Self(read(taken($takes), Flags::new(), matches)))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                self.0 = read(taken($takes), self.0.clone(), matches);
                Ok(())
            }
        }
    };
}

setting_flags! {
    /// Every setting.
    ServeFlags, |_| true, true, hidden: false
}

setting_flags! {
    /// Every setting, left out of `--help`.
    HiddenServeFlags, |_| true, true, hidden: true
}

setting_flags! {
    /// Every setting, for a process that only runs generations.
    WorkerFlags, |_| true, false, hidden: false
}

setting_flags! {
    /// The settings that commands beside `serve` take: database, authentication, tenants, storage
    /// and logs.
    SharedFlags, |setting| setting.group.is_shared(), false, hidden: false
}

fn taken(takes: fn(&Setting) -> bool) -> impl Iterator<Item = &'static Setting> {
    reference().iter().filter(move |setting| takes(setting))
}

/// The short form of `--worker-enabled false`.
fn no_worker() -> Arg {
    Arg::new(NO_WORKER)
        .long("no-worker")
        .help("Answers requests and leaves generations to `boards worker`")
        .help_heading(crate::config::Group::Worker.title())
        .action(ArgAction::SetTrue)
        .conflicts_with("worker_enabled")
}

/// Any text is taken here: the configuration judges values, with the same words for each source.
fn flag(setting: &'static Setting) -> Arg {
    let arg = Arg::new(setting.key.as_str())
        .long(setting.flag.as_str())
        .help(help(setting))
        .help_heading(setting.group.title())
        .action(ArgAction::Set)
        .allow_hyphen_values(matches!(setting.kind, Kind::Secret(_)));
    match (setting.kind, setting.fallback) {
        // A switch that is off is put on by its bare flag; `=` keeps it from eating a command.
        (Kind::Switch, Fallback::Value("false")) => arg
            .value_name("BOOL")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true"),
        (Kind::Switch, _) => arg.value_name("BOOL"),
        (Kind::Number(..), _) => arg.value_name("N"),
        (Kind::Choice(_), _) => arg.value_name("WORD"),
        (Kind::Text(_) | Kind::Secret(_), _) => arg.value_name("TEXT"),
    }
}

fn help(setting: &Setting) -> String {
    let Setting { name, description, .. } = setting;
    match setting.default_text() {
        "" => format!("{description} [env: {name}]"),
        default => format!("{description} [default: {default}] [env: {name}]"),
    }
}

fn read(
    settings: impl Iterator<Item = &'static Setting>,
    flags: Flags,
    matches: &ArgMatches,
) -> Flags {
    let no_worker = matches.try_get_one::<bool>(NO_WORKER).ok().flatten().is_some_and(|set| *set);
    let flags = if no_worker { flags.with("worker_enabled", "false") } else { flags };
    settings.fold(flags, |flags, setting| match matches.get_one::<String>(&setting.key) {
        Some(value) => flags.with(&setting.key, value),
        None => flags,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_a_flag_of_serve_with_its_variable_in_the_help() {
        let mut command = ServeFlags::augment_args(Command::new("serve"));
        let help = command.render_long_help().to_string();
        for setting in reference() {
            assert!(help.contains(&format!("--{}", setting.flag)), "{}", setting.flag);
            assert!(help.contains(&format!("[env: {}]", setting.name)), "{}", setting.name);
        }
    }

    #[test]
    fn hidden_flags_work_and_are_not_shown() {
        let mut command = HiddenServeFlags::augment_args(Command::new("boards"));
        assert!(!command.render_long_help().to_string().contains("--api-port"));
        let matches = command.get_matches_from(["boards", "--api-port", "9000"]);
        let flags = HiddenServeFlags::from_arg_matches(&matches).expect("parsed").0;
        assert_eq!(flags, Flags::new().with("api_port", "9000"));
    }
}
