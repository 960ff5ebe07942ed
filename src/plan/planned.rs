//! A status that was planned: how it is made, and its digest. A fleet's is made only where it is to be
//! written: hundreds of thousands of entries would else wait in memory for their turn.

use std::fmt::Debug;
use std::sync::Arc;

use super::cached::{Cached, CachedFleet, CachedPolicy, Digest};
use super::fleet::{Rulebook, fleet_status};
use super::parsed::Kind;
use super::phase_cache::PhaseCache;
use super::trigger::PlanTrigger;
use crate::api::fleet::ClientFleetStatus;
use crate::api::policy::UpgradePolicyStatus;
use crate::api::{ClientFleet, UpgradePolicy};
use crate::values::Timestamp;

/// A kind whose statuses are planned.
pub trait PlannedKind: Kind {
    /// What its status is made from, beside the object.
    type StatusInputs: Clone + Debug + Send + Sync;

    /// Makes the status.
    fn status(planned: &Planned<Self>) -> Arc<Self::Status>
    where
        Self: Sized;
}

/// An object with the status that it should have.
#[derive(Clone, Debug)]
pub struct Planned<K: PlannedKind> {
    /// What the plan was made from.
    pub cached: Arc<Cached<K>>,
    /// What the status is made from beside it.
    pub inputs: K::StatusInputs,
    /// The status's digest.
    pub digest: Digest,
    /// When and why it was planned.
    pub trigger: PlanTrigger,
}

impl<K: PlannedKind> Planned<K> {
    /// What the status should say.
    #[must_use]
    pub fn status(&self) -> Arc<K::Status> {
        K::status(self)
    }

    /// Whether the stored status says so already, so that no write is owed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.cached.status_equals(self.digest)
    }
}

/// What a fleet's status is made from, beside the fleet: what was true when it was planned.
#[derive(Clone, Debug)]
pub struct FleetStatusInputs {
    /// The fleet that its `packageFrom` names.
    pub source: Option<Arc<CachedFleet>>,
    /// The policies.
    pub rulebook: Rulebook,
}

impl PlannedKind for ClientFleet {
    type StatusInputs = FleetStatusInputs;

    /// Decides once more, by the same facts and for the same instant.
    fn status(planned: &Planned<Self>) -> Arc<ClientFleetStatus> {
        let FleetStatusInputs { source, rulebook } = &planned.inputs;
        let phase_cache = PhaseCache::new(planned.trigger.at, rulebook.len());
        Arc::new(fleet_status(&planned.cached, source.as_deref(), rulebook, &phase_cache))
    }
}

impl PlannedKind for UpgradePolicy {
    type StatusInputs = Arc<UpgradePolicyStatus>;

    fn status(planned: &Planned<Self>) -> Arc<UpgradePolicyStatus> {
        Arc::clone(&planned.inputs)
    }
}

impl Planned<ClientFleet> {
    pub(super) fn fleet(
        observed: Arc<CachedFleet>,
        digest: Digest,
        draft: FleetStatusInputs,
        trigger: PlanTrigger,
    ) -> Self {
        Self { cached: observed, inputs: draft, digest, trigger: trigger }
    }
}

impl Planned<UpgradePolicy> {
    pub(super) fn policy(
        observed: Arc<CachedPolicy>,
        status: UpgradePolicyStatus,
        at: Timestamp,
    ) -> Self {
        let digest = Digest::of(&status);
        let trigger = PlanTrigger { at, ..PlanTrigger::default() };
        Self { cached: observed, inputs: Arc::new(status), digest, trigger: trigger }
    }
}
