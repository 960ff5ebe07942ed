//! Stores the health of the controller. The startup code, the watches and the leader election
//! update it, and the HTTP server reads it for probes and metrics.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::cluster::watch::freshness::Freshness;
use crate::values::Timestamp;

/// Health of the controller. All clones share one state.
#[derive(Clone, Debug, Default)]
pub struct Health {
    state: Arc<watch::Sender<HealthState>>,
    /// Freshness of each store, with the kind of its objects.
    stores: Arc<Mutex<Vec<(&'static str, Freshness)>>>,
}

/// A snapshot of the controller's health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthState {
    /// True after the custom resource definitions in the cluster have passed the check.
    pub is_started: bool,
    /// Number of stores that have not been filled yet; `None` before the controller has started.
    pub stores_awaited: Option<usize>,
    /// Role of this process among the replicas.
    pub role: Role,
    /// Wall-clock time of the last lease renewal; `None` if this process has never led.
    pub last_renewal: Option<Timestamp>,
}

/// Role of a process among the replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// The process is configured as the only replica: there is no leader election.
    #[default]
    Alone,
    /// Another replica leads, or no replica leads yet. This process watches but writes nothing.
    Standby,
    /// The process leads: it plans and writes.
    Leading,
}

impl HealthState {
    /// Returns whether the controller has started and filled all its stores. A standby replica can
    /// also be ready.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_started && self.stores_awaited == Some(0)
    }

    /// Returns whether this process may write: it leads or is the only replica.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.role != Role::Standby
    }
}

impl Health {
    /// Returns the current health.
    #[must_use]
    pub fn now(&self) -> HealthState {
        *self.state.borrow()
    }

    /// Registers the freshness of a store for the probes and metrics.
    pub(super) fn watches(&self, kind: &'static str, freshness: Freshness) {
        self.stores.lock().unwrap_or_else(PoisonError::into_inner).push((kind, freshness));
    }

    /// Returns the maximum [`Freshness::silence`] of the watches for `kind`; `None` if there is no
    /// such watch.
    #[must_use]
    pub fn silence(&self, kind: &str) -> Option<Duration> {
        let stores = self.stores.lock().unwrap_or_else(PoisonError::into_inner);
        stores.iter().filter(|(of, _)| *of == kind).map(|(_, store)| store.silence()).max()
    }

    /// Returns a receiver that is notified of each change of the health.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<HealthState> {
        self.state.subscribe()
    }

    /// Records that the custom resource definitions in the cluster have passed the check, and that
    /// `stores` stores are being filled.
    pub(super) fn started(&self, stores: usize) {
        self.state.send_modify(|state| {
            state.is_started = true;
            state.stores_awaited = Some(stores);
        });
    }

    /// Records that one more store has been filled. Returns whether all stores have now been
    /// filled.
    pub(super) fn store_filled(&self) -> bool {
        self.state.send_modify(|state| {
            state.stores_awaited = state.stores_awaited.map(|stores| stores.saturating_sub(1));
        });
        self.now().is_ready()
    }

    /// Sets the role of this process.
    pub(super) fn is(&self, role: Role) {
        self.state.send_if_modified(|state| std::mem::replace(&mut state.role, role) != role);
    }

    /// Records the wall-clock time of a lease renewal.
    pub(super) fn renewed(&self, at: Timestamp) {
        self.state.send_modify(|state| state.last_renewal = Some(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_once_every_store_is_filled() {
        let health = Health::default();
        let followed = health.follow();
        assert!(!health.now().is_ready());
        health.started(2);
        health.is(Role::Standby);
        health.store_filled();
        assert!(!health.now().is_ready());
        health.store_filled();
        assert!(followed.borrow().is_ready() && !followed.borrow().leads());
        health.is(Role::Leading);
        assert!(health.now().leads());
    }
}
