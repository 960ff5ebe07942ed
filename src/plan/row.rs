//! Defines the status row of one client, borrowed from its sources. The digest of a borrowed row
//! equals that of the built row, so the planner detects a changed status without building it.

use std::hash::{Hash, Hasher};

use super::cached::Digest;
use super::rule_input::Input;
use super::state::{Reason, State};
use crate::api::Text;
use crate::api::fleet::{ClientFleetStatus, ClientStatus, LastOffer};
use crate::values::Timestamp;

/// The status row of one client, borrowed from its sources. [`Row`] and [`Shared`] together have
/// the fields of [`ClientStatus`].
#[derive(Clone, Debug)]
#[allow(missing_docs)]
pub struct Row<'a> {
    pub name: &'a Text,
    pub computer: Option<&'a Text>,
    pub ip: Option<&'a Text>,
    pub last_transition_time: Option<Timestamp>,
    pub last_offer: Option<Offer<'a>>,
    pub shared: Shared<'a>,
    /// Digest of `shared`.
    pub shared_digest: Digest,
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

/// Inputs of rules that [`Shared`] shows whether or not a rule reads them.
pub(super) const SHOWN_INPUTS: [Input; 2] = [Input::Version, Input::StagedVersion];

impl Hash for Row<'_> {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self {
            name,
            computer,
            ip,
            last_transition_time,
            last_offer,
            // `shared_digest` is hashed instead.
            shared: _,
            shared_digest,
        } = self;
        (name, computer, ip, last_transition_time, last_offer, shared_digest).hash(hasher);
    }
}

/// An offer to a client, borrowed from its sources. It has the fields of [`LastOffer`].
#[derive(Clone, Debug, Hash)]
#[allow(missing_docs)]
pub struct Offer<'a> {
    pub version: &'a Text,
    pub policy: &'a Text,
    pub generation: i64,
    pub time: Timestamp,
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
            last_offer,
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
            last_transition_time: *last_transition_time,
            last_offer: last_offer.as_deref().map(Offer::from),
            shared_digest: Digest::of(&shared),
            shared,
        }
    }
}

impl<'a> From<&'a LastOffer> for Offer<'a> {
    fn from(offer: &'a LastOffer) -> Self {
        let LastOffer { version, policy, generation, time } = offer;
        Self { version, policy, generation: *generation, time: *time }
    }
}

impl From<Row<'_>> for ClientStatus {
    fn from(row: Row<'_>) -> Self {
        let shared = row.shared;
        let state = State::from_word(shared.state);
        let reason = Reason::from_word(shared.reason);
        Self {
            name: row.name.clone(),
            computer: row.computer.cloned(),
            ip: row.ip.cloned(),
            version: shared.version.cloned(),
            staged_version: shared.staged_version.cloned(),
            target_version: shared.target_version.cloned(),
            state: state.map_or_else(|| shared.state.to_owned().into(), |s| s.as_str().into()),
            reason: reason.map_or_else(|| shared.reason.to_owned().into(), |r| r.as_str().into()),
            policy: shared.policy.cloned(),
            last_transition_time: row.last_transition_time,
            next_transition_time: shared.next_transition_time,
            last_offer: row.last_offer.map(|offer| Box::new(offer.into())),
        }
    }
}

impl From<Offer<'_>> for LastOffer {
    fn from(offer: Offer<'_>) -> Self {
        let Offer { version, policy, generation, time } = offer;
        Self { version: version.clone(), policy: policy.clone(), generation, time }
    }
}

impl Hash for ClientFleetStatus {
    /// Hashes the rows before the other fields of the status, because the planner knows the other
    /// fields only after the last row.
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        if let Some(rows) = &self.clients {
            rows.iter().for_each(|row| Row::from(row).hash(hasher));
        }
        hash_head(self, self.clients.as_ref().map(Vec::len), hasher);
    }
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
    conditions.hash(hasher);
    package_version.hash(hasher);
    summary.hash(hasher);
    next_transition_time.hash(hasher);
}

/// Receives a fleet's status, row by row and in order.
pub(super) trait StatusSink {
    /// Type of the result that [`StatusSink::finish`] returns.
    type Finished;
    /// Adds the row of the next client.
    fn add(&mut self, row: Row<'_>);
    /// Finishes the status with `head`, which contains all fields except the rows. If `has_rows` is
    /// false, the status has no rows.
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

    fn add(&mut self, row: Row<'_>) {
        row.hash(&mut self.hasher);
        self.rows += 1;
    }

    fn finish(self, head: &ClientFleetStatus, has_rows: bool) -> Digest {
        let mut hasher = if has_rows { self.hasher } else { Digest::hasher() };
        hash_head(head, has_rows.then_some(self.rows), &mut hasher);
        Digest::from(hasher)
    }
}

/// A sink that builds the full status.
pub(super) struct RowsSink(pub Vec<ClientStatus>);

impl StatusSink for RowsSink {
    type Finished = ClientFleetStatus;

    fn add(&mut self, row: Row<'_>) {
        self.0.push(row.into());
    }

    fn finish(self, head: &ClientFleetStatus, has_rows: bool) -> ClientFleetStatus {
        ClientFleetStatus { clients: has_rows.then_some(self.0), ..head.clone() }
    }
}
