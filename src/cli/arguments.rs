//! The command line: every command and option, described for `--help`. What they do is in the module
//! of each command.

use std::path::PathBuf;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use clap_complete::ArgValueCompleter;

use super::completion::contexts;
use super::{brake, clients, completion, explain, import, plan, settings, status, windows};
use crate::connection::Connection;
use crate::values::Timestamp;

/// Says which client of a fleet moves to which version, when, and which stays.
#[derive(Debug, Parser)]
#[command(name = "clientfleet", version, arg_required_else_help = true, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub command: Command,
    /// The moment to take for now, in tests and in the documentation
    #[arg(long, global = true, hide = true, value_name = "TIME", value_parser = instant)]
    pub now: Option<Timestamp>,
}

/// A command, of either shell.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller
    Controller(ControllerArgs),
    /// A command of this shell.
    #[command(flatten)]
    Once(Box<Once>),
}

/// A command that runs once and prints. Public for `main`, which hands it on.
#[derive(Debug, Subcommand)]
#[allow(private_interfaces)]
pub enum Once {
    /// One screen: policies and how far they are, what changes next, what needs a person
    #[command(after_help = status::EXAMPLES)]
    Status(status::Args),
    /// List clients: version, upgrade status, target, why, and when that changes
    #[command(after_help = clients::EXAMPLES)]
    Clients(clients::Args),
    /// Explain one client: which policy governs it, which rule decides, what would make it move
    #[command(after_help = explain::EXAMPLES)]
    Explain(explain::Args),
    /// Show what files would change: who moves where and when, who stays, and why
    #[command(after_help = plan::EXAMPLES)]
    Plan(plan::Args),
    /// Show when a policy's distribution opens and closes
    #[command(after_help = windows::EXAMPLES)]
    Windows(windows::Args),
    /// Show or make the choices there are for a policy
    #[command(after_help = settings::EXAMPLES)]
    Settings(settings::Args),
    /// The emergency brake: nothing new is distributed
    #[command(after_help = brake::HALT_EXAMPLES)]
    Halt(brake::HaltArgs),
    /// Release the emergency brake
    #[command(after_help = brake::RESUME_EXAMPLES)]
    Resume(brake::ResumeArgs),
    /// Turn an inventory in CSV into fleets
    #[command(after_help = import::EXAMPLES)]
    Import(import::Args),
    /// Print the two CustomResourceDefinitions
    ///
    /// kubectl apply --server-side -f takes them: clientfleet crds | kubectl apply --server-side -f -
    #[command(verbatim_doc_comment)]
    Crds,
    /// Print what makes a shell complete commands, options and names
    #[command(after_help = completion::EXAMPLES)]
    Completion(completion::Args),
}

/// Options of `controller`.
#[derive(Debug, Args)]
pub struct ControllerArgs {
    /// Which cluster.
    #[command(flatten)]
    pub connection: Connection,
    /// Look after this namespace alone; default: all
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
}

/// How a result is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For a person
    #[default]
    Table,
    /// For a person with a wide terminal
    Wide,
    /// As data
    Json,
    /// As data
    Yaml,
    /// Names alone, for other commands
    Name,
}

/// The command line as clap knows it, with what completes contexts: both shells take them, but only
/// this one can look them up.
pub(super) fn described() -> clap::Command {
    let with_contexts = |command: clap::Command| {
        let takes_one = command.get_arguments().any(|argument| argument.get_id() == "context");
        let completer = ArgValueCompleter::new(contexts);
        if takes_one { command.mut_arg("context", |arg| arg.add(completer)) } else { command }
    };
    let names: Vec<String> = Arguments::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    names
        .iter()
        .fold(Arguments::command(), |command, name| command.mut_subcommand(name, with_contexts))
}

/// What was asked on the command line. Ends the process where that is not understood, or is a call
/// for help.
pub(super) fn parse() -> Arguments {
    let mut command = described();
    // Installed under that name it is a kubectl plugin, and says so in its help.
    let name = std::env::args_os().next().map(PathBuf::from);
    if name.and_then(|path| path.file_stem().map(|stem| stem == "kubectl-clientfleet"))
        == Some(true)
    {
        command = command.bin_name("kubectl clientfleet");
    }
    match Arguments::from_arg_matches(&command.get_matches()) {
        Ok(arguments) => arguments,
        Err(error) => error.exit(),
    }
}

/// An instant as `--at` takes it: the API's form and years, so that a plan can be made for every
/// moment of a policy.
pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    use chrono::{DateTime, Datelike};
    let instant = DateTime::parse_from_rfc3339(text).map_err(|_| {
        "write a date, a time and its offset from UTC, as 2026-11-24T12:00:00Z or \
         2026-11-24T13:00:00+01:00"
            .to_owned()
    })?;
    let instant = whole_seconds(instant.to_utc());
    if (2000..2200).contains(&instant.year()) {
        Ok(instant)
    } else {
        Err("write a year from 2000 to 2199".to_owned())
    }
}

/// Plans hold from second to second.
pub(super) fn whole_seconds(instant: Timestamp) -> Timestamp {
    Timestamp::from_timestamp(instant.timestamp(), 0).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_of_the_command_line_holds() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn instants_are_rounded_down_to_the_second() {
        let at = |text| instant(text).map(|instant| instant.to_rfc3339());
        assert_eq!(at("2026-11-24T13:00:00.999+01:00").as_deref(), Ok("2026-11-24T12:00:00+00:00"));
        for wrong in [
            "",
            "2026-11-24",
            "2026-11-24T12:00:00",
            "2026-11-24T25:00:00Z",
            "1999-12-31T23:59:59Z",
        ] {
            assert!(instant(wrong).is_err(), "{wrong}");
        }
    }
}
