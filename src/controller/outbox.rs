//! What is still to be written of one kind: for each object the status that was planned last.
//!
//! It knows of the writes that the watch has not yet told of, so that nothing is written twice and
//! no write meets a version that is its own predecessor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use kube::runtime::reflector::ObjectRef;

use super::events::Announced;
use super::notes::Key;
use crate::plan::observed::Digest;
use crate::plan::{Kind, Observed, Planned};

/// The objects that have something to write, in the order in which that came up.
pub type Queue<K> = UnboundedReceiver<ObjectRef<Observed<K>>>;

/// The statuses that are to be written.
#[derive(Debug)]
pub struct Outbox<K: Announced> {
    entries: Mutex<HashMap<Key, Entry<K>>>,
    queue: UnboundedSender<ObjectRef<Observed<K>>>,
}

#[derive(Debug)]
struct Entry<K: Announced> {
    uid: Option<String>,
    /// What is to be written; `None` when nothing is.
    pending: Option<Planned<K>>,
    last_write: Option<LastWrite>,
    /// Failed tries in a row, for the back-off.
    failures: u32,
    /// What was announced last: the store may not show yet the status that said so.
    told: Option<K::Told>,
}

/// An own write that the store may not show yet.
#[derive(Clone, Debug)]
struct LastWrite {
    /// The version that the store shows until the watch has told of the write.
    base: Option<String>,
    /// The version that the write made.
    written: Option<String>,
    digest: Digest,
}

/// A status to write, and the version that it must replace.
#[derive(Debug)]
pub struct Letter<K: Kind> {
    /// The object with its planned status.
    pub planned: Planned<K>,
    /// The version that is to be replaced.
    pub resource_version: Option<String>,
}

impl<K: Announced> Outbox<K> {
    /// An empty outbox, and the queue of those that have something to write.
    #[must_use]
    pub fn new() -> (Arc<Self>, Queue<K>) {
        let (queue, receiver) = unbounded();
        (Arc::new(Self { entries: Mutex::default(), queue }), receiver)
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry<K>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a planned status. Returns whether a write is owed that was not owed before.
    pub fn post(&self, planned: &Planned<K>) -> bool {
        let key = planned.observed.key();
        let mut entries = self.entries();
        let entry = entries.entry(key).or_insert_with(|| Entry::of(planned));
        if entry.uid != planned.observed.metadata.uid {
            // It was deleted and made anew before anybody looked.
            *entry = Entry::of(planned);
        }
        if entry.is_done(planned) {
            entry.pending = None;
            return false;
        }
        let version = &planned.observed.metadata.resource_version;
        let is_waiting = entry.pending.as_ref().is_some_and(|pending| {
            pending.digest == planned.digest
                && pending.observed.metadata.resource_version == *version
        });
        if is_waiting {
            return false;
        }
        entry.pending = Some(planned.clone());
        entry.failures = 0;
        // The queue ends only when the controller stops.
        let _ = self.queue.unbounded_send(ObjectRef::from_obj(&*planned.observed));
        true
    }

    /// What is to be written for an object now; nothing any more once the outbox is closed.
    #[must_use]
    pub fn next(&self, key: &Key) -> Option<Letter<K>> {
        if self.queue.is_closed() {
            return None;
        }
        let entries = self.entries();
        let entry = entries.get(key)?;
        let planned = entry.pending.clone()?;
        let shown = &planned.observed.metadata.resource_version;
        let own = entry.last_write.as_ref().filter(|last| last.base == *shown);
        let resource_version = own.map_or(shown, |last| &last.written).clone();
        Some(Letter { planned, resource_version })
    }

    /// Notes that a status was written, and which version that made.
    pub fn written(&self, planned: &Planned<K>, made: Option<String>) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&planned.observed.key()) else { return };
        entry.failures = 0;
        entry.last_write = Some(LastWrite {
            base: planned.observed.metadata.resource_version.clone(),
            written: made,
            digest: planned.digest,
        });
        if entry.pending.as_ref().is_some_and(|pending| pending.digest == planned.digest) {
            entry.pending = None;
        }
    }

    /// Notes that a status cannot be written to the version that the store shows: what is to be
    /// written is planned again when the watch tells of the newer one.
    pub fn overtaken(&self, planned: &Planned<K>) {
        let mut entries = self.entries();
        let Some(entry) = entries.get_mut(&planned.observed.key()) else { return };
        entry.last_write = None;
        if entry
            .pending
            .as_ref()
            .is_some_and(|pending| Arc::ptr_eq(&pending.observed, &planned.observed))
        {
            entry.pending = None;
        }
    }

    /// Notes a failed try. Returns how many there have been in a row.
    pub fn failed(&self, key: &Key) -> u32 {
        let mut entries = self.entries();
        entries.get_mut(key).map_or(0, |entry| {
            entry.failures = entry.failures.saturating_add(1);
            entry.failures
        })
    }

    /// What was announced of an object last.
    #[must_use]
    pub fn told(&self, key: &Key) -> Option<K::Told> {
        self.entries().get(key)?.told.clone()
    }

    /// Notes what was announced of an object.
    pub fn note_told(&self, key: &Key, told: K::Told) {
        if let Some(entry) = self.entries().get_mut(key) {
            entry.told = Some(told);
        }
    }

    /// Ends the queue: what is not being written yet is not written any more.
    pub fn close(&self) {
        self.queue.close_channel();
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, key: &Key) {
        self.entries().remove(key);
    }
}

impl<K: Announced> Entry<K> {
    fn of(planned: &Planned<K>) -> Self {
        let uid = planned.observed.metadata.uid.clone();
        Self { uid, pending: None, last_write: None, failures: 0, told: None }
    }

    /// Whether the cluster says what is planned, as far as the store shows it, or will once the watch
    /// tells of the last own write.
    fn is_done(&self, planned: &Planned<K>) -> bool {
        let shown = &planned.observed.metadata.resource_version;
        match self.last_write.as_ref().filter(|last| last.base == *shown) {
            Some(last) => last.digest == planned.digest,
            None => planned.is_settled(),
        }
    }
}
