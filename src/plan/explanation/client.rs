//! Collects the facts about one client for an explanation: its reported fields, its time zone and
//! the source of that zone, and its fleet's package.

use serde::Serialize;

use super::scenario::{Scenario, ScenarioView};
use crate::api::fleet::Reported;
use crate::api::{Labels, Text};
use crate::plan::facts::{ZoneFact, non_empty};
use crate::plan::policy_in_zone::ZonedPolicy;
use crate::plan::version_text::VersionText;
use crate::values::Timestamp;

/// Facts about a client.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedClient {
    /// Name of the client.
    pub name: Text,
    /// Labels of the client.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Reported fields as written in the spec.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<Reported>,
    /// Time at which the client was last seen; absent if `reported.lastSeen` is missing or invalid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// Time zone that applies to the client.
    pub time_zone: ExplainedZone,
    /// Package that the fleet's server distributes.
    pub package: ExplainedPackage,
}

/// A client's time zone, with the object that sets it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedZone {
    /// Name of the time zone as written; absent if no object sets one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// True if the name is a known IANA time zone.
    pub is_known: bool,
    /// Object that sets the time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<ZoneSource>,
}

/// Object that sets a client's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ZoneSource {
    /// The policy that governs the client.
    Policy,
    /// The client itself.
    Client,
    /// The fleet of the client.
    Fleet,
}

/// The package that a fleet's server distributes, with the retained and withdrawn versions.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPackage {
    /// Version of the package; absent if none is set or `packageFrom` cannot be resolved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// True if the package's version can be parsed.
    pub is_readable: bool,
    /// Fleet that sets the package.
    pub fleet: Text,
    /// Older versions that the server can still distribute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<Text>,
    /// Versions that must never be offered again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<Text>,
}

/// Returns the facts about the client in `scenario`. `zoned` is the policy that governs the client,
/// if there is one.
pub(super) fn explain_client(
    scenario: &Scenario,
    view: &ScenarioView<'_>,
    zoned: Option<&ZonedPolicy<'_>>,
) -> ExplainedClient {
    let client = view.facts.client;
    let texts = |versions: &[VersionText]| versions.iter().map(|v| v.raw.clone()).collect();
    ExplainedClient {
        name: client.name.clone(),
        labels: client.labels.clone(),
        reported: client.reported.clone(),
        last_seen: view.facts.last_seen,
        time_zone: zone(scenario, zoned),
        package: ExplainedPackage {
            version: view.package.current.as_ref().map(|package| package.raw.clone()),
            is_readable: view.package.readable().is_some(),
            fleet: scenario.carrier_name().clone(),
            retained: texts(&view.package.retained),
            withdrawn: texts(&view.package.withdrawn),
        },
    }
}

fn zone(scenario: &Scenario, zoned: Option<&ZonedPolicy<'_>>) -> ExplainedZone {
    // A policy with an unknown time zone is invalid. Report the zone of the client or the fleet
    // instead.
    if let Some(ZoneFact::Known(zone)) = zoned.and_then(|zoned| zoned.policy.zone.as_ref()) {
        let name = Some(zone.name().into());
        return ExplainedZone { name, is_known: true, from: Some(ZoneSource::Policy) };
    }
    let own = scenario.client().and_then(|client| non_empty(client.time_zone.as_ref()));
    let of_fleet = non_empty(scenario.fleet.time_zone.as_ref());
    let name = own.or(of_fleet).cloned();
    let from = match (own, of_fleet) {
        (Some(_), _) => Some(ZoneSource::Client),
        (None, Some(_)) => Some(ZoneSource::Fleet),
        (None, None) => None,
    };
    ExplainedZone { is_known: ZoneFact::read(name.as_ref()).zone().is_some(), name, from }
}
