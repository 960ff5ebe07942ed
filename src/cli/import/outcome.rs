//! Decides the outcome of an import: the resulting fleets, and the changes to the existing fleets.
//! Does no I/O.

use std::collections::{BTreeMap, BTreeSet};

use super::existing_fleet::{ExistingFleet, ListedBy};
use super::facts::{Fact, Losses};
use super::manifest::{IMPORT_LABEL, Manifest, Metadata};
use super::older::{OlderRows, older_rows};
use super::sharding;
use crate::api::fleet::{Client, PackageFrom};
use crate::api::{ClientFleetSpec, Text};
use crate::values::Timestamp;

/// The user's options for the resulting fleets.
#[derive(Clone, Debug)]
pub(super) struct ImportOptions {
    pub prefix: String,
    pub namespace: Option<String>,
    pub package_from: String,
    pub time_zone: Option<String>,
    /// Labels that the user adds to the fleets. The import's own label is not included.
    pub labels: BTreeMap<String, String>,
    pub shard_size: usize,
    pub max_removals: Limit,
    pub prune: bool,
    /// Facts that `--drop` names. Clients may lose these facts if the export no longer provides
    /// them.
    pub drops: BTreeSet<Fact>,
    /// True if rows that are older than the known facts replace these facts.
    pub allow_older: bool,
    /// Current time.
    pub now: Timestamp,
}

/// Maximum number or percentage of clients that one import may remove. The limit also applies,
/// separately, to clients that would lose their version because the version cell is empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Limit {
    Percent(usize),
    Number(usize),
}

impl Limit {
    fn allows(self, gone: usize, of: usize) -> bool {
        match self {
            Self::Number(most) => gone <= most,
            Self::Percent(most) => gone * 100 <= most * of,
        }
    }
}

impl std::fmt::Display for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Percent(most) => write!(f, "{most}%"),
            Self::Number(most) => write!(f, "{most}"),
        }
    }
}

/// Parses the value of `--max-removals`.
///
/// # Errors
///
/// Returns a message if the text is neither a percentage from 0% to 100% nor a number.
pub(super) fn limit(text: &str) -> Result<Limit, String> {
    let wrong = || "write a share from 0% to 100%, or a number of clients".to_owned();
    match text.strip_suffix('%') {
        Some(share) => {
            let share = share.parse().ok().filter(|share| *share <= 100);
            share.map(Limit::Percent).ok_or_else(wrong)
        }
        None => text.parse().map(Limit::Number).map_err(|_| wrong()),
    }
}

/// The change that an import makes to a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FleetChange {
    Created,
    Changed,
    Unchanged,
    /// The fleet is deleted because it has no clients left.
    Pruned,
}

/// A fleet after the import, and the change that the import makes to it.
#[derive(Clone, Debug)]
pub(super) struct ImportedFleet {
    pub manifest: Manifest,
    pub change: FleetChange,
    /// True if the fleet has no clients left, not even clients that only other field managers list.
    pub is_empty: bool,
}

/// The resulting fleets of an import, and the changes to their clients.
#[derive(Debug)]
pub(super) struct ImportOutcome {
    /// All fleets, ordered by fleet number.
    pub fleets: Vec<ImportedFleet>,
    /// Number of clients that earlier imports did not list.
    pub new: usize,
    /// Number of clients that come from fleets of other imports.
    pub moved: usize,
    /// Number of clients whose row changes something of what earlier imports wrote.
    pub changed: usize,
    /// Number of clients whose row changes nothing.
    pub unchanged: usize,
    /// Clients that stay unchanged because their row is older than the known facts.
    pub older: Vec<Text>,
    /// Clients that keep the report of their old fleet, because their row is older.
    pub older_than_moved: Vec<Text>,
    /// Clients that stay unchanged because their row has no `lastSeen` although one is known.
    pub undated: Vec<Text>,
    /// Clients that are missing from the export but stay in their fleet, because the export as a
    /// whole is older than the known facts.
    pub missing_in_older: Vec<Text>,
    /// Clients that lose their version because their version cell in the export is empty.
    pub unversioned: Vec<Text>,
    /// Clients that an earlier import listed and that are missing from the export.
    pub gone: Vec<Text>,
    /// Clients that are missing from the export but stay in their fleet, because other field
    /// managers list them too.
    pub held_by_others: Vec<Text>,
    /// Number of clients that stay unchanged because their row is bad.
    pub kept: usize,
    /// Number of clients that are missing from the export but stay in their fleet, because a bad
    /// row without a valid client name may belong to any of them.
    pub in_doubt: usize,
    /// Facts that clients lose because `--drop` allows the loss, each with the number of affected
    /// clients.
    pub dropped: BTreeMap<Fact, usize>,
}

