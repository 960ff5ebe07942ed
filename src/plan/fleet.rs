//! Implements the third stage of a plan, which makes the decisions for one fleet. The result is the
//! fleet's status, its contribution to each policy, and the instant until which both are valid.
//!
//! The full status is built only when it will be written, because planning itself needs only the
//! digest of the status.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::aggregate::PolicyContribution;
use super::allot::{Standing, Standings};
use super::cached::{CachedFleet, Digest};
use super::cached_status::CachedFleetStatus;
use super::case::Case;
use super::client_index::ClientIndex;
use super::client_policies::{Candidate, ClientPolicies};
use super::conditions::Conditions;
use super::decision_cache::DecisionCache;
use super::facts::{Facts, Package, Versions, ZoneFact};
use super::fleet_zones::FleetZones;
use super::history::FleetHistory;
use super::next_change::{ApplicablePolicies, Governing, NextChange, earlier, look_ahead};
use super::package_source::DeadEnd;
use super::phase_cache::PhaseCache;
use super::policy::{Policy, unknown_zone};
use super::policy_in_zone::ZonedPolicy;
use super::row::{CurrentOffer, DigestSink, Row, RowsSink, Shared, StatusSink};
use super::rules::{Rule, decide};
use super::scope_match::ScopeMatch;
use super::state::State;
use super::version_text::VersionText;
use crate::api::fleet::{ClientFleetSpec, ClientFleetStatus};
use crate::api::{Condition, Summary, Text};
use crate::values::{Timestamp, Version};

/// The parsed policies of a namespace, highest precedence first.
pub type Rulebook = Arc<[Arc<Policy>]>;

/// The plan for one fleet at one instant.
#[derive(Clone, Debug)]
pub struct FleetPlan<S> {
    /// Planned status, or its digest.
    pub status: S,
    /// Contributions to the statuses of the policies whose scope includes the fleet, by policy
    /// name.
    pub contributions: BTreeMap<Text, PolicyContribution>,
    /// Version of the fleet's package, if it can be parsed and is not withdrawn.
    pub package: Option<VersionText>,
    /// Instant until which this plan is valid; `None` if it never expires.
    pub holds_until: Option<Timestamp>,
    /// Number of clients that no policy governs.
    pub unmanaged: u32,
    /// Whether the planned status has the condition `Stalled`.
    pub stalled: bool,
    /// Number of clients for which a decision was made; 0 if the spec cannot be read.
    pub decisions: u64,
}

/// Plans a fleet; the plan contains the digest of the status instead of the full status.
///
/// `source` is the fleet that `packageFrom` names, if it exists, and `phase_cache` must have an
/// entry for each policy of the rulebook.
#[must_use]
pub(crate) fn plan_fleet(
    fleet: &CachedFleet,
    source: Option<&CachedFleet>,
    rulebook: &Rulebook,
    standings: &Standings,
    phase_cache: &PhaseCache,
) -> FleetPlan<Digest> {
    plan_on(fleet, source, rulebook, standings, phase_cache, DigestSink::new())
}

/// Returns the full planned status of a fleet; [`plan_fleet`] returns only its digest. The returned
/// status continues the history of the status `replaced`.
#[must_use]
pub(crate) fn fleet_status(
    fleet: &CachedFleet,
    source: Option<&CachedFleet>,
    rulebook: &Rulebook,
    standings: &Standings,
    phase_cache: &PhaseCache,
    replaced: Option<&CachedFleetStatus>,
) -> ClientFleetStatus {
    let clients = fleet.spec.as_deref().ok().and_then(|spec| spec.clients.as_ref());
    let sink = RowsSink {
        rows: Vec::with_capacity(clients.map_or(0, Vec::len)),
        history: FleetHistory::new(replaced, phase_cache.now),
    };
    plan_on(fleet, source, rulebook, standings, phase_cache, sink).status
}

