//! Defines the outbox entry for one object: the pending status, and the writes that the store may
//! not show yet.

use std::sync::Arc;
use std::time::Instant;

use super::{Announced, WriteAttempt};
use crate::plan::cached::Digest;
use crate::plan::{Cached, Planned, PlannedKind};

#[derive(Debug)]
pub(super) struct Entry<K: Announced> {
    pub uid: Option<String>,
    /// Version of the object that the store shows; `None` if it is not known yet.
    pub shown: Option<Arc<Cached<K>>>,
    /// Status to write; `None` if no write is pending.
    pub pending: Option<Planned<K>>,
    /// Time when the write became pending; `None` if no write is pending. A newer planned status
    /// does not change this time.
    pub since: Option<Instant>,
    /// True while the object is being written.
    pub is_in_flight: bool,
    pub last_write: Option<LastWrite<K>>,
    /// Time when the last write succeeded.
    pub written_at: Option<Instant>,
    /// True if another status was posted while the object was being written.
    pub must_write_again: bool,
    /// Write attempts whose outcome is unknown, including the attempt that is being sent.
    pub unacknowledged: Vec<WriteAttempt<K>>,
    /// Attempts without a response that the API server had not accepted when a later write was a
    /// no-op. It may still accept them, because the no-op left the resourceVersion as it was.
    pub late: Vec<WriteAttempt<K>>,
    /// Number of consecutive failed attempts, for the back-off.
    pub failures: u32,
    /// Last state that this process announced. The store may not show this state yet.
    pub announced: Option<K::Announcement>,
}

/// A write by this process that the store may not show yet.
#[derive(Clone, Debug)]
pub(super) struct LastWrite<K: PlannedKind> {
    /// Superseded resourceVersions that the store may still show, oldest first. The plan was made
    /// from the first version; this process wrote the other versions.
    pub superseded: Vec<Option<String>>,
    /// resourceVersion that the write created.
    pub written: Option<String>,
    pub digest: Digest,
    /// Status that this process wrote; `None` once the store shows this status or a later one.
    pub written_status: Option<Arc<K::Previous>>,
    /// Time when the write was sent; `None` after its watch event has arrived.
    pub sent: Option<Instant>,
}

impl<K: PlannedKind> LastWrite<K> {
    /// Returns whether this write supersedes `version`. The store may show such a version until the
    /// watch event of the write arrives.
    pub fn supersedes(&self, version: &Option<String>) -> bool {
        self.superseded.contains(version)
    }
}

/// Maximum number of superseded resourceVersions per object. A status write that was planned from a
/// dropped version gets a conflict, which causes a new plan.
pub(super) const MAX_SUPERSEDED: usize = 64;

impl<K: Announced> Entry<K> {
    pub fn of(planned: &Planned<K>) -> Self {
        let uid = planned.cached.metadata.uid.clone();
        Self {
            uid,
            shown: None,
            pending: None,
            since: None,
            is_in_flight: false,
            last_write: None,
            written_at: None,
            must_write_again: false,
            unacknowledged: Vec::new(),
            late: Vec::new(),
            failures: 0,
            announced: None,
        }
    }

    /// Returns whether the status in the store may be out of date. A watch event, a new plan or the
    /// end of a write changes this result to false.
    pub fn is_outdated(&self) -> bool {
        let is_unshown = |last: &LastWrite<K>| last.written_status.is_some();
        self.pending.is_some()
            || !self.unacknowledged.is_empty()
            || self.last_write.as_ref().is_some_and(is_unshown)
    }

    /// Returns the resourceVersion that the store shows.
    pub fn shown_version(&self) -> Option<&String> {
        self.shown.as_ref()?.metadata.resource_version.as_ref()
    }

    /// Returns the status that the write `last` created; `None` if the store already shows a later
    /// version.
    pub fn status_of(&self, last: &LastWrite<K>) -> Option<Arc<K::Previous>> {
        let shown = || {
            let shown =
                self.shown.as_ref().filter(|_| self.shown_version() == last.written.as_ref());
            Some(Arc::clone(&shown?.status.as_ref()?.kept))
        };
        last.written_status.clone().or_else(shown)
    }

    /// Clears the pending write if the attempt `written` has already written the pending status.
    pub fn clear_pending_if(&mut self, written: &WriteAttempt<K>) {
        let digest = written.write.planned.digest;
        if self.pending.as_ref().is_some_and(|pending| pending.digest == digest) {
            self.clear_pending();
        }
    }

    /// Clears the pending write.
    pub fn clear_pending(&mut self) {
        self.pending = None;
        self.since = None;
    }

    /// Clears the pending write if the cluster already has the pending status.
    pub fn clear_if_done(&mut self) {
        if self.pending.as_ref().is_some_and(|pending| self.is_done(pending)) {
            self.clear_pending();
        }
    }

    /// Returns whether the cluster already has the planned status, in the version that the store
    /// shows or in a later version that this process wrote.
    ///
    /// Returns false while the outcome of an attempt is unknown, so that a new write of the planned
    /// status shows the outcome.
    pub fn is_done(&self, planned: &Planned<K>) -> bool {
        if !self.unacknowledged.is_empty() {
            return false;
        }
        let shown = &planned.cached.metadata.resource_version;
        match self.last_write.as_ref().filter(|last| last.supersedes(shown)) {
            Some(last) => last.digest == planned.digest,
            None => planned.is_settled(),
        }
    }
}
