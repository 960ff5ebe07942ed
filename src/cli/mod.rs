//! The command line: commands that run once and print, and what they have in common: what a command
//! is told, what it says, exit codes. Knows nothing of the controller.
//!
//! [`arguments`] describes every command; each has a module of its own. [`cluster`] is where it asks,
//! [`files`], [`documents`] and [`objects`] what it is given, [`terminal`] whom it answers.

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
pub mod objects;
mod plan;
mod settings;
mod status;
pub mod terminal;
mod windows;
pub mod yaml;

use std::process::ExitCode;

use crate::api;
use crate::values::{Timestamp, Zone};

pub use self::arguments::{
    AuditTo, Command, ControllerArgs, ElectionArgs, LogFormat, ObservedArgs, Once,
};
pub(crate) use self::arguments::{Output, instant};
use self::terminal::times::TimeFormatter;

/// Something is wrong with what was given: files, options or both.
const WRONG_INPUT: u8 = 2;
/// Something else went wrong.
const FAILURE: u8 = 1;

/// What a command has to say: results for standard output, words for a person for standard error.
#[derive(Clone, Debug, Default)]
pub(crate) struct CommandOutput {
    pub output: String,
    pub remarks: String,
    pub code: u8,
}

/// Why a command could not do what was asked: sentences for the person who can mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub messages: Vec<String>,
    pub code: u8,
}

impl Failure {
    /// Something went wrong.
    pub fn new(message: impl Into<String>) -> Self {
        Self { messages: vec![message.into()], code: FAILURE }
    }

    /// A result could not be printed.
    pub fn unwritten(error: &std::io::Error) -> Self {
        Self::new(format!("standard output cannot be written: {error}"))
    }

    /// Something is wrong with what was given.
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

/// What a command knows of where and when it runs, found out once, at the start.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The moment, in whole seconds.
    pub now: Timestamp,
    /// The reader's zone, where it has an IANA name.
    pub zone: Option<Zone>,
    /// Whether results are to be coloured.
    pub in_color: bool,
}

impl Context {
    fn find(now: Option<Timestamp>) -> Self {
        // The one place of this shell that reads the clock.
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

    /// From where the reader looks at instants.
    pub fn reader(&self) -> TimeFormatter {
        TimeFormatter { now: self.now, zone: self.zone.clone() }
    }
}

/// What was asked on the command line, unless a shell asks how it may go on: a command, and the moment to take for now if one is given.
#[must_use]
pub fn parse() -> (Command, Option<Timestamp>) {
    completion::answer();
    let arguments = arguments::parse();
    (arguments.command, arguments.now)
}

/// Runs a command of this shell.
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
