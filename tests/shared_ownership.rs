//! Tests that several field managers can share one fleet by server-side apply. Each field manager
//! keeps its own fields, and can remove the fields that it has written.

mod control_plane;
mod served;

use clientfleet::api::Kind;
use control_plane::namespace;
use serde_json::{Value, json};

const KIND: Kind = Kind::ClientFleet;

fn fleet(spec: &Value) -> Value {
    json!({
        "apiVersion": "clientfleet.dev/v1alpha1",
        "kind": "ClientFleet",
        "metadata": {"name": "shared"},
        "spec": spec,
    })
}

async fn apply(namespace: &str, owner: &str, spec: Value) -> Value {
    let client = served::client().await;
    let applied = served::apply(&client, KIND, namespace, owner, &fleet(&spec)).await;
    let mut applied = applied.unwrap_or_else(|status| panic!("{owner}: {}", status.message));
    applied["spec"].take()
}

#[tokio::test]
async fn each_applier_keeps_its_fields_of_the_same_client() {
    let namespace = namespace("shared");
    let git = json!({"packageVersion": "3.59", "clients": [
        {"name": "LT-1", "labels": {"ring": "pilot"}, "timeZone": "Europe/Berlin"},
        {"name": "LT-2"},
    ]});
    apply(&namespace, "git", git.clone()).await;
    let importer = json!({"clients": [
        {"name": "LT-1", "labels": {"site": "berlin"}, "reported": {"computer": "lt-1", "ip": "10.0.0.1"}},
        {"name": "LT-3", "reported": {"computer": "lt-3"}},
    ]});
    apply(&namespace, "importer", importer.clone()).await;
    let check_in = json!({"clients": [
        {"name": "LT-1", "reported": {"version": "3.58", "lastError": {"version": "3.59", "message": "disk full"}}},
    ]});
    let all = apply(&namespace, "check-in", check_in).await;
    assert_eq!(
        all,
        json!({"packageVersion": "3.59", "clients": [
            {"name": "LT-1", "labels": {"ring": "pilot", "site": "berlin"}, "timeZone": "Europe/Berlin", "reported": {
                "computer": "lt-1", "ip": "10.0.0.1", "version": "3.58",
                "lastError": {"version": "3.59", "message": "disk full"},
            }},
            {"name": "LT-2"},
            {"name": "LT-3", "reported": {"computer": "lt-3"}},
        ]})
    );

    // Applying unchanged objects in another order must change nothing.
    apply(&namespace, "importer", importer).await;
    assert_eq!(apply(&namespace, "git", git).await, all);

    // If an applier no longer lists a client, the API server removes only this applier's fields
    // from the client. If no other applier owns fields of the client, the API server removes the
    // whole client.
    let left = apply(&namespace, "importer", json!({"clients": []})).await;
    assert_eq!(
        left,
        json!({"packageVersion": "3.59", "clients": [
            {"name": "LT-1", "labels": {"ring": "pilot"}, "timeZone": "Europe/Berlin", "reported": {
                "version": "3.58", "lastError": {"version": "3.59", "message": "disk full"},
            }},
            {"name": "LT-2"},
        ]})
    );
}

#[tokio::test]
async fn the_last_error_is_one_owner_s_as_a_whole() {
    let namespace = namespace("last-error");
    let with =
        |error: Value| json!({"clients": [{"name": "LT-1", "reported": {"lastError": error}}]});
    apply(&namespace, "git", json!({"packageVersion": "3.59"})).await;
    apply(&namespace, "importer", with(json!({"version": "3.59", "message": "disk full"}))).await;
    let after = apply(&namespace, "check-in", with(json!({"version": "3.60"}))).await;
    assert_eq!(after["clients"][0]["reported"]["lastError"], json!({"version": "3.60"}));
}

/// Checks that the field `withdrawnVersions` is removed together with its last entry. Otherwise the
/// list would remain as an empty list, which admission refuses.
#[tokio::test]
async fn the_last_version_of_a_set_can_be_taken_back() {
    let namespace = namespace("sets");
    let with = |withdrawn: Value| json!({"packageVersion": "3.59", "withdrawnVersions": withdrawn});
    apply(&namespace, "git", with(json!(["3.57"]))).await;
    let both = apply(&namespace, "security", json!({"withdrawnVersions": ["3.58"]})).await;
    assert_eq!(both["withdrawnVersions"], json!(["3.57", "3.58"]));
    let one = apply(&namespace, "git", json!({"packageVersion": "3.59"})).await;
    assert_eq!(one["withdrawnVersions"], json!(["3.58"]));
    let none = apply(&namespace, "security", json!({})).await;
    assert_eq!(none, json!({"packageVersion": "3.59"}));
}
