//! The plan for one fleet: its whole status, what it adds to each policy, and until when that holds.
//!
//! Read from top to bottom it is what happens to one client: its facts, the policies that hold it,
//! the one that governs it, the rule that decides, what is ahead of it, its entry in the status.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::conditions::Conditions;
use super::facts::{Facts, Package, ZoneFact, given};
use super::observed::ObservedFleet;
use super::outlook::{Contenders, Outlook, earlier, outlook};
use super::policy::{Policy, unknown_zone};
use super::previous::{PreviousRow, PreviousRows};
use super::rules::{Case, Rule, TARGET_KNOWN_FROM, decide};
use super::state::State;
use super::tally::Tally;
use super::terms::Terms;
use super::version::Spelled;
use crate::api::fleet::{ClientFleetSpec, ClientFleetStatus, ClientStatus, LastOffer};
use crate::api::{Condition, Summary, Text};
use crate::values::Timestamp;

/// The plan for one fleet at one instant.
#[derive(Clone, Debug, Default)]
pub struct FleetPlan {
    /// The status that it should have.
    pub status: ClientFleetStatus,
    /// For each policy in whose scope it is, by name, what it adds to that policy's status.
    pub tallies: BTreeMap<Text, Tally>,
    /// The package it carries and has not withdrawn, if it can be read.
    pub package: Option<Spelled>,
    /// Until when all of this holds.
    pub holds_until: Option<Timestamp>,
    /// How many clients were decided for it.
    pub decisions: u64,
}

/// Plans a fleet under `policies`, which come in the order of their precedence. `source` is the
/// fleet that its `packageFrom` names, if there is one.
#[must_use]
pub fn plan_fleet(
    fleet: &ObservedFleet,
    source: Option<&ObservedFleet>,
    policies: &[Policy],
    at: Timestamp,
) -> FleetPlan {
    let policies: Vec<&Policy> =
        policies.iter().filter(|policy| policy.scope.holds_fleet(|key| fleet.label(key))).collect();
    let tallies = policies.iter().map(|policy| Tally::of(policy)).collect();
    match &fleet.spec {
        Ok(spec) => {
            let source = source.and_then(|source| source.spec.as_ref().ok());
            let package = Package::read(spec, source);
            let zones = Zones::of(spec);
            let terms =
                policies.iter().map(|_| zones.zones.iter().map(|_| OnceCell::new()).collect());
            let terms = terms.collect();
            let planning =
                Planning { package: &package, zones: &zones, policies, at, terms, tallies };
            planning.run(fleet, spec)
        }
        Err(why) => unreadable(fleet, why, &policies, tallies, at),
    }
}

/// A fleet that cannot be read loses its rows: old offers must not stand.
fn unreadable(
    fleet: &ObservedFleet,
    why: &str,
    policies: &[&Policy],
    tallies: Vec<Tally>,
    at: Timestamp,
) -> FleetPlan {
    let message =
        format!("The object cannot be read, so nothing is distributed to its clients: {why}");
    let status = ClientFleetStatus {
        observed_generation: Some(fleet.generation()),
        conditions: conditions(fleet, at).stalled("ObjectUnreadable", &message),
        ..ClientFleetStatus::default()
    };
    FleetPlan { status, tallies: by_name(policies, tallies), ..FleetPlan::default() }
}

fn conditions(fleet: &ObservedFleet, at: Timestamp) -> Conditions<'_> {
    let previous = fleet.previous.as_ref().map_or(&[][..], |previous| &previous.kept.conditions);
    Conditions { previous, generation: fleet.generation(), at }
}

fn by_name(policies: &[&Policy], tallies: Vec<Tally>) -> BTreeMap<Text, Tally> {
    policies.iter().map(|policy| policy.name.clone()).zip(tallies).collect()
}

/// The distinct time zones of a fleet's clients, each looked up once.
pub(super) struct Zones {
    zones: Vec<ZoneFact>,
    /// For each client, where its zone stands.
    of_client: Vec<usize>,
}

impl Zones {
    pub(super) fn of(spec: &ClientFleetSpec) -> Self {
        let mut zones = vec![ZoneFact::read(spec.time_zone.as_ref())];
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        let of_client = spec.clients.iter().flatten().map(|client| {
            let Some(name) = given(client.time_zone.as_ref()) else { return 0 };
            *known.entry(name).or_insert_with(|| {
                zones.push(ZoneFact::read(Some(name)));
                zones.len() - 1
            })
        });
        let of_client = of_client.collect();
        Self { zones, of_client }
    }

