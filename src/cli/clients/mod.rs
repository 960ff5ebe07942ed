//! Implements `clients`, which lists clients with version, upgrade status, target, reason and time
//! of the next change.
//!
//! The command reads fleets page by page, and keeps only the [`row`]s that the [`filter`] selects.
//! [`mod@print`] writes the sorted rows; with `-w`, [`follow`] prints the list and all later
//! changes. Options that can select no client are errors: [`refused`] finds those that contradict
//! each other, and [`unmatched`] those that name what the cluster does not have.

mod csv_rows;
mod filter;
mod follow;
mod print;
mod refused;
mod row;
mod unmatched;

use std::collections::BTreeSet;

use chrono::TimeDelta;
use clap_complete::ArgValueCompleter;

use self::filter::Filter;
use self::print::Printer;
use self::row::{PolicyZones, Row, RowView, fleet_of, rows};
use self::unmatched::Seen;
use super::cluster::{Cluster, NamespaceArgs, NamespaceScope};
use super::completion::{fleets, policies, reasons, states};
use super::terminal::print_remarks;
use super::terminal::table::printable;
use super::{CommandOutput, Context, FAILURE, Failure, Output};
use crate::api::admission::nearest::nearest;
use crate::api::{ClientFleet, UpgradePolicy};
use crate::cluster::connection::Connection;
use crate::plan::Parsed;
use crate::values::selector::fold_case;

/// Maximum number of warnings to print in full. Further warnings are only counted.
const MAX_DOUBTFUL_POLICIES: usize = 5;

/// Text at the end of the help, with examples and exit codes.
pub(super) const EXAMPLES: &str = "\
Examples:
  clientfleet clients                            # all of the context's namespace
  clientfleet clients muller 10.20.              # both words in name, computer, IP or last user
  clientfleet clients -A --state failed,blocked  # what needs a person
  clientfleet clients --state restartrequired --older-than 7d
  clientfleet clients --version 3.58.110.0 -w    # and every change of theirs
  clientfleet clients --version '<3.59'          # who runs an older version
  clientfleet clients --client-selector 'department in (finance,hr),!kiosk'
  clientfleet clients -A -o csv > clients.csv    # for a spreadsheet; values are as reported

Exit codes: 0, also where no client is selected; 1 if the cluster cannot be asked, or has no such
namespace, fleet, policy or label, or no client that reports such a text as its version; 2 if
something is wrong with the options, as with a filter that no client can meet.";

/// Options of `clients`.
#[derive(Debug, clap::Args)]
pub(crate) struct ClientsArgs {
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
    /// Only those of fleets with these labels, as site=berlin; for the clients' own labels:
    /// --client-selector
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Only clients with these labels of their own, as department=finance or "role in (kiosk,lab)"
    #[arg(long, value_name = "SELECTOR")]
    client_selector: Option<String>,
    /// Only those that run these versions, as 3.58.110, "<3.59" or ">=3.50 <3.59.127"
    #[arg(long, value_name = "VERSION", value_delimiter = ',')]
    version: Vec<String>,
    /// Only those in their state for longer, as 12h or 7d
    #[arg(long, value_name = "SPAN", value_parser = filter::span)]
    older_than: Option<TimeDelta>,
    /// Go on, and print each change
    #[arg(short = 'w', long)]
    watch: bool,
    /// How to print it; wide adds fleet, last user, policy, last offer and zone, json, yaml and csv
    /// have labels too; csv goes without --watch
    #[arg(short, long, value_name = "FORMAT", value_enum, default_value_t)]
    output: Output,
    /// Leave out the line of titles
    #[arg(long)]
    no_headers: bool,
    /// Where.
    #[command(flatten)]
    place: NamespaceArgs,
    /// Which cluster.
    #[command(flatten)]
    connection: Connection,
}

