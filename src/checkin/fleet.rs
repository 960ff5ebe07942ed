//! Defines what check-in keeps of a fleet: its spec, and of its status the rows that decide about
//! offers.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::lag::{Freshness, Generations};
use super::queue::FleetKey;
use crate::api::Text;
use crate::api::fleet::{ClientFleetSpec, ClientFleetStatus, ClientStatus, LastOffer, Reported};
use crate::ddi::ActionId;
use crate::plan::{Reason, State};
use crate::values::Timestamp;

/// A fleet as check-in needs it.
#[derive(Clone, Debug)]
pub struct DeliveryFleet {
    /// Metadata without annotations and `managedFields`.
    pub metadata: ObjectMeta,
    /// Spec; `None` if it cannot be read.
    pub spec: Option<Arc<ClientFleetSpec>>,
    /// Package in use when the status was computed.
    pub package_version: Option<Text>,
    rows: Arc<[Row]>,
    freshness: Freshness,
}

/// The part of a fleet's status that check-in needs.
#[derive(Clone, Debug, Default)]
pub struct DecidedStatus {
    /// Generation of the spec from which the status was computed.
    pub observed_generation: Option<i64>,
    /// Package in use when the status was computed.
    pub package_version: Option<Text>,
    rows: Arc<[Row]>,
}

/// The decided row of one client, as far as check-in needs it.
#[derive(Clone, Debug)]
pub struct Row {
    /// Name of the client.
    pub name: Text,
    /// Decided state; `None` if this release does not know it, which counts as no offer.
    pub state: Option<State>,
    /// Reason for the state; `None` if this release does not know it.
    pub reason: Option<Reason>,
    /// When the client entered the state.
    pub since: Option<Timestamp>,
    /// When the decision changes next.
    pub next_transition: Option<Timestamp>,
    /// Version that the client should run.
    pub target: Option<Text>,
    /// Policy that governs the client.
    pub policy: Option<Text>,
    /// Last offer to the client.
    pub last_offer: Option<Box<LastOffer>>,
}

/// One client of a fleet, with its decided row.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// Fleet that holds the client.
    pub fleet: &'a DeliveryFleet,
    /// Index of the client in `spec.clients`.
    pub index: usize,
    /// The facts about the client; `None` if nothing is reported.
    pub reported: Option<&'a Reported>,
    /// Decided row; `None` if the status has no row of this client.
    pub row: Option<&'a Row>,
}

impl Entry<'_> {
    /// Returns the id of the action by which the client gets this offer.
    #[must_use]
    pub fn action(&self, offer: &LastOffer) -> ActionId {
        let name = self.fleet.client_name(self.index).map_or("", Text::as_str);
        ActionId::of(self.fleet.namespace(), name, &offer.version, offer.time)
    }
}

impl DeliveryFleet {
    /// Creates the check-in form of a fleet. `before` is its preceding version in the store, and
    /// `received` is when this version was received.
    #[must_use]
    pub fn new(
        metadata: ObjectMeta,
        spec: Option<Arc<ClientFleetSpec>>,
        status: DecidedStatus,
        before: Option<&Self>,
        received: Timestamp,
    ) -> Self {
        let DecidedStatus { observed_generation, package_version, rows } = status;
        let generations = Generations {
            spec: metadata.generation.unwrap_or_default(),
            observed: observed_generation,
        };
        // A fleet that was deleted and created again starts its generations at 1 again.
        let before = before.filter(|before| before.metadata.uid == metadata.uid);
        let freshness = match &spec {
            Some(spec) => {
                let before = before.and_then(DeliveryFleet::as_preceding);
                Freshness::of(spec, generations, before, received)
            }
            None => Freshness::Unknown,
        };
        Self { metadata, spec, package_version, rows, freshness }
    }

    fn as_preceding(&self) -> Option<(&Freshness, &Arc<ClientFleetSpec>, i64)> {
        let generation = self.metadata.generation.unwrap_or_default();
        self.spec.as_ref().map(|spec| (&self.freshness, spec, generation))
    }

    /// Returns the client at this index of the spec, or `None` if there is none.
    #[must_use]
    pub fn entry(&self, index: usize) -> Option<Entry<'_>> {
        let client = self.spec.as_deref()?.clients.as_deref()?.get(index)?;
        // The controller writes the rows in the order of the spec.
        let in_place = self.rows.get(index).filter(|row| row.name == client.name);
        let row = in_place.or_else(|| self.rows.iter().find(|row| row.name == client.name));
        Some(Entry { fleet: self, index, reported: client.reported.as_ref(), row })
    }

    /// Returns whether the status counts for the client at this index of the spec.
    #[must_use]
    pub fn status_counts_for(&self, index: usize, now: Timestamp) -> bool {
        self.freshness.counts_for(index, now)
    }

    /// Returns the namespace of the fleet.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// Returns the name of the fleet.
    #[must_use]
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// Returns the namespace and the name of the fleet.
    #[must_use]
    pub fn key(&self) -> FleetKey {
        (self.namespace().to_owned(), self.name().to_owned())
    }

    /// Returns the name of the client at this index of the spec.
    #[must_use]
    pub fn client_name(&self, index: usize) -> Option<&Text> {
        Some(&self.spec.as_deref()?.clients.as_deref()?.get(index)?.name)
    }

    /// Returns the value of a label of the client at this index of the spec.
    #[must_use]
    pub fn label(&self, index: usize, key: &str) -> Option<&str> {
        let client = self.spec.as_deref()?.clients.as_deref()?.get(index)?;
        client.labels.get(key).map(AsRef::as_ref)
    }

    /// Returns the names of the clients, in the order of the spec.
    pub fn client_names(&self) -> impl Iterator<Item = &Text> {
        let clients = self.spec.as_deref().and_then(|spec| spec.clients.as_deref());
        clients.unwrap_or_default().iter().map(|client| &client.name)
    }
}

impl From<ClientFleetStatus> for DecidedStatus {
    fn from(status: ClientFleetStatus) -> Self {
        Self {
            observed_generation: status.observed_generation,
            package_version: status.package_version,
            rows: status.clients.unwrap_or_default().into_iter().map(Row::from).collect(),
        }
    }
}

impl From<ClientStatus> for Row {
    fn from(row: ClientStatus) -> Self {
        Self {
            name: row.name,
            state: State::from_word(&row.state),
            reason: Reason::from_word(&row.reason),
            since: row.last_transition_time,
            next_transition: row.next_transition_time,
            target: row.target_version.filter(|target| !target.is_empty()),
            policy: row.policy.filter(|policy| !policy.is_empty()),
            last_offer: row.last_offer,
        }
    }
}
