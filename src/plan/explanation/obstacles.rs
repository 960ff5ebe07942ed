//! What is in a client's way, one obstacle after the other: decides, says what each way out leads to
//! by deciding again, and goes on from the first whose outcome can be said.

use serde::Serialize;

use super::remedies::ways;
use super::remedy::{Choice, RemedyWithEffect};
use super::scenario::Scenario;
use crate::api::Text;
use crate::plan::next_change::look_ahead;
use crate::plan::rules::{Rule, TARGET_KNOWN_FROM, decide};
use crate::plan::state::State;
use crate::values::Timestamp;

/// Something in a client's way.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Obstacle {
    /// The number of the rule that holds.
    pub rule: u8,
    /// The state that it leads to.
    pub state: &'static str,
    /// And the reason.
    pub reason: &'static str,
    /// The policy that governs then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text>,
    /// The ways out of it, each with where it leads.
    pub ways: Vec<Choice>,
    /// Which of them is assumed to be taken in what follows; absent: what follows cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assumed: Option<usize>,
}

/// Where a client is once a way is taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    /// The moment, with the waiting that is assumed.
    pub at: Timestamp,
    /// Its state.
    pub state: &'static str,
    /// And the reason.
    pub reason: &'static str,
    /// The policy that governs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text>,
    /// The version to run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_version: Option<Text>,
    /// When it is offered something by itself; told only of one that is offered nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
}

/// No client has more in its way.
const MOST: usize = 12;

/// What is in the way on this ground, and where the client is after it, where that can be said.
pub(super) fn find(mut ground: Scenario) -> (Vec<Obstacle>, Option<Destination>) {
    let mut obstacles = Vec::new();
    while obstacles.len() < MOST {
        let Here { rule, destination, open } = look(&ground);
        let is_offered = rule.state == State::Distributing;
        if is_offered && obstacles.is_empty() {
            return (obstacles, None);
        }
        let has_arrived = is_offered || rule.state == State::UpToDate;
        if has_arrived && !obstacles.is_empty() {
            return (obstacles, Some(destination));
        }
        let (ways, mut grounds): (Vec<Choice>, Vec<_>) =
            open.into_iter().map(|open| taken(open, &ground)).unzip();
        let assumed = grounds.iter().position(Option::is_some).filter(|_| !has_arrived);
        let Destination { state, reason, policy, .. } = destination;
        let rule = rule.number;
        obstacles.push(Obstacle { rule, state, reason, policy, ways, assumed });
        match assumed.and_then(|at| grounds.swap_remove(at)) {
            Some(next) => ground = next,
            None => break,
        }
    }
    (obstacles, None)
}

/// A way with where it leads, and the ground once it is taken, where that can be said.
fn taken(
    RemedyWithEffect { way, then }: RemedyWithEffect,
    ground: &Scenario,
) -> (Choice, Option<Scenario>) {
    let next = then.map(|then| {
        let mut next = ground.clone();
        then(&mut next);
        next
    });
    let leads_to = next.as_ref().map(|next| look(next).destination);
    (Choice { way, leads_to }, next)
}

/// What is decided on a ground.
struct Here {
    rule: &'static Rule,
    destination: Destination,
    open: Vec<RemedyWithEffect>,
}

fn look(ground: &Scenario) -> Here {
    ground.probe(|view| {
        let case = view.case();
        let rule = decide(&case);
        let target = case.target().filter(|_| rule.number >= TARGET_KNOWN_FROM);
        let next = look_ahead(&case, rule, view.applicable).next_transition;
        Here {
            rule,
            destination: Destination {
                at: ground.at,
                state: rule.state.as_str(),
                reason: rule.reason.as_str(),
                policy: case.governing.map(|zoned| zoned.policy.name.clone()),
                target_version: target.map(|target| target.version.raw.clone()),
                next_transition_time: next.filter(|_| rule.state != State::Distributing),
            },
            open: ways(ground, view, rule),
        }
    })
}
