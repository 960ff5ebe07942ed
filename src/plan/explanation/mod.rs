//! Explains the decision for one client as data without user-facing text: facts, the verdict on
//! each policy, evaluated rules, upcoming events and obstacles.
//!
//! The module uses the functions that make the decision. To find obstacles, the module changes a
//! scenario and makes the decision again.
mod chain;
mod client;
mod network_remedies;
mod next_changes;
mod obstacles;
mod remedies;
mod remedy;
mod scenario;
mod verdict;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

pub use chain::{ExplainedChain, ExplainedMove};
pub use client::{ExplainedClient, ExplainedPackage, ExplainedZone, ZoneSource};
pub use next_changes::{NextChanges, Opening};
pub use obstacles::{Destination, Obstacle};
pub use remedy::{Choice, Remedy};
use serde::Serialize;

pub use super::scope_match::Doubt;
pub use verdict::{ExplainedPolicy, ExplainedSelector, Rank, Verdict};

use self::scenario::{Halt, Scenario, ScenarioView, governed, with_clients};
use super::Estate;
use super::allot::Standing;
use super::cached::CachedFleet;
use super::duplicates::{ClientEntry, Resolution, resolve};
use super::facts::Facts;
use super::fleet::{decide_client, is_marked_too_large};
use super::planner::package_from;
use super::policy::Policy;
use super::row::{Row, Shared};
use super::rule_input::InputValue;
use super::rules::{RULES, Rule};
use crate::api::Text;
use crate::api::fleet::{Client, ClientFleetSpec, ClientStatus, LastOffer};
use crate::values::Timestamp;

/// Explanation of the decision for one client.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Instant of the decision.
    pub at: Timestamp,
    /// Namespace of the fleet.
    pub namespace: String,
    /// Name of the fleet.
    pub fleet: Text,
    /// Facts about the client.
    pub client: ExplainedClient,
    /// Decision for the client.
    pub decision: ExplainedDecision,
    /// The fleets that list a client of this name, sorted by name; empty if there is only one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<ExplainedEntry>,
    /// Decision in the fleet's stored status, compared with `decision`; absent if the client has no
    /// stored row.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
    /// Every policy of the namespace, in order of precedence.
    pub policies: Vec<ExplainedPolicy>,
    /// Evaluated rules in order, up to and including the rule that decided.
    pub rules: Vec<Tried>,
    /// Moves of the client from target to target; absent unless the client would move more than once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_chain: Option<ExplainedChain>,
    /// Last offer to the client, if the stored status records one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_offer: Option<LastOffer>,
    /// Current phase and upcoming events for the client under its governing policy.
    pub ahead: NextChanges,
    /// Obstacles that prevent an offer, in order; empty if the client has an offer. Each obstacle
    /// is found after a remedy is assumed for every earlier obstacle.
    pub would_move: Vec<Obstacle>,
    /// Decision for the client after all obstacles are removed; absent if there is no obstacle, or
    /// if the decision is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<Destination>,
}

/// The decision for a client.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedDecision {
    /// Number of the rule that decided.
    pub rule: u8,
    /// State of the client.
    pub state: &'static str,
    /// Reason for the state.
    pub reason: &'static str,
    /// Policy that governs the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text>,
    /// Version that the client should run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_version: Option<Text>,
    /// Time of the next change of the client's offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
    /// Earliest time at which the decision may change if no object changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds_until: Option<Timestamp>,
    /// True if the fleet's status has no rows because the API server rejected it as too large.
    pub fleet_too_large: bool,
}

/// A fleet that lists a client of the explained name.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedEntry {
    /// Fleet, and when it saw the client.
    #[serde(flatten)]
    pub entry: ClientEntry,
    /// True if this entry decides for the client.
    pub decides: bool,
    /// Instant from which this entry decides; absent if it does not without another report.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decides_from: Option<Timestamp>,
}

impl ExplainedEntry {
    fn all(entries: Vec<ClientEntry>, resolution: &Resolution) -> Vec<Self> {
        if entries.len() < 2 {
            return Vec::new();
        }
        let explained = |(entry, standing): (ClientEntry, &Standing)| Self {
            entry,
            decides: *standing == Standing::Free,
            decides_from: match standing {
                Standing::Duplicate { decides_from } => *decides_from,
                _ => None,
            },
        };
        entries.into_iter().zip(&resolution.standings).map(explained).collect()
    }
}

/// A stored status row, compared with the decision.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// Stored state.
    pub state: String,
    /// Stored reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Time at which the stored state began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Stored time of the next change of the offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
    /// True if the stored row has the same state, reason, policy and target version as the
    /// decision.
    pub agrees: bool,
    /// True if the stored status was computed from the fleet's current generation.
    pub is_current: bool,
}

