//! Tests sequences of events (stories) in which several fleets list the same client.

use chrono::TimeDelta;
use serde_json::{Value, json};

use super::Story;
use crate::objects::auto;
use crate::world::{NOON, instant};

fn fleet(name: &str, clients: Value) -> Value {
    let spec = json!({"packageVersion": "3.60", "clients": clients});
    json!({"kind": "ClientFleet", "metadata": {"name": name}, "spec": spec})
}

fn client(name: &str, seen: &str) -> Value {
    json!({"name": name, "reported": {"version": "3.59", "lastSeen": seen}})
}

/// Starts a story in which the fleet `berlin` lists the clients `a` and `b`, and a policy upgrades
/// all clients.
async fn begin(name: &str) -> Story {
    let mut story = Story::begin(name).await;
    story.world.apply(auto("all")).await;
    let clients = json!([client("a", "2026-11-24T10:00:00Z"), client("b", "2026-11-24T10:00:00Z")]);
    story.apply_fleet(fleet("berlin", clients)).await;
    story.apply_fleet(fleet("tokyo", json!([client("c", "2026-11-24T10:00:00Z")]))).await;
    story.then("at the start").await;
    story
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_moves_to_another_fleet() {
    let mut story = begin("moves").await;
    let (a, b) = (client("a", "2026-11-24T10:00:00Z"), client("b", "2026-11-24T10:00:00Z"));
    let c = client("c", "2026-11-24T10:00:00Z");
    story.at("2026-11-24T12:00:00Z");
    // A tool applies the objects of one commit one after another, here the new fleet first.
    story.change_fleet("tokyo", json!({"clients": [c, a]})).await;
    story.change_fleet("berlin", json!({"clients": [b]})).await;
    story.then("one commit moves a to tokyo").await;
    story.at("2026-11-24T13:00:00Z");
    story.change_fleet("tokyo", json!({"clients": [c, a, b]})).await;
    story.then("another commit adds b to tokyo").await;
    story.at("2026-11-25T11:00:00Z");
    story.report_in("tokyo", "b", json!({"lastSeen": "2026-11-25T11:00:00Z"})).await;
    story.then("a day later, b reports in tokyo").await;
    story.at("2026-11-25T12:00:00Z");
    story.change_fleet("berlin", json!({"clients": []})).await;
    story.then("a third commit removes b from berlin").await;
    insta::assert_snapshot!("a_client_moves_to_another_fleet", story.table());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_entry_is_left_behind() {
    let mut story = begin("left-behind").await;
    let (b, c) = (client("b", "2026-11-24T10:00:00Z"), client("c", "2026-11-24T10:00:00Z"));
    story.change_fleet("tokyo", json!({"clients": [c, b]})).await;
    story.then("b is in both fleets").await;
    story.at("2026-12-01T09:59:59Z");
    story.report_in("tokyo", "b", json!({"lastSeen": "2026-12-01T09:59:59Z"})).await;
    story.then("b reports in tokyo, a second too early").await;
    story.at("2026-12-01T10:00:00Z");
    story.report_in("tokyo", "b", json!({"lastSeen": "2026-12-01T10:00:00Z"})).await;
    story.then("7 days after it was seen in berlin").await;
    story.at("2026-12-01T11:00:00Z");
    story.report_in("berlin", "b", json!({"lastSeen": "2026-12-01T11:00:00Z"})).await;
    story.then("it reports in berlin again").await;
    story.at("2026-12-01T12:00:00Z");
    story.world.delete("ClientFleet", "berlin").await;
    story.fleets.retain(|fleet| fleet["metadata"]["name"] != "berlin");
    story.then("the fleet berlin is deleted").await;
    insta::assert_snapshot!("an_old_entry_is_left_behind", story.table());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_ahead_decides_after_a_week() {
    let mut story = begin("clock-ahead").await;
    let (b, c) = (client("b", "2027-11-24T10:00:00Z"), client("c", "2026-11-24T10:00:00Z"));
    story.change_fleet("tokyo", json!({"clients": [c, b]})).await;
    story.then("b was seen in a year, says tokyo").await;
    story.at("2026-12-01T09:59:59Z");
    story.then("nobody reports for a week").await;
    story.at("2026-12-01T10:00:00Z");
    story.then("7 days after it was seen in berlin").await;
    insta::assert_snapshot!("a_clock_that_is_ahead_decides_after_a_week", story.table());
}

/// Two importers report one client alternately, hourly, for a week. No entry is offered anything,
/// and each report causes only the status write of its own fleet.
#[tokio::test(flavor = "multi_thread")]
async fn two_importers_report_one_client() {
    let mut story = Story::begin("importers").await;
    let fleets = ["berlin", "tokyo"];
    for name in fleets {
        story.apply_fleet(fleet(name, json!([client("pc", NOON)]))).await;
    }
    story.world.apply(auto("all")).await;
    story.then("both list pc").await;
    let writes = |story: &Story, path: &str| {
        let calls = story.world.wire.calls();
        let written =
            calls.iter().filter(|call| call.is_status_write() && call.path.contains(path));
        written.count()
    };
    let start = ["berlin", "tokyo", "upgradepolicies"].map(|path| writes(&story, path));
    let hours = 7 * 24;
    for hour in 1..=hours {
        let now = instant(NOON) + TimeDelta::hours(hour);
        let now = now.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        story.at(&now);
        let reporter = fleets[usize::try_from(hour % 2).unwrap()];
        story.report_in(reporter, "pc", json!({"lastSeen": now, "version": "3.58"})).await;
        let statuses = story.world.settles().await;
        for name in fleets {
            let row = &statuses.fleets[name].clients.as_ref().unwrap()[0];
            assert_eq!(row.reason, "DuplicateClient", "{name} at {now}");
            assert_eq!(row.last_offer, None, "{name} at {now}");
        }
    }
    let end = ["berlin", "tokyo", "upgradepolicies"].map(|path| writes(&story, path));
    let reports = usize::try_from(hours / 2).unwrap();
    assert_eq!(end, [start[0] + reports, start[1] + reports, start[2]]);
}
