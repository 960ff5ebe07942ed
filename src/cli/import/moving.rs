//! Decides which clients `--move` takes along from other fleets of the namespace, and what an import
//! says about clients that other fleets list.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashSet};

use super::columns::Field;
use super::elsewhere::{Elsewhere, EntryElsewhere};
use super::existing_fleet::{ExistingFleet, MANAGER};
use super::facts::Fact;
use super::manifest::{Manifest, Metadata};
use super::messages::{MAX_NAMES, MAX_PRINTED_PROBLEMS, clients, names};
use super::older::last_seen;
use super::outcome::ImportOptions;
use super::rows::Inventory;
use crate::api::Text;
use crate::api::fleet::{Client, LastError, Reported};
use crate::cli::terminal::table::printable;
use crate::cli::{FAILURE, Failure};
use crate::values::Timestamp;

/// The clients that an import takes along from other fleets.
#[derive(Debug, Default)]
pub(super) struct MovedClients {
    /// Clients to remove, by the name of their fleet.
    pub leaving: BTreeMap<String, Vec<Text>>,
    /// The clients as the other fleets list them. Of several entries, the one that was seen last.
    pub before: BTreeMap<Text, Client>,
    /// The other fleets as other imports have written them.
    fleets: BTreeMap<String, ExistingFleet>,
}

/// Decides which clients move, and adds warnings about clients that this import and other fleets
/// list already.
///
/// # Errors
///
/// Returns an error if another fleet lists clients that are new to this import, and `takes_along` is
/// false or the clients cannot be removed from that fleet.
pub(super) fn decide(
    elsewhere: Elsewhere,
    standings: &BTreeMap<u32, ExistingFleet>,
    takes_along: bool,
    now: Timestamp,
    remarks: &mut String,
) -> Result<MovedClients, Failure> {
    let housed: HashSet<&Text> = standings.values().flat_map(|fleet| fleet.holds.keys()).collect();
    let mut moves = MovedClients { fleets: elsewhere.fleets, ..MovedClients::default() };
    let mut stopping = Groups::default();
    let mut doubled = Groups::default();
    for (client, entries) in elsewhere.entries {
        let is_housed = housed.contains(&client);
        for entry in entries {
            let is_movable = entry.keepers.is_none();
            if takes_along && is_movable {
                moves.add(&client, entry, now);
            } else if is_housed {
                doubled.add(&client, entry);
            } else {
                stopping.add(&client, entry);
            }
        }
    }
    for (keepers, found) in &doubled.0 {
        *remarks += &format!("warning: {}\n", doubled_sentence(keepers.as_deref(), found));
    }
    if stopping.0.is_empty() {
        return Ok(moves);
    }
    let sentences = stopping.0.iter();
    let sentences = sentences.map(|(keepers, found)| stop_sentence(keepers.as_deref(), found));
    Err(Failure { messages: sentences.collect(), code: FAILURE })
}

impl MovedClients {
    fn add(&mut self, client: &Text, entry: EntryElsewhere, now: Timestamp) {
        self.leaving.entry(entry.fleet).or_default().push(client.clone());
        let is_later = |known: &Client| last_seen(&entry.client, now) > last_seen(known, now);
        if self.before.get(client).is_none_or(is_later) {
            self.before.insert(client.clone(), entry.client);
        }
    }

    /// Returns the clients that another fleet has seen later than the export. With `--allow-older`,
    /// or if no column gives `lastSeen`, there are none.
    pub fn older_rows(&self, inventory: &Inventory, wish: &ImportOptions) -> BTreeSet<Text> {
        let is_dated = inventory.given.contains(&Fact::Field(Field::LastSeen));
        let is_older = |(name, before): &(&Text, &Client)| {
            let row = inventory.clients.get(*name);
            row.is_some_and(|row| last_seen(before, wish.now) > last_seen(row, wish.now))
        };
        let moved = self.before.iter().filter(|_| is_dated && !wish.allow_older);
        moved.filter(is_older).map(|(name, _)| name.clone()).collect()
    }

