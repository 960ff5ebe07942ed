//! Decides for which clients a status still counts although the spec of their fleet is newer.
//!
//! Each report raises the generation of the fleet. Without this module, one report would suspend
//! the offers of all other clients of the fleet until the controller has planned it again. A status
//! still counts for a client if only facts about other clients have changed since it was computed.

use std::sync::Arc;

use chrono::TimeDelta;

use crate::api::fleet::{Client, ClientFleetSpec};
use crate::values::Timestamp;

/// Maximum time for which a status counts after facts about other clients have changed. The
/// controller plans a changed fleet within seconds; if it does not, it may be stopped.
pub const MAX_LAG: TimeDelta = TimeDelta::seconds(30);

/// The changes of a fleet's spec since its status was computed.
#[derive(Clone, Debug)]
pub struct Lag {
    /// Spec from which the status was computed.
    planned: Arc<ClientFleetSpec>,
    /// Generation of `planned`.
    generation: i64,
    /// When the first newer spec was received.
    since: Timestamp,
    /// Indexes of the clients whose facts have changed, in ascending order; `None` if anything else
    /// has changed.
    changed: Option<Box<[u16]>>,
}

/// A version of a fleet's spec, with the generation that its status was computed from.
#[derive(Clone, Copy, Debug)]
pub struct Generations {
    /// Generation of the spec.
    pub spec: i64,
    /// Generation from which the status was computed.
    pub observed: Option<i64>,
}

/// Whether the status of a fleet was computed from its spec.
#[derive(Clone, Debug)]
pub enum Freshness {
    /// The status was computed from this spec.
    Planned,
    /// The status was computed from an older spec, which this process has seen.
    Lagging(Lag),
    /// The status was computed from a spec that this process has not seen, or there is none.
    Unknown,
}

impl Freshness {
    /// Returns the freshness of a newly received version of a fleet. `before` is the preceding
    /// version that this process has seen, with its spec.
    #[must_use]
    pub fn of(
        spec: &Arc<ClientFleetSpec>,
        generations: Generations,
        before: Option<(&Self, &Arc<ClientFleetSpec>, i64)>,
        received: Timestamp,
    ) -> Self {
        let Some(observed) = generations.observed else { return Self::Unknown };
        if observed == generations.spec {
            return Self::Planned;
        }
        let Some((freshness, spec_before, generation_before)) = before else {
            return Self::Unknown;
        };
        let (planned, since) = match freshness {
            // A status that was written in between confirms the preceding spec.
            _ if generation_before == observed => (spec_before, received),
            Self::Lagging(lag) if lag.generation == observed => (&lag.planned, lag.since),
            _ => return Self::Unknown,
        };
        Self::Lagging(Lag {
            planned: Arc::clone(planned),
            generation: observed,
            since,
            changed: changed_facts(planned, spec),
        })
    }

    /// Returns whether the status counts for the client at this index of the spec.
    #[must_use]
    pub fn counts_for(&self, index: usize, now: Timestamp) -> bool {
        match self {
            Self::Planned => true,
            Self::Lagging(lag) => lag.counts_for(index, now),
            Self::Unknown => false,
        }
    }
}

impl Lag {
    fn counts_for(&self, index: usize, now: Timestamp) -> bool {
        let Some(changed) = &self.changed else { return false };
        // A clock that was set back must not extend the time.
        let age = now - self.since;
        let is_short = age >= TimeDelta::zero() && age <= MAX_LAG;
        let is_other =
            u16::try_from(index).is_ok_and(|index| changed.binary_search(&index).is_err());
        is_short && is_other
    }
}

/// Returns the indexes of the clients whose facts differ between two specs; `None` if the specs
/// differ in anything else.
fn changed_facts(planned: &ClientFleetSpec, spec: &ClientFleetSpec) -> Option<Box<[u16]>> {
    let (before, after) = (clients(planned), clients(spec));
    if !same_fleet(planned, spec) || before.len() != after.len() {
        return None;
    }
    let mut changed = Vec::new();
    for (index, (before, after)) in before.iter().zip(after).enumerate() {
        if !same_client(before, after) {
            return None;
        }
        if before.reported != after.reported {
            changed.push(u16::try_from(index).ok()?);
        }
    }
    Some(changed.into())
}

fn clients(spec: &ClientFleetSpec) -> &[Client] {
    spec.clients.as_deref().unwrap_or_default()
}

