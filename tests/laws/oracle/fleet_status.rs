//! Computes the expected conditions of a fleet, as specified in sections 4 and 8.6 of the design.

use serde_json::Value;

use super::read::{LeadsNowhere, list};
use super::{Fleet, Oracle};

/// What the conditions of a fleet say.
#[derive(Debug, PartialEq)]
pub enum Health {
    Ready,
    /// `Reconciling`, with the reason and the instant at which it began.
    Waiting(String, i64),
    /// `Stalled`, with the reason.
    Stalled(String),
}

impl Oracle {
    /// Returns the expected conditions of a fleet that has been waiting for its package since
    /// `since`, if it has to wait.
    pub fn expected_health(&self, fleet: &Fleet, since: i64, at: i64) -> Health {
        if fleet.unreadable {
            return Health::Stalled("ObjectUnreadable".into());
        }
        if fleet.zone.as_deref().is_some_and(|zone| !self.knows_zone(zone)) {
            return Health::Stalled("TimeZoneUnknown".into());
        }
        match fleet.leads_nowhere {
            None => Health::Ready,
            Some(LeadsNowhere::NoSuchFleet) if at < since + 120 => {
                Health::Waiting("PackageUnknown".into(), since)
            }
            Some(_) => Health::Stalled("PackageUnknown".into()),
        }
    }
}

impl Health {
    /// Reads the conditions in a fleet's status. Panics if they contradict each other.
    pub fn of(status: &Value) -> Health {
        let find = |kind: &str| {
            let mut conditions = list(&status["conditions"]).iter();
            conditions.find(|condition| condition["type"] == kind)
        };
        let reason =
            |condition: &Value| condition["reason"].as_str().unwrap_or_default().to_owned();
        let ready = find("Ready").expect("the condition Ready");
        match (find("Reconciling"), find("Stalled")) {
            (None, None) => {
                assert_eq!(ready["status"], "True", "{status:#}");
                Health::Ready
            }
            (Some(waits), None) => {
                assert_eq!(
                    (&ready["status"], &ready["reason"]),
                    (&"False".into(), &waits["reason"])
                );
                let since = super::read::instant(&waits["lastTransitionTime"]).expect("a time");
                Health::Waiting(reason(waits), since)
            }
            (None, Some(stalled)) => {
                assert_eq!(
                    (&ready["status"], &ready["reason"]),
                    (&"False".into(), &stalled["reason"])
                );
                Health::Stalled(reason(stalled))
            }
            (Some(_), Some(_)) => panic!("waits and is stalled: {status:#}"),
        }
    }
}
