//! A planned status: its digest, and how to build it. A fleet's status is built only when it is
//! written, because hundreds of thousands of rows would otherwise wait in memory.

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
    /// Inputs of the status in addition to the object.
    type StatusInputs: Clone + Debug + Send + Sync;

    /// Builds the planned status.
    fn status(planned: &Planned<Self>) -> Arc<Self::Status>
    where
        Self: Sized;
}

/// An object with its planned status.
#[derive(Clone, Debug)]
pub struct Planned<K: PlannedKind> {
    /// Object that the plan was made from.
    pub cached: Arc<Cached<K>>,
    /// Inputs of the status in addition to the object.
    pub inputs: K::StatusInputs,
    /// Digest of the planned status.
    pub digest: Digest,
    /// When and why the status was planned.
    pub trigger: PlanTrigger,
}

impl<K: PlannedKind> Planned<K> {
    /// Returns the planned status.
    #[must_use]
    pub fn status(&self) -> Arc<K::Status> {
        K::status(self)
    }

    /// Returns whether the stored status equals the planned one, so that no write is needed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.cached.status_equals(self.digest)
    }
}

/// Inputs of a fleet's status in addition to the fleet, as they were when it was planned.
#[derive(Clone, Debug)]
pub struct FleetStatusInputs {
    /// Fleet named in `packageFrom`, if it exists.
    pub source: Option<Arc<CachedFleet>>,
    /// Parsed policies of the namespace.
    pub rulebook: Rulebook,
}

impl PlannedKind for ClientFleet {
    type StatusInputs = FleetStatusInputs;

    /// Builds the status by deciding again, from the same facts and for the same instant.
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
        cached: Arc<CachedFleet>,
        digest: Digest,
        inputs: FleetStatusInputs,
        trigger: PlanTrigger,
    ) -> Self {
        Self { cached, inputs, digest, trigger }
    }
}

impl Planned<UpgradePolicy> {
    pub(super) fn policy(
        cached: Arc<CachedPolicy>,
        status: UpgradePolicyStatus,
        at: Timestamp,
    ) -> Self {
        let digest = Digest::of(&status);
        let trigger = PlanTrigger { at, ..PlanTrigger::default() };
        Self { cached, inputs: Arc::new(status), digest, trigger }
    }
}
