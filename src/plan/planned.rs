//! Defines [`Planned`]: an object with the digest of its planned status, and the inputs from which
//! the status is built. A fleet's status is built only when it is written, because hundreds of
//! thousands of rows would otherwise be in memory at the same time.

use std::fmt::Debug;
use std::sync::Arc;

use super::allot::Standings;
use super::cached::{Cached, CachedFleet, CachedPolicy, Digest};
use super::cached_status::CachedFleetStatus;
use super::fleet::{Rulebook, fleet_status};
use super::history::carry_conditions;
use super::parsed::Kind;
use super::phase_cache::PhaseCache;
use super::row::policy_digest;
use super::trigger::PlanTrigger;
use crate::api::fleet::ClientFleetStatus;
use crate::api::policy::UpgradePolicyStatus;
use crate::api::{ClientFleet, UpgradePolicy};
use crate::values::Timestamp;

/// An object kind whose statuses are planned.
pub trait PlannedKind: Kind {
    /// Values that, together with the object, determine the status.
    type StatusInputs: Clone + Debug + Send + Sync;

    /// Builds the planned status, which continues the history of the status `replaced`.
    fn status(planned: &Planned<Self>, replaced: Option<&Self::Previous>) -> Self::Status
    where
        Self: Sized;
}

/// An object with its planned status.
#[derive(Clone, Debug)]
pub struct Planned<K: PlannedKind> {
    /// Object as it was when the status was planned.
    pub cached: Arc<Cached<K>>,
    /// Values that, together with the object, determine the status.
    pub inputs: K::StatusInputs,
    /// Digest of the planned status without its history.
    pub digest: Digest,
    /// Instant for which the status was planned, and the causes of the plan.
    pub trigger: PlanTrigger,
}

impl<K: PlannedKind> Planned<K> {
    /// Returns the planned status, which continues the history of the stored status.
    #[must_use]
    pub fn status(&self) -> K::Status {
        K::status(self, self.cached.status.as_ref().map(|stored| &*stored.kept))
    }

    /// Returns whether the stored status equals the planned status except for the history. If so,
    /// no write is needed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.cached.status_equals(self.digest)
    }
}

/// Inputs of a fleet's planned status other than the fleet itself, as they were when the status was
/// planned.
#[derive(Clone, Debug)]
pub struct FleetStatusInputs {
    /// Fleet named in `packageFrom`, if it exists.
    pub source: Option<Arc<CachedFleet>>,
    /// Parsed policies of the namespace.
    pub rulebook: Rulebook,
    /// Standings of the fleet's clients.
    pub standings: Standings,
}

impl PlannedKind for ClientFleet {
    type StatusInputs = FleetStatusInputs;

    /// Builds the status by repeating the decisions of the plan.
    fn status(planned: &Planned<Self>, replaced: Option<&CachedFleetStatus>) -> ClientFleetStatus {
        let FleetStatusInputs { source, rulebook, standings } = &planned.inputs;
        let phase_cache = PhaseCache::new(planned.trigger.at, rulebook.len());
        let source = source.as_deref();
        fleet_status(&planned.cached, source, rulebook, standings, &phase_cache, replaced)
    }
}

impl PlannedKind for UpgradePolicy {
    type StatusInputs = Arc<UpgradePolicyStatus>;

    fn status(
        planned: &Planned<Self>,
        replaced: Option<&UpgradePolicyStatus>,
    ) -> UpgradePolicyStatus {
        let mut status = UpgradePolicyStatus::clone(&planned.inputs);
        let before = replaced.map(|replaced| &replaced.conditions[..]);
        carry_conditions(&mut status.conditions, before);
        status
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
        let digest = policy_digest(&status);
        let trigger = PlanTrigger { at, ..PlanTrigger::default() };
        Self { cached, inputs: Arc::new(status), digest, trigger }
    }
}