/// Plans a fleet and passes its status to the sink `sheet`.
pub(super) fn plan_on<S: StatusSink>(
    fleet: &CachedFleet,
    source: Option<&CachedFleet>,
    rulebook: &Rulebook,
    standings: &Standings,
    phase_cache: &PhaseCache,
    sheet: S,
) -> FleetPlan<S::Finished> {
    let policies = rulebook.iter().map(AsRef::as_ref).enumerate();
    let (places, policies): (Vec<usize>, Vec<&Policy>) =
        policies.filter(|(_, policy)| policy.scope.includes_fleet(|key| fleet.label(key))).unzip();
    let contributions = policies.iter().map(|policy| PolicyContribution::of(policy)).collect();
    match &fleet.spec {
        Ok(spec) => {
            let dead_end = DeadEnd::of(fleet, spec, source);
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
            let clients = spec.clients.as_deref().unwrap_or_default();
            let mut client_index = client_index.then(|| ClientIndex::of(clients));
            let looks_at_versions = policies.iter().any(|policy| policy.scope.looks_at_versions());
            if let Some(client_index) = client_index.as_mut().filter(|_| looks_at_versions) {
                client_index.set_versions(clients, targets(&policies, &package));
            }
            let may_touch = |policy: &Policy| {
                client_index
                    .as_ref()
                    .is_none_or(|client_index| policy.scope.may_match(client_index))
            };
            let planning = FleetPlanner {
                package: &package,
                dead_end: dead_end.as_ref(),
                zones: &zones,
                may_touch: (0..policies.len())
                    .filter(|&index| may_touch(policies[index]))
                    .collect(),
                client_index: client_index.as_ref(),
                looks_at_versions,
                governs_permanently: policies.iter().map(for_good).collect(),
                policies,
                places,
                at,
                phase_cache,
                standings,
                zoned: &zoned,
            };
            planning.run(fleet, spec, contributions, sheet)
        }
        Err(why) => unreadable(fleet, why, &policies, contributions, phase_cache.now, sheet),
    }
}

/// Returns the versions to which `policies` could send the clients of a fleet.
fn targets(policies: &[&Policy], package: &Package) -> Vec<Version> {
    let locks = policies.iter().filter_map(|policy| policy.lock.as_ref());
    let targets = package.readable().into_iter().chain(locks);
    targets.filter_map(|version| version.parsed.clone()).collect()
}

/// Returns the plan for a fleet whose spec cannot be read. The planned status has no rows, so that
/// all earlier offers end.
fn unreadable<S: StatusSink>(
    fleet: &CachedFleet,
    why: &str,
    policies: &[&Policy],
    contributions: Vec<PolicyContribution>,
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
        contributions: by_name(policies, contributions),
        package: None,
        holds_until: None,
        unmanaged: 0,
        stalled: true,
        decisions: 0,
    }
}

fn conditions(fleet: &CachedFleet, at: Timestamp) -> Conditions {
    Conditions { generation: fleet.generation(), at }
}

fn by_name(
    policies: &[&Policy],
    contributions: Vec<PolicyContribution>,
) -> BTreeMap<Text, PolicyContribution> {
    policies.iter().map(|policy| policy.name.clone()).zip(contributions).collect()
}

/// Inputs of a fleet's plan that are the same for all of its clients.
struct FleetPlanner<'a, 't> {
    package: &'a Package,
    /// Reason why `packageFrom` leads to no package; `None` if it leads to one or is not set.
    dead_end: Option<&'a DeadEnd>,
    zones: &'a FleetZones,
    /// Policies whose scope includes the fleet, highest precedence first.
    policies: Vec<&'a Policy>,
    /// Index in the phase cache for each policy in `policies`.
    places: Vec<usize>,
    /// Indexes into `policies` of the policies to check for each client. A policy is left out if
    /// its selectors and listed values match no client of the fleet.
    may_touch: Vec<usize>,
    /// Index of the fleet's clients; `None` if no policy selects individual clients.
    client_index: Option<&'a ClientIndex>,
    /// Whether a policy selects clients by the version that they run.
    looks_at_versions: bool,
    /// For each policy in `policies`, whether it is effective now and at all later times.
    governs_permanently: Vec<bool>,
    at: Timestamp,
    phase_cache: &'a PhaseCache,
    standings: &'a Standings,
    /// Each policy resolved for each time zone, computed on first use.
    zoned: &'t [OnceCell<ZonedPolicy<'a>>],
}

