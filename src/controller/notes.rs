//! Notes of what the watches have touched, kept until the planning loop takes them: a burst of
//! changes to one object is one note, and a standby's of months are no more than that.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// Namespace and name of an object.
pub type Key = (String, String);

/// What has been touched since the last look.
#[derive(Debug, Default)]
pub struct Touched {
    /// Fleets that have changed or gone.
    pub fleets: Changes,
    /// Policies that have changed or gone.
    pub policies: Changes,
}

/// What has been touched of one kind.
#[derive(Debug, Default)]
pub struct Changes {
    /// These have changed or gone.
    pub objects: BTreeSet<Key>,
    /// The whole store was filled anew: anything may have changed or gone.
    pub relisted: bool,
}

impl Changes {
    fn is_empty(&self) -> bool {
        self.objects.is_empty() && !self.relisted
    }
}

#[derive(Debug, Default)]
struct State {
    touched: Touched,
    fleets_listed: bool,
    policies_listed: bool,
}

/// The notes.
#[derive(Debug, Default)]
pub struct Notes {
    state: Mutex<State>,
    changed: Notify,
}

/// Which of the two stores was touched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The store of fleets.
    Fleets,
    /// The store of policies.
    Policies,
}

impl Notes {
    /// Notes that an object has changed or gone.
    pub fn object(&self, which: Which, key: Key) {
        self.note(|state| {
            let changes = state.changes(which);
            // It will be looked at in any case; where nobody looks for months, notes of what is long
            // gone must not pile up.
            if !changes.relisted {
                changes.objects.insert(key);
            }
        });
    }

    /// Notes that a store was filled anew.
    pub fn relisted(&self, which: Which) {
        self.note(|state| {
            *state.changes(which) = Changes { objects: BTreeSet::new(), relisted: true };
            match which {
                Which::Fleets => state.fleets_listed = true,
                Which::Policies => state.policies_listed = true,
            }
        });
    }

    fn note(&self, write: impl FnOnce(&mut State)) {
        write(&mut self.state());
        self.changed.notify_one();
    }

    /// Waits until something is noted, and both stores have been filled once: no plan is made of
    /// half a cluster.
    pub async fn something(&self) {
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

    /// Takes all notes; none before both stores have been filled once.
    pub fn take(&self) -> Touched {
        let mut state = self.state();
        if state.both_are_listed() {
            std::mem::take(&mut state.touched)
        } else {
            Touched::default()
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn both_are_listed(&self) -> bool {
        self.fleets_listed && self.policies_listed
    }

    fn changes(&mut self, which: Which) -> &mut Changes {
        match which {
            Which::Fleets => &mut self.touched.fleets,
            Which::Policies => &mut self.touched.policies,
        }
    }
}
