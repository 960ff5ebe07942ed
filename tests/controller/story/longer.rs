//! Tests longer sequences of events (stories), such as a night or a freeze, with clients and
//! policies from `examples/`.

use std::process::Command;

use serde_json::{Value, json};

use super::{Story, document};
use crate::control_plane::shared;
use crate::objects::policy;

/// Returns the object in the file `examples/<file>.yaml`, without its namespace.
fn example(file: &str) -> Value {
    let path = format!("{}/examples/{file}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap();
    let mut object = document(&text);
    object["metadata"].as_object_mut().unwrap().remove("namespace");
    object
}

/// Returns the fleet from the file `examples/<file>.yaml`, with only the clients in `names`.
fn fleet(file: &str, names: &[&str]) -> Value {
    let mut fleet = example(file);
    let clients = fleet["spec"]["clients"].as_array_mut().unwrap();
    clients.retain(|client| names.contains(&client["name"].as_str().unwrap()));
    assert_eq!(clients.len(), names.len(), "{names:?} in {file}");
    fleet
}

pub const BERLIN: &str = "10-fleet-berlin";

/// Starts a story with policies and fleets from `examples/`, and records the first row of the
/// table.
pub async fn begin(name: &str, fleets: &[(&str, &[&str])], policies: &[&str]) -> Story {
    let mut story = Story::begin(name).await;
    for file in policies {
        story.world.apply(example(file)).await;
    }
    for (file, names) in fleets {
        story.apply_fleet(fleet(file, names)).await;
    }
    story.then("the objects are applied").await;
    story
}

#[tokio::test(flavor = "multi_thread")]
async fn a_night() {
    let clients = ["ber-ws-001", "ber-ws-004", "ber-ws-005", "ber-kiosk-01"];
    let policies = ["20-nothing-by-default", "21-nights-and-weekends", "30-canary"];
    let mut story = begin("a-night", &[(BERLIN, &clients)], &policies).await;
    story.report("ber-ws-001", json!({"version": "3.59.127.0"})).await;
    story.then("the canary reports 3.59.127.0").await;
    story.at("2026-11-24T21:00:00Z");
    story.then("22:00 in Berlin").await;
    story.at("2026-11-24T22:10:00Z");
    story.report("ber-ws-004", json!({"stagedVersion": "3.59.127.0"})).await;
    story.then("ber-ws-004 has installed it").await;
    story.at("2026-11-25T04:00:00Z");
    story.then("05:00 in Berlin").await;
    story.at("2026-11-25T07:30:00Z");
    story.report("ber-ws-004", json!({"version": "3.59.127.0", "stagedVersion": null})).await;
    story.then("ber-ws-004 restarts").await;
    insta::assert_snapshot!("a_night", story.table());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_freeze() {
    let clients = ["ber-ws-001", "ber-ws-003", "ber-ws-004"];
    let policies = ["21-nights-and-weekends", "30-canary", "40-year-end-freeze"];
    let mut story = begin("a-freeze", &[(BERLIN, &clients)], &policies).await;
    for (time, what) in [
        ("2026-12-18T21:00:00Z", "Friday, 22:00 in Berlin"),
        ("2026-12-18T23:00:00Z", "the freeze begins"),
        ("2026-12-24T21:00:00Z", "a night in the freeze"),
        ("2027-01-04T05:00:00Z", "the freeze ends"),
        ("2027-01-04T21:00:00Z", "the next night"),
    ] {
        story.at(time);
        story.then(what).await;
    }
    insta::assert_snapshot!("a_freeze", story.table());
}

/// Runs `clientfleet` as the administrator in the namespace of the story.
fn run(story: &Story, arguments: &[&str]) {
    let output = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
        .args(arguments)
        .args(["-n", &story.world.namespace])
        .env("KUBECONFIG", shared().kubeconfig_path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_halt_and_resume() {
    let clients = ["ber-ws-001", "ber-ws-003", "ber-ws-004"];
    let policies = ["21-nights-and-weekends", "30-canary"];
    let mut story = begin("a-halt", &[(BERLIN, &clients)], &policies).await;
    story.at("2026-11-24T21:00:00Z");
    story.then("22:00 in Berlin").await;
    story.at("2026-11-24T21:30:00Z");
    run(&story, &["halt", "--reason", "the new version loses settings"]);
    story.then("clientfleet halt").await;
    story.report("ber-ws-003", json!({"stagedVersion": null})).await;
    story.then("ber-ws-003 removes what is staged").await;
    story.at("2026-11-24T22:30:00Z");
    run(&story, &["resume"]);
    story.then("clientfleet resume").await;
    insta::assert_snapshot!("a_halt_and_resume", story.table());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawn_version() {
    let clients = ["ber-ws-001", "ber-ws-002", "ber-ws-003"];
    let mut story = begin("withdrawn", &[(BERLIN, &clients)], &["30-canary"]).await;
    story.at("2026-11-24T12:00:00Z");
    let withdrawn = json!({"withdrawnVersions": ["3.58.101.0", "3.59.127.0"]});
    story.change_fleet("berlin", withdrawn).await;
    story.then("3.59.127.0 is withdrawn").await;
    story.at("2026-11-24T13:00:00Z");
    let lock = json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "3.58.110.0", "allowDowngrade": true}});
    story.world.edit("UpgradePolicy", "canary", json!({"spec": lock})).await;
    story.then("the canary ring is locked to 3.58.110.0, downgrades allowed").await;
    story.at("2026-11-24T14:00:00Z");
    story.report("ber-ws-002", json!({"version": "3.58.110.0"})).await;
    story.then("ber-ws-002 reports 3.58.110.0").await;
    story.at("2026-11-25T09:00:00Z");
    story.change_fleet("berlin", json!({"packageVersion": "3.59.130.0"})).await;
    let unlock =
        json!({"upgrade": {"mode": "AutoUpgrade", "version": null, "allowDowngrade": null}});
    story.world.edit("UpgradePolicy", "canary", json!({"spec": unlock})).await;
    story.then("the server has 3.59.130.0, the ring follows it again").await;
    insta::assert_snapshot!("a_withdrawn_version", story.table());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_installation_and_its_retry() {
    let clients = ["ber-ws-001", "ber-ws-002"];
    let mut story = begin("a-failure", &[(BERLIN, &clients)], &["30-canary"]).await;
    let failed = |time: &str| json!({"lastError": {"version": "3.59.127.0", "time": time}});
    story.at("2026-11-24T11:20:00Z");
    story.report("ber-ws-001", failed("2026-11-24T11:20:00Z")).await;
    story.then("the installation fails").await;
    story.at("2026-11-24T12:20:00Z");
    story.then("an hour later").await;
    story.at("2026-11-24T12:40:00Z");
    story.report("ber-ws-001", failed("2026-11-24T12:40:00Z")).await;
    story.then("it fails again").await;
    story.at("2026-11-24T13:40:00Z");
    story.then("an hour later").await;
    story.at("2026-11-24T13:50:00Z");
    story.report("ber-ws-001", json!({"stagedVersion": "3.59.127.0", "lastError": null})).await;
    story.then("it is installed").await;
    story.at("2026-11-24T14:00:00Z");
    story.report("ber-ws-001", json!({"version": "3.59.127.0", "stagedVersion": null})).await;
    story.then("ber-ws-001 restarts").await;
    insta::assert_snapshot!("a_failed_installation_and_its_retry", story.table());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_upgrade_over_three_zones() {
    let fleets: [(&str, &[&str]); 3] = [
        (BERLIN, &["ber-ws-005"]),
        ("12-fleet-new-york", &["nyc-ws-001"]),
        ("13-fleet-tokyo", &["tyo-ws-001"]),
    ];
    let mut story = begin("three-zones", &fleets, &["21-nights-and-weekends"]).await;
    for (fleet, client) in [("new-york", "nyc-ws-001"), ("tokyo", "tyo-ws-001")] {
        let from = json!({
            "packageFrom": {"name": "berlin"},
            "packageVersion": null, "retainedVersions": null, "withdrawnVersions": null,
        });
        story.change_fleet(fleet, from).await;
        story.report(client, json!({"version": "3.59.127.0"})).await;
    }
    story.then("all run what Berlin's server has").await;
    story.at("2026-11-24T12:00:00Z");
    story.change_fleet("berlin", json!({"packageVersion": "3.60.0.0"})).await;
    story.then("Berlin's server gets 3.60.0.0").await;
    for (time, what, client) in [
        ("2026-11-24T13:00:00Z", "22:00 in Tokyo", "tyo-ws-001"),
        ("2026-11-24T21:00:00Z", "22:00 in Berlin", "ber-ws-005"),
        ("2026-11-25T03:00:00Z", "22:00 in New York", "nyc-ws-001"),
    ] {
        story.at(time);
        story.then(what).await;
        story.report(client, json!({"version": "3.60.0.0", "stagedVersion": null})).await;
        story.then(&format!("{client} reports 3.60.0.0")).await;
    }
    insta::assert_snapshot!("a_server_upgrade_over_three_zones", story.table());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_tuesday() {
    let mut story = Story::begin("second-tuesday").await;
    let window = json!({
        "days": ["Tuesday"], "weeksOfMonth": ["Second"], "offsetDays": 3,
        "start": "22:00", "end": "05:00",
    });
    let year_end = json!({
        "name": "end of the year", "startDate": "2024-12-12", "endDate": "2025-01-06", "yearly": true,
    });
    let policy = json!({
        "apiVersion": "clientfleet.dev/v1alpha1",
        "kind": "UpgradePolicy",
        "metadata": {"name": "after-patch-day"},
        "spec": {
            "upgrade": {"mode": "AutoUpgrade"},
            "distribution": {"windows": [window], "exclusions": [year_end]},
        },
    });
    story.world.apply(policy).await;
    story.apply_fleet(fleet(BERLIN, &["ber-ws-004"])).await;
    story.apply_fleet(fleet("13-fleet-tokyo", &["tyo-ws-001"])).await;
    story.then("the objects are applied").await;
    for (time, what) in [
        ("2026-12-08T21:00:00Z", "the second Tuesday, 22:00 in Berlin"),
        ("2026-12-11T13:00:00Z", "three days later, 22:00 in Tokyo"),
        ("2026-12-11T15:00:00Z", "the exclusion begins in Tokyo"),
        ("2026-12-11T21:00:00Z", "22:00 in Berlin"),
        ("2026-12-11T23:00:00Z", "the exclusion begins in Berlin"),
        ("2027-01-06T23:00:00Z", "it has ended in Berlin"),
        ("2027-01-15T21:00:00Z", "three days after the next second Tuesday"),
        ("2027-01-16T04:00:00Z", "05:00 in Berlin"),
        ("2027-12-17T21:00:00Z", "after the second Tuesday of the next December"),
    ] {
        story.at(time);
        story.then(what).await;
    }
    insta::assert_snapshot!("a_second_tuesday", story.table());
}

/// Checks a plant whose network is excluded, and later held by another policy, while laptops report
/// no address, two addresses or a text that is no address.
#[tokio::test(flavor = "multi_thread")]
async fn a_plant_network_and_laptops_without_an_address() {
    let plant = json!([{"cidrs": ["10.20.0.0/16"]}]);
    let client = |(name, ip): (&str, &str)| {
        let reported = json!({"version": "3.59", "ip": ip});
        json!({"name": name, "reported": reported})
    };
    let clients =
        [("plc", "10.20.1.5"), ("desk", "10.10.1.5"), ("none", ""), ("two", ""), ("odd", "DHCP")];
    let mut story = Story::begin("plant-network").await;
    let auto = json!({"upgrade": {"mode": "AutoUpgrade"}, "scope": {"exclude": plant}});
    story.world.apply(policy("company", auto)).await;
    let spec = json!({
        "packageVersion": "3.60", "timeZone": "Europe/Berlin",
        "clients": clients.map(client),
    });
    let fleet = json!({"kind": "ClientFleet", "metadata": {"name": "fleet"}, "spec": spec});
    story.apply_fleet(fleet).await;
    story.then("the plant is excluded").await;
    story.report("none", json!({"ip": null})).await;
    story.report("two", json!({"ip": "10.10.1.7, 10.20.1.7"})).await;
    story.then("two reports its addresses").await;
    story.report("odd", json!({"ip": "fe80::1%12 ::ffff:10.10.1.8"})).await;
    story.then("odd reports a link-local and a mapped one").await;
    story.report("two", json!({"ip": "10.10.1.7, ..."})).await;
    story.then("two reports one and leaves the others out").await;
    let hold = json!({
        "priority": 100, "effectiveFrom": "2026-11-24T13:00:00Z",
        "effectiveUntil": "2026-11-24T15:00:00Z", "scope": {"clients": plant},
    });
    story.world.apply(policy("plant-hold", hold)).await;
    story.world.edit("UpgradePolicy", "company", json!({"spec": {"scope": null}})).await;
    story.then("the plant is to be held, and no longer excluded").await;
    for (time, what) in
        [("2026-11-24T13:00:00Z", "the hold begins"), ("2026-11-24T15:00:00Z", "the hold ends")]
    {
        story.at(time);
        story.then(what).await;
    }
    let lock = json!({"spec": {"scope": {"clients": plant}}});
    story.world.edit("UpgradePolicy", "company", lock).await;
    story.then("the plant alone is upgraded").await;
    story.report("two", json!({"ip": "DHCP 10.20.1.7"})).await;
    story.then("two is in the plant").await;
    insta::assert_snapshot!("a_plant_network", story.table());
}
