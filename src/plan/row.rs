//! Defines the status row of one client, and the digest of a status without its history. With the
//! digest, the planner detects a changed status without building the status.

use std::hash::{Hash, Hasher};

use super::cached::Digest;
use super::history::FleetHistory;
use super::rule_input::Input;
use super::state::{Reason, State};
use super::version_text::{VersionText, is_same_version};
use crate::api::fleet::{ClientFleetStatus, ClientStatus, LastOffer};
use crate::api::policy::UpgradePolicyStatus;
use crate::api::{Condition, Text};
use crate::values::Timestamp;

/// The status row of one client without its history, with borrowed values. [`Row`] and [`Shared`]
/// together have all fields of [`ClientStatus`] except for the history.
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Row<'a> {
    pub name: &'a Text,
    pub computer: Option<&'a Text>,
    pub ip: Option<&'a Text>,
    pub shared: Shared<'a>,
    /// Digest of `shared`.
    pub shared_digest: Digest,
    /// Whether the row has the history that its state requires. False only for a stored row whose
    /// history another writer has removed.
    pub has_history: bool,
}

/// The fields of a status row that are equal for all clients with the same decision.
#[derive(Clone, Debug, Hash)]
#[allow(missing_docs)]
pub struct Shared<'a> {
    pub version: Option<&'a Text>,
    pub staged_version: Option<&'a Text>,
    pub target_version: Option<&'a Text>,
    pub state: &'a str,
    pub reason: &'a str,
    pub policy: Option<&'a Text>,
    pub next_transition_time: Option<Timestamp>,
}

/// Rule inputs that are always part of [`Shared`], even if no rule reads them.
pub(super) const SHOWN_INPUTS: [Input; 2] = [Input::Version, Input::StagedVersion];

impl Hash for Row<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self {
            name,
            computer,
            ip,
            // Skip `shared` and hash `shared_digest` instead, because the planner computes this
            // digest only once for all clients with the same decision.
            shared: _,
            shared_digest,
            has_history,
        } = self;
        (name, computer, ip, shared_digest, has_history).hash(hasher);
    }
}

/// The offer that a client has now.
#[derive(Clone, Copy, Debug)]
pub(super) struct CurrentOffer<'a> {
    pub version: &'a VersionText,
    pub policy: &'a Text,
    /// Generation of the policy.
    pub generation: i64,
}

impl CurrentOffer<'_> {
    /// Returns whether `last` is the same offer, that is, has the same policy and the same version.
    pub fn continues(&self, last: &LastOffer) -> bool {
        last.policy == *self.policy && self.version.is_same_as_text(&last.version)
    }

    /// Returns the value of `lastOffer` if distribution of this offer opens at `time`, in a try that
    /// began at `since`.
    pub fn opening(&self, time: Timestamp, since: Timestamp) -> LastOffer {
        LastOffer {
            version: self.version.raw.clone(),
            policy: self.policy.clone(),
            generation: self.generation,
            time,
            since: Some(since),
        }
    }
}

impl<'a> From<&'a ClientStatus> for Row<'a> {
    fn from(status: &'a ClientStatus) -> Self {
        let ClientStatus {
            name,
            computer,
            ip,
            version,
            staged_version,
            target_version,
            state,
            reason,
            policy,
            last_transition_time,
            next_transition_time,
            // A `Row` contains no history, so skip the last offer. `is_offer_kept` checks that the
            // last offer exists.
            last_offer: _,
        } = status;
        let shared = Shared {
            version: version.as_ref(),
            staged_version: staged_version.as_ref(),
            target_version: target_version.as_ref(),
            state,
            reason,
            policy: policy.as_ref(),
            next_transition_time: *next_transition_time,
        };
        Self {
            name,
            computer: computer.as_ref(),
            ip: ip.as_ref(),
            has_history: last_transition_time.is_some() && is_offer_kept(status),
            shared_digest: Digest::of(&shared),
            shared,
        }
    }
}

/// Returns whether a stored row in the state `Distributing` has a last offer with a running try for
/// its policy and target version. Always returns true for other states.
fn is_offer_kept(row: &ClientStatus) -> bool {
    if row.state != State::Distributing.as_str() {
        return true;
    }
    row.last_offer.as_deref().is_some_and(|last| {
        let is_target = |target: &Text| is_same_version(target, &last.version);
        last.since.is_some()
            && row.policy.as_ref() == Some(&last.policy)
            && row.target_version.as_ref().is_some_and(is_target)
    })
}

