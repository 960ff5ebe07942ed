//! Reports each status write that the API server has accepted: one audit line for each changed
//! client, and one log line for the write.
//!
//! The private module [`line`](self) defines the format of the audit lines, which `docs/audit.md`
//! describes, and [`audit_stream`](crate::daemon::audit_stream) writes the lines.

mod line;

use std::sync::Arc;

use super::metrics::{AuditOutcome, Metrics};
use super::outbox::WriteAttempt;
use crate::api::{ClientFleet, ClientFleetStatus, UpgradePolicy};
use crate::daemon::audit_stream::{Stream, TARGET};
use crate::plan::changes::{RowChange, changes};
use crate::plan::{Planned, PlannedKind};

use line::Line;

/// A status write that the API server has accepted.
#[derive(Debug)]
pub struct Accepted<'a, K: PlannedKind> {
    /// The object with its planned status.
    pub planned: &'a Planned<K>,
    /// The status that was written: the planned status, or a shortened one if the planned status
    /// was too large.
    pub status: &'a K::Status,
    /// The status that the write replaced; `None` if the object had no status.
    pub replaced: Option<&'a K::Previous>,
    /// The `resourceVersion` that resulted from the write.
    pub resource_version: Option<&'a str>,
}

impl<'a, K: PlannedKind> Accepted<'a, K> {
    /// Creates the record of an attempt that the API server has accepted. `resource_version` is the
    /// `resourceVersion` of the object after the write.
    #[must_use]
    pub fn of(attempt: &'a WriteAttempt<K>, resource_version: Option<&'a str>) -> Self {
        Self {
            planned: &attempt.write.planned,
            status: &attempt.status,
            replaced: attempt.write.replaces(),
            resource_version,
        }
    }
}

/// Reporter that records status writes in the audit stream and in the log.
#[derive(Debug)]
pub struct Auditor {
    identity: String,
    stream: Option<Arc<Stream>>,
    metrics: Arc<Metrics>,
}

/// A kind of object whose status writes are reported.
pub trait Audited: PlannedKind {
    /// Reports a status write.
    fn record(auditor: &Auditor, accepted: &Accepted<'_, Self>);
}

impl Auditor {
    /// Creates an auditor that uses `identity` as the name of the controller in the audit stream.
    /// Without a stream, the auditor writes only log lines.
    #[must_use]
    pub fn new(identity: String, stream: Option<Arc<Stream>>, metrics: Arc<Metrics>) -> Self {
        Self { identity, stream, metrics }
    }

    fn tell_lines(&self, accepted: &Accepted<'_, ClientFleet>, changes: &[RowChange<'_>]) {
        let Some(stream) = &self.stream else { return };
        for change in changes {
            match Line::of(&self.identity, accepted, change).json() {
                Ok(line) => tracing::info!(target: TARGET, line = line.as_str()),
                Err(error) => tracing::error!(client = change.client, %error, "no line to audit"),
            }
        }
        let failed = stream.take_failed();
        let lines = changes.len() as u64;
        self.metrics.audited(AuditOutcome::written, lines.saturating_sub(failed.len() as u64));
        self.metrics.audited(AuditOutcome::failed, failed.len() as u64);
        for (line, error) in failed {
            tracing::error!(line, error, "a line of the audit stream could not be written");
        }
    }
}

impl Audited for ClientFleet {
    fn record(auditor: &Auditor, accepted: &Accepted<'_, Self>) {
        let status: &ClientFleetStatus = accepted.status;
        let changes = changes(accepted.replaced, status);
        auditor.tell_lines(accepted, &changes);
        let observed = &accepted.planned.cached;
        let (namespace, fleet) = (observed.namespace(), observed.name());
        let (generation, changed) = (observed.generation(), changes.len());
        let cause = accepted.planned.trigger.causes();
        if changed > 0 {
            tracing::info!(namespace, fleet, generation, changed, cause, "clients' states changed");
        } else {
            tracing::debug!(namespace, fleet, generation, cause, "the status was written");
        }
    }
}

impl Audited for UpgradePolicy {
    /// Logs the write at debug level only, because the important changes of a policy are published
    /// as events.
    fn record(_: &Auditor, accepted: &Accepted<'_, Self>) {
        let observed = &accepted.planned.cached;
        let (namespace, policy) = (observed.namespace(), observed.name());
        tracing::debug!(namespace, policy, "the status was written");
    }
}
