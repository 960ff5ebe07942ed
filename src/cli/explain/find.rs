//! Finds the clients that the argument of `explain` names. Searches one fleet at a time, and keeps
//! only the data that an explanation needs.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::admission::nearest::nearest;
use crate::api::fleet::{Client, ClientStatus, Reported};
use crate::api::{ClientFleet, Text};
use crate::cli::Failure;
use crate::cli::cluster::NamespaceArgs;
use crate::cli::terminal::table::printable;
use crate::plan::facts::non_empty;
use crate::plan::{CachedFleet, CachedPolicy, Parsed};
use crate::values::selector::fold_case;

const MAX_SUGGESTIONS: usize = 3;

/// The client to explain, as the user specifies it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ClientQuery {
    pub namespace: Option<String>,
    pub fleet: Option<String>,
    pub client: String,
    folded: String,
    /// Complete argument if it was split at slashes, because a client's name may itself contain
    /// slashes.
    whole: Option<String>,
    /// Value of `--namespace`. Only clients in this namespace can match the complete argument.
    beside: Option<String>,
}

impl ClientQuery {
    /// Parses `[[NAMESPACE/]FLEET/]CLIENT`. If the fleet is given as an option, the whole text is
    /// the client's name.
    pub fn read(text: &str, fleet: Option<&str>, place: &NamespaceArgs) -> Result<Self, Failure> {
        let parts: Vec<&str> =
            if fleet.is_some() { vec![text] } else { text.splitn(3, '/').collect() };
        let (namespace, named, client) = match parts[..] {
            [namespace, fleet, client] => (Some(namespace), Some(fleet), client),
            [fleet, client] => (None, Some(fleet), client),
            _ => (None, None, text),
        };
        if client.is_empty() || named == Some("") || namespace == Some("") || fleet == Some("") {
            return Err(Failure::input(
                "a part of the name is empty: write CLIENT, FLEET/CLIENT or NAMESPACE/FLEET/CLIENT",
            ));
        }
        if let (Some(inside), Some(beside)) = (namespace, place.namespace.as_deref())
            && inside != beside
        {
            let (inside, beside) = (printable(inside), printable(beside));
            return Err(Failure::input(format!(
                "the name says namespace {inside} and --namespace says {beside}: leave one out, or \
                 name the fleet with --fleet if the slashes are a part of the client's name"
            )));
        }
        let owned = |text: Option<&str>| text.map(ToOwned::to_owned);
        Ok(Self {
            namespace: owned(namespace.or(place.namespace.as_deref())),
            fleet: owned(named.or(fleet)),
            client: client.to_owned(),
            folded: fold_case(client),
            whole: named.map(|_| text.to_owned()),
            beside: place.namespace.clone(),
        })
    }

    fn is_name(&self, client: &Client) -> bool {
        client.name.as_str() == self.client
    }

    /// Returns whether the complete argument is the name of this client, and `--namespace` allows
    /// the client's namespace.
    fn is_whole(&self, client: &Client, namespace: &str) -> bool {
        self.whole.as_deref() == Some(client.name.as_str())
            && self.beside.as_deref().is_none_or(|beside| beside == namespace)
    }

    fn is_computer(&self, client: &Client) -> bool {
        let computer = client.reported.as_ref().and_then(|reported| reported.computer.as_ref());
        let computer = non_empty(computer);
        computer.is_some_and(|computer| fold_case(computer) == self.folded)
    }
}

/// A client that the search found.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    pub fleet: String,
    pub name: Text,
    /// Entry of the client in the fleet's status, if the status contains one.
    pub stored: Option<ClientStatus>,
}

/// The clients that were found in one namespace, with the fleets and policies of that namespace.
#[derive(Debug, Default)]
pub(super) struct FoundClients {
    pub fleets: Vec<CachedFleet>,
    pub policies: Vec<CachedPolicy>,
    pub clients: Vec<Hit>,
}

