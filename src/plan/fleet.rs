//! The plan for one fleet: its whole status, what it adds to each policy, and until when that holds.
//!
//! Read from top to bottom it is what happens to one client: its facts, the policies that hold it,
//! the one that governs it, the rule that decides, what is ahead of it, its entry in the status.
//!
//! The status itself is made only where it is to be written: to plan, its digest is enough.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::cached::{CachedFleet, Digest};
use super::cached_status::{CachedRow, CachedRows};
use super::client_index::ClientIndex;
use super::conditions::Conditions;
use super::decision_cache::DecisionCache;
use super::facts::{Facts, Package, Versions, ZoneFact, non_empty};
use super::next_change::{ApplicablePolicies, NextChange, earlier, look_ahead};
use super::phase_cache::PhaseCache;
use super::policy::{Policy, unknown_zone};
use super::policy_contribution::PolicyContribution;
use super::policy_in_zone::ZonedPolicy;
use super::row::{DigestSink, Offer, Row, RowsSink, Shared, StatusSink};
use super::rules::{Case, Rule, TARGET_KNOWN_FROM, decide};
use super::state::State;
use super::version_text::VersionText;
use crate::api::fleet::{Client, ClientFleetSpec, ClientFleetStatus, LastOffer};
use crate::api::{Condition, Summary, Text};
use crate::values::Timestamp;

/// The policies of a namespace, parsed, in the order of their precedence.
pub type Rulebook = Arc<[Arc<Policy>]>;

/// The plan for one fleet at one instant.
#[derive(Clone, Debug)]
pub struct FleetPlan<S> {
    /// The status that it should have, or the digest of that.
    pub status: S,
    /// For each policy in whose scope it is, by name, what it adds to that policy's status.
    pub contributions: BTreeMap<Text, PolicyContribution>,
    /// The package it carries and has not withdrawn, if it can be read.
    pub package: Option<VersionText>,
    /// Until when all of this holds.
    pub holds_until: Option<Timestamp>,
    /// How many of its clients no policy governs.
    pub unmanaged: u32,
    /// Whether something is wrong with the fleet itself.
    pub stalled: bool,
    /// How many clients were decided for it.
    pub decisions: u64,
}

/// Plans a fleet. `source` is the fleet that its `packageFrom` names, if there is one; the phase_cache
/// has a place for each policy of the rulebook.
#[must_use]
pub fn plan_fleet(
    fleet: &CachedFleet,
    source: Option<&CachedFleet>,
    rulebook: &Rulebook,
    phase_cache: &PhaseCache,
) -> FleetPlan<Digest> {
    plan_on(fleet, source, rulebook, phase_cache, DigestSink::new())
}

/// The status that [`plan_fleet`] gives the digest of.
#[must_use]
pub fn fleet_status(
    fleet: &CachedFleet,
    source: Option<&CachedFleet>,
    rulebook: &Rulebook,
    phase_cache: &PhaseCache,
) -> ClientFleetStatus {
    let clients = fleet.spec.as_deref().ok().and_then(|spec| spec.clients.as_ref());
    let rows = Vec::with_capacity(clients.map_or(0, Vec::len));
    plan_on(fleet, source, rulebook, phase_cache, RowsSink(rows)).status
}

fn plan_on<S: StatusSink>(
    fleet: &CachedFleet,
    source: Option<&CachedFleet>,
    rulebook: &Rulebook,
    phase_cache: &PhaseCache,
    sheet: S,
) -> FleetPlan<S::Finished> {
    let policies = rulebook.iter().map(AsRef::as_ref).enumerate();
    let (places, policies): (Vec<usize>, Vec<&Policy>) =
        policies.filter(|(_, policy)| policy.scope.includes_fleet(|key| fleet.label(key))).unzip();
    let tallies = policies.iter().map(|policy| PolicyContribution::of(policy)).collect();
    match &fleet.spec {
        Ok(spec) => {
            let source = source.and_then(|source| source.spec.as_deref().ok());
            let package = Package::read(spec, source);
            let zones = FleetZones::of(spec);
            let zoned = policies.len() * zones.zones.len();
            let zoned: Vec<_> = (0..zoned).map(|_| OnceCell::new()).collect();
            let at = phase_cache.now;
            let for_good = |policy: &&Policy| {
                policy.is_effective(at) && policy.effective_change_after(at).is_none()
            };
            let client_index = policies.iter().any(|policy| policy.scope.looks_at_clients());
            let client_index =
                client_index.then(|| ClientIndex::of(spec.clients.as_deref().unwrap_or_default()));
            let may_touch = |policy: &Policy| {
                client_index
                    .as_ref()
                    .is_none_or(|client_index| policy.scope.may_match(client_index))
            };
            let planning = FleetPlanner {
                package: &package,
                zones: &zones,
                may_touch: (0..policies.len())
                    .filter(|&index| may_touch(policies[index]))
                    .collect(),
                client_index: client_index.as_ref(),
                governs_permanently: policies.iter().map(for_good).collect(),
                policies,
                places,
                at,
                phase_cache,
                zoned: &zoned,
            };
            planning.run(fleet, spec, tallies, sheet)
        }
        Err(why) => unreadable(fleet, why, &policies, tallies, phase_cache.now, sheet),
    }
}

