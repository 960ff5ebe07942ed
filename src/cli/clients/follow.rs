//! Implements `clients -w`: prints the list, then each client that changes. A client that the
//! filter no longer selects is printed one last time, with its new values.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use futures::{StreamExt, pin_mut};
use kube::Api;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{self, Event, watcher};

use super::filter::Filter;
use super::print::Printer;
use super::row::{PolicyZones, Row, RowView, rows};
use super::{ClientsArgs, doubt, format_warnings, no_clients_message, no_such, sort};
use crate::api::{ClientFleet, Text};
use crate::cli::cluster::{Cluster, NamespaceScope, PAGE_SIZE, failure, sentence};
use crate::cli::terminal::print_remarks;
use crate::cli::{CommandOutput, Failure};
use crate::plan::Parsed;
use crate::values::Timestamp;

/// Namespace and name of a fleet.
type FleetKey = (String, String);

/// Latest rows of all clients, including those that the filter does not select. New rows are
/// compared with these rows to detect changes.
#[derive(Default)]
struct WatchedClients {
    fleets: HashMap<FleetKey, HashMap<Text, (Row, bool)>>,
}

struct WatchedChange {
    row: Row,
    is_gone: bool,
}

impl WatchedClients {
    /// Stores the new rows of a fleet, and returns the changes to print.
    fn take(
        &mut self,
        fleet: Parsed<ClientFleet>,
        filter: &Filter,
        view: RowView<'_>,
    ) -> Vec<WatchedChange> {
        let key = key(&fleet);
        let mut wanted = Vec::new();
        let now = rows(fleet, view, |facts, fleet, row| {
            wanted.push(filter.wants(facts, fleet, row));
            true
        });
        let now: HashMap<Text, (Row, bool)> = now
            .into_iter()
            .zip(wanted)
            .map(|(row, wanted)| (row.name.clone(), (row, wanted)))
            .collect();
        let before = self.fleets.remove(&key).unwrap_or_default();
        let changed = |(name, (row, wanted)): (&Text, &(Row, bool))| {
            let before = before.get(name);
            let is_new = before.is_none_or(|(before, _)| !before.shows_same_as(row));
            let concerns = *wanted || before.is_some_and(|(_, wanted)| *wanted);
            (is_new && concerns).then(|| WatchedChange { row: row.clone(), is_gone: false })
        };
        let mut changes: Vec<WatchedChange> = now.iter().filter_map(changed).collect();
        let gone =
            before.into_iter().filter(|(name, (_, wanted))| *wanted && !now.contains_key(name));
        changes.extend(gone.map(|(_, (row, _))| WatchedChange { row, is_gone: true }));
        self.fleets.insert(key, now);
        changes
    }

    /// Removes a fleet, and returns a change for each of its clients that the filter had selected.
    fn forget(&mut self, key: &FleetKey) -> Vec<WatchedChange> {
        let before = self.fleets.remove(key).unwrap_or_default();
        let wanted = before.into_values().filter(|(_, wanted)| *wanted);
        wanted.map(|(row, _)| WatchedChange { row, is_gone: true }).collect()
    }
}

fn key(fleet: &Parsed<ClientFleet>) -> FleetKey {
    let metadata = &fleet.metadata;
    (metadata.namespace.clone().unwrap_or_default(), metadata.name.clone().unwrap_or_default())
}

/// Lists clients and then prints their changes until the process is stopped.
pub(super) async fn follow(
    cluster: &Cluster,
    reach: &NamespaceScope,
    args: &ClientsArgs,
    filter: &Filter,
    printer: &mut Printer,
    zones: &PolicyZones,
    started_at: Timestamp,
) -> Result<CommandOutput, Failure> {
    let api: Api<Parsed<ClientFleet>> = match reach {
        NamespaceScope::Namespace(name) => Api::namespaced(cluster.client.clone(), name),
        NamespaceScope::All => Api::all(cluster.client.clone()),
    };
    let mut config = watcher::Config::default().page_size(PAGE_SIZE);
    config.label_selector.clone_from(&args.selector);
    let events = watcher(api, config).default_backoff();
    pin_mut!(events);
    let mut seen = WatchedClients::default();
    let mut listing = Vec::new();
    let mut is_listed = false;
    let started = Instant::now();
    while let Some(event) = events.next().await {
        let now = started_at + started.elapsed();
        let view = RowView { zones, now };
        printer.set_now(now);
        match event {
            Ok(Event::Init) => listing.clear(),
            Ok(Event::InitApply(fleet)) => listing.push(fleet),
            Ok(Event::InitDone) => {
                let listing = std::mem::take(&mut listing);
                let changes = list_anew(&mut seen, listing, filter, view);
                if is_listed {
                    print_changes(printer, changes)?;
                } else {
                    let names = seen.fleets.keys().map(|(_, name)| name.clone()).collect();
                    let known = args.selector.is_none().then_some(&names);
                    let missing = no_such("ClientFleet", &args.fleet, known, reach);
                    print_remarks(&format_warnings(&missing));
                    first_list(printer, changes, args, reach)?;
                }
                is_listed = true;
            }
            Ok(Event::Apply(fleet)) => {
                let changes = seen.take(fleet, filter, view);
                print_changes(printer, changes)?;
            }
            Ok(Event::Delete(fleet)) => print_changes(printer, seen.forget(&key(&fleet)))?,
            Err(watcher::Error::InitialListFailed(error)) if !is_listed => {
                return Err(failure("list clientfleets", &error));
            }
            Err(watcher::Error::WatchStartFailed(error)) if !is_listed => {
                return Err(failure("watch clientfleets", &error));
            }
            Err(error) => print_remarks(&lost(&error)),
        }
    }
    Ok(CommandOutput::default())
}

/// Stores the fleets of a complete list, and returns the changes to print. The watch may have
/// missed events before this list, so a known fleet that is not in the list counts as deleted.
fn list_anew(
    seen: &mut WatchedClients,
    listing: Vec<Parsed<ClientFleet>>,
    filter: &Filter,
    view: RowView<'_>,
) -> Vec<WatchedChange> {
    print_remarks(&format_warnings(&listing.iter().filter_map(doubt).collect::<Vec<_>>()));
    let listed: HashSet<FleetKey> = listing.iter().map(key).collect();
    let gone: Vec<FleetKey> =
        seen.fleets.keys().filter(|fleet| !listed.contains(*fleet)).cloned().collect();
    let mut changes: Vec<WatchedChange> =
        gone.iter().flat_map(|fleet| seen.forget(fleet)).collect();
    for fleet in listing {
        changes.extend(seen.take(fleet, filter, view));
    }
    changes
}

fn first_list(
    printer: &mut Printer,
    changes: Vec<WatchedChange>,
    args: &ClientsArgs,
    reach: &NamespaceScope,
) -> Result<(), Failure> {
    let mut rows: Vec<Row> = changes.into_iter().map(|change| change.row).collect();
    sort(&mut rows);
    if rows.is_empty() {
        print_remarks(&no_clients_message(args, reach));
    }
    printer.first(&rows)
}

fn print_changes(printer: &mut Printer, mut changes: Vec<WatchedChange>) -> Result<(), Failure> {
    changes.sort_by(|a, b| a.row.name.cmp(&b.row.name));
    changes.iter().try_for_each(|change| printer.change(&change.row, change.is_gone))
}

fn lost(error: &watcher::Error) -> String {
    let why = match error {
        watcher::Error::InitialListFailed(error) | watcher::Error::WatchStartFailed(error) => {
            sentence("watch clientfleets", error)
        }
        other => other.to_string(),
    };
    format!("warning: {why}; trying again\n")
}
