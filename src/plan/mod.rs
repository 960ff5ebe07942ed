//! The decision and the plan: from all policies and fleets of one namespace and an instant, every
//! status, and the moment until which it holds.
//!
//! Nothing here does I/O or reads a clock, and the result does not depend on the order of the input.
//! The controller and `clientfleet plan --local` call the same functions.
//!
//! One client's way through: [`facts`] are read from its spec, [`scope`] finds the policies that are
//! about it, [`rules`] decide under the one that governs it, [`outlook`] looks ahead (for all of its
//! class at once), and [`fleet`] makes its entry and adds it to each policy's [`tally`]. The tallies of
//! all fleets are a [`total`], from which [`governance`] makes the policy's status. [`planner`] keeps
//! all of it up to date.

pub mod cached;
pub mod cached_status;
pub mod changes;
pub mod client_index;
pub mod conditions;
mod decision_cache;
pub mod diff;
pub mod explanation;
pub mod facts;
pub mod fleet;
pub mod namespace_aggregates;
pub mod next_change;
pub mod parsed;
pub mod phase_cache;
pub mod planned;
pub mod planner;
pub mod policy;
pub mod policy_aggregate;
pub mod policy_contribution;
pub mod policy_in_zone;
pub mod policy_status;
pub mod row;
pub mod rule_input;
pub mod rules;
pub mod scope;
pub mod settings;
pub mod state;
pub mod trigger;
pub mod version_text;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use cached::{Cached, CachedFleet, CachedPolicy};
pub use namespace_aggregates::NamespaceCounts;
pub use parsed::{Kind, Parsed, Raw};
pub use planned::{Planned, PlannedKind};
pub use planner::{PassResult, Planner, PlanningPass};
pub use state::{Reason, State};

use crate::api::Text;
use crate::api::fleet::ClientFleetStatus;
use crate::api::policy::UpgradePolicyStatus;
use crate::values::Timestamp;

/// All fleets and policies of one namespace, with their previous statuses, in any order.
#[derive(Clone, Debug, Default)]
pub struct Estate {
    /// The fleets.
    pub fleets: Vec<Arc<CachedFleet>>,
    /// The policies.
    pub policies: Vec<Arc<CachedPolicy>>,
}

/// What the statuses of a namespace should say, sorted by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Each fleet's status.
    pub fleets: Vec<(Text, ClientFleetStatus)>,
    /// Each policy's status.
    pub policies: Vec<(Text, UpgradePolicyStatus)>,
    /// The moment until which it holds, if nothing is written or reported; `None`: for ever.
    pub until: Option<Timestamp>,
}

/// Plans a namespace at an instant.
#[must_use]
pub fn plan(estate: &Estate, at: Timestamp) -> Plan {
    let mut planner = Planner::default();
    for policy in &estate.policies {
        planner.observe_policy(Arc::clone(policy));
    }
    for fleet in &estate.fleets {
        planner.observe_fleet(Arc::clone(fleet));
    }
    let PassResult { fleets, policies, until } = planner.plan(at);
    Plan {
        fleets: fleets.iter().map(named).collect(),
        policies: policies.iter().map(named).collect(),
        until,
    }
}

fn named<K: PlannedKind>(planned: &Planned<K>) -> (Text, K::Status) {
    (planned.cached.name().into(), Arc::unwrap_or_clone(planned.status()))
}

/// The plan on which the controller settles at an instant: what it plans once the statuses say what it
/// planned first, so that policies are in force.
#[must_use]
pub fn settle(estate: &Estate, at: Timestamp) -> Plan {
    let first = plan(estate, at);
    let written = Estate {
        fleets: written(&estate.fleets, first.fleets),
        policies: written(&estate.policies, first.policies),
    };
    plan(&written, at)
}

/// The objects with the statuses that were planned for them.
fn written<K: Kind>(
    objects: &[Arc<Cached<K>>],
    planned: Vec<(Text, K::Status)>,
) -> Vec<Arc<Cached<K>>> {
    let mut planned: BTreeMap<Text, K::Status> = planned.into_iter().collect();
    let with_status = |object: &Arc<Cached<K>>| match planned.remove(object.name()) {
        Some(status) => Arc::new(object.with_status(status)),
        None => Arc::clone(object),
    };
    objects.iter().map(with_status).collect()
}
