//! Tests that the metrics have the expected values after known events, and that the documentation
//! lists every metric.

use std::collections::BTreeMap;

use serde_json::json;

use crate::objects::{auto, client, fleet, nightly, policy};
use crate::world::{World, eventually};

impl World {
    /// Returns the samples of one metric in the form `{labels} value`. Replaces the name of the
    /// test's namespace with `NS`.
    fn samples(&self, metric: &str) -> Vec<String> {
        let text = self.metrics.classic().replace(&self.namespace, "NS");
        let samples = text.lines().filter_map(|line| line.strip_prefix(metric));
        let samples = samples.filter(|rest| rest.starts_with(['{', ' ']));
        samples.map(|rest| rest.trim().to_owned()).collect()
    }

    /// Returns the samples of one metric whose value is not zero.
    fn counts(&self, metric: &str) -> Vec<String> {
        let mut samples = self.samples(metric);
        samples.retain(|sample| !sample.ends_with(" 0"));
        samples
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_planned_is_counted_by_policy_and_state() {
    let world = World::start("gauges").await;
    world.apply(fleet("berlin", &["a", "b", "c"])).await;
    world.apply(fleet("paris", &["d"])).await;
    let mut night = nightly("night");
    night["spec"]["scope"] = json!({"fleetSelector": {"matchLabels": {"site": "berlin"}}});
    world.apply(night).await;
    let one = json!({
        "priority": 1,
        "upgrade": {"mode": "AutoUpgrade"},
        "scope": {"clients": [{"names": ["c"]}]},
    });
    world.apply(policy("one", one)).await;
    world.settles().await;
    let expected = [
        r#"{namespace="NS",policy="",state="Unmanaged"} 1"#,
        r#"{namespace="NS",policy="night",state="Waiting"} 2"#,
        r#"{namespace="NS",policy="one",state="Distributing"} 1"#,
    ];
    assert_eq!(world.counts("clientfleet_clients"), expected);
    // The metric has one sample for unmanaged clients, and nine samples for each of the two
    // policies, one per other state. States without clients have the value zero.
    assert_eq!(world.samples("clientfleet_clients").len(), 1 + 2 * 9);
    assert_eq!(world.samples("clientfleet_fleets"), [r#"{namespace="NS"} 2"#]);
    assert_eq!(world.samples("clientfleet_stalled_fleets"), [r#"{namespace="NS"} 0"#]);
    assert_eq!(world.counts("clientfleet_unreadable_objects"), [""; 0]);
    let states = [
        r#"{namespace="NS",policy="night",state="Closed"} 1"#,
        r#"{namespace="NS",policy="one",state="Open"} 1"#,
    ];
    assert_eq!(world.counts("clientfleet_policy_distribution_state"), states);
    let conditions = [
        r#"{namespace="NS",policy="night",type="Ready"} 1"#,
        r#"{namespace="NS",policy="one",type="Ready"} 1"#,
    ];
    assert_eq!(world.counts("clientfleet_policy_condition"), conditions);
    // The timestamp is 22:00 in Berlin, when the window of the policy `night` opens.
    let next = [r#"{namespace="NS",policy="night"} 1795554000"#];
    assert_eq!(world.samples("clientfleet_policy_next_transition_timestamp_seconds"), next);

    world.settles_after("night goes", world.delete("UpgradePolicy", "night")).await;
    eventually("nothing is told of it", async || {
        let told = world.counts("clientfleet_clients");
        let expected = [
            r#"{namespace="NS",policy="",state="Unmanaged"} 3"#,
            r#"{namespace="NS",policy="one",state="Distributing"} 1"#,
        ];
        if told == expected { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await;
    for (kind, name) in
        [("UpgradePolicy", "one"), ("ClientFleet", "berlin"), ("ClientFleet", "paris")]
    {
        world.delete(kind, name).await;
    }
    eventually("nothing is left of the namespace", async || {
        let told = world.samples("clientfleet_fleets");
        if told.is_empty() { Ok(()) } else { Err(format!("{told:?}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_counted_as_the_api_server_answers_them() {
    let world = World::start("writes").await;
    world.apply(auto("all")).await;
    world.apply(fleet("berlin", &["a", "b"])).await;
    world.with_sentinels().await;
    let report = json!({"spec": {"clients": [client("a", "3.60"), client("b", "3.59")]}});
    world.edit("ClientFleet", "berlin", report).await;
    world.comes_to_rest().await;
    // Hold back the fleet's status write until the fleet has changed, so that the write fails with
    // a conflict.
    world.wire.hold(&["clientfleets/berlin/status"]);
    world.edit("UpgradePolicy", "all", json!({"spec": {"suspend": true}})).await;
    eventually("its write is on its way", async || {
        let waits = world.wire.calls().iter().any(|c| {
            c.is_status_write() && c.path.starts_with("clientfleets/berlin") && c.code.is_none()
        });
        let depth = world.counts("clientfleet_queue_depth");
        let is_so = waits && depth.iter().any(|d| d == r#"{kind="ClientFleet"} 1"#);
        if is_so { Ok(()) } else { Err(format!("{waits}, {depth:?}")) }
    })
    .await;
    let label = json!({"metadata": {"labels": {"touched": "yes"}}});
    world.edit("ClientFleet", "berlin", label).await;
    world.wire.release();
    world.comes_to_rest().await;
    let mut answered: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for call in world.wire.calls().iter().filter(|call| call.is_status_write()) {
        let fleet = call.path.starts_with("clientfleets/");
        let kind = if fleet { "ClientFleet" } else { "UpgradePolicy" };
        let result = if call.code == Some(200) { "written" } else { "conflict" };
        *answered.entry((kind, result)).or_default() += 1;
    }
    assert!(answered.contains_key(&("ClientFleet", "conflict")), "{answered:?}");
    let expected: Vec<String> = answered
        .iter()
        .map(|((kind, result), count)| format!("{{kind=\"{kind}\",result=\"{result}\"}} {count}"))
        .collect();
    eventually("as the wire has it", async || {
        let mut told = world.counts("clientfleet_status_writes_total");
        told.sort();
        let mut expected = expected.clone();
        expected.sort();
        if told == expected { Ok(()) } else { Err(format!("{told:?}, not {expected:?}")) }
    })
    .await;
    assert_eq!(world.counts("clientfleet_queue_depth"), [""; 0]);
    assert_eq!(world.samples("clientfleet_leader"), ["1"]);
    let tries: usize = answered.values().sum();
    let timed: usize = world
        .samples("clientfleet_status_write_duration_seconds_count")
        .iter()
        .map(|sample| sample.rsplit(' ').next().unwrap().parse::<usize>().unwrap())
        .sum();
    assert_eq!(timed, tries);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_documentation_knows_every_metric() {
    let world = World::start("documented").await;
    world.apply(nightly("night")).await;
    world.apply(fleet("berlin", &["a"])).await;
    world.settles().await;
    let text = world.metrics.classic();
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let mut told: Vec<(String, String, String)> = types
        .map(|(name, kind)| (name.to_owned(), kind.to_owned(), labels_of(&text, name)))
        .collect();
    told.sort();
    let cell = |cell: &str| cell.trim().replace('`', "");
    let mut documented: Vec<(String, String, String)> = include_str!("../../docs/metrics.md")
        .lines()
        .filter(|line| line.starts_with("| `clientfleet_") || line.starts_with("| `process_"))
        .map(|line| {
            let cells: Vec<String> = line.split('|').map(cell).collect();
            (cells[1].clone(), cells[2].clone(), cells[3].clone())
        })
        .collect();
    documented.sort();
    assert_eq!(told, documented);
}

/// Returns the names of a metric's labels except `le`, in the form `kind, result`.
fn labels_of(text: &str, name: &str) -> String {
    let sample = text
        .lines()
        .find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ', '_'])));
    let labels = sample.and_then(|line| line.split_once('{')?.1.split_once('}'));
    let Some((labels, _)) = labels else { return String::new() };
    let names = labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name);
    names.filter(|name| *name != "le").collect::<Vec<_>>().join(", ")
}
