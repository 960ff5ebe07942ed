//! Implements `explain`, which shows why a client is in its state and what would make it move to
//! another version. Reads the cluster or files; the `plan` module computes the explanation, and
//! [`text`] formats the explanation.

mod advice;
mod find;
mod headline;
mod policy_change;
mod source;
mod text;

use std::path::PathBuf;
use std::sync::Arc;

use clap::ValueEnum;
use clap_complete::ArgValueCompleter;

use self::find::{ClientQuery, FoundClients};
use self::source::ExplainSource;
use super::cluster::{NamespaceArgs, check_local};
use super::completion::{clients, fleets};
use super::terminal::times::TimeFormatter;
use super::{CommandOutput, Context, Failure, data, instant};
use crate::cluster::connection::Connection;
use crate::plan::Estate;
use crate::plan::explanation::{Explainer, Explanation};
use crate::values::Timestamp;

/// Text at the end of the help: examples and exit codes.
pub(super) const EXAMPLES: &str = "\
Examples:
  clientfleet explain BER-LT-001                 # by computer or by client name
  clientfleet explain berlin/lt-ber-001 -n clients
  clientfleet explain BER-LT-001 --at 2026-12-24T22:30:00+01:00
  clientfleet explain BER-LT-001 -o json | jq '.wouldMove[0]'
  clientfleet explain BER-LT-001 --local -f fleets/ -f policies.yaml

Exit codes: 0; 1 if there is no such client or the cluster cannot be asked; 2 if something is wrong
with the files or the options.";

/// Options of `explain`.
#[derive(Debug, clap::Args)]
pub(crate) struct ExplainArgs {
    /// A client's name, else its computer's, ignoring case. FLEET/ and NAMESPACE/FLEET/ may stand
    /// before it
    #[arg(value_name = "[[NAMESPACE/]FLEET/]CLIENT", add = ArgValueCompleter::new(clients))]
    client: String,
    /// Only in this fleet; then slashes are a part of the client's name
    #[arg(long, value_name = "NAME", add = ArgValueCompleter::new(fleets))]
    fleet: Option<String>,
    /// The moment to explain, as 2026-11-24T12:00:00Z, with everything written and reported as it is
    /// now; default: now
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<Timestamp>,
    /// Explain from the files alone, without a cluster
    #[arg(long, requires = "files")]
    local: bool,
    /// With --local: a file, a folder (its *.yaml, *.yml and *.json, not its subfolders), or - for
    /// standard input; can be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE", requires = "local", id = "files")]
    files: Vec<PathBuf>,
    /// How to print it; json and yaml print the same as data, a list where several clients match
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t = ExplainFormat::Text)]
    output: ExplainFormat,
    /// Where.
    #[command(flatten)]
    place: NamespaceArgs,
    /// Which cluster.
    #[command(flatten)]
    connection: Connection,
}

/// How an explanation is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ExplainFormat {
    // Accept the names that kubectl uses for text output.
    #[value(aliases = ["table", "wide"])]
    Text,
    Json,
    Yaml,
}

/// Runs the `explain` command.
pub(super) async fn run(args: &ExplainArgs, cx: &Context) -> Result<CommandOutput, Failure> {
    check_local(args.local, &args.connection)?;
    let wanted = ClientQuery::read(&args.client, args.fleet.as_deref(), &args.place)?;
    let at = args.at.unwrap_or(cx.now);
    let mut source = if args.local {
        ExplainSource::files(&args.files, &wanted, at)?
    } else {
        ExplainSource::cluster(&args.connection, &args.place, &wanted).await?
    };
    let found = source.found(&wanted)?;
    let ExplainSource { mut remarks, changes, .. } = source;
    let explanations = changes.add_to(explain(found, at), &mut remarks).await;
    let output = match args.output {
        ExplainFormat::Text => {
            let reader = TimeFormatter { now: at, zone: cx.zone.clone() };
            let explanation = text::ExplanationText {
                reader: &reader,
                in_color: cx.in_color,
                // The stored status describes the cluster at the current time, so do not compare it
                // with an explanation of files or for another time.
                with_status: !args.local && args.at.is_none(),
            };
            let texts: Vec<String> = explanations.iter().map(|e| explanation.whole(e)).collect();
            texts.join("\n\n")
        }
        ExplainFormat::Json => match &explanations[..] {
            [one] => data::json(one)?,
            several => data::json(&several)?,
        },
        ExplainFormat::Yaml => match &explanations[..] {
            [one] => data::yaml(one)?,
            several => data::yaml(&several)?,
        },
    };
    Ok(CommandOutput { output, remarks, code: 0 })
}

/// Returns the explanation of each client that was found, ordered by namespace, fleet and name.
fn explain(found: Vec<FoundClients>, at: Timestamp) -> Vec<Explanation> {
    let mut explanations = Vec::new();
    for FoundClients { fleets, policies, clients } in found {
        let estate = Estate {
            fleets: fleets.into_iter().map(Arc::new).collect(),
            policies: policies.into_iter().map(Arc::new).collect(),
        };
        let explainer = Explainer::new(&estate, at);
        explanations.extend(clients.iter().filter_map(|client| {
            explainer.explain(&client.fleet, &client.name, client.stored.as_ref())
        }));
    }
    explanations
}
