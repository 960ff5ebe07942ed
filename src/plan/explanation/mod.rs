//! Why one client is where it is, as data: the facts about it, what came of each policy, each rule that
//! was tried with what it saw, what is ahead, and what would have to change for it to move.
//!
//! It is told by the functions that decide: the rules say what they look at, the scope which selector
//! matched, and what else is in the way is found by deciding again on changed ground. No words for a
//! person here.

mod client;
mod next_changes;
mod obstacles;
mod remedies;
mod remedy;
mod scenario;
mod verdict;

use std::sync::Arc;

use serde::Serialize;

pub use client::{ExplainedClient, ExplainedPackage, ExplainedZone, ZoneSource};
pub use next_changes::{NextChanges, Opening};
pub use obstacles::{Destination, Obstacle};
pub use remedy::{Choice, Remedy};
pub use verdict::{ExplainedPolicy, Rank, SelectorTold, Verdict};

use self::scenario::{Halt, Scenario, ScenarioView, governed, with_clients};
use super::Estate;
use super::cached::CachedFleet;
use super::facts::Facts;
use super::fleet::{decide_client, is_marked_too_large};
use super::planner::package_from;
use super::policy::Policy;
use super::row::{Row, Shared};
use super::rule_input::InputValue;
use super::rules::{RULES, Rule};
use super::scope::ScopeMatch;
use crate::api::Text;
use crate::api::fleet::{Client, ClientFleetSpec, ClientStatus, LastOffer};
use crate::values::Timestamp;

/// Why one client is where it is.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The instant that is decided for.
    pub at: Timestamp,
    /// The fleet's namespace.
    pub namespace: String,
    /// The fleet.
    pub fleet: Text,
    /// The facts about the client.
    pub client: ExplainedClient,
    /// What is decided for it.
    pub decision: ExplainedDecision,
    /// What its fleet's stored status says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<Stored>,
    /// Every policy of the namespace in the order of precedence.
    pub policies: Vec<ExplainedPolicy>,
    /// The rules in their order, to the one that held.
    pub rules: Vec<Tried>,
    /// The last offer it was made, as far as the stored status tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_offer: Option<LastOffer>,
    /// What is ahead of it under its policy.
    pub ahead: NextChanges,
    /// What is in its way, one after the other: each is what would hold if those before it were out
    /// of the way by their assumed way. Empty while it is offered its target.
    pub would_move: Vec<Obstacle>,
    /// Where it is when all of them are out of the way, where that can be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<Destination>,
}

/// What is decided.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedDecision {
    /// The number of the rule that held.
    pub rule: u8,
    /// The state.
    pub state: &'static str,
    /// The reason.
    pub reason: &'static str,
    /// The policy that governs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text>,
    /// The version to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_version: Option<Text>,
    /// When its offer changes next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
    /// Until when all of this stays as it is; an instant too early at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds_until: Option<Timestamp>,
    /// Whether the fleet's status has no rows, because the API server would not take them.
    pub fleet_too_large: bool,
}

/// A stored row.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stored {
    /// Its state.
    pub state: String,
    /// Its reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// When it says that the offer changes next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
    /// Whether it says what is decided here.
    pub agrees: bool,
    /// Whether it was computed from the fleet's present generation.
    pub is_current: bool,
}

/// A rule that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tried {
    /// Its number in the documentation.
    pub number: u8,
    /// The state of a client for which it is the first that holds.
    pub state: &'static str,
    /// And the reason.
    pub reason: &'static str,
    /// Whether it held.
    pub held: bool,
    /// What it looked at.
    pub saw: Vec<Sight>,
}

/// A fact that a rule saw.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sight {
    /// Which.
    pub fact: &'static str,
    /// What it is.
    pub value: InputValue,
}

/// Explains the clients of one namespace at an instant.
#[derive(Debug)]
pub struct Explainer<'a> {
    estate: &'a Estate,
    /// In the order of their precedence.
    policies: Vec<Policy>,
    at: Timestamp,
}

