//! Implements `plan` without files: compares the statuses that the running controller has written
//! with what this version of clientfleet decides for the same objects. Writes nothing to the
//! cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Compared, Failure, PlanArgs};
use crate::api::{ClientFleet, Kind, UpgradePolicy};
use crate::cli::cluster::{Cluster, NamespaceScope};
use crate::plan::diff::{GivenObjects, PlannedEstate, PlannedEstates, compare_plans};
use crate::plan::{Cached, Estate, Parsed, Plan};
use crate::values::Timestamp;

/// One namespace: its objects, and the stored rows of its fleets.
#[derive(Default)]
struct StoredNamespace {
    estate: Estate,
    plan: Plan,
}

/// Compares the stored statuses of the selected namespaces with the plan for the instant `now`.
pub(super) async fn compare(arguments: &PlanArgs, now: Timestamp) -> Result<Compared, Failure> {
    let cluster = Cluster::connect(&arguments.connection).await?;
    let reach = match &arguments.namespace {
        _ if arguments.all_namespaces => NamespaceScope::All,
        Some(name) => NamespaceScope::Namespace(name.clone()),
        None => NamespaceScope::Namespace(cluster.namespace.clone()),
    };
    let mut found = Found::default();
    cluster.fleets(&reach).await?.into_iter().for_each(|fleet| found.fleet(fleet));
    cluster.policies(&reach).await?.into_iter().for_each(|policy| found.policy(policy));
    if let NamespaceScope::Namespace(name) = reach {
        found.namespaces.entry(name).or_default();
    }
    let remarks = found.remarks();
    let Found { namespaces, given, .. } = found;
    let after: PlannedEstates = namespaces
        .iter()
        .map(|(name, there)| (name.clone(), PlannedEstate::settled(there.estate.clone(), now)))
        .collect();
    let before = namespaces
        .into_iter()
        .map(|(name, StoredNamespace { estate, plan })| (name, PlannedEstate { estate, plan }))
        .collect();
    Ok(Compared { difference: compare_plans(&before, &after, &given, now), remarks })
}

#[derive(Default)]
struct Found {
    namespaces: BTreeMap<String, StoredNamespace>,
    given: GivenObjects,
    fleets: usize,
    /// Number of fleets whose status was computed for an earlier generation.
    fleets_behind: usize,
}

impl Found {
    fn fleet(&mut self, fleet: Parsed<ClientFleet>) {
        let status = fleet.status.clone().unwrap_or_default();
        let is_current = status.observed_generation == fleet.metadata.generation;
        self.fleets += 1;
        self.fleets_behind += usize::from(!is_current);
        let fleet = Arc::new(Cached::from(fleet));
        self.given.insert(Kind::ClientFleet, fleet.namespace(), fleet.name());
        let there = self.namespaces.entry(fleet.namespace().to_owned()).or_default();
        there.plan.fleets.push((fleet.name().into(), status));
        there.estate.fleets.push(fleet);
    }

    fn policy(&mut self, policy: Parsed<UpgradePolicy>) {
        let policy = Arc::new(Cached::from(policy));
        self.given.insert(Kind::UpgradePolicy, policy.namespace(), policy.name());
        let there = self.namespaces.entry(policy.namespace().to_owned()).or_default();
        there.estate.policies.push(policy);
    }

    /// Returns a warning if statuses are older than their objects, so that the difference is not
    /// only that of two versions of clientfleet.
    fn remarks(&self) -> String {
        match self.fleets_behind {
            0 => String::new(),
            behind => format!(
                "warning: the status of {behind} of {} fleets is older than the fleet, so the \
                 difference includes what the running controller has not decided yet: see whether \
                 it runs\n",
                self.fleets
            ),
        }
    }
}