/// The decision for one client.
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
        mut contributions: Vec<PolicyContribution>,
        mut sheet: S,
    ) -> FleetPlan<S::Finished> {
        let clients = spec.clients.as_deref().unwrap_or_default();
        let mut versions = Versions::default();
        let mut classes = DecisionCache::default();
        let mut policies = ClientPolicies::default();
        for (index, client) in clients.iter().enumerate() {
            let mut facts = Facts::read_with(client, &mut versions);
            if !self.standings.is_empty() {
                facts.standing = self.standings.get(&client.name).copied().unwrap_or_default();
            }
            // A policy neither governs nor matches a client for which another fleet decides.
            if facts.standing == Standing::ReportedElsewhere {
                policies.clear();
            } else {
                self.find_policies(index, &facts, &mut policies, &mut contributions);
            }
            let zone = self.zones.zone_index(index);
            let zoned = |policy: usize| self.zoned(policy, zone);
            let (decided, shared) = classes.decide(&facts, zone, &policies, zoned, self.at);
            sheet.add(decided.row(&facts, shared), decided.offer());
        }
        let mut summary = Summary::default();
        let mut ahead = NextChange::default();
        for class in classes.counted() {
            let Decided { governing, rule, next_change } = class.decided;
            summary.count(rule.says.state, class.clients);
            ahead.next_transition = earlier(ahead.next_transition, next_change.next_transition);
            ahead.holds_until = earlier(ahead.holds_until, class.holds_until());
            let place = governing.and_then(|zoned| self.policy_index(zoned.policy));
            if let (Some(zoned), Some(place)) = (governing, place) {
                let next = next_change.next_transition;
                let contribution = &mut contributions[place];
                contribution.govern(class.clients, rule.says.state, zoned.zone, next);
                if class.version.as_ref().is_some_and(|v| self.package.has_withdrawn(v)) {
                    contribution.withdrawn.count(rule.says.state, class.clients);
                }
            }
        }
        self.sum_up(fleet, spec, summary, ahead, contributions, sheet)
    }

    fn sum_up<S: StatusSink>(
        &self,
        fleet: &CachedFleet,
        spec: &ClientFleetSpec,
        summary: Summary,
        ahead: NextChange,
        contributions: Vec<PolicyContribution>,
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
            contributions: by_name(&self.policies, contributions),
            package: package.cloned(),
            holds_until: earlier(
                ahead.holds_until,
                self.dead_end.and_then(|dead_end| dead_end.holds_until(self.at)),
            ),
            unmanaged: summary.unmanaged,
            stalled: head.conditions.iter().any(|condition| condition.r#type == "Stalled"),
            decisions: clients as u64,
        }
    }

    /// Fills `found` with the policies that apply to a client. Also counts the client in the
    /// contribution to each policy.
    fn find_policies(
        &self,
        index: usize,
        facts: &Facts<'_>,
        found: &mut ClientPolicies,
        contributions: &mut [PolicyContribution],
    ) {
        found.clear();
        let (client, version) = (facts.client, facts.parsed_version());
        let subject =
            self.client_index.map(|client_index| client_index.subject(index, client, version));
        for &place in &self.may_touch {
            let (policy, contribution) = (self.policies[place], &mut contributions[place]);
            let permanent = self.governs_permanently[place];
            let subject = subject.as_ref().filter(|_| policy.scope.looks_at_clients());
            let result = subject.map_or(ScopeMatch::In(None), |subject| {
                contribution.hits.record(&policy.scope, subject, policy.distributes())
            });
            contribution.count_match(result);
            if let Some(applies) = result.applies() {
                found.add_applicable(Candidate { policy: place, applies }, permanent);
            }
            if self.looks_at_versions
                && let Some(applies) = policy.scope.applies_at(subject, result)
            {
                found.add_possible(place, applies, permanent);
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
        match (&spec.time_zone, self.dead_end) {
            (Some(name), dead_end) if self.zones.zones[0] == ZoneFact::Unknown => {
                let mut message = format!("spec.timeZone: {}", unknown_zone(name));
                if let Some(dead_end) = dead_end {
                    message = message + "; " + dead_end.message();
                }
                conditions.stalled("TimeZoneUnknown", &message)
            }
            (_, Some(dead_end)) => dead_end.conditions(conditions),
            _ => conditions.ready(format!("The status of {clients} clients is computed.")),
        }
    }
}

/// Returns the decision for one client, given the policies that apply to it.
pub(super) fn decide_client<'a>(
    facts: &Facts<'_>,
    applicable: ApplicablePolicies<'_, 'a>,
    at: Timestamp,
) -> Decided<'a> {
    let Governing { policy: governing, in_doubt } = applicable.governing(at);
    let possible = applicable.possible;
    let case = Case { client: facts, governing, possible, in_doubt, at, absence_counts: true };
    let rule = decide(&case);
    Decided { governing, rule, next_change: look_ahead(&case, rule, applicable) }
}

