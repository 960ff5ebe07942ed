//! Defines the row that `clients` prints for a client: the facts from the fleet's spec, and the
//! decision from the fleet's status. This module neither lists fleets nor prints rows.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::api::fleet::{Client, ClientFleetSpec, ClientStatus, LastOffer};
use crate::api::{ClientFleet, Labels, Text};
use crate::plan::facts::{Facts, non_empty};
use crate::plan::{Parsed, State};
use crate::values::Timestamp;

/// Fields that all clients of a fleet share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FleetContext {
    pub namespace: String,
    pub name: String,
    /// True if the status was computed from the current spec. If false, no offer in the status is
    /// valid.
    pub is_current: bool,
}

/// One client, with its reported facts and its decision.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    #[serde(flatten, serialize_with = "fleet")]
    pub fleet: Arc<FleetContext>,
    /// True if the status is current and the time of the next change, if any, is in the future. If
    /// false, no offer in the decision is valid.
    pub status_is_current: bool,
    pub name: Text,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub computer: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_user: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Time zone that applies to the client: that of the policy if set, else that of the client,
    /// else that of the fleet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staged_version: Option<Text>,
    /// Decision for the client; `None` until the controller has made one.
    #[serde(flatten)]
    pub decided: Option<Box<Decided>>,
}

/// The decision for a client, as stored in the fleet's status.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Decided {
    pub state: Cow<'static, str>,
    pub reason: Cow<'static, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_version: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_offer: Option<Box<LastOffer>>,
}

fn fleet<S: Serializer>(fleet: &Arc<FleetContext>, serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Shown<'a> {
        namespace: &'a str,
        fleet: &'a str,
    }
    let FleetContext { namespace, name, .. } = fleet.as_ref();
    Shown { namespace, fleet: name }.serialize(serializer)
}

impl Decided {
    fn from(row: ClientStatus) -> Self {
        // Borrow the static text of known states and reasons, so that not every client stores its
        // own copy.
        let word = |word: Cow<'static, str>| {
            let known = State::ALL.iter().map(|state| state.as_str());
            let reasons = crate::plan::Reason::ALL.iter().map(|reason| reason.as_str());
            known.chain(reasons).find(|known| *known == word).map_or(word, Cow::Borrowed)
        };
        Self {
            state: word(row.state),
            reason: word(row.reason),
            target_version: row.target_version,
            policy: row.policy,
            last_transition_time: row.last_transition_time,
            next_transition_time: row.next_transition_time,
            last_offer: row.last_offer,
        }
    }
}

impl Row {
    /// Returns the name by which users know the client: the computer's name, or the client's name
    /// if no computer is reported.
    pub fn computer(&self) -> &str {
        self.computer.as_ref().unwrap_or(&self.name)
    }

    /// Returns whether both rows show the same values. Ignores whether the status is current:
    /// otherwise one client's report would count as a change to every client in the fleet.
    pub(crate) fn shows_same_as(&self, other: &Self) -> bool {
        self.visible_fields() == other.visible_fields()
    }

    fn visible_fields(&self) -> impl PartialEq + '_ {
        let Self {
            // Omit `fleet` and `status_is_current`, because a change of these fields is not a
            // change of the client.
            fleet: _,
            status_is_current: _,
            name,
            computer,
            ip,
            last_user,
            last_seen,
            labels,
            time_zone,
            version,
            staged_version,
            decided,
        } = self;
        let device = (name, computer, ip, last_user, labels, time_zone);
        (device, *last_seen, version, staged_version, decided)
    }

    pub fn is_in(&self, state: State) -> bool {
        self.decided.as_ref().is_some_and(|decided| decided.state == state.as_str())
    }
}

/// The time zones of policies, by namespace and policy name.
pub(super) type PolicyZones = HashMap<(String, Text), Text>;

/// Inputs for the rows besides the fleets: the time zones of the policies, and the current time.
#[derive(Clone, Copy, Debug)]
pub(super) struct RowView<'a> {
    pub zones: &'a PolicyZones,
    pub now: Timestamp,
}