// Both functions name every field, so that a new field does not compile until it is compared.
fn same_fleet(a: &ClientFleetSpec, b: &ClientFleetSpec) -> bool {
    let ClientFleetSpec {
        package_version,
        package_from,
        retained_versions,
        withdrawn_versions,
        time_zone,
        clients: _,
    } = a;
    *package_version == b.package_version
        && *package_from == b.package_from
        && *retained_versions == b.retained_versions
        && *withdrawn_versions == b.withdrawn_versions
        && *time_zone == b.time_zone
}

fn same_client(a: &Client, b: &Client) -> bool {
    let Client { name, labels, time_zone, reported: _ } = a;
    *name == b.name && *labels == b.labels && *time_zone == b.time_zone
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn spec(fleet: &Value) -> Arc<ClientFleetSpec> {
        Arc::new(serde_json::from_value(fleet.clone()).unwrap())
    }

    fn fleet() -> Value {
        json!({"packageVersion": "2.0", "timeZone": "UTC", "clients": [
            {"name": "a", "reported": {"version": "1.0"}},
            {"name": "b", "labels": {"ring": "1"}, "reported": {"version": "1.0"}},
        ]})
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_timestamp(1_795_000_000 + seconds, 0).unwrap()
    }

    fn lagging(after: &Value) -> Freshness {
        let before = spec(&fleet());
        let generations = Generations { spec: 5, observed: Some(4) };
        Freshness::of(&spec(after), generations, Some((&Freshness::Planned, &before, 4)), at(0))
    }

    fn counts(freshness: &Freshness, seconds: i64) -> [bool; 2] {
        [0, 1].map(|index| freshness.counts_for(index, at(seconds)))
    }

    #[test]
    fn a_report_suspends_the_status_of_its_own_client_only() {
        let mut after = fleet();
        after["clients"][0]["reported"]["version"] = json!("2.0");
        assert_eq!(counts(&lagging(&after), 0), [false, true]);
    }

    #[test]
    fn every_other_change_suspends_the_status_of_all_clients() {
        let changes: [fn(&mut Value); 9] = [
            |f| f["packageVersion"] = json!("2.1"),
            |f| f["packageFrom"] = json!({"name": "server"}),
            |f| f["retainedVersions"] = json!(["1.0"]),
            |f| f["withdrawnVersions"] = json!(["2.0"]),
            |f| f["timeZone"] = json!("Asia/Tokyo"),
            |f| f["clients"][1]["labels"] = json!({"ring": "2"}),
            |f| f["clients"][1]["timeZone"] = json!("Asia/Tokyo"),
            |f| f["clients"][1]["name"] = json!("c"),
            |f| f["clients"] = json!([f["clients"][0]]),
        ];
        for (number, change) in changes.iter().enumerate() {
            let mut after = fleet();
            change(&mut after);
            assert_eq!(counts(&lagging(&after), 0), [false; 2], "change {number}");
        }
    }

    #[test]
    fn a_lag_counts_for_30_seconds_from_its_first_change() {
        let mut after = fleet();
        after["clients"][0]["reported"]["version"] = json!("2.0");
        let first = lagging(&after);
        let second = Freshness::of(
            &spec(&after),
            Generations { spec: 6, observed: Some(4) },
            Some((&first, &spec(&after), 5)),
            at(20),
        );
        assert_eq!(counts(&second, 30), [false, true]);
        assert_eq!(counts(&second, 31), [false, false]);
        assert_eq!(counts(&second, -1), [false, false], "the clock was set back");
    }

    #[test]
    fn a_status_of_an_unseen_spec_does_not_count() {
        let after = spec(&fleet());
        let generations = Generations { spec: 5, observed: Some(3) };
        let before = (&Freshness::Planned, &after, 4);
        let freshness = Freshness::of(&after, generations, Some(before), at(0));
        assert_eq!(counts(&freshness, 0), [false; 2]);
        let freshness = Freshness::of(&after, generations, None, at(0));
        assert_eq!(counts(&freshness, 0), [false; 2]);
        let unplanned = Generations { spec: 1, observed: None };
        assert_eq!(counts(&Freshness::of(&after, unplanned, None, at(0)), 0), [false; 2]);
    }

    #[test]
    fn a_status_for_the_preceding_report_begins_a_new_lag() {
        let mut reported = fleet();
        reported["clients"][0]["reported"]["version"] = json!("2.0");
        let first = lagging(&reported);
        let mut again = reported.clone();
        again["clients"][1]["reported"]["version"] = json!("2.0");
        let generations = Generations { spec: 6, observed: Some(5) };
        let before = (&first, &spec(&reported), 5);
        let second = Freshness::of(&spec(&again), generations, Some(before), at(29));
        assert_eq!(counts(&second, 59), [true, false]);
    }
}