    /// Returns the clients of the export. The clients in `older` keep their report as far as the
    /// export has columns.
    pub fn with_newer_reports<'a>(
        &self,
        inventory: &'a Inventory,
        older: &BTreeSet<Text>,
    ) -> Cow<'a, BTreeMap<Text, Client>> {
        if older.is_empty() {
            return Cow::Borrowed(&inventory.clients);
        }
        let mut clients = inventory.clients.clone();
        for name in older {
            if let (Some(client), Some(before)) = (clients.get_mut(name), self.before.get(name)) {
                keep_report(client, before.reported.as_ref(), &inventory.given);
            }
        }
        Cow::Owned(clients)
    }

    /// Returns the other fleets without the clients that leave, in the order of their names.
    pub fn manifests(&self, namespace: Option<&String>) -> Vec<Manifest> {
        let manifest = |(name, leaving): (&String, &Vec<Text>)| {
            let fleet = self.fleets.get(name)?;
            let leaving: BTreeSet<&Text> = leaving.iter().collect();
            let mut spec = fleet.spec.clone();
            if let Some(clients) = &mut spec.clients {
                clients.retain(|client| !leaving.contains(&client.name));
            }
            spec.clients = spec.clients.filter(|clients| !clients.is_empty());
            let labels = fleet.labels.clone();
            let metadata = Metadata { name: name.clone(), namespace: namespace.cloned(), labels };
            Some(Manifest::new(metadata, spec))
        };
        self.leaving.iter().filter_map(manifest).collect()
    }

    /// Returns the names of the fleets that all of their clients leave.
    fn emptied(&self) -> Vec<Text> {
        let is_emptied = |(fleet, leaving): &(&String, &Vec<Text>)| {
            self.fleets.get(*fleet).is_some_and(|fleet| fleet.holds.len() == leaving.len())
        };
        let emptied = self.leaving.iter().filter(is_emptied);
        emptied.map(|(fleet, _)| Text::from(fleet)).collect()
    }

    /// Adds a remark for each fleet that clients leave.
    pub fn remarks(&self, remarks: &mut String, how: Moving) {
        for (fleet, leaving) in self.leaving.iter().take(MAX_PRINTED_PROBLEMS) {
            let (from, one) = (format!("ClientFleet {}", printable(fleet)), leaving.len() == 1);
            let what = match how {
                Moving::Printed if one => {
                    format!("moves here from {from}, which is printed without it: apply both")
                }
                Moving::Printed => {
                    format!("move here from {from}, which is printed without them: apply all")
                }
                Moving::DryRun => format!("would move here from {from}"),
                Moving::Applied => format!("moved here from {from}"),
                Moving::Failed if one => format!("has not left {from} yet"),
                Moving::Failed => format!("have not all left {from} yet"),
            };
            let who = match how {
                Moving::DryRun | Moving::Printed => names(leaving, usize::MAX),
                Moving::Applied | Moving::Failed => names(leaving, MAX_NAMES),
            };
            *remarks += &format!("{} {what}: {who}\n", clients(leaving.len()));
        }
        let more: Vec<&Vec<Text>> = self.leaving.values().skip(MAX_PRINTED_PROBLEMS).collect();
        if !more.is_empty() {
            let number = more.iter().map(|leaving| leaving.len()).sum();
            *remarks += &format!("and {} of {} more fleets\n", clients(number), more.len());
        }
        let emptied = self.emptied();
        if !emptied.is_empty() && how != Moving::Failed {
            let (are, them) =
                if emptied.len() == 1 { ("fleet is", "it") } else { ("fleets are", "them") };
            *remarks += &format!(
                "{} {are} left without clients: {}; delete {them} if no import is to fill {them} again\n",
                emptied.len(),
                names(&emptied, MAX_NAMES)
            );
        }
    }
}

/// What becomes of the moves of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moving {
    Printed,
    DryRun,
    Applied,
    Failed,
}

