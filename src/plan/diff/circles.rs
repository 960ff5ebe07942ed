//! Finds the circles of targets in a namespace: policies that would send clients back to a version
//! that they have left.

use std::collections::{BTreeMap, BTreeSet};

use super::PlannedEstate;
use crate::api::Text;
use crate::api::fleet::ClientStatus;
use crate::plan::explanation::{ExplainedChain, Explainer};
use crate::plan::state::{Reason, State};
use crate::values::Timestamp;

/// A circle, with the clients that it concerns.
#[derive(Debug)]
pub(super) struct Circle {
    pub chain: ExplainedChain,
    pub fleets: BTreeSet<Text>,
    pub clients: usize,
}

/// Names of the policies that the chain of a circle passes.
pub(super) type CirclePolicies = BTreeSet<Text>;

/// Returns the circles of a namespace by the policies that they pass.
pub(super) fn find(planned: &PlannedEstate, at: Timestamp) -> BTreeMap<CirclePolicies, Circle> {
    let mut circles = BTreeMap::new();
    let explainer = Explainer::new(&planned.estate, at);
    if !explainer.looks_at_versions() {
        return circles;
    }
    for (fleet, status) in &planned.plan.fleets {
        let rows = status.clients.iter().flatten().filter(|row| could_move(row));
        let clients = rows.map(|row| &row.name).collect();
        for chain in explainer.target_chains(fleet, &clients) {
            if chain.first_in_circle.is_none() {
                continue;
            }
            let policies = chain.moves.iter().map(|passed| passed.policy.clone()).collect();
            let circle = circles.entry(policies);
            let circle = circle.or_insert(Circle { chain, fleets: BTreeSet::new(), clients: 0 });
            circle.fleets.insert(fleet.clone());
            circle.clients += 1;
        }
    }
    circles
}

/// Returns whether the client would move, now or later, if there were no circle.
fn could_move(row: &ClientStatus) -> bool {
    let states = [State::RestartRequired, State::Failed, State::Waiting, State::Distributing];
    row.reason == Reason::TargetsInCircle.as_str()
        || states.iter().any(|state| row.state == state.as_str())
}

impl Circle {
    /// Returns the warning about the circle.
    pub fn warning(&self) -> String {
        let Self { chain, clients, .. } = self;
        let first = chain.first_in_circle.as_deref().unwrap_or_default();
        let (clients, verb) = if *clients == 1 {
            ("1 client".to_owned(), "has")
        } else {
            (format!("{clients} clients"), "have")
        };
        format!(
            "{clients} {verb} targets that form a circle ({}): only those that {first} governs move, \
             the others are Blocked, TargetsInCircle",
            chain.text()
        )
    }
}
