//! Defines objects that the API server accepts but changes before it stores them, such as objects
//! with `null` values or without fields that have a default.

use clientfleet::api::Kind;
use serde_json::{Value, json};

fn object(kind: Kind, spec: &Value) -> (Kind, Value) {
    let object = json!({
        "apiVersion": "clientfleet.dev/v1alpha1",
        "kind": kind.name(),
        "metadata": {"name": "a"},
        "spec": spec,
    });
    (kind, object)
}

pub fn objects() -> Vec<(Kind, Value)> {
    let policies = [
        json!({}),
        json!({"upgrade": {}}),
        json!({"upgrade": null, "priority": null, "scope": null, "suspend": null}),
        json!({"upgrade": {"mode": null, "version": null, "retryAfterHours": null}}),
        json!({"upgrade": {"mode": "AutoUpgrade"}, "priority": 3.0, "offlineAfterDays": 30.0}),
        json!({"priority": -0.0}),
        json!({"distribution": {}}),
        json!({"distribution": {"windows": [{"start": "22:00", "end": "24:00", "days": null}]}}),
        json!({"distribution": {
            "windows": [{"start": "22:00", "end": "24:00", "weeksOfMonth": ["Last"], "offsetDays": 3.0}],
            "exclusions": [{"name": "a", "startDate": "2026-01-01", "endDate": "2026-01-01", "yearly": null}],
        }}),
        json!({"scope": {"clients": null, "fleetSelector": {"matchLabels": {"a": "b", "c": null}}}}),
        json!({"scope": {"clients": [{"names": null, "search": "a"}]}}),
    ];
    let fleets = [
        json!({"packageVersion": "3"}),
        json!({"packageVersion": "3", "clients": []}),
        json!({"packageFrom": {"name": "a"}, "packageVersion": null, "clients": null}),
        json!({"packageVersion": "3", "clients": [{"name": "a", "labels": {}, "reported": {}}]}),
        json!({"packageVersion": "3", "clients": [
            {"name": "a", "labels": null, "reported": {"version": null, "lastError": {"time": null}}},
            {"name": "b", "labels": {"x": null}, "timeZone": ""},
        ]}),
    ];
    let policies = policies.iter().map(|spec| object(Kind::UpgradePolicy, spec));
    policies.chain(fleets.iter().map(|spec| object(Kind::ClientFleet, spec))).collect()
}