impl<'a> Explainer<'a> {
    /// Reads the policies of `estate`. Of its fleets only those that are asked about are needed, and
    /// those that they take their package from.
    #[must_use]
    pub fn new(estate: &'a Estate, at: Timestamp) -> Self {
        let mut policies: Vec<Policy> = estate.policies.iter().map(|p| Policy::read(p)).collect();
        policies.sort_by(|a, b| a.precedence().cmp(&b.precedence()));
        Self { estate, policies, at }
    }

    /// Explains one client; `None` where the fleet is not there, cannot be read or has no such
    /// client. `stored` is the client's row in the fleet's stored status.
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
        let in_scope = self.policies.iter().zip(&judged);
        let in_scope = in_scope.filter(|(_, (j, _))| matches!(j, Some(ScopeMatch::In(_))));
        let policies = in_scope.map(|(policy, _)| policy.clone()).collect();
        let ground = self.ground(fleet, spec, client, policies);
        let explanation = ground.probe(|view| self.look(fleet, &ground, view, stored));
        let governing =
            self.policies.iter().find(|p| explanation.decision.policy.as_ref() == Some(&p.name));
        let told_policy = |(policy, (judgement, selector))| {
            let verdict = verdict::verdict(policy, judgement, governing, self.at);
            verdict::explain_policy(policy, verdict, selector)
        };
        let (would_move, leads_to) = obstacles::find(ground);
        let policies = self.policies.iter().zip(judged).map(told_policy).collect();
        Some(Explanation { policies, would_move, leads_to, ..explanation })
    }

    fn fleet(&self, name: &str) -> Option<&'a CachedFleet> {
        self.estate.fleets.iter().map(Arc::as_ref).find(|fleet| fleet.name() == name)
    }

    fn ground(
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
            at: self.at,
            absence_counts: true,
        }
    }

    /// All but what came of the policies and what would move it.
    fn look(
        &self,
        fleet: &CachedFleet,
        ground: &Scenario,
        view: &ScenarioView<'_>,
        stored: Option<&ClientStatus>,
    ) -> Explanation {
        let decided = decide_client(view.facts, view.applicable, self.at);
        let shared = decided.shared(view.facts);
        Explanation {
            at: self.at,
            namespace: fleet.namespace().to_owned(),
            fleet: fleet.name().into(),
            client: client::explain_client(ground, view, decided.governing),
            decision: ExplainedDecision {
                rule: decided.rule.number,
                state: decided.rule.state.as_str(),
                reason: decided.rule.reason.as_str(),
                policy: shared.policy.cloned(),
                target_version: shared.target_version.cloned(),
                next_transition_time: shared.next_transition_time,
                holds_until: decided.next_change.holds_until,
                fleet_too_large: is_marked_too_large(fleet),
            },
            stored: stored.map(|stored| compare(stored, &shared, fleet)),
            policies: Vec::new(),
            rules: tried(view, decided.rule),
            last_offer: stored.and_then(|stored| stored.last_offer.as_deref().cloned()),
            ahead: next_changes::next_changes(view, &decided),
            would_move: Vec::new(),
            leads_to: None,
        }
    }
}

fn compare(stored: &ClientStatus, now: &Shared<'_>, fleet: &CachedFleet) -> Stored {
    fn said<'a>(row: &Shared<'a>) -> impl PartialEq + use<'a> {
        (row.state, row.reason, row.policy, row.target_version)
    }
    let generation = fleet.status.as_ref().and_then(|p| p.kept.observed_generation);
    Stored {
        state: stored.state.to_string(),
        reason: Some(stored.reason.to_string()).filter(|reason| !reason.is_empty()),
        since: stored.last_transition_time,
        next_transition_time: stored.next_transition_time,
        agrees: said(&Row::from(stored).shared) == said(now),
        is_current: generation == Some(fleet.generation()),
    }
}

fn tried(view: &ScenarioView<'_>, held: &Rule) -> Vec<Tried> {
    let case = view.case();
    let to_the_held = RULES.iter().take_while(|rule| rule.number <= held.number);
    let tried = to_the_held.map(|rule| Tried {
        number: rule.number,
        state: rule.state.as_str(),
        reason: rule.reason.as_str(),
        held: (rule.holds)(&case),
        saw: rule
            .looks_at
            .iter()
            .map(|f| Sight { fact: f.name(), value: f.value(&case) })
            .collect(),
    });
    tried.collect()
}