/// A fleet that cannot be read loses its rows: old offers must not stand.
fn unreadable<S: StatusSink>(
    fleet: &CachedFleet,
    why: &str,
    policies: &[&Policy],
    tallies: Vec<PolicyContribution>,
    at: Timestamp,
    sheet: S,
) -> FleetPlan<S::Finished> {
    let message =
        format!("The object cannot be read, so nothing is distributed to its clients: {why}");
    let head = ClientFleetStatus {
        observed_generation: Some(fleet.generation()),
        conditions: conditions(fleet, at).stalled("ObjectUnreadable", &message),
        ..ClientFleetStatus::default()
    };
    FleetPlan {
        status: sheet.finish(&head, false),
        contributions: by_name(policies, tallies),
        package: None,
        holds_until: None,
        unmanaged: 0,
        stalled: true,
        decisions: 0,
    }
}

fn conditions(fleet: &CachedFleet, at: Timestamp) -> Conditions<'_> {
    let previous = fleet.status.as_ref().map_or(&[][..], |previous| &previous.kept.conditions);
    Conditions { previous, generation: fleet.generation(), at }
}

fn by_name(
    policies: &[&Policy],
    tallies: Vec<PolicyContribution>,
) -> BTreeMap<Text, PolicyContribution> {
    policies.iter().map(|policy| policy.name.clone()).zip(tallies).collect()
}

/// The distinct time zones of a fleet's clients, each looked up once.
pub(super) struct FleetZones {
    zones: Vec<ZoneFact>,
    /// For each client, where its zone stands; empty where all have their fleet's.
    of_client: Vec<usize>,
}

impl FleetZones {
    pub(super) fn of(spec: &ClientFleetSpec) -> Self {
        let mut zones = vec![ZoneFact::read(spec.time_zone.as_ref())];
        let clients = spec.clients.as_deref().unwrap_or_default();
        if clients.iter().all(|client| non_empty(client.time_zone.as_ref()).is_none()) {
            return Self { zones, of_client: Vec::new() };
        }
        let mut known: BTreeMap<&str, usize> = BTreeMap::new();
        // Neighbours have mostly the same.
        let mut last: Option<(&str, usize)> = None;
        let of_client = clients.iter().map(|client| {
            let Some(name) = non_empty(client.time_zone.as_ref()) else { return 0 };
            if let Some((_, zone)) = last.filter(|(last, _)| *last == name.as_str()) {
                return zone;
            }
            let zone = *known.entry(name).or_insert_with(|| {
                zones.push(ZoneFact::read(Some(name)));
                zones.len() - 1
            });
            last = Some((name, zone));
            zone
        });
        let of_client = of_client.collect();
        Self { zones, of_client }
    }

    /// The zone of the client at `index`, its own or its fleet's.
    pub(super) fn of_client(&self, index: usize) -> &ZoneFact {
        &self.zones[self.zone_index(index)]
    }

    fn zone_index(&self, index: usize) -> usize {
        self.of_client.get(index).copied().unwrap_or(0)
    }
}

/// What is shared by all the clients of a fleet while it is planned.
struct FleetPlanner<'a, 't> {
    package: &'a Package,
    zones: &'a FleetZones,
    /// The policies in whose scope the fleet is, in the order of their precedence.
    policies: Vec<&'a Policy>,
    /// Their places in the phase_cache.
    places: Vec<usize>,
    /// Those of them that may hold or name one of the clients.
    may_touch: Vec<usize>,
    /// The clients, where one of them looks at more than the fleet.
    client_index: Option<&'a ClientIndex>,
    /// Which of them are effective, and stay so.
    governs_permanently: Vec<bool>,
    at: Timestamp,
    phase_cache: &'a PhaseCache,
    /// For each policy and zone what it means there, worked out when first needed.
    zoned: &'t [OnceCell<ZonedPolicy<'a>>],
}