impl Row<'_> {
    fn with_history(self, since: Timestamp, last_offer: Option<LastOffer>) -> ClientStatus {
        let shared = self.shared;
        let state = State::from_word(shared.state);
        let reason = Reason::from_word(shared.reason);
        ClientStatus {
            name: self.name.clone(),
            computer: self.computer.cloned(),
            ip: self.ip.cloned(),
            version: shared.version.cloned(),
            staged_version: shared.staged_version.cloned(),
            target_version: shared.target_version.cloned(),
            state: state.map_or_else(|| shared.state.to_owned().into(), |s| s.as_str().into()),
            reason: reason.map_or_else(|| shared.reason.to_owned().into(), |r| r.as_str().into()),
            policy: shared.policy.cloned(),
            last_transition_time: Some(since),
            next_transition_time: shared.next_transition_time,
            last_offer: last_offer.map(Box::new),
        }
    }
}

/// Returns the digest of a fleet's status without its history.
///
/// The rows are hashed before the other fields, because the planner knows the other fields only
/// after the last row.
pub(super) fn fleet_digest(status: &ClientFleetStatus) -> Digest {
    let mut sink = DigestSink::new();
    let rows = status.clients.as_deref();
    rows.unwrap_or_default().iter().for_each(|row| sink.add(Row::from(row), None));
    sink.finish(status, rows.is_some())
}

/// Returns the digest of a policy's status without its history.
pub(super) fn policy_digest(status: &UpgradePolicyStatus) -> Digest {
    let mut status = status.clone();
    status.conditions.iter_mut().for_each(|c| c.last_transition_time = Timestamp::UNIX_EPOCH);
    Digest::of(&status)
}

fn hash_head<H: Hasher>(status: &ClientFleetStatus, rows: Option<usize>, hasher: &mut H) {
    let ClientFleetStatus {
        observed_generation,
        conditions,
        package_version,
        summary,
        next_transition_time,
        clients: _,
    } = status;
    rows.hash(hasher);
    observed_generation.hash(hasher);
    for condition in conditions {
        let Condition {
            r#type,
            status,
            observed_generation,
            last_transition_time: _,
            reason,
            message,
        } = condition;
        (r#type, status, observed_generation, reason, message).hash(hasher);
    }
    package_version.hash(hasher);
    summary.hash(hasher);
    next_transition_time.hash(hasher);
}

/// A receiver of a fleet's status: first the rows in order, then the other fields.
pub(super) trait StatusSink {
    type Finished;
    fn add(&mut self, row: Row<'_>, offer: Option<CurrentOffer<'_>>);
    /// Finishes the status with the fields in `head`. If `has_rows` is false, the status has no
    /// rows, even if rows were added.
    fn finish(self, head: &ClientFleetStatus, has_rows: bool) -> Self::Finished;
}

/// A sink that computes the digest of a status without building the status.
pub(super) struct DigestSink {
    hasher: ahash::AHasher,
    rows: usize,
}

impl DigestSink {
    pub fn new() -> Self {
        Self { hasher: Digest::hasher(), rows: 0 }
    }
}

impl StatusSink for DigestSink {
    type Finished = Digest;

    fn add(&mut self, row: Row<'_>, _: Option<CurrentOffer<'_>>) {
        row.hash(&mut self.hasher);
        self.rows += 1;
    }

    fn finish(self, head: &ClientFleetStatus, has_rows: bool) -> Digest {
        let mut hasher = if has_rows { self.hasher } else { Digest::hasher() };
        hash_head(head, has_rows.then_some(self.rows), &mut hasher);
        Digest::from(hasher)
    }
}

/// A sink that builds the full status, with the history of the status that it replaces.
pub(super) struct RowsSink<'a> {
    pub rows: Vec<ClientStatus>,
    pub history: FleetHistory<'a>,
}

impl StatusSink for RowsSink<'_> {
    type Finished = ClientFleetStatus;

    fn add(&mut self, row: Row<'_>, offer: Option<CurrentOffer<'_>>) {
        let (since, last_offer) = self.history.row(self.rows.len(), &row, offer);
        self.rows.push(row.with_history(since, last_offer));
    }

    fn finish(self, head: &ClientFleetStatus, has_rows: bool) -> ClientFleetStatus {
        let mut status =
            ClientFleetStatus { clients: has_rows.then_some(self.rows), ..head.clone() };
        self.history.carry_conditions(&mut status.conditions);
        status
    }
}