/// A rule that was evaluated.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// Number of the rule, as in the documentation.
    pub number: u8,
    /// State that the rule assigns to a client.
    pub state: &'static str,
    /// Reason for the state.
    pub reason: &'static str,
    /// True if the conditions of the rule were met, so that the rule decided.
    pub held: bool,
    /// Inputs that the rule read.
    pub saw: Vec<ObservedInput>,
}

/// A rule input and its value.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ObservedInput {
    /// Name of the input.
    pub fact: &'static str,
    /// Value that the rule read.
    pub value: InputValue,
}

/// Explainer of the decisions in one namespace at one instant.
#[derive(Debug)]
pub struct Explainer<'a> {
    estate: &'a Estate,
    /// Policies in order of precedence.
    policies: Vec<Policy>,
    at: Timestamp,
}

impl<'a> Explainer<'a> {
    /// Creates an explainer. `estate` must contain all policies of the namespace, the fleets that
    /// list a client of an explained name, and the fleets that these fleets name in `packageFrom`.
    #[must_use]
    pub fn new(estate: &'a Estate, at: Timestamp) -> Self {
        let mut policies: Vec<Policy> = estate.policies.iter().map(|p| Policy::read(p)).collect();
        policies.sort_by(Policy::by_precedence);
        Self { estate, policies, at }
    }

    /// Returns whether a policy selects clients by the version that they run.
    #[must_use]
    pub(crate) fn looks_at_versions(&self) -> bool {
        self.policies.iter().any(|policy| policy.scope.looks_at_versions())
    }

    /// Returns the moves from target to target of each of a fleet's `clients` that would move more
    /// than once.
    #[must_use]
    pub(crate) fn target_chains(
        &self,
        fleet: &str,
        clients: &BTreeSet<&Text>,
    ) -> Vec<ExplainedChain> {
        let Some(fleet) = self.fleet(fleet) else { return Vec::new() };
        let Ok(spec) = fleet.spec.as_deref() else { return Vec::new() };
        let policies = self.policies_for(fleet);
        // Clients that run the same version in the same time zone, and that the scopes match alike,
        // have the same chain.
        let mut known: HashMap<_, Option<ExplainedChain>> = HashMap::new();
        let mut chains = Vec::new();
        for client in spec.clients.iter().flatten().filter(|client| clients.contains(&client.name))
        {
            let facts = Facts::read(client);
            let subject = facts.subject();
            let matches = policies.iter().map(|policy| policy.scope.match_except_version(&subject));
            let version = client.reported.as_ref().and_then(|reported| reported.version.as_ref());
            let key = (version, client.time_zone.as_ref(), matches.collect::<Vec<_>>());
            let chain = known.entry(key).or_insert_with(|| {
                self.scenario(fleet, spec, client, policies.clone()).probe(chain::explain_chain)
            });
            chains.extend(chain.clone());
        }
        chains
    }

    /// Returns the policies whose scope includes a fleet.
    fn policies_for(&self, fleet: &CachedFleet) -> Vec<Policy> {
        let is_in_scope = |policy: &&Policy| policy.scope.includes_fleet(|key| fleet.label(key));
        self.policies.iter().filter(is_in_scope).cloned().collect()
    }

    /// Explains the decision for one client, whose row in the fleet's stored status is `stored`.
    ///
    /// Returns `None` if the fleet is missing, cannot be read or has no such client.
    #[must_use]
    pub fn explain(
        &self,
        fleet: &str,
        client: &str,
        stored: Option<&ClientStatus>,
    ) -> Option<Explanation> {
        let fleet = self.fleet(fleet)?;
        let spec = fleet.spec.as_deref().ok()?;
        let client = spec.clients.iter().flatten().find(|c| c.name.as_str() == client)?;
        let facts = Facts::read(client);
        let judged: Vec<_> =
            self.policies.iter().map(|p| verdict::judge(p, fleet, &facts.subject())).collect();
        let policies = self.policies_for(fleet);
        let entries = self.estate.entries_of(&client.name);
        let resolution = resolve(&entries, self.at);
        let own = entries.iter().position(|entry| entry.fleet.as_str() == fleet.name());
        let standing = own.map(|own| resolution.standings[own]).unwrap_or_default();
        let others = entries.iter().filter(|entry| entry.fleet.as_str() != fleet.name());
        let scenario = Scenario {
            standing,
            other_fleets: others.map(|entry| entry.fleet.clone()).collect(),
            ..self.scenario(fleet, spec, client, policies)
        };
        let explanation = scenario.probe(|view| self.look(fleet, &scenario, view, stored));
        let governing =
            self.policies.iter().find(|p| explanation.decision.policy.as_ref() == Some(&p.name));
        let told_policy = |(policy, (judgement, selector))| {
            let verdict = verdict::verdict(policy, judgement, governing, self.at);
            let is_passed_over =
                standing == Standing::ReportedElsewhere && verdict == Verdict::Governs;
            let verdict = if is_passed_over { Verdict::ReportedElsewhere } else { verdict };
            verdict::explain_policy(policy, judgement, verdict, selector)
        };
        let (would_move, leads_to) = obstacles::find(scenario);
        let policies = self.policies.iter().zip(judged).map(told_policy).collect();
        let entries = ExplainedEntry::all(entries, &resolution);
        Some(Explanation { entries, policies, would_move, leads_to, ..explanation })
    }