    /// The zone of the client at `index`, its own or its fleet's.
    pub(super) fn of_client(&self, index: usize) -> &ZoneFact {
        &self.zones[self.of_client.get(index).copied().unwrap_or(0)]
    }
}

/// What is shared by all the clients of a fleet while it is planned.
struct Planning<'a> {
    package: &'a Package,
    zones: &'a Zones,
    /// The policies in whose scope the fleet is, in the order of their precedence.
    policies: Vec<&'a Policy>,
    at: Timestamp,
    /// For each policy and zone what it means there, worked out when first needed.
    terms: Vec<Vec<OnceCell<Terms<'a>>>>,
    tallies: Vec<Tally>,
}

/// What is decided for one client.
pub(super) struct Decided<'a> {
    facts: &'a Facts<'a>,
    pub(super) terms: Option<&'a Terms<'a>>,
    pub(super) rule: &'static Rule,
    pub(super) outlook: Outlook,
}

impl<'a> Planning<'a> {
    fn run(mut self, fleet: &ObservedFleet, spec: &ClientFleetSpec) -> FleetPlan {
        let clients = spec.clients.as_deref().unwrap_or_default();
        let mut previous = fleet.previous.as_ref().map(|previous| previous.kept.lookup());
        let mut rows = Vec::with_capacity(clients.len());
        let mut summary = Summary::default();
        let mut ahead = Outlook::default();
        let mut tallies = std::mem::take(&mut self.tallies);
        let mut in_scope = Vec::with_capacity(self.policies.len());
        for (index, client) in clients.iter().enumerate() {
            let facts = Facts::read(client);
            self.find_policies(&facts, &mut in_scope, &mut tallies);
            let terms: Vec<&Terms<'_>> = in_scope
                .iter()
                .map(|&policy| self.terms(policy, self.zones.of_client[index]))
                .collect();
            let decided = decide_client(&facts, Contenders { terms: &terms }, self.at);
            summary.count(decided.rule.state);
            self.count_governed(&decided, &in_scope, &terms, &mut tallies);
            ahead.next_transition = earlier(ahead.next_transition, decided.outlook.next_transition);
            ahead.holds_until = earlier(ahead.holds_until, decided.outlook.holds_until);
            let before = previous
                .as_mut()
                .and_then(|rows: &mut PreviousRows<'_>| rows.find(index, &client.name));
            rows.push(decided.row(before, self.at));
        }
        let status = ClientFleetStatus {
            observed_generation: Some(fleet.generation()),
            conditions: self.conditions(fleet, spec, clients.len()),
            package_version: self.package.current.as_ref().map(|package| package.text.clone()),
            summary: Some(summary),
            next_transition_time: ahead.next_transition,
            clients: Some(rows),
        };
        let package =
            self.package.readable().filter(|package| !self.package.has_withdrawn(package));
        FleetPlan {
            status: if outgrown(fleet) {
                without_rows(status, conditions(fleet, self.at))
            } else {
                status
            },
            tallies: by_name(&self.policies, tallies),
            package: package.cloned(),
            holds_until: ahead.holds_until,
            decisions: clients.len() as u64,
        }
    }

    /// Finds the policies that hold a client in scope, as places in `self.policies`.
    fn find_policies(&self, client: &Facts<'_>, in_scope: &mut Vec<usize>, tallies: &mut [Tally]) {
        in_scope.clear();
        for (place, (policy, tally)) in self.policies.iter().zip(tallies).enumerate() {
            let holds = if policy.scope.looks_at_clients() {
                tally.hits.note(&policy.scope, client);
                policy.scope.holds_client(&client.subject())
            } else {
                true
            };
            if holds {
                tally.matched_clients += 1;
                in_scope.push(place);
            }
        }
    }

    fn terms(&self, policy: usize, zone: usize) -> &Terms<'a> {
        self.terms[policy][zone].get_or_init(|| {
            Terms::new(self.policies[policy], self.package, &self.zones.zones[zone], self.at)
        })
    }

