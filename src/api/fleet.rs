//! Defines `ClientFleet`: a server's client upgrade package, up to 250 of its clients, and the
//! status that the controller writes for each of them. This module contains only data; `plan` makes
//! the decisions.

use std::borrow::Cow;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::conditions::Condition;
use super::summary::Summary;
use super::text::{Labels, Text};
use super::{rules, schema};
use crate::values::Timestamp;

/// A server's client upgrade package and up to 250 of the clients that are to run it. Larger
/// estates are several fleets, selected by label.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "clientfleet.dev",
    version = "v1alpha1",
    kind = "ClientFleet",
    plural = "clientfleets",
    shortname = "clf",
    namespaced,
    doc = "A server's client upgrade package and up to 250 of its clients, and for each of them \
           the version it should run, whether it is offered that version now, and why.",
    status = "ClientFleetStatus",
    derive = "Default",
    derive = "PartialEq"
)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::fleet)]
pub struct ClientFleetSpec {
    /// The client upgrade package that the server carries now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::version")]
    pub package_version: Option<Text>,
    /// Instead of `packageVersion`: the fleet of this namespace whose package and retained versions
    /// are used, and whose withdrawn versions count as well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_from: Option<PackageFrom>,
    /// Older packages that the server can still distribute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::versions")]
    pub retained_versions: Option<Vec<Text>>,
    /// Versions that are never offered again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::versions")]
    pub withdrawn_versions: Option<Vec<Text>>,
    /// IANA time zone of the clients that name none, as `Europe/Berlin`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::fleet_time_zone")]
    pub time_zone: Option<Text>,
    /// The clients, each under a name that stays the same for the life of the device.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "with_shared_labels"
    )]
    #[schemars(schema_with = "schema::clients::<Client>")]
    pub clients: Option<Vec<Client>>,
}

/// Deserializes clients, and lets equal label sets share memory.
fn with_shared_labels<'de, D>(deserializer: D) -> Result<Option<Vec<Client>>, D::Error>
where
    D: Deserializer<'de>,
{
    let mut clients = Option::<Vec<Client>>::deserialize(deserializer)?;
    Labels::share(clients.iter_mut().flatten().map(|client| &mut client.labels));
    Ok(clients)
}

/// The fleet whose package is used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PackageFrom {
    /// Name of a fleet of the same namespace that has a `packageVersion` of its own.
    #[schemars(schema_with = "schema::fleet_name")]
    pub name: Text,
}

/// One computer that runs the client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Client {
    /// The device's stable identity, unique in the namespace: 1 to 63 characters, or 31 when one of
    /// them is not ASCII, a quotation mark or a backslash.
    #[schemars(schema_with = "schema::client_name")]
    pub name: Text,
    /// At most 4 labels, for `labelSelector` in policies.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    #[schemars(schema_with = "schema::client_labels")]
    pub labels: Labels,
    /// IANA time zone of this client, as `Asia/Tokyo`; absent: the fleet's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::fleet_time_zone")]
    pub time_zone: Option<Text>,
    /// The facts about the client, written by an inventory export, a check-in service or a person,
    /// never by the controller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported: Option<Reported>,
}

/// The facts about a client, as it or its inventory tells them. They are bounded in length and not
/// judged: one client that tells nonsense must not keep the others from reporting. None may hold
/// control characters. A text with `<`, `>` or `&`, which take more space, must be shorter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Reported {
    /// The computer's name: at most 63 ASCII characters, 42 when one of them is not, or 31 when one
    /// takes four bytes in UTF-8; with `<`, `>` or `&` 51 ASCII characters and up to 4 of these,
    /// else 21.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::computer")]
    pub computer: Option<Text>,
    /// Its IPv4 and IPv6 addresses, separated by commas or blanks, at most 128 characters, without
    /// prefix lengths. An address with a zone id is passed over where another stands beside it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::ip")]
    pub ip: Option<Text>,
    /// The user who logged in last: at most 96 ASCII characters, 64 when one of them is not, or 48
    /// when one takes four bytes in UTF-8; with `<`, `>` or `&` 84 ASCII characters and up to 4 of
    /// these, else 32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::user")]
    pub last_user: Option<Text>,
    /// The version it runs now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reported_version")]
    pub version: Option<Text>,
    /// The version that is installed and takes effect at the next restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reported_version")]
    pub staged_version: Option<Text>,
    /// The last installation that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<Box<LastError>>,
    /// When it was last heard of: an RFC 3339 instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reported_time")]
    pub last_seen: Option<Text>,
}

/// A failed installation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(transform = rules::last_error)]
pub struct LastError {
    /// The version that was to be installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reported_version")]
    pub version: Option<Text>,
    /// What went wrong, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::error_message")]
    pub message: Option<Text>,
    /// When: an RFC 3339 instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::reported_time")]
    pub time: Option<Text>,
}

/// What the controller has decided for each client of the fleet. An offer is valid only while
/// `observedGeneration` equals the object's `generation` and `nextTransitionTime` has not passed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientFleetStatus {
    /// The generation of the spec that this status was computed from; -1 before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`, and `Reconciling` and `Stalled` while they hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schema::conditions::<Condition>")]
    pub conditions: Vec<Condition>,
    /// The package in use, also where it comes from `packageFrom`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_value")]
    pub package_version: Option<Text>,
    /// How many clients are in each state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Summary>,
    /// When the offer of any of the clients changes next.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
    /// One entry for each client, in the order of `spec.clients`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::decided_clients::<ClientStatus>")]
    pub clients: Option<Vec<ClientStatus>>,
}

/// What is decided for one client, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientStatus {
    /// The client's name in `spec.clients`.
    #[schemars(schema_with = "schema::status_name")]
    pub name: Text,
    /// Its computer's name, as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_name")]
    pub computer: Option<Text>,
    /// Its addresses, as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_ip")]
    pub ip: Option<Text>,
    /// The version it runs, as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_value")]
    pub version: Option<Text>,
    /// The version that its next restart brings, as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_value")]
    pub staged_version: Option<Text>,
    /// The version it should run, as the policy or the fleet writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_value")]
    pub target_version: Option<Text>,
    /// The upgrade status. Readers tolerate values they do not know.
    #[schemars(schema_with = "schema::word")]
    pub state: Cow<'static, str>,
    /// Why it is in that state. Readers tolerate values they do not know.
    #[schemars(schema_with = "schema::word")]
    pub reason: Cow<'static, str>,
    /// The policy that governs it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::status_policy")]
    pub policy: Option<Text>,
    /// When `state` last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_transition_time: Option<Timestamp>,
    /// When its offer changes next, if nothing is written or reported until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
    /// The last offer it was made, kept after the offer has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_offer: Option<Box<LastOffer>>,
}

/// Which version a client was offered, by which policy, and since when.
#[derive(Clone, Debug, Default, PartialEq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastOffer {
    /// The version it was offered.
    #[schemars(schema_with = "schema::status_value")]
    pub version: Text,
    /// The policy that offered it.
    #[schemars(schema_with = "schema::status_policy")]
    pub policy: Text,
    /// That policy's generation.
    pub generation: i64,
    /// When distribution of the offer last opened.
    pub time: Timestamp,
    /// When the client's current try to get the version began. Closed windows and exclusions do not
    /// end a try. Absent if the try ended before the client ran the version, for example by an
    /// error, a suspended policy or another offer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}
