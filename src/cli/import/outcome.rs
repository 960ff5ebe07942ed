//! What an import comes to: every fleet as it is to be, and what that changes. Pure; knows neither
//! files nor the cluster.

use std::collections::{BTreeMap, BTreeSet};

use super::manifest::{LABEL, Manifest, Metadata};
use super::sharding;
use super::standing::{Hold, Standing};
use crate::api::fleet::{Client, PackageFrom};
use crate::api::{ClientFleetSpec, Text};

/// What the user wants of the fleets.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub prefix: String,
    pub namespace: Option<String>,
    pub package_from: String,
    pub time_zone: Option<String>,
    /// Labels of the fleets, without the import's own.
    pub labels: BTreeMap<String, String>,
    pub shard_size: usize,
    pub max_removals: Limit,
    pub prune: bool,
}

/// How many clients may leave without being asked about.
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

/// Reads `--max-removals`.
///
/// # Errors
///
/// A sentence, where it is neither a share nor a number.
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

/// What becomes of a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Created,
    Changed,
    Unchanged,
    /// It goes: no client is left in it.
    Pruned,
}

/// A fleet as it is to be.
#[derive(Clone, Debug)]
pub(super) struct Fleet {
    pub manifest: Manifest,
    pub change: Change,
    /// No client is left in it, not even one of others.
    pub is_empty: bool,
}

/// What an import comes to.
#[derive(Debug)]
pub(super) struct Outcome {
    /// By number.
    pub fleets: Vec<Fleet>,
    /// How many clients are new.
    pub new: usize,
    /// The clients that are gone from the export.
    pub gone: Vec<Text>,
    /// Those of them that stay in their fleet because others list them too.
    pub held_by_others: Vec<Text>,
    /// How many clients stay as they are because their row is bad.
    pub kept: usize,
    /// How many seem gone but stay, because bad rows do not tell whose they are.
    pub in_doubt: usize,
}

/// More clients would leave than may.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooManyGone {
    pub gone: Vec<Text>,
    pub of: usize,
}

/// What the export says.
pub(super) struct Export<'a> {
    pub clients: &'a BTreeMap<Text, Client>,
    /// The names in bad rows, whose clients stay as they are.
    pub bad_names: &'a BTreeSet<Text>,
    /// Some bad rows do not tell whose they are, so that nobody can be said to be gone.
    pub is_in_doubt: bool,
}

/// Decides every fleet.
///
/// # Errors
///
/// [`TooManyGone`], where the user has not allowed for it.
pub(super) fn decide(
    export: &Export,
    standings: &BTreeMap<u32, Standing>,
    wish: &Wish,
) -> Result<Outcome, TooManyGone> {
    let mut shards = Shards::default();
    for (number, standing) in standings {
        shards.keep(*number, standing, export);
    }
    if !wish.max_removals.allows(shards.gone.len(), shards.ours) {
        shards.gone.sort();
        return Err(TooManyGone { gone: shards.gone, of: shards.ours });
    }
    let newcomers =
        export.clients.keys().map(Text::as_str).filter(|name| !shards.housed.contains(name));
    let assigned = sharding::assign(&shards.occupied, newcomers, wish.shard_size);
    let mut new = shards.adopted;
    for (number, names) in assigned {
        new += names.len();
        *shards.occupied.entry(number).or_default() += names.len();
        let clients = shards.clients.entry(number).or_default();
        clients.extend(names.iter().filter_map(|name| export.clients.get(*name)).cloned());
    }
    let fleets = std::mem::take(&mut shards.clients).into_iter().map(|(number, clients)| {
        let is_empty = shards.occupied.get(&number).is_none_or(|occupied| *occupied == 0);
        fleet(number, clients, is_empty, standings.get(&number), wish)
    });
    let fleets = fleets.collect();
    let Shards { gone, held_by_others, kept, in_doubt, .. } = shards;
    Ok(Outcome { fleets, new, gone, held_by_others, kept, in_doubt })
}

#[derive(Default)]
struct Shards<'a> {
    /// The clients that the import lists in each.
    clients: BTreeMap<u32, Vec<Client>>,
    /// How many clients each holds, those of others included.
    occupied: BTreeMap<u32, usize>,
    /// Every client that is in a fleet.
    housed: BTreeSet<&'a str>,
    /// How many of them the import has listed.
    ours: usize,
    /// How many others have listed, and the import does now as well.
    adopted: usize,
    gone: Vec<Text>,
    held_by_others: Vec<Text>,
    kept: usize,
    in_doubt: usize,
}

impl<'a> Shards<'a> {
    fn keep(&mut self, number: u32, standing: &'a Standing, export: &Export) {
        let made: BTreeMap<&str, &Client> = standing
            .spec
            .clients
            .iter()
            .flatten()
            .map(|client| (client.name.as_str(), client))
            .collect();
        let mut clients = Vec::new();
        let mut occupied = 0;
        for (name, Hold { ours, others }) in &standing.holds {
            self.housed.insert(name);
            self.ours += usize::from(*ours);
            let is_bad = export.bad_names.contains(name);
            let stays = if let Some(client) = export.clients.get(name) {
                self.adopted += usize::from(!ours);
                clients.push(client.clone());
                true
            } else if *ours && (is_bad || export.is_in_doubt) {
                *(if is_bad { &mut self.kept } else { &mut self.in_doubt }) += 1;
                clients.extend(made.get(name.as_str()).copied().cloned());
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
}

fn fleet(
    number: u32,
    mut clients: Vec<Client>,
    is_empty: bool,
    standing: Option<&Standing>,
    wish: &Wish,
) -> Fleet {
    clients.sort_by(|a, b| a.name.cmp(&b.name));
    let mut labels = wish.labels.clone();
    labels.insert(LABEL.to_owned(), wish.prefix.clone());
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
        None => Change::Created,
        Some(_) if is_empty && wish.prune => Change::Pruned,
        Some(standing) if standing.labels == metadata.labels && standing.spec == spec => {
            Change::Unchanged
        }
        Some(_) => Change::Changed,
    };
    Fleet { manifest: Manifest::new(metadata, spec), change, is_empty }
}