/// A reason why the import writes nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ImportRefusal {
    /// More clients than the limit allows would leave their fleets.
    Gone { gone: Vec<Text>, of: usize },
    /// The export has no column for `fact`, so `clients` clients would lose the value that an
    /// earlier import provided.
    FactNotProvided { fact: Fact, clients: usize },
    /// More clients than the limit allows would lose their version because the version cell is
    /// empty.
    Unversioned { clients: Vec<Text>, of: usize },
}

/// The content of an export.
pub(super) struct Export<'a> {
    pub clients: &'a BTreeMap<Text, Client>,
    /// Facts for which the export has a column.
    pub provided: &'a BTreeSet<Fact>,
    /// Names of the clients that bad rows identify. These clients stay unchanged.
    pub bad_names: &'a BTreeSet<Text>,
    /// True if some bad rows do not identify their client. The import then removes no clients,
    /// because such a row may belong to any client.
    pub is_in_doubt: bool,
    /// Clients that other fleets of the namespace list now, as they list them.
    pub moved: &'a BTreeMap<Text, Client>,
    /// Clients of `moved` that keep the report of their old fleet, because their row is older.
    pub older_than_moved: &'a BTreeSet<Text>,
}

/// Decides the content of every fleet.
///
/// # Errors
///
/// Returns all reasons why the import must not write anything, given the user's options.
pub(super) fn decide(
    export: &Export,
    standings: &BTreeMap<u32, ExistingFleet>,
    wish: &ImportOptions,
) -> Result<ImportOutcome, Vec<ImportRefusal>> {
    let older = if wish.allow_older {
        OlderRows::default()
    } else {
        let elsewhere = export.older_than_moved;
        older_rows(export.clients, export.provided, standings, elsewhere, wish.now)
    };
    let mut shards = Shards { older, ..Shards::default() };
    for (number, standing) in standings {
        shards.keep(*number, standing, export);
    }
    let moved = shards.take_along(export);
    let refusals = shards.refusals(wish);
    if !refusals.is_empty() {
        return Err(refusals);
    }
    let newcomers =
        export.clients.keys().map(Text::as_str).filter(|name| !shards.housed.contains(name));
    let assigned = sharding::assign(&shards.occupied, newcomers, wish.shard_size);
    for (number, names) in assigned {
        shards.new += names.len();
        *shards.occupied.entry(number).or_default() += names.len();
        let clients = shards.clients.entry(number).or_default();
        clients.extend(names.iter().filter_map(|name| export.clients.get(*name)).cloned());
    }
    // A moved client is not new.
    shards.new = shards.new.saturating_sub(moved);
    let fleets = std::mem::take(&mut shards.clients).into_iter().map(|(number, clients)| {
        let is_empty = shards.occupied.get(&number).is_none_or(|occupied| *occupied == 0);
        fleet(number, clients, is_empty, standings.get(&number), wish)
    });
    let fleets = fleets.collect();
    Ok(ImportOutcome {
        fleets,
        new: shards.new,
        moved,
        changed: shards.changed,
        unchanged: shards.unchanged,
        older: shards.older.older.into_iter().map(Text::from).collect(),
        older_than_moved: export.older_than_moved.iter().cloned().collect(),
        undated: shards.older.undated.into_iter().map(Text::from).collect(),
        missing_in_older: sorted(&shards.missing_in_older),
        unversioned: sorted(&shards.losses.unversioned),
        gone: sorted(&shards.gone),
        held_by_others: shards.held_by_others,
        kept: shards.kept,
        in_doubt: shards.in_doubt,
        // `--drop` allows all remaining losses, because any other loss has already caused an error.
        dropped: shards.losses.not_provided,
    })
}

#[derive(Default)]
struct Shards<'a> {
    /// Clients that the import lists, by fleet number.
    clients: BTreeMap<u32, Vec<Client>>,
    /// Number of clients in each fleet, including clients that only other field managers list.
    occupied: BTreeMap<u32, usize>,
    /// Names of all clients that are already in a fleet.
    housed: BTreeSet<&'a str>,
    /// Number of clients that earlier imports listed.
    ours: usize,
    /// Number of clients that earlier imports did not list.
    new: usize,
    changed: usize,
    unchanged: usize,
    older: OlderRows<'a>,
    missing_in_older: Vec<Text>,
    gone: Vec<Text>,
    held_by_others: Vec<Text>,
    kept: usize,
    in_doubt: usize,
    losses: Losses,
}

