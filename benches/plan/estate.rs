//! Creates an estate for the planner that resembles a production estate. Each fleet has up to 250
//! clients with different versions, time zones and labels, and the policies have different scopes.

use std::sync::Arc;

use clientfleet::plan::{CachedFleet, CachedPolicy, Planner};
use clientfleet::values::Timestamp;
use serde_json::{Value, json};

const CLIENTS_A_FLEET: usize = 250;
const ZONES: [&str; 4] = ["Europe/Berlin", "America/New_York", "Asia/Tokyo", "Europe/Lisbon"];
const VERSIONS: [&str; 4] = ["3.59.127.0", "3.58.110.0", "3.59.228.0", "3.57.98.2"];
const DEPARTMENTS: [&str; 5] = ["finance", "sales", "research", "office", "kiosk"];

/// Returns the instant at which all plans are made: noon on a Tuesday in Berlin.
pub fn now() -> Timestamp {
    "2026-11-24T11:00:00Z".parse().expect("an instant")
}

pub fn fleets(clients: usize) -> Vec<Arc<CachedFleet>> {
    let count = clients.div_ceil(CLIENTS_A_FLEET);
    let fleet = |number| {
        let left = clients - number * CLIENTS_A_FLEET;
        observed(&fleet(number, left.min(CLIENTS_A_FLEET), "3.59.127.0"))
    };
    (0..count).map(fleet).collect()
}

pub struct Estate {
    fleets: Vec<Arc<CachedFleet>>,
    policies: Vec<Arc<CachedPolicy>>,
}

impl Estate {
    pub fn of(fleets: Vec<Arc<CachedFleet>>, policies: usize) -> Self {
        Self { fleets, policies: (0..policies).map(|number| observed(&policy(number))).collect() }
    }

    /// Returns a planner that has observed the whole estate, but has not planned yet.
    pub fn planner(&self) -> Planner {
        let mut planner = Planner::default();
        for policy in &self.policies {
            planner.observe_policy(Arc::clone(policy));
        }
        for fleet in &self.fleets {
            planner.observe_fleet(Arc::clone(fleet));
        }
        planner
    }

    /// Plans until the plan no longer changes, which takes two passes. After each pass, the planner
    /// observes the planned statuses, as in the controller.
    pub fn settle(&self, planner: &mut Planner) {
        for _ in 0..2 {
            let pass = planner.plan(now());
            for planned in pass.fleets {
                let status = planned.status();
                planner.observe_fleet(Arc::new(planned.cached.with_status(status)));
            }
            for planned in pass.policies {
                let status = planned.status();
                planner.observe_policy(Arc::new(planned.cached.with_status(status)));
            }
        }
        planner.plan(now());
    }

    /// Returns one fleet after each of two successive reports by the same client. The two objects
    /// differ only in the reported version and the generation.
    pub fn one_report(&self) -> [Arc<CachedFleet>; 2] {
        let number = self.fleets.len() / 2;
        let clients = if self.fleets.len() == 1 { 250 } else { CLIENTS_A_FLEET };
        [("3.58.0.1", 2), ("3.58.0.2", 3)].map(|(version, generation)| {
            let mut object = fleet(number, clients, version);
            object["metadata"]["generation"] = json!(generation);
            observed(&object)
        })
    }
}

fn observed<K: clientfleet::plan::Kind>(object: &Value) -> Arc<clientfleet::plan::Cached<K>> {
    Arc::new(serde_json::from_str(&object.to_string()).expect("an object"))
}

fn fleet(number: usize, clients: usize, version_of_7: &str) -> Value {
    let client = |index: usize| {
        let version = if index == 7 { version_of_7 } else { VERSIONS[index % VERSIONS.len()] };
        json!({
            "name": format!("LT-{number:04}-{index:03}"),
            "labels": {"department": DEPARTMENTS[index % DEPARTMENTS.len()]},
            "timeZone": ZONES[(number + index / 100) % ZONES.len()],
            "reported": {
                "computer": format!("LT-{number:04}-{index:03}.corp.example"),
                "ip": format!("10.{}.{}.{index}", number / 256, number % 256),
                "lastUser": format!("CORP\\user{:06}", number * CLIENTS_A_FLEET + index),
                "version": version,
                "lastSeen": "2026-11-20T08:15:00Z",
            },
        })
    };
    json!({
        "metadata": {"name": format!("fleet-{number:04}"), "namespace": "bench", "generation": 1},
        "spec": {
            "packageVersion": "3.59.228.0",
            "timeZone": "Europe/Berlin",
            "clients": (0..clients).map(client).collect::<Vec<_>>(),
        },
    })
}

/// Returns a policy for a department, a network, a computer or a user, depending on `number`.
/// Policy 0 has no scope, so it governs all clients that no other policy governs.
fn policy(number: usize) -> Value {
    let scope = match number % 4 {
        _ if number == 0 => Value::Null,
        1 => json!({"labelSelector": {"matchLabels": {"department": DEPARTMENTS[number % 5]}}}),
        2 => json!({"cidrs": [format!("10.0.{number}.0/24")]}),
        3 => json!({"computers": [format!("LT-{number:04}-001.corp.example")]}),
        _ => json!({"search": format!("user{number:03}")}),
    };
    let mut spec = json!({
        "priority": number,
        "upgrade": {"mode": "AutoUpgrade"},
        "distribution": {"windows": [{"start": "22:00", "end": "05:00"}]},
        "offlineAfterDays": 30,
    });
    if !scope.is_null() {
        spec["scope"] = json!({"clients": [scope]});
    }
    json!({
        "metadata": {"name": format!("policy-{number:03}"), "namespace": "bench", "generation": 1},
        "spec": spec,
    })
}
