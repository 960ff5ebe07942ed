//! `clients`: the status table. Which version each computer runs, its upgrade status, its target, why,
//! and when that changes next.
//!
//! Fleets are read page by page; of each [`row`]s are kept that the [`filter`] wants, then [`print`]ed
//! in order. With `-w` the list goes on in [`follow`].

mod filter;
mod follow;
mod print;
mod row;

use chrono::TimeDelta;
use clap_complete::ArgValueCompleter;

use self::filter::Filter;
use self::print::Printer;
use self::row::{Row, fleet_of, rows};
use super::cluster::{Cluster, Reach, Where};
use super::completion::{fleets, policies, reasons, states};
use super::terminal::remark;
use super::{Failure, Output, Said, Surroundings};
use crate::api::ClientFleet;
use crate::connection::Connection;
use crate::plan::Live;
use crate::values::selector::fold_case;

/// How many fleets are told of one by one.
const MOST_DOUBTS: usize = 5;

/// What the help ends with.
pub(super) const EXAMPLES: &str = "\
Examples:
  clientfleet clients                            # all of the context's namespace
  clientfleet clients muller 10.20.              # both words in name, computer, IP or last user
  clientfleet clients -A --state failed,blocked  # what needs a person
  clientfleet clients --state restartrequired --older-than 7d
  clientfleet clients --version 3.58.110.0 -w    # and every change of theirs

Exit codes: 0; 1 if the cluster cannot be asked; 2 if something is wrong with the options.";

/// Options of `clients`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Words that must all occur, ignoring case, in its name, computer, IP or last user
    #[arg(value_name = "KEYWORDS")]
    keywords: Vec<String>,
    /// Only in these states, as Distributing,Waiting
    #[arg(long, value_name = "STATE", value_delimiter = ',', add = ArgValueCompleter::new(states))]
    state: Vec<String>,
    /// Only for these reasons, as InstallFailed
    #[arg(long, value_name = "REASON", value_delimiter = ',', add = ArgValueCompleter::new(reasons))]
    reason: Vec<String>,
    /// Only those that these policies govern
    #[arg(long, value_name = "NAME", value_delimiter = ',', add = ArgValueCompleter::new(policies))]
    policy: Vec<String>,
    /// Only those of these fleets
    #[arg(long, value_name = "NAME", value_delimiter = ',', add = ArgValueCompleter::new(fleets))]
    fleet: Vec<String>,
    /// Only those of fleets with these labels, as site=berlin
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Only those that run these versions, however spelled
    #[arg(long, value_name = "VERSION", value_delimiter = ',')]
    version: Vec<String>,
    /// Only those in their state for longer, as 12h or 7d
    #[arg(long, value_name = "SPAN", value_parser = filter::span)]
    older_than: Option<TimeDelta>,
    /// Go on, and print each change
    #[arg(short = 'w', long)]
    watch: bool,
    /// How to print it; wide adds fleet, last user, policy, last offer and zone
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
    /// Leave out the line of titles
    #[arg(long)]
    no_headers: bool,
    /// Where.
    #[command(flatten)]
    place: Where,
    /// Which cluster.
    #[command(flatten)]
    connection: Connection,
}

/// Lists clients.
pub(super) async fn run(asked: &Args, around: &Surroundings) -> Result<Said, Failure> {
    let filter = Filter::read(asked, around.now)?;
    let cluster = Cluster::connect(&asked.connection).await?;
    let reach = cluster.reach(&asked.place);
    let mut printer = Printer::new(asked, around, reach == Reach::All);
    if asked.watch {
        return follow::follow(&cluster, &reach, asked, &filter, &mut printer, around.now).await;
    }
    let listed = cluster
        .gather(&reach, asked.selector.as_deref(), List::default(), |list: &mut List, fleet| {
            list.add(fleet, &filter);
        })
        .await?;
    let List { mut rows, doubts } = listed;
    remark(&told(&doubts));
    sort(&mut rows);
    if rows.is_empty() && matches!(asked.output, Output::Table | Output::Wide) {
        remark(&nobody(asked, &reach));
    } else {
        printer.all(&rows)?;
    }
    Ok(Said::default())
}

/// What is gathered from the pages.
#[derive(Clone, Default)]
struct List {
    rows: Vec<Row>,
    doubts: Vec<String>,
}

impl List {
    fn add(&mut self, fleet: Live<ClientFleet>, filter: &Filter) {
        self.doubts.extend(doubt(&fleet));
        self.rows.extend(rows(fleet, |facts, fleet, row| filter.wants(facts, fleet, row)));
    }
}

/// Why what a fleet's status says may not be so.
fn doubt(live: &Live<ClientFleet>) -> Option<String> {
    let fleet = fleet_of(live);
    let name = format!("ClientFleet {}/{}", fleet.namespace, fleet.name);
    match &live.spec {
        Err(why) => Some(format!("{name} cannot be read, so its clients are missing here: {why}")),
        Ok(_) if !fleet.is_current => Some(format!(
            "{name}: its status is behind its spec, and no offer in it counts; is the controller \
             running?"
        )),
        Ok(_) => None,
    }
}

/// Where a controller does not run all fleets are in doubt: a few stand for them.
fn told(doubts: &[String]) -> String {
    let mut text: String =
        doubts.iter().take(MOST_DOUBTS).map(|doubt| format!("warning: {doubt}\n")).collect();
    if let more @ 1.. = doubts.len().saturating_sub(MOST_DOUBTS) {
        text += &format!("warning: the same or the like holds for {more} more fleets\n");
    }
    text
}

/// By namespace, then as people look them up: by computer, ignoring case.
fn sort(rows: &mut [Row]) {
    rows.sort_by_cached_key(|row| {
        let fleet = std::sync::Arc::clone(&row.fleet);
        (fleet.namespace.clone(), fold_case(row.computer()), fleet.name.clone(), row.name.clone())
    });
}

fn nobody(asked: &Args, reach: &Reach) -> String {
    let place = match reach {
        Reach::Namespace(name) => format!(" in namespace {name}"),
        Reach::All => String::new(),
    };
    let is_filtered = !asked.keywords.is_empty()
        || asked.selector.is_some()
        || asked.older_than.is_some()
        || [&asked.state, &asked.reason, &asked.policy, &asked.fleet, &asked.version]
            .iter()
            .any(|list| !list.is_empty());
    let what = if is_filtered { "No such clients" } else { "No clients" };
    format!("{what} found{place}.\n")
}