/// Runs the `clients` command.
pub(super) async fn run(args: &ClientsArgs, cx: &Context) -> Result<CommandOutput, Failure> {
    let filter = Filter::read(args, cx.now)?;
    let fleet_labels = args.selector.as_deref().map(refused::fleet_selector).transpose()?;
    if args.watch && args.output == Output::Csv {
        return Err(Failure::input(
            "-o csv is a whole list and cannot be followed: leave --watch out, or write -o json, \
             which prints a line of JSON for each change",
        ));
    }
    let cluster = Cluster::connect(&args.connection).await?;
    let reach = cluster.reach(&args.place);
    let mut printer = Printer::new(args, cx, reach == NamespaceScope::All);
    let policies = Policies::read(&cluster, &reach, args).await;
    let zones = &policies.zones;
    if args.watch {
        print_remarks(&unmatched::verbatim_warnings(&filter));
        let known = policies.names.as_ref();
        print_remarks(&format_warnings(&no_such("UpgradePolicy", &args.policy, known, &reach)));
        return follow::follow(&cluster, &reach, args, &filter, &mut printer, zones, cx.now).await;
    }
    let view = RowView { zones, now: cx.now };
    let listed = cluster
        .gather(
            &reach,
            args.selector.as_deref(),
            ClientList::default(),
            |list: &mut ClientList, fleet| {
                list.add(fleet, &filter, view);
            },
        )
        .await?;
    let ClientList { mut rows, doubts, seen } = listed;
    print_remarks(&format_warnings(&doubts));
    sort(&mut rows);
    let fleets = (args.selector.is_none()).then_some(&seen.fleets);
    let mut messages = [
        no_such("UpgradePolicy", &args.policy, policies.names.as_ref(), &reach),
        no_such("ClientFleet", &args.fleet, fleets, &reach),
        seen.missing_versions(&filter),
        seen.missing_labels(&filter, args),
    ]
    .concat();
    let mut remarks = String::new();
    if rows.is_empty() {
        remarks = seen.missing_values(&filter);
        match &fleet_labels {
            Some(requirements) if seen.fleets.is_empty() => {
                let (errors, values) =
                    unmatched::missing_fleet_labels(&cluster, &reach, requirements).await;
                messages.extend(errors);
                remarks += &values;
            }
            _ if seen.fleets.is_empty() => cluster.namespace_exists(&reach).await?,
            _ => {}
        }
        messages.extend(invisible_keyword(args));
    }
    if !rows.is_empty() || !matches!(args.output, Output::Table | Output::Wide) {
        printer.all(&rows)?;
    } else if messages.is_empty() {
        print_remarks(&no_clients_message(args, &reach));
    }
    if messages.is_empty() {
        Ok(CommandOutput { remarks, ..CommandOutput::default() })
    } else {
        print_remarks(&remarks);
        Err(Failure { messages, code: FAILURE })
    }
}

/// Returns an error if a keyword contains a character that is not visible, and that the user may
/// therefore have copied by mistake.
fn invisible_keyword(args: &ClientsArgs) -> Option<String> {
    let is_escaped = |keyword: &&String| printable(keyword) != keyword.as_str();
    let keyword = args.keywords.iter().find(is_escaped)?;
    Some(format!(
        "KEYWORDS: no client has \"{}\", which contains an invisible character: type it again",
        printable(keyword)
    ))
}

/// Returns an error message for each fleet or policy that the user selects by name but that does
/// not exist. Without the message, the user could mistake the empty list for a result.
fn no_such(
    kind: &str,
    args: &[String],
    known: Option<&BTreeSet<String>>,
    reach: &NamespaceScope,
) -> Vec<String> {
    let Some(known) = known else { return Vec::new() };
    let place = reach.namespace().map(|name| format!(" in namespace {name}")).unwrap_or_default();
    let names: Vec<&str> = known.iter().map(String::as_str).collect();
    let doubt_of = |name: &String| {
        let near = nearest(name, &names).map(|near| format!("; did you mean {near}?"));
        let near = near.unwrap_or_default();
        format!("there is no {kind} {}{place}{near}", printable(name))
    };
    args.iter().filter(|name| !known.contains(*name)).map(doubt_of).collect()
}

#[derive(Clone, Default)]
struct Policies {
    zones: PolicyZones,
    /// Names of all policies; `None` if the policies were not read.
    names: Option<BTreeSet<String>>,
}