/// The fleets and clients that a search has found so far.
#[derive(Clone, Debug, Default)]
pub(super) struct ClientSearch {
    /// All searched fleets, each with only the clients that were found in it.
    fleets: Vec<Parsed<ClientFleet>>,
    /// The clients that were left out of `fleets`.
    left_out: Vec<LeftOut>,
    by_name: Vec<(String, Hit)>,
    by_computer: Vec<(String, Hit)>,
    /// Clients whose name equals the complete argument, including its slashes.
    by_whole: Vec<(String, Hit)>,
    /// Names and computers of the clients that do not match, for suggestions of similar names.
    others: Vec<Text>,
    /// Paths of clients with a matching name outside the fleet or namespace that the user
    /// specifies.
    elsewhere: Vec<String>,
    /// Warnings about fleets that cannot be read.
    pub remarks: String,
}

/// A client that the search did not find. If a found client has the same name, the explanation needs
/// to know when the fleet saw it.
#[derive(Clone, Debug)]
struct LeftOut {
    /// Index of the fleet in [`ClientSearch::fleets`].
    fleet: usize,
    name: Text,
    last_seen: Option<Text>,
}

impl LeftOut {
    fn new(fleet: usize, client: &Client) -> Self {
        let last_seen = client.reported.as_ref().and_then(|reported| reported.last_seen.clone());
        Self { fleet, name: client.name.clone(), last_seen }
    }

    fn client(self) -> Client {
        let reported = Reported { last_seen: self.last_seen, ..Reported::default() };
        Client { name: self.name, reported: Some(reported), ..Client::default() }
    }
}

impl ClientSearch {
    /// Searches one fleet for the client, and adds the matching clients.
    pub fn add(&mut self, mut live: Parsed<ClientFleet>, wanted: &ClientQuery) {
        let namespace = namespace(&live);
        let fleet = live.metadata.name.clone().unwrap_or_default();
        if let Err(why) = &live.spec {
            let name = printable(&fleet);
            self.remarks += &format!(
                "warning: ClientFleet {namespace}/{name} cannot be read, so its clients are not \
                 looked at: {}\n",
                printable(why)
            );
        }
        let Ok(spec) = &mut live.spec else { return self.fleets.push(live) };
        let is_meant = wanted.fleet.as_ref().is_none_or(|wanted| *wanted == fleet)
            && wanted.namespace.as_ref().is_none_or(|wanted| *wanted == namespace);
        let clients = spec.clients.take().unwrap_or_default();
        let mut rows = live.status.as_mut().and_then(|s| s.clients.take()).unwrap_or_default();
        let mut kept = Vec::new();
        for client in clients {
            let (is_name, is_computer) = (wanted.is_name(&client), wanted.is_computer(&client));
            let is_whole = wanted.is_whole(&client, &namespace);
            if !is_name && !is_computer && !is_whole {
                self.note(&client);
                self.left_out.push(LeftOut::new(self.fleets.len(), &client));
                continue;
            }
            if !is_meant && !is_whole {
                self.left_out.push(LeftOut::new(self.fleets.len(), &client));
                self.elsewhere.push(format!("{namespace}/{fleet}/{}", client.name));
                continue;
            }
            let row = rows.iter().position(|row| row.name == client.name);
            let stored = row.map(|place| rows.swap_remove(place));
            let hit = Hit { fleet: fleet.clone(), name: client.name.clone(), stored };
            let hits = match (is_meant && is_name, is_meant && is_computer) {
                (true, _) => &mut self.by_name,
                (false, true) => &mut self.by_computer,
                (false, false) => &mut self.by_whole,
            };
            hits.push((namespace.clone(), hit));
            kept.push(client);
        }
        spec.clients = Some(kept);
        self.fleets.push(live);
    }

    /// Returns the namespaces in which clients were found.
    pub fn namespaces(&self) -> BTreeSet<String> {
        let hits = [&self.by_name, &self.by_computer, &self.by_whole];
        let hits = hits.into_iter().find(|hits| !hits.is_empty()).into_iter().flatten();
        hits.map(|(namespace, _)| namespace.clone()).collect()
    }

    fn note(&mut self, client: &Client) {
        let computer = client.reported.as_ref().and_then(|reported| reported.computer.clone());
        let computer = computer.filter(|computer| *computer != client.name);
        self.others.extend([Some(client.name.clone()), computer].into_iter().flatten());
    }

