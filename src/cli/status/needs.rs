//! Collects the problems that need a user's action, one object at a time and without I/O.
//!
//! Stores a count and a limited number of names for each problem.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use serde::Serialize;

use super::duplicates::DuplicateNames;
use super::overview::{OffBecause, PolicyLine, namespace_of};
use crate::api::fleet::{Client, ClientStatus};
use crate::api::{ClientFleet, Condition, UpgradePolicy};
use crate::plan::facts::Facts;
use crate::plan::package_source::is_wait_for_package;
use crate::plan::version_text::VersionText;
use crate::plan::{Parsed, parsed};
use crate::values::Timestamp;

/// Maximum number of names that are listed for one problem.
const MAX_NAMED_CLIENTS: usize = 3;
const MAX_LISTED: usize = 20;
/// Time after which a pending restart is overdue. A client that has not restarted by then will
/// probably not restart without a user's action.
const RESTART_PENDING_TOO_LONG: TimeDelta = TimeDelta::days(7);
/// Time after which a client that neither upgrades nor reports an error needs attention.
const OFFERED_TOO_LONG: TimeDelta = TimeDelta::days(7);
/// Time after which a client that upgrades in none of its windows needs attention.
const WAITING_TOO_LONG: TimeDelta = TimeDelta::days(14);
/// Maximum time between a due change and the status update that records it, while the controller is
/// running. After this time, the status counts as overdue.
const MAX_STATUS_DELAY: TimeDelta = TimeDelta::seconds(60);

/// The problems that need a user's action.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Needs {
    /// Clients whose installation failed, by the version that they failed to install.
    pub failed: BTreeMap<String, Sample>,
    /// Blocked clients, by reason.
    pub blocked: BTreeMap<String, Sample>,
    /// Clients that run a version that is withdrawn for their fleet, by version.
    pub withdrawn: BTreeMap<String, Sample>,
    /// Clients that have been waiting for a restart for more than 7 days.
    pub restart_overdue: Sample,
    /// Clients that have been offered the same version for more than 7 days, and have reported
    /// neither another version nor an error.
    pub offered_long: Sample,
    /// Clients that wait for a window, although they have reported since the last one opened and
    /// have been offered the same version for 14 days or more.
    pub waiting_long: Sample,
    /// Client names that several fleets list, by fleets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub duplicate_names: Vec<DuplicateNames>,
    /// Computers that are reported under several client names.
    #[serde(skip_serializing_if = "Sample::is_empty")]
    pub shared_computers: Sample,
    /// Policies and fleets that cannot progress until a user fixes them, with the reason. Includes
    /// fleets that wait for the fleet that their `packageFrom` names.
    pub stalled: Vec<Stalled>,
    /// Number of stalled objects that are not listed.
    #[serde(skip_serializing_if = "is_zero")]
    pub more_stalled: u32,
    /// Policies with scope entries that match no client.
    pub unmatched: Vec<Unmatched>,
    /// Policies with clients that are out of scope only because their address is unknown.
    pub address_unknown: Vec<AddressUnknown>,
    /// Policies that govern no client although they are valid and effective.
    pub governs_nobody: Vec<GovernsNobody>,
    /// Policies and fleets whose status is missing or belongs to another generation.
    pub status_behind: Sample,
    /// Policies and fleets whose status is outdated, because the controller has not recorded a
    /// change that was due.
    pub status_overdue: Sample,
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Number of clients or objects with a problem, and up to three of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Sample {
    pub count: u32,
    pub names: Vec<String>,
}

impl Sample {
    fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub fn add(&mut self, name: impl FnOnce() -> String) {
        self.count += 1;
        if self.names.len() < MAX_NAMED_CLIENTS {
            self.names.push(name());
        }
    }

    pub(super) fn append(&mut self, other: Self) {
        self.count += other.count;
        let room = MAX_NAMED_CLIENTS.saturating_sub(self.names.len());
        self.names.extend(other.names.into_iter().take(room));
    }
}

/// A policy or fleet that cannot progress until a user fixes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Stalled {
    pub object: String,
    pub reason: String,
    pub message: String,
}

/// A policy with scope entries that match no client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Unmatched {
    pub policy: String,
    pub entries: Vec<String>,
}

/// A policy with clients that are out of scope only because their address is unknown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct AddressUnknown {
    pub policy: String,
    /// Number of these clients.
    pub clients: u32,
}

/// A policy that governs no client although it is valid and effective.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct GovernsNobody {
    #[serde(skip)]
    pub namespace: String,
    pub policy: String,
    /// Number of clients in the scope of the policy. Other policies govern all of these clients.
    pub in_scope: u32,
}

impl Needs {
    /// Adds the problems of a policy.
    pub fn policy(
        &mut self,
        policy: &Parsed<UpgradePolicy>,
        line: &PolicyLine,
        at: Timestamp,
        is_everywhere: bool,
    ) {
        let name = || shown(policy, &line.name, is_everywhere);
        let status = policy.status.clone().unwrap_or_default();
        self.written("policy", policy, status.observed_generation, &name);
        self.due("policy", status.next_transition_time, at, &name);
        self.stalled("policy", &status.conditions, &name);
        if !status.unmatched.is_empty() {
            self.unmatched.push(Unmatched { policy: name(), entries: status.unmatched });
        }
        let address_unknown = status.address_unknown_clients.filter(|clients| *clients > 0);
        self.address_unknown
            .extend(address_unknown.map(|clients| AddressUnknown { policy: name(), clients }));
        let is_to_govern = matches!(line.off_because, None | Some(OffBecause::Suspended));
        let governs_nobody = status.governed_clients == Some(0);
        if governs_nobody && is_to_govern {
            self.governs_nobody.push(GovernsNobody {
                namespace: line.namespace.clone(),
                policy: name(),
                in_scope: line.in_scope,
            });
        }
    }

