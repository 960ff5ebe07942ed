//! Fleets and policies to begin with.

use serde_json::{Value, json};

/// A fleet in Berlin whose server carries 3.60, with clients that run 3.59.
pub fn fleet(name: &str, clients: &[&str]) -> Value {
    let clients: Vec<Value> = clients.iter().map(|name| client(name, "3.59")).collect();
    json!({
        "kind": "ClientFleet",
        "metadata": {"name": name, "labels": {"site": name}},
        "spec": {"packageVersion": "3.60", "timeZone": "Europe/Berlin", "clients": clients},
    })
}

pub fn client(name: &str, version: &str) -> Value {
    json!({"name": name, "reported": {"version": version}})
}

/// So many names, each with its own number.
pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("pc-{number:03}")).collect()
}

pub fn policy(name: &str, spec: Value) -> Value {
    json!({"kind": "UpgradePolicy", "metadata": {"name": name}, "spec": spec})
}

/// A policy that moves every client of its namespace to the package, at any time.
pub fn auto(name: &str) -> Value {
    policy(name, json!({"upgrade": {"mode": "AutoUpgrade"}}))
}

/// Open from ten in the evening until four.
pub fn nightly(name: &str) -> Value {
    policy(
        name,
        json!({
            "upgrade": {"mode": "AutoUpgrade"},
            "distribution": {"windows": [{"start": "22:00", "end": "04:00"}]},
        }),
    )
}
