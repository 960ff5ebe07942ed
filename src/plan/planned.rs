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
pub trait Draftable: Kind {
    /// What its status is made from, beside the object.
    type Draft: Clone + Debug + Send + Sync;

    /// Makes the status.
    fn status(planned: &Planned<Self>) -> Arc<Self::Status>
    where
        Self: Sized;
}

/// An object with the status that it should have.
#[derive(Clone, Debug)]
pub struct Planned<K: Draftable> {
    /// What the plan was made from.
    pub cached: Arc<Cached<K>>,
    /// What the status is made from beside it.
    pub draft: K::Draft,
    /// The status's digest.
    pub digest: Digest,
    /// When and why it was planned.
    pub trigger: PlanTrigger,
}

impl<K: Draftable> Planned<K> {
    /// What the status should say.
    #[must_use]
    pub fn status(&self) -> Arc<K::Status> {
        K::status(self)
    }

    /// Whether the stored status says so already, so that no write is owed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.cached.says(self.digest)
    }
}

/// What a fleet's status is made from, beside the fleet: what was true when it was planned.
#[derive(Clone, Debug)]
pub struct FleetDraft {
    /// The fleet that its `packageFrom` names.
    pub source: Option<Arc<CachedFleet>>,
    /// The policies.
    pub rulebook: Rulebook,
}

impl Draftable for ClientFleet {
    type Draft = FleetDraft;

    /// Decides once more, by the same facts and for the same instant.
    fn status(planned: &Planned<Self>) -> Arc<ClientFleetStatus> {
        let FleetDraft { source, rulebook } = &planned.draft;
        let phase_cache = PhaseCache::new(planned.trigger.at, rulebook.len());
        Arc::new(fleet_status(&planned.cached, source.as_deref(), rulebook, &phase_cache))
    }
}

impl Draftable for UpgradePolicy {
    type Draft = Arc<UpgradePolicyStatus>;

    fn status(planned: &Planned<Self>) -> Arc<UpgradePolicyStatus> {
        Arc::clone(&planned.draft)
    }
}

impl Planned<ClientFleet> {
    pub(super) fn fleet(
        observed: Arc<CachedFleet>,
        digest: Digest,
        draft: FleetDraft,
        trigger: PlanTrigger,
    ) -> Self {
        Self { cached: observed, draft, digest, trigger: trigger }
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
        Self { cached: observed, draft: Arc::new(status), digest, trigger: trigger }
    }
}
