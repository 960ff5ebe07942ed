//! Collects the objects that have changed since the planning loop last emptied the change set.
//! Repeated changes to one object share one entry, so the change set of a standby stays small even
//! after months.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::Notify;

/// Namespace and name of an object.
pub type Key = (String, String);

/// The objects that were changed or deleted between two calls of [`ChangeSet::take`].
#[derive(Debug, Default)]
pub struct Touched {
    /// Fleets that were changed or deleted.
    pub fleets: KindChanges,
    /// Policies that were changed or deleted.
    pub policies: KindChanges,
}

/// The objects of one kind that were changed or deleted between two calls of [`ChangeSet::take`].
#[derive(Debug, Default)]
pub struct KindChanges {
    /// Objects that were changed or deleted.
    pub objects: BTreeSet<Key>,
    /// Time when the last list that refilled the store was requested; `None` if no list did. After
    /// a list, any object may have changed or been deleted.
    pub relisted: Option<Instant>,
}

impl KindChanges {
    fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.relisted.is_none()
    }
}

#[derive(Debug, Default)]
struct ChangeSetState {
    touched: Touched,
    fleets_listed: bool,
    policies_listed: bool,
}

/// The set of objects that were changed or deleted since the last [`ChangeSet::take`]. The watches
/// fill the set, and the planning loop empties it.
#[derive(Debug, Default)]
pub struct ChangeSet {
    state: Mutex<ChangeSetState>,
    changed: Notify,
}

/// A store, identified by the kind of its objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreKind {
    /// The store of fleets.
    Fleets,
    /// The store of policies.
    Policies,
}

impl ChangeSet {
    /// Records that an object was changed or deleted.
    pub fn object(&self, which: StoreKind, key: Key) {
        self.note(|state| {
            let changes = state.changes(which);
            // Do not record single keys after a relist, because the planning loop then checks all
            // objects. On a standby, which may not plan for months, the keys of deleted objects
            // would accumulate.
            if changes.relisted.is_none() {
                changes.objects.insert(key);
            }
        });
    }

    /// Records that a list, which was requested at the instant `began`, refilled a store.
    pub(crate) fn relisted(&self, which: StoreKind, began: Instant) {
        self.note(|state| {
            *state.changes(which) = KindChanges { objects: BTreeSet::new(), relisted: Some(began) };
            match which {
                StoreKind::Fleets => state.fleets_listed = true,
                StoreKind::Policies => state.policies_listed = true,
            }
        });
    }

    fn note(&self, write: impl FnOnce(&mut ChangeSetState)) {
        write(&mut self.state());
        self.changed.notify_one();
    }

    /// Waits until there is a change and both stores have been filled once. A plan from partly
    /// filled stores would be wrong.
    pub async fn changed(&self) {
        loop {
            let changed = self.changed.notified();
            if self.is_due() {
                return;
            }
            changed.await;
        }
    }

    fn is_due(&self) -> bool {
        let state = self.state();
        let noted = !(state.touched.fleets.is_empty() && state.touched.policies.is_empty());
        noted && state.both_are_listed()
    }

    /// Returns all changes and empties the change set. Returns no changes before both stores have
    /// been filled once.
    pub fn take(&self) -> Touched {
        let mut state = self.state();
        if state.both_are_listed() {
            std::mem::take(&mut state.touched)
        } else {
            Touched::default()
        }
    }

    fn state(&self) -> MutexGuard<'_, ChangeSetState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ChangeSetState {
    fn both_are_listed(&self) -> bool {
        self.fleets_listed && self.policies_listed
    }

    fn changes(&mut self, which: StoreKind) -> &mut KindChanges {
        match which {
            StoreKind::Fleets => &mut self.touched.fleets,
            StoreKind::Policies => &mut self.touched.policies,
        }
    }
}
