//! Computes the plan of one namespace at an instant: the status of each fleet and policy, and the
//! instant until which the plan holds.
//!
//! The module does no I/O and reads no clock, and the plan does not depend on the order of the
//! policies and fleets. The controller and `clientfleet plan --local` call the same functions.
//!
//! [`planner`] makes a plan in three stages and keeps it up to date: `collect` lists the claims of
//! each fleet's clients, [`allot`] gives every client of the namespace its standing, and [`fleet`]
//! makes the decisions for each fleet. The steps for one client are in these modules:
//!
//! - [`facts`] parses the spec of a client;
//! - [`scope`] finds the policies that apply to the client;
//! - [`rules`] decides the state of the client under the governing policy;
//! - [`target_chain`] finds policies that send the client round in a circle;
//! - [`next_change`] finds the next change of the offer, once for all clients that share the
//!   decision;
//! - [`fleet`] builds the status row and adds the client to its fleet's contribution to each
//!   policy;
//! - [`aggregate`] sums up the contributions of all fleets to a policy;
//! - [`policy_status`] builds the policy's status from the sum;
//! - `history` copies the history of the replaced status into the new status.

pub mod aggregate;
pub mod allot;
pub mod cached;
pub mod cached_status;
pub mod case;
pub mod changes;
pub mod client_fields;
pub mod client_index;
mod client_policies;
mod collect;
pub mod conditions;
mod criteria;
mod decision_cache;
pub mod diff;
pub mod duplicates;
pub mod explanation;
pub mod facts;
pub mod fleet;
mod fleet_zones;
mod history;
pub mod next_change;
pub mod package_source;
pub mod parsed;
pub mod phase_cache;
pub mod planned;
pub mod planner;
pub mod policy;
pub mod policy_in_zone;
pub mod policy_status;
pub mod row;
pub mod rule_input;
pub mod rules;
pub mod scope;
pub mod scope_match;
pub mod settings;
pub mod state;
pub mod target_chain;
pub mod trigger;
pub mod version_text;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use aggregate::NamespaceCounts;
pub use cached::{Cached, CachedFleet, CachedPolicy};
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
    /// Fleets of the namespace.
    pub fleets: Vec<Arc<CachedFleet>>,
    /// Policies of the namespace.
    pub policies: Vec<Arc<CachedPolicy>>,
}

/// The planned statuses of one namespace, sorted by object name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Name and planned status of each fleet.
    pub fleets: Vec<(Text, ClientFleetStatus)>,
    /// Name and planned status of each policy.
    pub policies: Vec<(Text, UpgradePolicyStatus)>,
    /// Instant until which the plan holds if no object changes; `None` if the plan never expires.
    pub until: Option<Timestamp>,
}

/// Computes the plan of a namespace at an instant.
#[must_use]
pub fn plan(estate: &Estate, at: Timestamp) -> Plan {
    plan_with(Planner::default(), estate, at)
}

/// Computes the plan of a namespace at an instant with `planner`, which must not have observed any
/// object yet.
#[must_use]
pub fn plan_with(mut planner: Planner, estate: &Estate, at: Timestamp) -> Plan {
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
    (planned.cached.name().into(), planned.status())
}

/// Computes the plan that the controller makes for the instant `at` after it has written all
/// statuses. A policy counts as applied only after the fleet statuses are written, so the function
/// plans again with the statuses of a first plan.
#[must_use]
pub fn settle(estate: &Estate, at: Timestamp) -> Plan {
    let first = plan(estate, at);
    let written = Estate {
        fleets: written(&estate.fleets, first.fleets),
        policies: written(&estate.policies, first.policies),
    };
    plan(&written, at)
}

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