/// Returns a row for each client that `wanted` accepts, in the order of the fleet's spec. Returns
/// no rows if the spec cannot be read.
pub(super) fn rows(
    live: Parsed<ClientFleet>,
    view: RowView<'_>,
    mut wanted: impl FnMut(&Facts<'_>, &FleetContext, Option<&ClientStatus>) -> bool,
) -> Vec<Row> {
    let fleet = Arc::new(fleet_of(&live));
    let Ok(spec) = &live.spec else { return Vec::new() };
    let mut decided = Decisions::of(live.status.and_then(|status| status.clients));
    let mut rows = Vec::new();
    for (index, client) in spec.clients.iter().flatten().enumerate() {
        let facts = Facts::read(client);
        let row = decided.take(index, &client.name);
        if wanted(&facts, &fleet, row.as_ref()) {
            rows.push(one(&fleet, spec, &facts, row, view));
        }
    }
    rows
}

/// Returns the fields that all clients of a fleet share.
pub(super) fn fleet_of(live: &Parsed<ClientFleet>) -> FleetContext {
    let observed = live.status.as_ref().and_then(|status| status.observed_generation);
    FleetContext {
        namespace: live.metadata.namespace.clone().unwrap_or_default(),
        name: live.metadata.name.clone().unwrap_or_default(),
        is_current: observed.is_some() && observed == live.metadata.generation,
    }
}

fn one(
    fleet: &Arc<FleetContext>,
    spec: &ClientFleetSpec,
    facts: &Facts<'_>,
    decided: Option<ClientStatus>,
    view: RowView<'_>,
) -> Row {
    let client: &Client = facts.client;
    let policy = decided.as_ref().and_then(|row| row.policy.clone());
    let of_policy = policy.and_then(|policy| view.zones.get(&(fleet.namespace.clone(), policy)));
    let zone =
        of_policy.or(non_empty(client.time_zone.as_ref())).or(non_empty(spec.time_zone.as_ref()));
    let next = decided.as_ref().and_then(|row| row.next_transition_time);
    Row {
        fleet: Arc::clone(fleet),
        status_is_current: fleet.is_current && next.is_none_or(|next| next > view.now),
        name: client.name.clone(),
        computer: facts.reported(|r| r.computer.as_ref()).cloned(),
        ip: facts.reported(|r| r.ip.as_ref()).cloned(),
        last_user: facts.reported(|r| r.last_user.as_ref()).cloned(),
        last_seen: facts.last_seen,
        labels: client.labels.clone(),
        time_zone: zone.cloned(),
        version: facts.version.as_ref().map(|version| version.raw.clone()),
        staged_version: facts.staged.as_ref().map(|version| version.raw.clone()),
        decided: decided.map(|row| Box::new(Decided::from(row))),
    }
}

/// Client entries of a fleet's status, each removed when the client's row is built.
struct Decisions {
    entries: Vec<Option<ClientStatus>>,
    by_name: Option<HashMap<Text, usize>>,
}

impl Decisions {
    fn of(entries: Option<Vec<ClientStatus>>) -> Self {
        let entries = entries.into_iter().flatten().map(Some).collect();
        Self { entries, by_name: None }
    }

    /// Removes and returns the status entry of a client. Tries `index` first, because the entries
    /// are in the order of the spec unless clients were added or removed since the status was
    /// written.
    fn take(&mut self, index: usize, name: &Text) -> Option<ClientStatus> {
        let is_it = |entry: &Option<ClientStatus>| entry.as_ref().is_some_and(|e| e.name == *name);
        if self.entries.get(index).is_some_and(is_it) {
            return self.entries[index].take();
        }
        let entries = &self.entries;
        let by_name = self.by_name.get_or_insert_with(|| {
            let named = entries.iter().enumerate();
            named.filter_map(|(index, e)| Some((e.as_ref()?.name.clone(), index))).collect()
        });
        let index = *by_name.get(name)?;
        self.entries[index].take()
    }
}
