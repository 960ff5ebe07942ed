//! How the controller is, for whoever asks from outside: probes and metrics. It is told by the parts
//! of the controller, and knows nothing of those who ask.

use std::sync::Arc;

use tokio::sync::watch;

use crate::values::Timestamp;

/// How the controller is. A clone tells of the same controller.
#[derive(Clone, Debug, Default)]
pub struct Health(Arc<watch::Sender<State>>);

/// How the controller is at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// The cluster has answered, and its custom resource definitions are fit for this release.
    pub is_started: bool,
    /// How many stores have still to be filled for the first time; unknown before it has started.
    pub stores_awaited: Option<usize>,
    /// What it is among the replicas.
    pub role: Role,
    /// When it renewed its lease last, by the wall clock; only a leader does.
    pub last_renewal: Option<Timestamp>,
}

/// What a process is among the replicas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It was told that it is the only one: there is no leader election.
    #[default]
    Alone,
    /// Another leads, or nobody does yet. It watches, and writes nothing.
    Standby,
    /// It plans and writes.
    Leading,
}

impl State {
    /// Whether it could do its work this moment: it knows the cluster, leading or not.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_started && self.stores_awaited == Some(0)
    }

    /// Whether it is the one that writes.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.role != Role::Standby
    }
}

impl Health {
    /// How it is now.
    #[must_use]
    pub fn now(&self) -> State {
        *self.0.borrow()
    }

    /// Follows it.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    /// The cluster is fit; so many stores are being filled now.
    pub(super) fn started(&self, stores: usize) {
        self.0.send_modify(|state| {
            state.is_started = true;
            state.stores_awaited = Some(stores);
        });
    }

    /// One more store is filled. Returns whether that was the last one.
    pub(super) fn store_filled(&self) -> bool {
        self.0.send_modify(|state| {
            state.stores_awaited = state.stores_awaited.map(|stores| stores.saturating_sub(1));
        });
        self.now().is_ready()
    }

    /// It has another role now.
    pub(super) fn is(&self, role: Role) {
        self.0.send_if_modified(|state| std::mem::replace(&mut state.role, role) != role);
    }

    /// It has renewed its lease.
    pub(super) fn renewed(&self, at: Timestamp) {
        self.0.send_modify(|state| state.last_renewal = Some(at));
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
