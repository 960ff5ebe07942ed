//! Tests that the controller updates the statuses immediately after every change of an object or of
//! the clock, and that the statuses match the plan.

use clientfleet::api::Condition;
use serde_json::{Value, json};

use crate::objects::{auto, client, fleet, nightly, policy};
use crate::world::{World, instant};

const FLEET: &str = "ClientFleet";
const POLICY: &str = "UpgradePolicy";

impl World {
    /// Makes a change, waits until the statuses match the plan, and checks the state and reason of
    /// each client in `expected`. The client names have the form `berlin/a`.
    async fn check(&self, what: &str, change: impl Future<Output = ()>, expected: &[(&str, &str)]) {
        self.settles_after(what, change).await;
        for (client, expected) in expected {
            let (fleet, name) = client.split_once('/').unwrap();
            let row = self.row(fleet, name).await;
            assert_eq!(format!("{} {}", row.state, row.reason), *expected, "{what}: {client}");
        }
    }

    async fn clock_moves(&self, to: &str, expected: &[(&str, &str)]) {
        let set = async { self.clock.set(instant(to)) };
        self.check(&format!("at {to}"), set, expected).await;
    }
}

const OFFERED: &str = "Distributing UpgradeOffered";

fn spec(spec: Value) -> Value {
    json!({"spec": spec})
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_come_change_and_go() {
    let world = World::start("policies").await;
    world.apply(fleet("berlin", &["a", "b"])).await;
    world.check("no policy", async {}, &[("berlin/a", "Unmanaged NoMatchingPolicy")]).await;
    world.check("a policy comes", world.apply(auto("all")), &[("berlin/a", OFFERED)]).await;

    let suspend = world.edit(POLICY, "all", spec(json!({"suspend": true})));
    world.check("suspended", suspend, &[("berlin/a", "Held PolicySuspended")]).await;
    let resume = world.edit(POLICY, "all", spec(json!({"suspend": false})));
    world.check("resumed", resume, &[("berlin/b", OFFERED)]).await;

    let scope = spec(json!({"scope": {"clients": [{"names": ["a", "typo"]}]}}));
    let expected = [("berlin/a", OFFERED), ("berlin/b", "Unmanaged NoMatchingPolicy")];
    world.check("scoped", world.edit(POLICY, "all", scope), &expected).await;
    assert_eq!(world.policy("all").await.unmatched, ["scope.clients[0].names: typo"]);

    let hold = policy("hold", json!({"priority": 100, "upgrade": {"mode": "NoUpgrade"}}));
    let expected = [("berlin/a", "Held NoUpgrade"), ("berlin/b", "Held NoUpgrade")];
    world.check("a hold above it", world.apply(hold), &expected).await;
    assert_eq!(world.policy("all").await.governed_clients, Some(0));

    let lower = world.edit(POLICY, "hold", spec(json!({"priority": -1})));
    world.check("below it", lower, &[("berlin/a", OFFERED), ("berlin/b", "Held NoUpgrade")]).await;

    let invalid = spec(json!({"distribution": {"timeZone": "Mars/Olympus"}}));
    let expected = [("berlin/a", "Blocked PolicyInvalid"), ("berlin/b", "Held NoUpgrade")];
    world.check("invalid", world.edit(POLICY, "all", invalid), &expected).await;

    let gone = world.delete(POLICY, "all");
    world.check("deleted", gone, &[("berlin/a", "Held NoUpgrade")]).await;
    let gone = world.delete(POLICY, "hold");
    world.check("both deleted", gone, &[("berlin/a", "Unmanaged NoMatchingPolicy")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_is_being_deleted_governs_nobody() {
    let world = World::start("deleting").await;
    let mut policy = auto("all");
    policy["metadata"]["finalizers"] = json!(["example.com/kept"]);
    world.apply(policy).await;
    world.apply(fleet("berlin", &["a"])).await;
    world.check("there", async {}, &[("berlin/a", OFFERED)]).await;
    let delete = world.delete(POLICY, "all");
    world.check("going", delete, &[("berlin/a", "Unmanaged NoMatchingPolicy")]).await;
    assert_eq!(world.policy("all").await.distribution_state.as_deref(), Some("Off"));
    world.edit(POLICY, "all", json!({"metadata": {"finalizers": null}})).await;
    world.settles().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fleets_come_change_and_go() {
    let world = World::start("fleets").await;
    let selected = json!({"matchLabels": {"site": "berlin"}});
    let scoped = json!({"upgrade": {"mode": "AutoUpgrade"}, "scope": {"fleetSelector": selected}});
    world.apply(policy("berlin", scoped)).await;
    let applied = world.apply(fleet("paris", &["a"]));
    world.check("another site", applied, &[("paris/a", "Unmanaged NoMatchingPolicy")]).await;

    let labels = |site| json!({"metadata": {"labels": {"site": site}}});
    let relabel = world.edit(FLEET, "paris", labels("berlin"));
    world.check("labels, no new generation", relabel, &[("paris/a", OFFERED)]).await;
    assert_eq!(world.policy("berlin").await.matched_fleets, Some(1));
    let relabel = world.edit(FLEET, "paris", labels("paris"));
    world.check("labels back", relabel, &[("paris/a", "Unmanaged NoMatchingPolicy")]).await;
    world
        .check("berlin", world.apply(fleet("berlin", &["a", "b"])), &[("berlin/b", OFFERED)])
        .await;

    let mut larger = fleet("berlin", &["c", "b"]);
    larger["spec"]["clients"][1] = client("b", "3.60");
    let expected = [("berlin/c", OFFERED), ("berlin/b", "UpToDate AtTarget")];
    world.check("another list of clients", world.apply(larger), &expected).await;
    let rows = world.fleet("berlin").await.clients.unwrap();
    assert_eq!(rows.iter().map(|row| row.name.as_str()).collect::<Vec<_>>(), ["c", "b"]);

    let lost = world.edit(FLEET, "berlin", spec(json!({"timeZone": "Berlin"})));
    world.check("an unknown zone that nobody needs", lost, &[("berlin/c", OFFERED)]).await;
    assert_eq!(world.fleet("berlin").await.conditions[0].reason, "TimeZoneUnknown");

    world.check("gone", world.delete(FLEET, "berlin"), &[]).await;
    assert_eq!(world.policy("berlin").await.matched_clients, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn packages_move_through_package_from_too() {
    let world = World::start("packages").await;
    world.apply(auto("all")).await;
    world.apply(fleet("server", &[])).await;
    let mut shard = fleet("shard", &["a"]);
    shard["spec"].as_object_mut().unwrap().remove("packageVersion");
    shard["spec"]["packageFrom"] = json!({"name": "server"});
    world.check("from the server", world.apply(shard), &[("shard/a", OFFERED)]).await;
    assert_eq!(world.row("shard", "a").await.target_version.as_deref(), Some("3.60"));

    let server = |change| world.edit(FLEET, "server", spec(change));
    let moved = server(json!({"packageVersion": "3.61"}));
    world.check("the server moves on", moved, &[("shard/a", OFFERED)]).await;
    assert_eq!(world.row("shard", "a").await.target_version.as_deref(), Some("3.61"));
    let settings = world.policy("all").await.available_settings;
    assert_eq!(settings.last().unwrap().version.as_deref(), Some("3.61"));

    let withdrawn = server(json!({"withdrawnVersions": ["3.61.0"]}));
    world.check("withdrawn", withdrawn, &[("shard/a", "Blocked PackageWithdrawn")]).await;
    let lock = json!({"upgrade": {"mode": "OnlyUpgradeTo", "version": "3.60"}});
    let lock = world.edit(POLICY, "all", spec(lock));
    world
        .check("a lock that is not retained", lock, &[("shard/a", "Blocked PackageUnavailable")])
        .await;
    let retained = server(json!({"retainedVersions": ["3.60"]}));
    world.check("retained", retained, &[("shard/a", OFFERED)]).await;
    let own = world.edit(FLEET, "shard", spec(json!({"withdrawnVersions": ["3.60"]})));
    world.check("withdrawn by the shard", own, &[("shard/a", "Blocked PackageWithdrawn")]).await;
    let own = world.edit(FLEET, "shard", spec(json!({"withdrawnVersions": null})));
    world.check("no more", own, &[("shard/a", OFFERED)]).await;

    let unlocked = json!({"upgrade": {"mode": "AutoUpgrade", "version": null}});
    world.edit(POLICY, "all", spec(unlocked)).await;
    world.settles().await;
    let gone = world.delete(FLEET, "server");
    let blocked = [("shard/a", "Blocked PackageUnknown")];
    world.check("the server is gone", gone, &blocked).await;
    let conditions = async || {
        let conditions = world.fleet("shard").await.conditions;
        let of = |condition: Condition| format!("{} {}", condition.r#type, condition.status);
        conditions.into_iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(conditions().await, ["Ready False", "Reconciling True"]);
    world.clock_moves("2026-11-24T11:01:59Z", &blocked).await;
    assert_eq!(conditions().await, ["Ready False", "Reconciling True"]);
    world.clock_moves("2026-11-24T11:02:00Z", &blocked).await;
    assert_eq!(conditions().await, ["Ready False", "Stalled True"]);
    world.check("and back", world.apply(fleet("server", &[])), &[("shard/a", OFFERED)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_alone_opens_and_closes() {
    let world = World::start("time").await;
    world.apply(nightly("night")).await;
    let mut berlin = fleet("berlin", &["a", "failed", "tokyo"]);
    let error = json!({"version": "3.60", "time": "2026-11-24T22:30:00Z"});
    berlin["spec"]["clients"][1]["reported"]["lastError"] = error;
    berlin["spec"]["clients"][2]["timeZone"] = json!("Asia/Tokyo");
    world.apply(berlin).await;
    let outside = "Waiting OutsideWindow";
    let failed = "Failed InstallFailed";
    world.check("noon", async {}, &[("berlin/a", outside), ("berlin/failed", failed)]).await;
    let closed = [("berlin/a", outside), ("berlin/tokyo", outside)];

    world.clock_moves("2026-11-24T12:59:59Z", &closed).await;
    world
        .clock_moves("2026-11-24T13:00:00Z", &[("berlin/a", outside), ("berlin/tokyo", OFFERED)])
        .await;
    assert_eq!(world.policy("night").await.distribution_state.as_deref(), Some("Mixed"));
    world
        .clock_moves("2026-11-24T21:00:00Z", &[("berlin/a", OFFERED), ("berlin/tokyo", outside)])
        .await;
    world.clock_moves("2026-11-24T20:59:59Z", &closed).await;
    world.clock_moves("2026-11-24T21:00:01Z", &[("berlin/a", OFFERED)]).await;
    world.clock_moves("2026-11-25T03:00:00Z", &[("berlin/a", outside)]).await;
    // The controller must plan again after a clock jump of any length, forward or back.
    world
        .clock_moves("2026-12-24T21:00:00Z", &[("berlin/a", OFFERED), ("berlin/failed", OFFERED)])
        .await;
    world
        .clock_moves("2026-11-25T22:29:59Z", &[("berlin/a", OFFERED), ("berlin/failed", failed)])
        .await;
    world.clock_moves("2026-11-25T22:30:00Z", &[("berlin/failed", OFFERED)]).await;
    world.clock_moves("2026-11-24T11:00:00Z", &closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_begin_and_end_by_themselves() {
    let world = World::start("periods").await;
    world.apply(auto("all")).await;
    let period = json!({
        "priority": 10,
        "effectiveFrom": "2026-11-24T12:00:00Z",
        "effectiveUntil": "2026-11-24T18:00:00Z",
        "upgrade": {"mode": "NoUpgrade"},
    });
    world.apply(policy("freeze", period)).await;
    let ended = json!({
        "upgrade": {"mode": "AutoUpgrade"},
        "priority": 5,
        "scope": {"clients": [{"names": ["b"]}]},
        "distribution": {"notBefore": "2026-11-24T11:30:00Z", "notAfter": "2026-11-24T20:00:00Z"},
    });
    world.apply(policy("once", ended)).await;
    world.apply(fleet("berlin", &["a", "b"])).await;
    let frozen = [("berlin/a", "Held NoUpgrade"), ("berlin/b", "Held NoUpgrade")];
    let early = [("berlin/a", OFFERED), ("berlin/b", "Waiting NotStarted")];
    world.check("before", async {}, &early).await;
    world.clock_moves("2026-11-24T11:30:00Z", &[("berlin/b", OFFERED)]).await;
    world.clock_moves("2026-11-24T12:00:00Z", &frozen).await;
    world.clock_moves("2026-11-24T17:59:59Z", &frozen).await;
    world
        .clock_moves("2026-11-24T18:00:00Z", &[("berlin/a", OFFERED), ("berlin/b", OFFERED)])
        .await;
    let late = [("berlin/a", OFFERED), ("berlin/b", "Held DistributionEnded")];
    world.clock_moves("2026-11-24T20:00:00Z", &late).await;
    // The controller waits for no later time, because all policies have started or ended by 20:00
    // UTC. It must still notice that the clock is set back.
    world.clock_moves("2026-11-24T13:00:00Z", &frozen).await;
    world.clock_moves("2026-11-24T11:00:00Z", &early).await;
    let moved = json!({"effectiveFrom": "2026-11-24T10:00:00Z"});
    world.check("moved", world.edit(POLICY, "freeze", spec(moved)), &frozen).await;
}
