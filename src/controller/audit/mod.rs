//! Tells what a status write that the API server has taken has changed: each client's change as a
//! line of the audit stream, and the write as a line of the log. Nothing is told of what is only
//! planned.
//!
//! [`line`](self) is what a line says (`docs/audit.md`), [`stream`] where it goes.

mod line;
pub mod stream;

use std::sync::Arc;

use super::metrics::{Metrics, Told};
use super::outbox::Attempt;
use crate::api::{ClientFleet, ClientFleetStatus, UpgradePolicy};
use crate::plan::changes::{Change, changes};
use crate::plan::{Draftable, Planned};

use line::Line;
use stream::Stream;

/// The target of the events that are lines of the audit stream.
pub const TARGET: &str = "audit";

/// A status that the API server has taken.
#[derive(Debug)]
pub struct Accepted<'a, K: Draftable> {
    /// What was planned.
    pub planned: &'a Planned<K>,
    /// What was written: what was planned, or less of it.
    pub status: &'a K::Status,
    /// What it has replaced.
    pub replaced: Option<&'a K::Previous>,
    /// The version that this made.
    pub resource_version: Option<&'a str>,
}

impl<'a, K: Draftable> Accepted<'a, K> {
    /// A try that was taken, and the version that it made.
    #[must_use]
    pub fn of(attempt: &'a Attempt<K>, resource_version: Option<&'a str>) -> Self {
        Self {
            planned: &attempt.letter.planned,
            status: &attempt.status,
            replaced: attempt.letter.replaces(),
            resource_version,
        }
    }
}

/// Tells of writes.
#[derive(Debug)]
pub struct Auditor {
    identity: String,
    stream: Option<Arc<Stream>>,
    metrics: Arc<Metrics>,
}

/// A kind whose writes are told of.
pub trait Audited: Draftable {
    /// Tells of a write.
    fn tell(auditor: &Auditor, accepted: &Accepted<'_, Self>);
}

impl Auditor {
    /// One that tells under the controller's name; without a stream the log alone.
    #[must_use]
    pub fn new(identity: String, stream: Option<Arc<Stream>>, metrics: Arc<Metrics>) -> Self {
        Self { identity, stream, metrics }
    }

    fn tell_lines(&self, accepted: &Accepted<'_, ClientFleet>, changes: &[Change<'_>]) {
        let Some(stream) = &self.stream else { return };
        for change in changes {
            match Line::of(&self.identity, accepted, change).json() {
                Ok(line) => tracing::info!(target: TARGET, line = line.as_str()),
                Err(error) => tracing::error!(client = change.client, %error, "no line to audit"),
            }
        }
        let failed = stream.take_failed();
        let lines = changes.len() as u64;
        self.metrics.told(Told::written, lines.saturating_sub(failed.len() as u64));
        self.metrics.told(Told::failed, failed.len() as u64);
        for (line, error) in failed {
            tracing::error!(line, error, "a line of the audit stream could not be written");
        }
    }
}

impl Audited for ClientFleet {
    fn tell(auditor: &Auditor, accepted: &Accepted<'_, Self>) {
        let status: &ClientFleetStatus = accepted.status;
        let changes = changes(accepted.replaced, status);
        auditor.tell_lines(accepted, &changes);
        let observed = &accepted.planned.observed;
        let (namespace, fleet) = (observed.namespace(), observed.name());
        let (generation, changed) = (observed.generation(), changes.len());
        let cause = accepted.planned.occasion.causes();
        if changed > 0 {
            tracing::info!(namespace, fleet, generation, changed, cause, "clients' states changed");
        } else {
            tracing::debug!(namespace, fleet, generation, cause, "the status was written");
        }
    }
}

impl Audited for UpgradePolicy {
    /// What matters of it is told with its events.
    fn tell(_: &Auditor, accepted: &Accepted<'_, Self>) {
        let observed = &accepted.planned.observed;
        let (namespace, policy) = (observed.namespace(), observed.name());
        tracing::debug!(namespace, policy, "the status was written");
    }
}