    /// Adds the problems of a fleet and of its clients.
    pub fn fleet(&mut self, fleet: &Parsed<ClientFleet>, at: Timestamp, is_everywhere: bool) {
        let own = fleet.metadata.name.clone().unwrap_or_default();
        let name = || shown(fleet, &own, is_everywhere);
        let Some(status) = &fleet.status else {
            return self.written("fleet", fleet, None, &name);
        };
        self.written("fleet", fleet, status.observed_generation, &name);
        self.due("fleet", status.next_transition_time, at, &name);
        self.stalled("fleet", &status.conditions, &name);
        let spec = fleet.spec.as_ref().ok();
        let mut clients = spec.and_then(|spec| spec.clients.as_ref()).into_iter().flatten();
        for row in status.clients.iter().flatten() {
            // The rows are in the order of the clients, but may lack the clients of a newer
            // generation.
            let client = clients.clone().position(|client| client.name == row.name);
            let client = client.and_then(|index| clients.nth(index));
            self.client(row, client, at, &name);
        }
    }

    fn client(
        &mut self,
        row: &ClientStatus,
        client: Option<&Client>,
        at: Timestamp,
        fleet: &dyn Fn() -> String,
    ) {
        let name = || client_name(row, &fleet());
        match row.state.as_ref() {
            "Failed" => {
                let version = row.target_version.as_deref().unwrap_or_default().to_owned();
                self.failed.entry(version).or_default().add(name);
            }
            "Blocked" => self.blocked.entry(row.reason.to_string()).or_default().add(name),
            "RestartRequired" => {
                let since = row.last_transition_time;
                if since
                    .is_some_and(|since| at.signed_duration_since(since) > RESTART_PENDING_TOO_LONG)
                {
                    self.restart_overdue.add(name);
                }
            }
            "Distributing" => {
                let has_error = client.is_some_and(|client| has_failed(client, row));
                if has_tried_for(row, OFFERED_TOO_LONG, at) && !has_error {
                    self.offered_long.add(name);
                }
            }
            "Waiting" if has_tried_for(row, WAITING_TOO_LONG, at) => {
                let seen = client.and_then(|client| Facts::read(client).last_seen);
                let opened = row.last_offer.as_ref().map(|offer| offer.time);
                if seen.is_some_and(|seen| Some(seen) >= opened) {
                    self.waiting_long.add(name);
                }
            }
            _ => {}
        }
    }

    fn written<K: parsed::Kind>(
        &mut self,
        kind: &str,
        object: &Parsed<K>,
        observed: Option<i64>,
        name: &dyn Fn() -> String,
    ) {
        if observed != object.metadata.generation {
            self.status_behind.add(|| format!("{kind} {}", name()));
        }
    }

    fn due(
        &mut self,
        kind: &str,
        next: Option<Timestamp>,
        at: Timestamp,
        name: &dyn Fn() -> String,
    ) {
        if next.is_some_and(|next| at.signed_duration_since(next) > MAX_STATUS_DELAY) {
            self.status_overdue.add(|| format!("{kind} {}", name()));
        }
    }

    fn stalled(&mut self, kind: &str, conditions: &[Condition], name: &dyn Fn() -> String) {
        let is_stalled =
            |c: &&Condition| c.r#type == "Stalled" && c.status == "True" || is_wait_for_package(c);
        let stalled = conditions.iter().find(is_stalled);
        let Some(condition) = stalled else { return };
        if self.stalled.len() >= MAX_LISTED {
            self.more_stalled += 1;
            return;
        }
        self.stalled.push(Stalled {
            object: format!("{kind} {}", name()),
            reason: condition.reason.to_string(),
            message: condition.message.clone(),
        });
    }
}

/// Returns whether the client has reported an error of its target.
fn has_failed(client: &Client, row: &ClientStatus) -> bool {
    let target = row.target_version.clone().map(VersionText::new);
    let failed = Facts::read(client).failed_version;
    failed.zip(target).is_some_and(|(failed, target)| failed.is_same_as(&target))
}

/// Returns whether the client's try has lasted longer than `limit`.
fn has_tried_for(row: &ClientStatus, limit: TimeDelta, at: Timestamp) -> bool {
    let since = row.last_offer.as_ref().and_then(|offer| offer.since);
    since.is_some_and(|since| at.signed_duration_since(since) > limit)
}

/// Returns the name of a client in messages: its computer's name, or else its own, and its fleet.
pub(super) fn client_name(row: &ClientStatus, fleet: &str) -> String {
    let computer = row.computer.as_ref().filter(|computer| !computer.is_empty());
    format!("{} ({fleet})", computer.unwrap_or(&row.name))
}

pub(super) fn shown<K: parsed::Kind>(
    object: &Parsed<K>,
    name: &str,
    is_everywhere: bool,
) -> String {
    if is_everywhere { format!("{}/{name}", namespace_of(object)) } else { name.to_owned() }
}