/// Replaces the reported fields of a client that the export has columns for by those of `before`.
fn keep_report(client: &mut Client, before: Option<&Reported>, provided: &BTreeSet<Fact>) {
    let before = before.cloned().unwrap_or_default();
    let mut reported = client.reported.take().unwrap_or_default();
    let before_error = before.last_error.map(|error| *error).unwrap_or_default();
    let mut error = reported.last_error.take().map(|error| *error).unwrap_or_default();
    for (field, slot, known) in [
        (Field::Computer, &mut reported.computer, before.computer),
        (Field::Ip, &mut reported.ip, before.ip),
        (Field::LastUser, &mut reported.last_user, before.last_user),
        (Field::Version, &mut reported.version, before.version),
        (Field::StagedVersion, &mut reported.staged_version, before.staged_version),
        (Field::LastSeen, &mut reported.last_seen, before.last_seen),
        (Field::ErrorVersion, &mut error.version, before_error.version),
        (Field::ErrorMessage, &mut error.message, before_error.message),
        (Field::ErrorTime, &mut error.time, before_error.time),
    ] {
        if provided.contains(&Fact::Field(field)) {
            *slot = known;
        }
    }
    reported.last_error = (error != LastError::default()).then(|| Box::new(error));
    client.reported = (reported != Reported::default()).then_some(reported);
}

/// Clients, and the fleets that list them.
#[derive(Debug, Default)]
struct ListedClients {
    clients: BTreeSet<Text>,
    fleets: BTreeSet<Text>,
}

/// Clients by the managers that keep them in their fleets.
#[derive(Debug, Default)]
struct Groups(BTreeMap<Option<Vec<String>>, ListedClients>);

impl Groups {
    fn add(&mut self, client: &Text, entry: EntryElsewhere) {
        let found = self.0.entry(entry.keepers).or_default();
        found.clients.insert(client.clone());
        found.fleets.insert(entry.fleet.into());
    }
}

impl ListedClients {
    fn listed(&self) -> String {
        names(&self.clients, MAX_NAMES)
    }

    fn fleets(&self) -> String {
        let kind = if self.fleets.len() == 1 { "ClientFleet" } else { "ClientFleets" };
        format!("{kind} {}", names(&self.fleets, MAX_NAMES))
    }

    fn is_one(&self) -> bool {
        self.clients.len() == 1
    }

    fn them(&self) -> &'static str {
        if self.is_one() { "it" } else { "them" }
    }
}

fn stop_sentence(keepers: Option<&[String]>, found: &ListedClients) -> String {
    let (are, them) = (if found.is_one() { "is" } else { "are" }, found.them());
    let number = clients(found.clients.len());
    let what = format!("{number} of the export {are} in {} already", found.fleets());
    let listed = found.listed();
    match keepers {
        None => format!("{what}, so nothing is written: {listed}; --move takes {them} along"),
        Some(keepers) => format!(
            "{what}, {}, so nothing is written: {listed}; {} or leave {them} out of the export",
            kept_by(keepers, them),
            way_out(keepers, them)
        ),
    }
}

fn doubled_sentence(keepers: Option<&[String]>, found: &ListedClients) -> String {
    let (are, them) = (if found.is_one() { "is" } else { "are" }, found.them());
    let what = format!(
        "{} {are} in this import and in {}, and {are} offered nothing while no fleet has \
         seen {them} 7 days after the other",
        clients(found.clients.len()),
        found.fleets()
    );
    let listed = found.listed();
    match keepers {
        None => format!("{what}: {listed}; --move takes {them} out of there"),
        Some(keepers) => {
            let kept_by = kept_by(keepers, them);
            format!(
                "{what}: {listed}; take {them} out of that fleet, {kept_by}, or out of the export"
            )
        }
    }
}

/// Formats who keeps clients in a fleet. The import's own manager is named only if there is no other.
fn kept_by(keepers: &[String], them: &str) -> String {
    let others: Vec<_> = keepers
        .iter()
        .filter(|keeper| keepers.len() == 1 || *keeper != MANAGER)
        .map(|keeper| printable(keeper))
        .collect();
    match others.as_slice() {
        [] => "which no import has written".to_owned(),
        [one] => format!("where {one} lists {them}"),
        several => format!("where {} list {them}", several.join(" and ")),
    }
}

fn way_out(keepers: &[String], them: &str) -> String {
    match keepers {
        [keeper] if keeper == MANAGER => format!("move {them} with --move --apply,"),
        _ => {
            format!("--move cannot remove {them}: remove {them} at the source of that fleet first,")
        }
    }
}
