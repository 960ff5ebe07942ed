//! `plan`: what files would change, and what they lead to. Writes nothing.

mod estate_tables;
mod local;

use std::io;
use std::path::PathBuf;

use clap::ValueEnum;

use super::arguments::instant;
use super::{Failure, Said, Surroundings, files};
use crate::values::Timestamp;

/// What the help ends with.
pub(super) const EXAMPLES: &str = "\
Examples:
  clientfleet plan --local -f fleets/ -f policies.yaml
  clientfleet plan --local -f fleets/ -f policies.yaml --at 2026-12-24T22:30:00+01:00
  kubectl get clf,upol -A -o yaml | clientfleet plan --local -f - -o json

Exit codes: 0, or 2 if something is wrong with the files or the options.";

/// Options of `plan`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
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

/// Plans.
pub(super) async fn run(arguments: &Args, around: &Surroundings) -> Result<Said, Failure> {
    if !arguments.local {
        return Err(Failure::input(
            "plan cannot compare with a cluster yet: add --local to plan from the files alone",
        ));
    }
    let at = arguments.at.unwrap_or(around.now);
    let files = files::read(&arguments.files, &mut io::stdin().lock());
    Ok(local::plan(&files, at, arguments.output, around.in_colour))
}
