//! The command line: what can be asked, and exit codes. The shell of the commands that run once and
//! print; knows nothing of the controller, whose options alone are described here.

mod estate_tables;
pub mod files;
mod json;
mod local;
pub mod objects;
mod table;
#[allow(dead_code)]
mod windows;
pub mod yaml;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::api;
use crate::values::Timestamp;

/// Something is wrong with what was given: files, options or both.
const WRONG_INPUT: u8 = 2;
/// Something else went wrong.
const FAILURE: u8 = 1;

/// What a command has to say: results for standard output, words for a person for standard error.
#[derive(Debug, Default)]
struct Said {
    output: String,
    remarks: String,
    code: u8,
}

/// Says which client of a fleet moves to which version, when, and which stays.
#[derive(Debug, Parser)]
#[command(name = "clientfleet", version, arg_required_else_help = true, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// A command, of either shell.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the controller
    Controller(ControllerArgs),
    /// A command of this shell.
    #[command(flatten)]
    Once(Once),
}

/// A command that runs once and prints.
#[derive(Debug, Subcommand)]
pub enum Once {
    /// Print the two CustomResourceDefinitions
    ///
    /// kubectl apply --server-side -f takes them: clientfleet crds | kubectl apply --server-side -f -
    #[command(verbatim_doc_comment)]
    Crds,
    /// Show what fleets and policies in files lead to: who moves where, who stays, and why
    #[command(after_help = PLAN_EXAMPLES)]
    Plan(PlanArgs),
}

const PLAN_EXAMPLES: &str = "\
Examples:
  clientfleet plan --local -f fleets/ -f policies.yaml
  clientfleet plan --local -f fleets/ -f policies.yaml --at 2026-12-24T22:30:00+01:00
  kubectl get clf,upol -A -o yaml | clientfleet plan --local -f - -o json

Exit codes: 0, or 2 if something is wrong with the files or the options.";

/// Options of `controller`.
#[derive(Debug, Args)]
pub struct ControllerArgs {
    /// The kubeconfig file; default: $KUBECONFIG, else ~/.kube/config, else the pod's own account
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The kubeconfig's context; default: its current one
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,
    /// Look after this namespace alone; default: all
    #[arg(short, long, value_name = "NAMESPACE")]
    pub namespace: Option<String>,
}

/// Options of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Plan from the files alone, without a cluster
    #[arg(long)]
    local: bool,
    /// A file, a folder (its *.yaml, *.yml and *.json, not its subfolders), or - for standard input;
    /// can be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The moment to plan for, as 2026-11-24T12:00:00Z; default: now
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Timestamp>,
    /// How to print it; json and yaml print the objects with the status they lead to
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// How a plan is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Table,
    Json,
    Yaml,
}

/// What was asked on the command line. Ends the process where that is not understood, or is a call
/// for help.
#[must_use]
pub fn parse() -> Command {
    let mut command = Arguments::command();
    // Installed under that name it is a kubectl plugin, and says so in its help.
    let name = std::env::args_os().next().map(PathBuf::from);
    if name.and_then(|path| path.file_stem().map(|stem| stem == "kubectl-clientfleet"))
        == Some(true)
    {
        command = command.bin_name("kubectl clientfleet");
    }
    match Arguments::from_arg_matches(&command.get_matches()) {
        Ok(arguments) => arguments.command,
        Err(error) => error.exit(),
    }
}

/// Runs a command of this shell.
#[must_use]
pub fn run(command: &Once) -> ExitCode {
    match command {
        Once::Crds => say(&match api::crds_yaml() {
            Ok(output) => Said { output, ..Said::default() },
            Err(error) => {
                Said { remarks: format!("error: {error}\n"), code: FAILURE, ..Said::default() }
            }
        }),
        Once::Plan(arguments) if !arguments.local => say(&Said {
            remarks: "error: plan cannot compare with a cluster yet: add --local to plan from the \
                      files alone\n"
                .to_owned(),
            code: WRONG_INPUT,
            ..Said::default()
        }),
        Once::Plan(arguments) => {
            // The one place of this shell that reads the clock.
            let at = arguments.at.unwrap_or_else(|| whole_seconds(chrono::Utc::now()));
            let files = files::read(&arguments.files, &mut io::stdin().lock());
            say(&local::plan(&files, at, arguments.output, is_colour_wanted()))
        }
    }
}

/// Colours only for eyes, and only for those that want them (<https://no-color.org>).
fn is_colour_wanted() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    io::stdout().is_terminal() && !is_set("NO_COLOR") && !is_dumb
}

fn say(said: &Said) -> ExitCode {
    // Where nobody reads what is wrong, the exit code still tells.
    let _ = io::stderr().lock().write_all(said.remarks.as_bytes());
    let mut output = io::stdout().lock();
    match output.write_all(said.output.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => ExitCode::from(said.code),
        // The reader has seen enough, as `head` has.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::from(said.code),
        Err(error) => {
            let _ =
                writeln!(io::stderr().lock(), "error: standard output cannot be written: {error}");
            ExitCode::from(FAILURE)
        }
    }
}

/// An instant as `--at` takes it: the API's form and years, so that a plan can be made for every
/// moment of a policy.
fn instant(text: &str) -> Result<Timestamp, String> {
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
fn whole_seconds(instant: Timestamp) -> Timestamp {
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