impl<'a> Decided<'a> {
    /// Returns the fields of the status row that all clients with this decision share.
    pub(super) fn shared(&self, facts: &'a Facts<'a>) -> Shared<'a> {
        let target = self.governing.and_then(|zoned| zoned.target);
        let target = target.filter(|_| self.rule.says.shows_target);
        Shared {
            version: facts.version.as_ref().map(|version| &version.raw),
            staged_version: facts.staged.as_ref().map(|version| &version.raw),
            target_version: target.map(|target| &target.version.raw),
            state: self.rule.says.state.as_str(),
            reason: self.rule.says.reason.as_str(),
            policy: self.governing.map(|zoned| &zoned.policy.name),
            next_transition_time: self.next_change.next_transition,
        }
    }

    fn row(&self, facts: &'a Facts<'a>, shared_digest: Digest) -> Row<'a> {
        Row {
            name: &facts.client.name,
            computer: facts.reported(|r| r.computer.as_ref()),
            ip: facts.reported(|r| r.ip.as_ref()),
            shared: self.shared(facts),
            shared_digest,
            has_history: true,
        }
    }

    fn offer(&self) -> Option<CurrentOffer<'a>> {
        let zoned = self.governing.filter(|_| self.rule.says.state == State::Distributing)?;
        let policy = zoned.policy;
        let version = zoned.target?.version;
        Some(CurrentOffer { version, policy: &policy.name, generation: policy.generation })
    }
}

/// Reason of the condition `Stalled` for a fleet whose status is too large for the API server.
const TOO_LARGE: &str = "ObjectTooLarge";

/// Returns whether the stored status reports that the API server rejected the fleet's rows for the
/// current generation. After the spec changes, the controller tries to write the rows again.
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

/// Returns a status without rows for a fleet whose full status is too large for the API server, so
/// that all its offers end. The conditions continue the history of `replaced`.
#[must_use]
pub(crate) fn too_large(
    fleet: &CachedFleet,
    planned: ClientFleetStatus,
    at: Timestamp,
    replaced: Option<&CachedFleetStatus>,
) -> ClientFleetStatus {
    let mut status = without_rows(planned, conditions(fleet, at));
    FleetHistory::new(replaced, at).carry_conditions(&mut status.conditions);
    status
}

fn without_rows(status: ClientFleetStatus, conditions: Conditions) -> ClientFleetStatus {
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