    fn fleet(&self, name: &str) -> Option<&'a CachedFleet> {
        self.estate.fleets.iter().map(Arc::as_ref).find(|fleet| fleet.name() == name)
    }

    fn scenario(
        &self,
        fleet: &CachedFleet,
        spec: &ClientFleetSpec,
        client: &Client,
        policies: Vec<Policy>,
    ) -> Scenario {
        let source = package_from(fleet).and_then(|name| self.fleet(name));
        let source = source.and_then(|source| source.spec.as_deref().ok());
        let observed = || self.estate.policies.iter().map(Arc::as_ref);
        Scenario {
            policies,
            fleet_name: fleet.name().into(),
            fleet: with_clients(spec, vec![client.clone()]),
            source: source.map(|source| with_clients(source, Vec::new())),
            governed: observed().filter_map(governed).collect(),
            halt: observed().find_map(Halt::of),
            standing: Standing::Free,
            other_fleets: Vec::new(),
            at: self.at,
            absence_counts: true,
        }
    }

    /// Returns the explanation without the policy verdicts and the obstacles.
    fn look(
        &self,
        fleet: &CachedFleet,
        scenario: &Scenario,
        view: &ScenarioView<'_>,
        stored: Option<&ClientStatus>,
    ) -> Explanation {
        let decided = decide_client(view.facts, view.applicable, self.at);
        let shared = decided.shared(view.facts);
        Explanation {
            at: self.at,
            namespace: fleet.namespace().to_owned(),
            fleet: fleet.name().into(),
            client: client::explain_client(scenario, view, decided.governing),
            decision: ExplainedDecision {
                rule: decided.rule.name.number(),
                state: decided.rule.says.state.as_str(),
                reason: decided.rule.says.reason.as_str(),
                policy: shared.policy.cloned(),
                target_version: shared.target_version.cloned(),
                next_transition_time: shared.next_transition_time,
                holds_until: decided.next_change.holds_until,
                fleet_too_large: is_marked_too_large(fleet),
            },
            entries: Vec::new(),
            stored: stored.map(|stored| compare(stored, &shared, fleet)),
            policies: Vec::new(),
            rules: tried(view, decided.rule),
            target_chain: chain::explain_chain(view),
            last_offer: stored.and_then(|stored| stored.last_offer.as_deref().cloned()),
            ahead: next_changes::next_changes(view, &decided),
            would_move: Vec::new(),
            leads_to: None,
        }
    }
}

fn compare(stored: &ClientStatus, now: &Shared<'_>, fleet: &CachedFleet) -> Stored {
    fn compared<'a>(row: &Shared<'a>) -> impl PartialEq + use<'a> {
        let Shared {
            state,
            reason,
            policy,
            target_version,
            // Ignore the reported versions: a client may have reported another version after the
            // status was written.
            version: _,
            staged_version: _,
            // Ignore the time of the next transition, because it can change while the decision
            // stays the same.
            next_transition_time: _,
        } = *row;
        (state, reason, policy, target_version)
    }
    let generation = fleet.status.as_ref().and_then(|p| p.kept.observed_generation);
    Stored {
        state: stored.state.to_string(),
        reason: Some(stored.reason.to_string()).filter(|reason| !reason.is_empty()),
        since: stored.last_transition_time,
        next_transition_time: stored.next_transition_time,
        agrees: compared(&Row::from(stored).shared) == compared(now),
        is_current: generation == Some(fleet.generation()),
    }
}

fn tried(view: &ScenarioView<'_>, held: &Rule) -> Vec<Tried> {
    let case = view.case();
    let to_the_held = RULES.iter().take_while(|rule| rule.name <= held.name);
    let tried = to_the_held.map(|rule| Tried {
        number: rule.name.number(),
        state: rule.says.state.as_str(),
        reason: rule.says.reason.as_str(),
        held: (rule.holds)(&case),
        saw: rule
            .looks_at
            .iter()
            .map(|f| ObservedInput { fact: f.name(), value: f.value(&case) })
            .collect(),
    });
    tried.collect()
}