    fn count_governed(
        &self,
        decided: &Decided<'_>,
        in_scope: &[usize],
        contenders: &[&Terms<'_>],
        tallies: &mut [Tally],
    ) {
        let Some(governing) = decided.terms else { return };
        let place = contenders.iter().position(|terms| std::ptr::eq(*terms, governing));
        if let Some(place) = place {
            tallies[in_scope[place]].govern(decided.rule.state, governing.zone, &decided.outlook);
        }
    }

    fn conditions(
        &self,
        fleet: &ObservedFleet,
        spec: &ClientFleetSpec,
        clients: usize,
    ) -> Vec<Condition> {
        let conditions = conditions(fleet, self.at);
        match &spec.time_zone {
            Some(name) if self.zones.zones[0] == ZoneFact::Unknown => conditions
                .stalled("TimeZoneUnknown", &format!("spec.timeZone: {}", unknown_zone(name))),
            _ => conditions.ready(format!("The status of {clients} clients is computed.")),
        }
    }
}

/// Decides for one client.
pub(super) fn decide_client<'a>(
    facts: &'a Facts<'a>,
    contenders: Contenders<'a>,
    at: Timestamp,
) -> Decided<'a> {
    let terms = contenders.governing(at);
    let case = Case { client: facts, terms, at, absence_counts: true };
    let rule = decide(&case);
    Decided { facts, terms, rule, outlook: outlook(&case, rule, contenders) }
}

impl Decided<'_> {
    /// The client's entry in the status.
    pub(super) fn row(&self, before: Option<&PreviousRow>, at: Timestamp) -> ClientStatus {
        let state = self.rule.state;
        let target = self.terms.and_then(|terms| terms.target);
        let target = target.filter(|_| self.rule.number >= TARGET_KNOWN_FROM);
        let since =
            before.filter(|before| before.state == Some(state)).and_then(|before| before.since);
        ClientStatus {
            name: self.facts.client.name.clone(),
            computer: self.facts.reported(|r| r.computer.as_ref()).cloned(),
            ip: self.facts.reported(|r| r.ip.as_ref()).cloned(),
            version: self.facts.version.as_ref().map(|version| version.text.clone()),
            staged_version: self.facts.staged.as_ref().map(|version| version.text.clone()),
            target_version: target.map(|target| target.version.text.clone()),
            state: state.as_str().into(),
            reason: self.rule.reason.as_str().into(),
            policy: self.terms.map(|terms| terms.policy.name.clone()),
            last_transition_time: Some(since.unwrap_or(at)),
            next_transition_time: self.outlook.next_transition,
            last_offer: self.last_offer(before, at),
        }
    }

    /// The offer it is made now, since when it is the same; else the last one it was made.
    fn last_offer(&self, before: Option<&PreviousRow>, at: Timestamp) -> Option<Box<LastOffer>> {
        let last = before.and_then(|before| before.offer.as_ref());
        let offered = self.terms.filter(|_| self.rule.state == State::Distributing);
        let Some((terms, target)) = offered.and_then(|terms| Some((terms, terms.target?))) else {
            return last.cloned();
        };
        let was_offered = before.is_some_and(|before| before.state == Some(State::Distributing));
        let is_last = |last: &LastOffer| {
            last.policy == terms.policy.name
                && Spelled::new(last.version.clone()).is_same_as(target.version)
        };
        match last {
            Some(last) if was_offered && is_last(last) => Some(last.clone()),
            _ => Some(Box::new(LastOffer {
                version: target.version.text.clone(),
                policy: terms.policy.name.clone(),
                generation: terms.policy.generation,
                time: at,
            })),
        }
    }
}

/// The reason of a fleet whose status the API server would not take.
const TOO_LARGE: &str = "ObjectTooLarge";

/// Whether the API server has refused the rows of this generation: they are tried again when the
/// spec has changed.
pub(super) fn outgrown(fleet: &ObservedFleet) -> bool {
    fleet.previous.as_ref().is_some_and(|previous| {
        previous.kept.observed_generation == Some(fleet.generation())
            && previous
                .kept
                .conditions
                .iter()
                .any(|c| c.r#type == "Stalled" && c.reason == TOO_LARGE)
    })
}

/// The status of a fleet that has outgrown the API server: no rows, so that no old offer stands.
#[must_use]
pub fn too_large(
    fleet: &ObservedFleet,
    planned: ClientFleetStatus,
    at: Timestamp,
) -> ClientFleetStatus {
    without_rows(planned, conditions(fleet, at))
}

fn without_rows(status: ClientFleetStatus, conditions: Conditions<'_>) -> ClientFleetStatus {
    let message = "The object is too large for the API server with the status of its clients in it: \
                   move clients to another fleet. Until the spec changes nothing is distributed to \
                   them.";
    ClientFleetStatus {
        conditions: conditions.stalled(TOO_LARGE, message),
        clients: None,
        next_transition_time: None,
        ..status
    }
}
