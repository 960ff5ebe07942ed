//! Defines a status write and an attempt to send it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::cluster::revision::is_before;
use crate::plan::{Planned, PlannedKind};

/// A status write: the planned status, and the resourceVersion to replace.
#[derive(Clone, Debug)]
pub struct StatusWrite<K: PlannedKind> {
    /// The object with its planned status.
    pub planned: Planned<K>,
    /// resourceVersion that the write must replace.
    pub resource_version: Option<String>,
    /// Status of the version to replace, if this process wrote that version after the plan was
    /// made.
    pub(super) own: Option<Arc<K::Previous>>,
    /// Time when the writer took this status write from the outbox.
    pub(super) sent: Instant,
}

impl<K: PlannedKind> StatusWrite<K> {
    /// Returns the status that this write replaces.
    #[must_use]
    pub fn replaces(&self) -> Option<&K::Previous> {
        let shown = || Some(&*self.planned.cached.status.as_ref()?.kept);
        self.own.as_deref().or_else(shown)
    }

    /// Returns the planned status with the history of the status that this write replaces.
    #[must_use]
    pub fn status(&self) -> K::Status {
        K::status(&self.planned, self.replaces())
    }
}

/// An attempt to write a status. All clones are the same attempt.
#[derive(Clone, Debug)]
pub struct WriteAttempt<K: PlannedKind> {
    /// The status write that was attempted.
    pub write: StatusWrite<K>,
    /// The status that is sent: the planned status, or a shortened one if the planned status was
    /// too large.
    pub status: Arc<K::Status>,
    /// True after a response or a watch event has shown that the API server accepted the attempt.
    is_accepted: Arc<AtomicBool>,
    /// True if an earlier attempt to write the same status may still be accepted.
    repeats_doubtful: Arc<AtomicBool>,
}

impl<K: PlannedKind> WriteAttempt<K> {
    /// Creates an attempt that sends `status`.
    #[must_use]
    pub fn new(write: StatusWrite<K>, status: K::Status) -> Self {
        Self {
            write,
            status: Arc::new(status),
            is_accepted: Arc::default(),
            repeats_doubtful: Arc::default(),
        }
    }

    /// Returns whether the API server is known to have accepted the attempt.
    #[must_use]
    pub fn is_accepted(&self) -> bool {
        self.is_accepted.load(Ordering::Acquire)
    }

    /// Records that the API server has accepted the attempt. Returns true for the first call only,
    /// so that the attempt is reported once, even if its object has been deleted in between.
    pub(super) fn accept(&self) -> bool {
        !self.is_accepted.swap(true, Ordering::AcqRel)
    }

    /// Records that an earlier attempt to write the same status may still be accepted.
    pub(super) fn repeat_doubtful(&self) {
        self.repeats_doubtful.store(true, Ordering::Release);
    }

    /// Returns whether an earlier attempt to write the same status may still be accepted.
    pub(super) fn repeats_doubtful(&self) -> bool {
        self.repeats_doubtful.load(Ordering::Acquire)
    }

    /// Returns whether `other` is the same attempt.
    pub(super) fn is_same_as(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.is_accepted, &other.is_accepted)
    }

    /// Returns whether `version` is older than the attempt: the version that the attempt replaces,
    /// or a version before it.
    pub(super) fn supersedes(&self, version: Option<&String>) -> bool {
        let replaced = self.write.resource_version.as_ref();
        let planned_from = self.write.planned.cached.metadata.resource_version.as_ref();
        let is_older = version.zip(replaced).is_some_and(|(version, own)| is_before(version, own));
        is_older || version == replaced || version == planned_from
    }
}