/// What is decided for one client.
#[derive(Clone, Copy)]
pub(super) struct Decided<'a> {
    pub(super) governing: Option<&'a ZonedPolicy<'a>>,
    pub(super) rule: &'static Rule,
    pub(super) next_change: NextChange,
}

impl<'a: 't, 't> FleetPlanner<'a, 't> {
    fn run<S: StatusSink>(
        &self,
        fleet: &CachedFleet,
        spec: &ClientFleetSpec,
        mut tallies: Vec<PolicyContribution>,
        mut sheet: S,
    ) -> FleetPlan<S::Finished> {
        let clients = spec.clients.as_deref().unwrap_or_default();
        let previous = fleet.status.as_ref();
        let mut previous = previous.map(|previous| previous.kept.lookup());
        let mut versions = Versions::default();
        let mut classes = DecisionCache::default();
        let mut in_scope = Vec::with_capacity(self.policies.len());
        for (index, client) in clients.iter().enumerate() {
            let facts = Facts::read_with(client, &mut versions);
            self.find_policies(index, client, &mut in_scope, &mut tallies);
            let zone = self.zones.zone_index(index);
            let zoned = |&policy: &usize| self.zoned(policy, zone);
            // Behind one that governs for good none can govern.
            let ends = in_scope.iter().position(|&policy| self.governs_permanently[policy]);
            let applicable = &in_scope[..ends.map_or(in_scope.len(), |end| end + 1)];
            let (decided, shared) = classes.decide(&facts, zone, applicable, zoned, self.at);
            let before = previous
                .as_mut()
                .and_then(|rows: &mut CachedRows<'_>| rows.find(index, &client.name));
            sheet.add(decided.row(&facts, shared, before, self.at));
        }
        let mut summary = Summary::default();
        let mut ahead = NextChange::default();
        for class in classes.counted() {
            let Decided { governing, rule, next_change } = class.decided;
            summary.count(rule.state, class.clients);
            ahead.next_transition = earlier(ahead.next_transition, next_change.next_transition);
            ahead.holds_until = earlier(ahead.holds_until, class.holds_until());
            let place = governing.and_then(|zoned| self.policy_index(zoned.policy));
            if let (Some(zoned), Some(place)) = (governing, place) {
                let next = next_change.next_transition;
                tallies[place].govern(class.clients, rule.state, zoned.zone, next);
            }
        }
        self.sum_up(fleet, spec, summary, ahead, tallies, sheet)
    }

    fn sum_up<S: StatusSink>(
        &self,
        fleet: &CachedFleet,
        spec: &ClientFleetSpec,
        summary: Summary,
        ahead: NextChange,
        tallies: Vec<PolicyContribution>,
        sheet: S,
    ) -> FleetPlan<S::Finished> {
        let clients = spec.clients.as_ref().map_or(0, Vec::len);
        let head = ClientFleetStatus {
            observed_generation: Some(fleet.generation()),
            conditions: self.conditions(fleet, spec, clients),
            package_version: self.package.current.as_ref().map(|package| package.raw.clone()),
            summary: Some(summary),
            next_transition_time: ahead.next_transition,
            clients: None,
        };
        let package =
            self.package.readable().filter(|package| !self.package.has_withdrawn(package));
        let is_outgrown = is_marked_too_large(fleet);
        let head = if is_outgrown { without_rows(head, conditions(fleet, self.at)) } else { head };
        FleetPlan {
            status: sheet.finish(&head, !is_outgrown),
            contributions: by_name(&self.policies, tallies),
            package: package.cloned(),
            holds_until: ahead.holds_until,
            unmanaged: summary.unmanaged,
            stalled: head.conditions.iter().any(|condition| condition.r#type == "Stalled"),
            decisions: clients as u64,
        }
    }

    /// Finds the policies that hold a client in scope, as places in `self.policies`.
    fn find_policies(
        &self,
        index: usize,
        client: &Client,
        in_scope: &mut Vec<usize>,
        tallies: &mut [PolicyContribution],
    ) {
        in_scope.clear();
        let subject = self.client_index.map(|client_index| client_index.subject(index, client));
        for &place in &self.may_touch {
            let (policy, tally) = (self.policies[place], &mut tallies[place]);
            let subject = subject.as_ref().filter(|_| policy.scope.looks_at_clients());
            if subject.is_none_or(|subject| tally.hits.record(&policy.scope, subject)) {
                tally.matched_clients += 1;
                in_scope.push(place);
            }
        }
    }

    fn zoned(&self, policy: usize, zone: usize) -> &'t ZonedPolicy<'a> {
        self.zoned[policy * self.zones.zones.len() + zone].get_or_init(|| {
            let answers = |zone: &ZoneFact| self.phase_cache.answers(self.places[policy], zone);
            let zone = &self.zones.zones[zone];
            ZonedPolicy::with(self.policies[policy], self.package, zone, answers)
        })
    }

    fn policy_index(&self, policy: &Policy) -> Option<usize> {
        self.policies.iter().position(|known| std::ptr::eq(*known, policy))
    }

    fn conditions(
        &self,
        fleet: &CachedFleet,
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
    facts: &Facts<'_>,
    applicable: ApplicablePolicies<'_, 'a>,
    at: Timestamp,
) -> Decided<'a> {
    let governing = applicable.governing(at);
    let case = Case { client: facts, governing, at, absence_counts: true };
    let rule = decide(&case);
    Decided { governing, rule, next_change: look_ahead(&case, rule, applicable) }
}

impl<'a> Decided<'a> {
    /// What the client's entry has in common with those for which the same is decided.
    pub(super) fn shared(&self, facts: &'a Facts<'a>) -> Shared<'a> {
        let target = self.governing.and_then(|zoned| zoned.target);
        let target = target.filter(|_| self.rule.number >= TARGET_KNOWN_FROM);
        Shared {
            version: facts.version.as_ref().map(|version| &version.raw),
            staged_version: facts.staged.as_ref().map(|version| &version.raw),
            target_version: target.map(|target| &target.version.raw),
            state: self.rule.state.as_str(),
            reason: self.rule.reason.as_str(),
            policy: self.governing.map(|zoned| &zoned.policy.name),
            next_transition_time: self.next_change.next_transition,
        }
    }

    /// The client's entry in the status, of which what is shared has this digest.
    pub(super) fn row(
        &self,
        facts: &'a Facts<'a>,
        shared_digest: Digest,
        before: Option<CachedRow<'a>>,
        at: Timestamp,
    ) -> Row<'a> {
        let state = self.rule.state;
        let since =
            before.filter(|before| before.state() == Some(state)).and_then(CachedRow::since);
        Row {
            name: &facts.client.name,
            computer: facts.reported(|r| r.computer.as_ref()),
            ip: facts.reported(|r| r.ip.as_ref()),
            last_transition_time: Some(since.unwrap_or(at)),
            last_offer: self.last_offer(before, at),
            shared: self.shared(facts),
            shared_digest,
        }
    }

    /// The offer it is made now, since when it is the same; else the last one it was made.
    fn last_offer(&self, before: Option<CachedRow<'a>>, at: Timestamp) -> Option<Offer<'a>> {
        let last = before.and_then(CachedRow::offer);
        let offered = self.governing.filter(|_| self.rule.state == State::Distributing);
        let Some((zoned, target)) = offered.and_then(|zoned| Some((zoned, zoned.target?))) else {
            return last.map(Offer::from);
        };
        let was_offered = before.is_some_and(|before| before.state() == Some(State::Distributing));
        let is_last = |last: &LastOffer| {
            last.policy == zoned.policy.name && target.version.is_same_as_text(&last.version)
        };
        match last {
            Some(last) if was_offered && is_last(last) => Some(last.into()),
            _ => Some(Offer {
                version: &target.version.raw,
                policy: &zoned.policy.name,
                generation: zoned.policy.generation,
                time: at,
            }),
        }
    }
}

/// The reason of a fleet whose status the API server would not take.
const TOO_LARGE: &str = "ObjectTooLarge";

/// Whether the API server has refused the rows of this generation: they are tried again when the
/// spec has changed.
pub(super) fn is_marked_too_large(fleet: &CachedFleet) -> bool {
    fleet.status.as_ref().is_some_and(|previous| {
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
    fleet: &CachedFleet,
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
