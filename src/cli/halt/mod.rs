//! Implements `halt`, which writes a policy with the highest priority and the mode `NoUpgrade`, and
//! `resume`, which deletes that policy.
//!
//! This file defines the options and prints the reports; [`start`] and [`stop`] do the work.

mod effect;
mod in_force;
mod messages;
mod policy;
mod report;
mod start;
mod stop;

use std::time::Duration;

use clap::{ArgAction, ValueEnum};

pub(super) use self::in_force::is_in_force;
pub(super) use self::policy::{FoundHalt, Gap, NAME, by, reason, since};
pub(super) use self::report::NoRivals;
use super::cluster::NamespaceArgs;
use super::gitops::{DryRun, wait_timeout};
use super::{CommandOutput, Context, Failure, data};
use crate::cluster::connection::Connection;

/// Text at the end of the help of `halt`: examples and exit codes.
pub(super) const HALT_EXAMPLES: &str = "\
Examples:
  clientfleet halt -n clients --reason 'breaks the printers, INC-4711'
  clientfleet halt -A --dry-run=client
  clientfleet resume -n clients

It is an UpgradePolicy clientfleet-halt of the highest priority with NoUpgrade. What a client has
staged already, its next restart installs all the same: no policy can take that back. Its annotations
clientfleet.dev/changed-by and changed-at record who halted and when, and `status` shows them.

Exit codes: 0 when it is in force, or with --wait=false when it is written; 1 when something failed,
nobody is known to have carried it out in time, or another policy comes before it; 2 for wrong
options.";

/// Text at the end of the help of `resume`: examples and exit codes.
pub(super) const RESUME_EXAMPLES: &str = "\
Examples:
  clientfleet resume -n clients --dry-run=client   # who would go back under which policy
  clientfleet resume -n clients
  clientfleet resume -A

Exit codes: 0, also where nothing was halted; 1 when something failed; 2 for wrong options.";

/// Options of `halt`.
#[derive(Debug, clap::Args)]
pub(crate) struct HaltArgs {
    #[command(flatten)]
    place: TargetArgs,
    /// Why, for whoever finds it; kept as annotation clientfleet.dev/reason. A halt keeps its first
    /// reason
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Wait until the controller has carried it out
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set,
          num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    wait: bool,
    /// How long to wait for that
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = wait_timeout)]
    timeout: Duration,
}

/// Options of `resume`.
#[derive(Debug, clap::Args)]
pub(crate) struct ResumeArgs {
    #[command(flatten)]
    place: TargetArgs,
}

/// Where, and how it is told: options of both.
#[derive(Debug, clap::Args)]
struct TargetArgs {
    #[command(flatten)]
    connection: Connection,
    #[command(flatten)]
    place: NamespaceArgs,
    /// Try it without doing it: client sends nothing, server lets the API server judge it
    #[arg(long, value_name = "HOW", value_enum, default_value_t)]
    dry_run: DryRun,
    /// How to print it
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: HaltFormat,
}

/// How what was done is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum HaltFormat {
    /// For a person
    #[default]
    #[value(alias = "wide")]
    Table,
    /// As data
    Json,
    /// As data
    Yaml,
    /// The objects' names alone
    Name,
}

/// Runs the `halt` command, and formats its report.
pub(super) async fn halt(arguments: &HaltArgs, cx: &Context) -> Result<CommandOutput, Failure> {
    let report = start::pull(arguments, cx).await?;
    let output = match arguments.place.output {
        HaltFormat::Table => messages::pulled(&report, &cx.reader()),
        HaltFormat::Json => data::json(&report)?,
        HaltFormat::Yaml => data::yaml(&report)?,
        HaltFormat::Name => report.names(),
    };
    let remarks = messages::remarks_on_pulling(&report, &cx.reader());
    Ok(CommandOutput { output, remarks, code: report.code() })
}

/// Runs the `resume` command, and formats its report.
pub(super) async fn resume(arguments: &ResumeArgs, cx: &Context) -> Result<CommandOutput, Failure> {
    let report = stop::release(arguments, cx).await?;
    let output = match arguments.place.output {
        HaltFormat::Table => messages::released(&report, &cx.reader()),
        HaltFormat::Json => data::json(&report)?,
        HaltFormat::Yaml => data::yaml(&report)?,
        HaltFormat::Name => report.names(),
    };
    let remarks = messages::remarks_on_releasing(&report);
    Ok(CommandOutput { output, remarks, code: report.code() })
}
