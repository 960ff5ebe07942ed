//! Creates fleets and policies for the tests.

use clientfleet::api::crds;
use serde_json::{Value, json};

/// Returns a fleet in the time zone of Berlin with package version 3.60, whose clients run version
/// 3.59.
pub fn fleet(name: &str, clients: &[&str]) -> Value {
    let clients: Vec<Value> = clients.iter().map(|name| client(name, "3.59")).collect();
    json!({
        "kind": "ClientFleet",
        "metadata": {"name": name, "labels": {"site": name}},
        "spec": {"packageVersion": "3.60", "timeZone": "Europe/Berlin", "clients": clients},
    })
}

/// Returns a fleet like [`fleet`], with the fleet's name before each client's, such as `berlin-a`. No
/// other fleet of the test may list the same client, unless the test is about such clients.
pub fn distinct_fleet(name: &str, clients: &[&str]) -> Value {
    let clients: Vec<String> = clients.iter().map(|client| format!("{name}-{client}")).collect();
    fleet(name, &clients.iter().map(String::as_str).collect::<Vec<_>>())
}

pub fn client(name: &str, version: &str) -> Value {
    json!({"name": name, "reported": {"version": version}})
}

pub fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("pc-{number:03}")).collect()
}

pub fn policy(name: &str, spec: Value) -> Value {
    json!({"kind": "UpgradePolicy", "metadata": {"name": name}, "spec": spec})
}

/// Returns a policy that upgrades all clients to the package version of their fleet, at any time.
pub fn auto(name: &str) -> Value {
    policy(name, json!({"upgrade": {"mode": "AutoUpgrade"}}))
}

/// Returns a policy that upgrades all clients between 22:00 and 04:00.
pub fn nightly(name: &str) -> Value {
    policy(
        name,
        json!({
            "upgrade": {"mode": "AutoUpgrade"},
            "distribution": {"windows": [{"start": "22:00", "end": "04:00"}]},
        }),
    )
}

/// Returns the CRDs with a schema that accepts any spec.
pub fn relaxed_crds() -> Value {
    let mut definitions = json!(crds());
    for definition in definitions.as_array_mut().unwrap() {
        let root = &mut definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        root["properties"]["spec"] = json!({"x-kubernetes-preserve-unknown-fields": true});
        root.as_object_mut().unwrap().remove("x-kubernetes-validations");
    }
    json!({"apiVersion": "v1", "kind": "List", "items": definitions})
}