impl<'a> Shards<'a> {
    /// Adds what the clients that move here lose. Returns the number of these clients.
    fn take_along(&mut self, export: &Export) -> usize {
        let mut moved = 0;
        for (name, before) in export.moved {
            if let Some(after) = export.clients.get(name)
                && !self.housed.contains(name.as_str())
            {
                self.losses.add(before, after, None, export.provided);
                moved += 1;
            }
        }
        moved
    }

    fn keep(&mut self, number: u32, standing: &'a ExistingFleet, export: &Export) {
        let made: BTreeMap<&str, &Client> = standing
            .spec
            .clients
            .iter()
            .flatten()
            .map(|client| (client.name.as_str(), client))
            .collect();
        let mut clients = Vec::new();
        let mut occupied = 0;
        for (name, ListedBy { ours, others }) in &standing.holds {
            self.housed.insert(name);
            self.ours += usize::from(*ours);
            let is_bad = export.bad_names.contains(name);
            let before = made.get(name.as_str()).copied();
            let stays = if self.older.contains(name) {
                clients.extend(before.cloned());
                true
            } else if let Some(client) = export.clients.get(name) {
                if let Some(before) = before {
                    let others = standing.owned_by_others.get(name);
                    self.losses.add(before, client, others, export.provided);
                }
                *(match before {
                    _ if !ours => &mut self.new,
                    Some(before) if before == client => &mut self.unchanged,
                    _ => &mut self.changed,
                }) += 1;
                clients.push(client.clone());
                true
            } else if *ours && (is_bad || export.is_in_doubt) {
                *(if is_bad { &mut self.kept } else { &mut self.in_doubt }) += 1;
                clients.extend(before.cloned());
                true
            } else if *ours && self.older.is_whole_export {
                self.missing_in_older.push(name.clone());
                clients.extend(before.cloned());
                true
            } else if *ours {
                self.gone.push(name.clone());
                if *others {
                    self.held_by_others.push(name.clone());
                }
                *others
            } else {
                true
            };
            occupied += usize::from(stays);
        }
        self.clients.insert(number, clients);
        self.occupied.insert(number, occupied);
    }

    fn refusals(&self, wish: &ImportOptions) -> Vec<ImportRefusal> {
        let mut refusals = Vec::new();
        if !wish.max_removals.allows(self.gone.len(), self.ours) {
            refusals.push(ImportRefusal::Gone { gone: sorted(&self.gone), of: self.ours });
        }
        let Losses { not_provided: ungiven, unversioned, versioned } = &self.losses;
        let lost = ungiven.iter().filter(|(fact, _)| !wish.drops.contains(fact));
        refusals.extend(lost.map(|(fact, clients)| ImportRefusal::FactNotProvided {
            fact: fact.clone(),
            clients: *clients,
        }));
        if !wish.max_removals.allows(unversioned.len(), *versioned) {
            refusals
                .push(ImportRefusal::Unversioned { clients: sorted(unversioned), of: *versioned });
        }
        refusals
    }
}

fn sorted(names: &[Text]) -> Vec<Text> {
    let mut names = names.to_vec();
    names.sort();
    names
}

fn fleet(
    number: u32,
    mut clients: Vec<Client>,
    is_empty: bool,
    standing: Option<&ExistingFleet>,
    wish: &ImportOptions,
) -> ImportedFleet {
    clients.sort_by(|a, b| a.name.cmp(&b.name));
    let mut labels = wish.labels.clone();
    labels.insert(IMPORT_LABEL.to_owned(), wish.prefix.clone());
    let metadata = Metadata {
        name: sharding::name(&wish.prefix, number),
        namespace: wish.namespace.clone(),
        labels,
    };
    let spec = ClientFleetSpec {
        package_from: Some(PackageFrom { name: wish.package_from.as_str().into() }),
        time_zone: wish.time_zone.as_deref().map(Text::from),
        clients: Some(clients).filter(|clients| !clients.is_empty()),
        ..ClientFleetSpec::default()
    };
    let change = match standing {
        None => FleetChange::Created,
        Some(_) if is_empty && wish.prune => FleetChange::Pruned,
        Some(standing) if standing.labels == metadata.labels && standing.spec == spec => {
            FleetChange::Unchanged
        }
        Some(_) => FleetChange::Changed,
    };
    ImportedFleet { manifest: Manifest::new(metadata, spec), change, is_empty }
}
