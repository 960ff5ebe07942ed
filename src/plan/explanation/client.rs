//! The facts about one client as an explanation tells them: what is reported, its time zone and where
//! that comes from, its fleet's package.

use serde::Serialize;

use super::scenario::{Scenario, ScenarioView};
use crate::api::fleet::Reported;
use crate::api::{Labels, Text};
use crate::plan::facts::{ZoneFact, non_empty};
use crate::plan::policy_in_zone::ZonedPolicy;
use crate::plan::version_text::VersionText;
use crate::values::Timestamp;

/// The facts about a client.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedClient {
    /// Its name.
    pub name: Text,
    /// Its labels.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// What is reported about it, as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reported: Option<Reported>,
    /// When it was last seen, where that can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Timestamp>,
    /// The time zone that counts for it.
    pub time_zone: ExplainedZone,
    /// What its fleet's server carries.
    pub package: ExplainedPackage,
}

/// A time zone, and who names it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedZone {
    /// The name as it is written; absent where nobody names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Text>,
    /// Whether it is an IANA name.
    pub is_known: bool,
    /// Who names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<ZoneSource>,
}

/// Who names a client's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ZoneSource {
    /// Its policy, for every client.
    Policy,
    /// The client.
    Client,
    /// Its fleet.
    Fleet,
}

/// What a fleet's server carries.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPackage {
    /// The package; absent where none is named or `packageFrom` leads nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// Whether that is a version.
    pub is_readable: bool,
    /// The fleet that names it.
    pub fleet: Text,
    /// Older ones that the server can distribute.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retained: Vec<Text>,
    /// Those that are never offered again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withdrawn: Vec<Text>,
}

/// The facts about the client of `ground` under `zoned`.
pub(super) fn explain_client(
    ground: &Scenario,
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
        time_zone: zone(ground, zoned),
        package: ExplainedPackage {
            version: view.package.current.as_ref().map(|package| package.raw.clone()),
            is_readable: view.package.readable().is_some(),
            fleet: ground.carrier_name().clone(),
            retained: texts(&view.package.retained),
            withdrawn: texts(&view.package.withdrawn),
        },
    }
}

fn zone(ground: &Scenario, zoned: Option<&ZonedPolicy<'_>>) -> ExplainedZone {
    // An unknown zone makes a policy invalid: nothing is asked of it then.
    if let Some(ZoneFact::Known(zone)) = zoned.and_then(|zoned| zoned.policy.zone.as_ref()) {
        let name = Some(zone.name().into());
        return ExplainedZone { name, is_known: true, from: Some(ZoneSource::Policy) };
    }
    let own = ground.client().and_then(|client| non_empty(client.time_zone.as_ref()));
    let of_fleet = non_empty(ground.fleet.time_zone.as_ref());
    let name = own.or(of_fleet).cloned();
    let from = match (own, of_fleet) {
        (Some(_), _) => Some(ZoneSource::Client),
        (None, Some(_)) => Some(ZoneSource::Fleet),
        (None, None) => None,
    };
    ExplainedZone { is_known: ZoneFact::read(name.as_ref()).zone().is_some(), name, from }
}