    /// Returns the found clients by namespace: the matches by client name, else those by computer
    /// name, else those by the complete argument.
    pub fn hits(
        self,
        wanted: &ClientQuery,
        place: &str,
    ) -> Result<BTreeMap<String, FoundClients>, Failure> {
        let Self {
            mut fleets, by_name, by_computer, by_whole, others, elsewhere, left_out, ..
        } = self;
        let hits = [by_name, by_computer, by_whole].into_iter().find(|hits| !hits.is_empty());
        let hits = hits.unwrap_or_default();
        if hits.is_empty() {
            return Err(not_found(wanted, place, &others, &elsewhere, &fleets));
        }
        add_namesakes(&mut fleets, left_out, &hits);
        let mut found: BTreeMap<String, FoundClients> = BTreeMap::new();
        for (namespace, hit) in hits {
            found.entry(namespace).or_default().clients.push(hit);
        }
        for live in fleets {
            if let Some(found) = found.get_mut(&namespace(&live)) {
                found.fleets.push(live.into());
            }
        }
        for found in found.values_mut() {
            found.clients.sort_by(|a, b| (&a.fleet, &a.name).cmp(&(&b.fleet, &b.name)));
        }
        Ok(found)
    }
}

/// Adds the clients that have the name of a found client to their fleets.
fn add_namesakes(
    fleets: &mut [Parsed<ClientFleet>],
    left_out: Vec<LeftOut>,
    hits: &[(String, Hit)],
) {
    let names: BTreeSet<&Text> = hits.iter().map(|(_, hit)| &hit.name).collect();
    for client in left_out.into_iter().filter(|client| names.contains(&client.name)) {
        if let Some(Ok(spec)) = fleets.get_mut(client.fleet).map(|live| &mut live.spec) {
            spec.clients.get_or_insert_default().push(client.client());
        }
    }
}

fn namespace(live: &Parsed<ClientFleet>) -> String {
    live.metadata.namespace.clone().unwrap_or_else(|| "default".to_owned())
}

fn not_found(
    wanted: &ClientQuery,
    place: &str,
    others: &[Text],
    elsewhere: &[String],
    fleets: &[Parsed<ClientFleet>],
) -> Failure {
    let client = printable(&wanted.client);
    let known: Vec<&str> = fleets.iter().filter_map(|live| live.metadata.name.as_deref()).collect();
    let unknown = wanted.fleet.as_deref().filter(|fleet| !known.contains(fleet));
    let (what, meant) = match (unknown, &wanted.fleet) {
        (Some(fleet), _) => {
            let whole =
                wanted.whole.as_deref().map(|w| format!(", and no client {}", printable(w)));
            let fleet_gone = format!("there is no ClientFleet {} {place}", printable(fleet));
            (fleet_gone + &whole.unwrap_or_default(), near(fleet, known))
        }
        (None, Some(fleet)) => {
            let fleet = printable(fleet);
            let what = format!(
                "no client and no computer is named {client} in ClientFleet {fleet} {place}"
            );
            (what, Vec::new())
        }
        (None, None) => {
            let names = others.iter().map(Text::as_str).collect();
            let what = format!("no client and no computer is named {client} {place}");
            (what, near(&wanted.client, names))
        }
    };
    let mut elsewhere: Vec<&str> = elsewhere.iter().map(String::as_str).collect();
    elsewhere.sort_unstable();
    elsewhere.truncate(MAX_SUGGESTIONS);
    let meant = if elsewhere.is_empty() { meant } else { elsewhere };
    Failure::new(what + &or(&meant))
}

/// Returns the known names that are most similar to `written`, the most similar one first.
fn near<'a>(written: &str, mut known: Vec<&'a str>) -> Vec<&'a str> {
    known.sort_unstable();
    known.dedup();
    let mut names = Vec::new();
    while names.len() < MAX_SUGGESTIONS
        && let Some(name) = nearest(written, &known)
    {
        names.push(name);
        let folded = fold_case(name);
        known.retain(|known| fold_case(known) != folded);
    }
    names
}

fn or(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [name] => format!("; is {} meant?", printable(name)),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(|name| printable(name)).collect();
            format!("; is {} or {} meant?", first.join(", "), printable(last))
        }
    }
}
