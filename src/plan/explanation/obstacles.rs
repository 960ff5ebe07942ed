//! Finds the obstacles between a client and its target, with the remedies for each obstacle.
//!
//! After each obstacle, the search applies the first remedy whose effect is known, and continues in
//! the resulting scenario.

use serde::Serialize;

use super::remedies::ways;
use super::remedy::{Choice, OpenRemedy};
use super::scenario::Scenario;
use crate::api::Text;
use crate::plan::next_change::look_ahead;
use crate::plan::rules::{Rule, decide};
use crate::plan::state::State;
use crate::values::Timestamp;

/// The rule that prevents a client from moving to its target, with the resulting state and the
/// remedies.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Obstacle {
    /// Number of the rule that made the decision.
    pub rule: u8,
    /// State that the rule assigns to the client.
    pub state: &'static str,
    /// Reason for the state.
    pub reason: &'static str,
    /// Policy that governs the client; absent if no policy governs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text>,
    /// Remedies for the obstacle, each with the resulting decision, if known.
    pub ways: Vec<Choice>,
    /// Index in `ways` of the remedy that the search applies before it continues; absent if the
    /// search ends with this obstacle.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assumed: Option<usize>,
}

/// Decision for a client after a remedy is applied.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// Instant of the decision, which is in the future if an applied remedy is to wait.
    pub at: Timestamp,
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
    /// Time at which the client gets an offer if nothing else changes; absent if the client already
    /// has an offer or no such time is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
}

/// Maximum number of obstacles in an explanation, which guarantees that the search ends.
const MAX_OBSTACLES: usize = 12;

/// Returns the obstacles in a scenario, and the decision after the last obstacle is removed. The
/// decision is `None` if it is not known or if there is no obstacle.
pub(super) fn find(mut scenario: Scenario) -> (Vec<Obstacle>, Option<Destination>) {
    let mut obstacles = Vec::new();
    while obstacles.len() < MAX_OBSTACLES {
        let Evaluation { rule, destination, open } = look(&scenario);
        let is_offered = rule.says.state == State::Distributing;
        if is_offered && obstacles.is_empty() {
            return (obstacles, None);
        }
        let has_arrived = is_offered || rule.says.state == State::UpToDate;
        if has_arrived && !obstacles.is_empty() {
            return (obstacles, Some(destination));
        }
        let (ways, mut grounds): (Vec<Choice>, Vec<_>) =
            open.into_iter().map(|open| taken(open, &scenario)).unzip();
        let assumed = grounds.iter().position(Option::is_some).filter(|_| !has_arrived);
        let Destination { state, reason, policy, .. } = destination;
        let rule = rule.name.number();
        obstacles.push(Obstacle { rule, state, reason, policy, ways, assumed });
        match assumed.and_then(|at| grounds.swap_remove(at)) {
            Some(next) => scenario = next,
            None => break,
        }
    }
    (obstacles, None)
}

/// Applies a remedy to a copy of the scenario and returns the changed copy. The copy and the
/// resulting decision are `None` if the effect of the remedy is unknown.
fn taken(
    OpenRemedy { remedy, then }: OpenRemedy,
    scenario: &Scenario,
) -> (Choice, Option<Scenario>) {
    let next = then.map(|then| {
        let mut next = scenario.clone();
        then(&mut next);
        next
    });
    let leads_to = next.as_ref().map(|next| look(next).destination);
    (Choice { remedy, leads_to }, next)
}

struct Evaluation {
    rule: &'static Rule,
    destination: Destination,
    open: Vec<OpenRemedy>,
}

fn look(scenario: &Scenario) -> Evaluation {
    scenario.probe(|view| {
        let case = view.case();
        let rule = decide(&case);
        let target = case.target().filter(|_| rule.says.shows_target);
        let next = look_ahead(&case, rule, view.applicable).next_transition;
        Evaluation {
            rule,
            destination: Destination {
                at: scenario.at,
                state: rule.says.state.as_str(),
                reason: rule.says.reason.as_str(),
                policy: case.governing.map(|zoned| zoned.policy.name.clone()),
                target_version: target.map(|target| target.version.raw.clone()),
                next_transition_time: next.filter(|_| rule.says.state != State::Distributing),
            },
            open: ways(scenario, view, rule),
        }
    })
}