impl Policies {
    /// Reads the policies if the output shows time zones or the user selects clients by policy. If
    /// reading fails, for example because it is forbidden, only prints a warning, because the
    /// clients can be listed without policies.
    async fn read(cluster: &Cluster, reach: &NamespaceScope, args: &ClientsArgs) -> Self {
        let shows_zones =
            matches!(args.output, Output::Wide | Output::Json | Output::Yaml | Output::Csv);
        if !shows_zones && args.policy.is_empty() {
            return Self::default();
        }
        let add = |policies: &mut Self, policy: Parsed<UpgradePolicy>| {
            let name = policy.metadata.name.unwrap_or_default();
            let distribution = policy.spec.ok().and_then(|spec| spec.distribution);
            if let Some(zone) = distribution.and_then(|distribution| distribution.time_zone) {
                let namespace = policy.metadata.namespace.unwrap_or_default();
                policies.zones.insert((namespace, name.as_str().into()), zone);
            }
            policies.names.get_or_insert_default().insert(name);
        };
        let empty = Self { names: Some(BTreeSet::new()), ..Self::default() };
        match cluster.gather(reach, None, empty, add).await {
            Ok(policies) => policies,
            Err(Failure { messages, .. }) => {
                print_remarks(&format!(
                    "warning: {}; zones of policies are missing\n",
                    messages.join("; ")
                ));
                Self::default()
            }
        }
    }
}

#[derive(Clone, Default)]
struct ClientList {
    rows: Vec<Row>,
    doubts: Vec<String>,
    seen: Seen,
}

impl ClientList {
    fn add(&mut self, fleet: Parsed<ClientFleet>, filter: &Filter, view: RowView<'_>) {
        self.doubts.extend(doubt(&fleet));
        self.seen.fleet(&fleet);
        let seen = &mut self.seen;
        self.rows.extend(rows(fleet, view, |facts, fleet, row| {
            seen.client(facts, filter);
            filter.wants(facts, fleet, row)
        }));
    }
}

/// Returns a warning if a fleet cannot be read, or if its status is out of date.
fn doubt(live: &Parsed<ClientFleet>) -> Option<String> {
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

/// Formats the first `MAX_DOUBTFUL_POLICIES` warnings in full, and adds the number of further
/// warnings. The limit is necessary because every fleet can have a warning if no controller is
/// running.
fn format_warnings(doubts: &[String]) -> String {
    let mut text: String = doubts
        .iter()
        .take(MAX_DOUBTFUL_POLICIES)
        .map(|doubt| format!("warning: {doubt}\n"))
        .collect();
    if let more @ 1.. = doubts.len().saturating_sub(MAX_DOUBTFUL_POLICIES) {
        text += &format!("warning: the same or the like holds for {more} more fleets\n");
    }
    text
}

/// Sorts rows by namespace and then by computer name, because users look up clients by computer
/// name. The case of computer names is ignored.
fn sort(rows: &mut [Row]) {
    rows.sort_by_cached_key(|row| {
        let fleet = std::sync::Arc::clone(&row.fleet);
        (fleet.namespace.clone(), fold_case(row.computer()), fleet.name.clone(), row.name.clone())
    });
}

fn no_clients_message(args: &ClientsArgs, reach: &NamespaceScope) -> String {
    let place = match reach {
        NamespaceScope::Namespace(name) => format!(" in namespace {name}"),
        NamespaceScope::All => String::new(),
    };
    let is_filtered = !args.keywords.is_empty()
        || args.selector.is_some()
        || args.client_selector.is_some()
        || args.older_than.is_some()
        || [&args.state, &args.reason, &args.policy, &args.fleet, &args.version]
            .iter()
            .any(|list| !list.is_empty());
    let what = if is_filtered { "No such clients" } else { "No clients" };
    let mut message = format!("{what} found{place}.\n");
    if args.keywords.iter().any(|keyword| keyword.contains(['*', '?'])) {
        message += "In KEYWORDS, * and ? are plain characters, not wildcards.\n";
    }
    if args.selector.is_some() {
        message += "--selector selects fleets by their labels; --client-selector selects clients by \
                    theirs.\n";
    }
    message
}
