//! What is in a client's way, one obstacle after the other: decides, takes the first way out whose
//! outcome can be said, and decides again.

use serde::Serialize;

use super::ground::Ground;
use super::way::{Open, Way};
use super::ways::ways;
use crate::api::Text;
use crate::plan::rules::{TARGET_KNOWN_FROM, decide};
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
    /// The ways out of it; any of them will do.
    pub ways: Vec<Way>,
    /// Which of them is assumed to be taken in what follows; absent: what follows cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub assumed: Option<usize>,
}

/// Where a client is once nothing is in its way.
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
}

/// No client has more in its way; waiting for a calendar of policies can go on.
const MOST: usize = 12;

/// What is in the way on this ground, and where the client is after it, where that can be said.
pub(super) fn find(mut ground: Ground) -> (Vec<Obstacle>, Option<Destination>) {
    let mut obstacles = Vec::new();
    while obstacles.len() < MOST {
        let Here { rule, is_offered, has_arrived, destination, open } = look(&ground);
        if is_offered && obstacles.is_empty() {
            return (obstacles, None);
        }
        if has_arrived && !obstacles.is_empty() {
            return (obstacles, Some(destination));
        }
        let assumed = open.iter().position(|open| open.then.is_some()).filter(|_| !has_arrived);
        let (ways, mut outcomes): (Vec<Way>, Vec<_>) =
            open.into_iter().map(|Open { way, then }| (way, then)).unzip();
        let Destination { state, reason, policy, .. } = destination;
        obstacles.push(Obstacle { rule, state, reason, policy, ways, assumed });
        match assumed.and_then(|at| outcomes.swap_remove(at)) {
            Some(then) => then(&mut ground),
            None => break,
        }
    }
    (obstacles, None)
}

/// What is decided on a ground.
struct Here {
    rule: u8,
    is_offered: bool,
    has_arrived: bool,
    destination: Destination,
    open: Vec<Open>,
}

fn look(ground: &Ground) -> Here {
    ground.look(|view| {
        let case = view.case();
        let rule = decide(&case);
        let target = case.target().filter(|_| rule.number >= TARGET_KNOWN_FROM);
        Here {
            rule: rule.number,
            is_offered: rule.state == State::Distributing,
            has_arrived: matches!(rule.state, State::Distributing | State::UpToDate),
            destination: Destination {
                at: ground.at,
                state: rule.state.as_str(),
                reason: rule.reason.as_str(),
                policy: case.terms.map(|terms| terms.policy.name.clone()),
                target_version: target.map(|target| target.version.text.clone()),
            },
            open: ways(ground, view, rule),
        }
    })
}
