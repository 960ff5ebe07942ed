//! Defines a status write and an attempt to send it.

use std::sync::Arc;
use std::time::Instant;

use crate::controller::revision::is_before;
use crate::plan::cached::Digest;
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

/// An attempt to write a status.
#[derive(Clone, Debug)]
pub struct WriteAttempt<K: PlannedKind> {
    /// The status write that was attempted.
    pub write: StatusWrite<K>,
    /// The status that is sent: the planned status, or a shortened one if the planned status was
    /// too large.
    pub status: Arc<K::Status>,
}

impl<K: PlannedKind> WriteAttempt<K> {
    /// Returns whether `version` is the version that the attempt replaces, or an older one.
    pub(super) fn supersedes(&self, version: Option<&String>) -> bool {
        let replaced = self.write.resource_version.as_ref();
        let planned_from = self.write.planned.cached.metadata.resource_version.as_ref();
        let is_older = version.zip(replaced).is_some_and(|(version, own)| is_before(version, own));
        is_older || version == replaced || version == planned_from
    }

    /// Returns an identifier that is unique among the attempts for one object.
    pub(super) fn id(&self) -> AttemptId {
        (self.write.sent, K::digest(&self.status))
    }
}

/// Identifier of an attempt: the time when the attempt began, and the digest of its status.
pub(super) type AttemptId = (Instant, Digest);
