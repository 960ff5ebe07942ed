//! Tests the audit stream: it contains each change of a client's status exactly once, and only
//! after the API server has accepted the write.

use kube::ResourceExt;
use serde_json::{Value, json};

use crate::objects::{auto, client, fleet, nightly};
use crate::world::{World, audited_by_all, eventually, instant};

impl World {
    fn audited(&self) -> Vec<Value> {
        let told = String::from_utf8(audited_by_all()).unwrap();
        let lines = told.lines().map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|line: &Value| line["namespace"] == json!(self.namespace)).collect()
    }

    /// Returns the audit lines in the format of [`short`]. Sorts the lines, because the controller
    /// writes the statuses of the fleets in any order.
    fn audit_lines(&self) -> Vec<String> {
        let mut told: Vec<String> = self.audited().iter().map(short).collect();
        told.sort();
        told
    }
}

/// Formats an audit line as a short text, such as `berlin/a: Waiting -> Distributing (night 1),
/// Begins, by Time`.
fn short(line: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let policy = &line["to"]["policy"];
    let by = line["to"]["policyGeneration"].as_i64();
    let policy = by.map_or(String::new(), |number| format!(" ({} {number})", word(policy)));
    let offer = line["offer"].as_str().map_or(String::new(), |offer| format!(", {offer}"));
    let cause: Vec<String> = line["cause"].as_array().unwrap().iter().map(word).collect();
    format!(
        "{}/{}: {} -> {}{policy}{offer}, by {}",
        word(&line["fleet"]),
        word(&line["client"]),
        word(&line["from"]["state"]),
        word(&line["to"]["state"]),
        cause.join(","),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_told_once_with_its_cause() {
    let mut world = World::start("audit").await;
    world.apply(nightly("night")).await;
    world.settles().await;
    world.apply(fleet("berlin", &["a", "b"])).await;
    world.settles().await;
    let mut expected = vec![
        "berlin/a: none -> Waiting (night 1), by Seen",
        "berlin/b: none -> Waiting (night 1), by Seen",
    ];
    assert_eq!(world.audit_lines(), expected);

    let opens = async { world.clock.set(instant("2026-11-24T21:00:00Z")) };
    world.settles_after("the opening", opens).await;
    expected.push("berlin/a: Waiting -> Distributing (night 1), Begins, by Time");
    expected.push("berlin/b: Waiting -> Distributing (night 1), Begins, by Time");
    expected.sort_unstable();
    assert_eq!(world.audit_lines(), expected);
    let fleet_now = world.raw("ClientFleet", "berlin").await;
    let line = world.audited().into_iter().find(|line| line["offer"] == "Begins").unwrap();
    let whole = json!({
        "schema": 1,
        "time": "2026-11-24T21:00:00Z",
        "controller": "test",
        "namespace": world.namespace,
        "fleet": "berlin",
        "fleetGeneration": 1,
        "resourceVersion": fleet_now.resource_version(),
        "client": "a",
        "computer": null,
        "version": "3.59",
        "stagedVersion": null,
        "cause": ["Time"],
        "offer": "Begins",
        "from": {"state": "Waiting", "reason": "OutsideWindow", "policy": "night", "targetVersion": "3.60"},
        "to": {
            "state": "Distributing", "reason": "UpgradeOffered", "policy": "night",
            "policyGeneration": 1, "targetVersion": "3.60",
        },
    });
    assert_eq!(line, whole);

    world.stop_controller().await;
    world.start_controller();
    world.with_sentinels().await;
    assert_eq!(world.audit_lines(), expected, "a restart changes nothing");

    let report = json!({"spec": {"clients": [client("a", "3.60"), client("b", "3.59")]}});
    world.settles_after("a report", world.edit("ClientFleet", "berlin", report)).await;
    expected.push("berlin/a: Distributing -> UpToDate (night 1), Ends, by Spec");
    let gone = json!({"spec": {"clients": [client("a", "3.60")]}});
    world.settles_after("b leaves", world.edit("ClientFleet", "berlin", gone)).await;
    expected.push("berlin/b: Distributing -> none, Ends, by Spec");
    expected.sort_unstable();
    assert_eq!(world.audit_lines(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_answer_is_lost_is_told_once() {
    let world = World::start("lost").await;
    world.apply(auto("all")).await;
    world.apply(fleet("berlin", &["a"])).await;
    world.with_sentinels().await;
    let before = world.audit_lines();
    let told_since = async |count: usize| {
        eventually("it is told", async || {
            let mut told = world.audit_lines();
            told.retain(|line| !before.contains(line));
            if told.len() < count { Err(format!("{told:?}")) } else { Ok(told) }
        })
        .await
    };
    world.wire.lose_the_answer_to("clientfleets/berlin/status");
    let suspend = json!({"spec": {"suspend": true}});
    world.settles_after("suspended", world.edit("UpgradePolicy", "all", suspend)).await;
    let held = "berlin/a: Distributing -> Held (all 2), Ends, by Policy/all";
    assert_eq!(told_since(1).await, [held]);
    let resume = json!({"spec": {"suspend": false}});
    world.settles_after("resumed", world.edit("UpgradePolicy", "all", resume)).await;
    let offered = "berlin/a: Held -> Distributing (all 3), Begins, by Policy/all";
    assert_eq!(told_since(2).await, [held, offered]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_is_accepted_but_answered_with_an_error_is_told_once() {
    let world = World::start("false").await;
    world.apply(auto("all")).await;
    world.apply(fleet("berlin", &["a"])).await;
    world.with_sentinels().await;
    let mut expected = world.audit_lines();
    for (generation, code) in [500, 503, 504, 409, 404].into_iter().enumerate() {
        let is_suspended = generation % 2 == 0;
        world.wire.accept_but_refuse("clientfleets/berlin/status", code);
        let edit = json!({"spec": {"suspend": is_suspended}});
        world.settles_after("edited", world.edit("UpgradePolicy", "all", edit)).await;
        assert_eq!(world.wire.replacements_left(), 0);
        let number = generation + 2;
        expected.push(match is_suspended {
            true => format!("berlin/a: Distributing -> Held (all {number}), Ends, by Policy/all"),
            false => {
                format!("berlin/a: Held -> Distributing (all {number}), Begins, by Policy/all")
            }
        });
        expected.sort();
        eventually("it is told", async || {
            let told = world.audit_lines();
            if told.len() < expected.len() { Err(format!("{told:?}")) } else { Ok(()) }
        })
        .await;
        assert_eq!(world.audit_lines(), expected, "{code}");
    }
    world.comes_to_rest().await;
    assert_eq!(world.audit_lines(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_the_cause_for_the_clients_it_changes() {
    let world = World::start("cause").await;
    world.apply(fleet("berlin", &["a"])).await;
    world.settles().await;
    world.settles_after("a policy", world.apply(auto("all"))).await;
    let expected = [
        "berlin/a: Unmanaged -> Distributing (all 1), Begins, by Policy/all",
        "berlin/a: none -> Unmanaged, by Seen",
    ];
    assert_eq!(world.audit_lines(), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_documented() {
    let world = World::start("schema").await;
    world.apply(fleet("berlin", &["a"])).await;
    world.settles().await;
    let line = world.audited().remove(0);
    let told: Vec<&String> = line.as_object().unwrap().keys().collect();
    let documented: Vec<String> = include_str!("../../docs/audit.md")
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(key, _)| key.to_owned())
        .filter(|key| !key.contains('.') && !key.starts_with(char::is_uppercase))
        .collect();
    let mut sorted: Vec<&String> = documented.iter().collect();
    sorted.sort();
    assert_eq!(told, sorted);
}
