//! Implements the commands that run once and print a result, and the code that these commands
//! share: context, output and exit codes.
//!
//! This module does not depend on the controller. [`arguments`] defines the command line, and each
//! command has its own module. [`cluster`] reads from a cluster, [`files`], [`documents`] and
//! [`objects`] read from files, and [`terminal`] formats the output.

mod arguments;
mod clients;
mod cluster;
mod colors;
mod completion;
mod data;
pub mod documents;
mod explain;
pub mod files;
mod gitops;
mod halt;
mod import;
mod json;
mod leading_options;
pub mod objects;
mod plan;
mod recorded_change;
mod serve_arguments;
mod settings;
mod status;
pub mod terminal;
mod windows;
pub mod yaml;

use std::process::ExitCode;

use crate::api;
use crate::values::{Timestamp, Zone};

pub use self::arguments::{
    AuditTo, Command, ControllerArgs, ElectionArgs, LogArgs, LogFormat, ObservedArgs, Once,
};
pub(crate) use self::arguments::{Output, instant};
pub use self::serve_arguments::{
    CheckinArgs, ClosedMeansArg, DoorArgs, MetricsArgs, PackageArgs, ReportIpArg, ServeArgs,
};
use self::terminal::times::TimeFormatter;

/// Exit code for invalid files or options.
const WRONG_INPUT: u8 = 2;
/// Exit code for every failure other than invalid input.
const FAILURE: u8 = 1;

/// Output of a command: results for standard output, remarks to the user for standard error, and
/// the exit code.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandOutput {
    pub output: String,
    pub remarks: String,
    pub code: u8,
}

/// Failure of a command: error messages that state how to fix the cause, and the exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub messages: Vec<String>,
    pub code: u8,
}

impl Failure {
    /// Creates a failure with exit code 1, for a cause other than invalid input.
    pub fn new(message: impl Into<String>) -> Self {
        Self { messages: vec![message.into()], code: FAILURE }
    }

    /// Creates a failure with exit code 1, for an error while writing to standard output.
    pub(crate) fn unwritten(error: &std::io::Error) -> Self {
        Self::new(format!("standard output cannot be written: {error}"))
    }

    /// Creates a failure with exit code 2, for invalid files or options.
    pub fn input(message: impl Into<String>) -> Self {
        Self { messages: vec![message.into()], code: WRONG_INPUT }
    }
}

impl From<Failure> for CommandOutput {
    fn from(Failure { messages, code }: Failure) -> Self {
        let remarks = messages.iter().map(|message| format!("error: {message}\n")).collect();
        Self { remarks, code, ..Self::default() }
    }
}

/// Environment of a command: current time, time zone and color. The program determines these values
/// once, at startup.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// Current time, in whole seconds.
    pub now: Timestamp,
    /// Time zone of the user; `None` if it has no IANA name.
    pub zone: Option<Zone>,
    /// True if results should be colored.
    pub in_color: bool,
}

impl Context {
    fn find(now: Option<Timestamp>) -> Self {
        // Read the clock only once, so that all parts of a command use the same current time.
        let now = now.unwrap_or_else(|| arguments::whole_seconds(chrono::Utc::now()));
        let zone = TimeFormatter::system_zone();
        if let Some(asked) = std::env::var_os("TZ").filter(|tz| zone.is_none() && !tz.is_empty()) {
            let asked = asked.to_string_lossy();
            let asked = terminal::table::printable(&asked);
            let mend = "write an IANA name into it, as Europe/Berlin";
            terminal::print_remarks(&format!(
                "warning: TZ is {asked}, so times are in UTC: {mend}\n"
            ));
        }
        Self { now, zone, in_color: terminal::is_color_wanted() }
    }

    /// Returns a time formatter that uses the current time and the user's time zone.
    pub fn reader(&self) -> TimeFormatter {
        TimeFormatter { now: self.now, zone: self.zone.clone() }
    }
}

/// Parses the command line, and returns the command and the time to use as the current time, if the
/// user specified one.
///
/// If a shell requests completions, prints the completions and exits the process.
#[must_use]
pub fn parse() -> (Command, Option<Timestamp>) {
    completion::answer();
    let arguments = arguments::parse();
    (arguments.command, arguments.now)
}

/// Runs a command and prints its output. Returns the exit code.
#[must_use]
pub fn run(command: &Once, now: Option<Timestamp>) -> ExitCode {
    let cx = Context::find(now);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let said = match runtime {
        Ok(runtime) => runtime.block_on(ask(command, &cx)),
        Err(error) => Err(Failure::new(format!("no thread to run on: {error}"))),
    };
    say(&said.unwrap_or_else(CommandOutput::from))
}

async fn ask(command: &Once, cx: &Context) -> Result<CommandOutput, Failure> {
    match command {
        Once::Status(arguments) => status::run(arguments, cx).await,
        Once::Clients(arguments) => clients::run(arguments, cx).await,
        Once::Explain(arguments) => explain::run(arguments, cx).await,
        Once::Plan(arguments) => plan::run(arguments, cx).await,
        Once::Windows(arguments) => windows::run(arguments, cx).await,
        Once::Settings(arguments) => settings::run(arguments, cx).await,
        Once::Halt(arguments) => halt::halt(arguments, cx).await,
        Once::Resume(arguments) => halt::resume(arguments, cx).await,
        Once::Import(arguments) => import::run(arguments, cx).await,
        Once::Completion(arguments) => completion::run(arguments),
        Once::Crds => {
            let output = api::crds_yaml().map_err(|error| Failure::new(error.to_string()))?;
            Ok(CommandOutput { output, ..CommandOutput::default() })
        }
    }
}

fn say(said: &CommandOutput) -> ExitCode {
    terminal::print_remarks(&said.remarks);
    match terminal::out(&said.output) {
        Ok(_) => ExitCode::from(said.code),
        Err(error) => {
            let said = CommandOutput::from(Failure::unwritten(&error));
            terminal::print_remarks(&said.remarks);
            ExitCode::from(said.code)
        }
    }
}
