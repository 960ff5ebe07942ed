//! Tests policies that select clients by the version that they run: a rollback, a way through an
//! intermediate version, and a circle of targets.

use serde_json::{Value, json};

use super::longer::{BERLIN, begin};
use crate::objects::policy;

const BERLIN_2: &str = "11-fleet-berlin-2";

/// Returns a policy that sends the clients with `versions` to 3.58.110.0, up or down.
fn to_3_58_110(name: &str, priority: i32, versions: &str) -> Value {
    let upgrade = json!({"mode": "OnlyUpgradeTo", "version": "3.58.110.0", "allowDowngrade": true});
    let scope = json!({"clients": [{"versions": [versions]}]});
    policy(name, json!({"priority": priority, "upgrade": upgrade, "scope": scope}))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_moves_only_those_on_the_bad_version() {
    let berlin =
        ["ber-ws-002", "ber-ws-004", "ber-ws-005", "ber-fi-001", "ber-fi-003", "ber-kiosk-01"];
    let fleets: [(&str, &[&str]); 2] = [(BERLIN, &berlin), (BERLIN_2, &["ber-wh-01"])];
    let policies = [
        "20-nothing-by-default",
        "21-nights-and-weekends",
        "30-canary",
        "31-finance-locked",
        "33-warehouse-withdrawn",
    ];
    let mut story = begin("rollback", &fleets, &policies).await;
    story.at("2026-11-24T12:00:00Z");
    let withdrawn = json!({"withdrawnVersions": ["3.58.101.0", "3.59.127.0"]});
    story.change_fleet("berlin", withdrawn).await;
    story.then("3.59.127.0 is withdrawn").await;
    story.at("2026-11-24T12:10:00Z");
    story.world.apply(to_3_58_110("back", 500, "3.59.127")).await;
    story.then("clients on 3.59.127 go back to 3.58.110.0").await;
    for client in ["ber-ws-002", "ber-ws-005", "ber-fi-003"] {
        story.report(client, json!({"version": "3.58.110.0"})).await;
    }
    story.then("they report 3.58.110.0").await;
    story.at("2026-11-24T21:00:00Z");
    story.change_fleet("berlin", json!({"packageVersion": "3.59.130.0"})).await;
    story.then("22:00 in Berlin, the server has 3.59.130.0").await;
    insta::assert_snapshot!("a_rollback", story.table());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_intermediate_version_comes_first() {
    let clients = ["ber-ws-001", "ber-lt-003"];
    let fleets: [(&str, &[&str]); 2] = [(BERLIN, &clients[..1]), (BERLIN_2, &clients[1..])];
    let mut story = begin("intermediate", &fleets, &["21-nights-and-weekends", "30-canary"]).await;
    story.report("ber-ws-001", json!({"version": "3.57.98.2"})).await;
    story.then("ber-ws-001 reports 3.57.98.2").await;
    story.at("2026-11-24T12:00:00Z");
    story.world.apply(to_3_58_110("through-3-58", 60, "<3.58.110")).await;
    story.then("clients older than 3.58.110 go there first").await;
    for client in clients {
        story.report(client, json!({"version": "3.58.110.0"})).await;
    }
    story.then("both report 3.58.110.0").await;
    story.at("2026-11-24T21:00:00Z");
    story.then("22:00 in Berlin").await;
    for client in clients {
        story.report(client, json!({"version": "3.59.127.0"})).await;
    }
    story.then("both report 3.59.127.0").await;
    insta::assert_snapshot!("an_intermediate_version", story.table());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_circle_comes_to_rest() {
    let clients = ["ber-ws-001", "ber-ws-002", "ber-ws-004"];
    let mut story =
        begin("circle", &[(BERLIN, &clients)], &["21-nights-and-weekends", "30-canary"]).await;
    story.at("2026-11-24T12:00:00Z");
    let mut back = to_3_58_110("back", 500, "3.59.127");
    back["spec"]["distribution"] = json!({"notAfter": "2026-11-25T12:00:00Z"});
    story.world.apply(back).await;
    story.then("clients on 3.59.127 go back, until noon").await;
    story.report("ber-ws-002", json!({"version": "3.58.110.0"})).await;
    story.then("ber-ws-002 reports 3.58.110.0").await;
    story.at("2026-11-24T21:00:00Z");
    story.then("22:00 in Berlin").await;
    story.at("2026-11-25T12:00:00Z");
    story.then("the rollback ends").await;
    story.report("ber-ws-001", json!({"version": "3.59.127.0"})).await;
    story.then("ber-ws-001 reports 3.59.127.0").await;
    story.at("2026-11-25T13:00:00Z");
    story.change_fleet("berlin", json!({"packageVersion": "3.59.130.0"})).await;
    let on = json!({"distribution": {"notAfter": null}});
    story.world.edit("UpgradePolicy", "back", json!({"spec": on})).await;
    story.then("the server has 3.59.130.0, the rollback has no end").await;
    insta::assert_snapshot!("a_circle", story.table());
}
