//! Tests the status fields `lastOffer` and `lastTransitionTime` of a client over several offers and
//! state changes.

use clientfleet::api::fleet::ClientStatus;
use serde_json::json;

use crate::objects::{auto, client, fleet, nightly};
use crate::world::{World, instant};

/// Formats a client's state as `state since time`, and its last offer as `version by
/// policy/generation at time`, with the start of the try in brackets.
fn state_and_reason(row: &ClientStatus) -> (String, String) {
    let time = |t: clientfleet::values::Timestamp| t.format("%dT%H:%M").to_string();
    let since = row.last_transition_time.map(time).unwrap_or_default();
    let offer = row.last_offer.as_ref().map_or_else(String::new, |offer| {
        format!(
            "{} by {}/{} at {} [{}]",
            offer.version,
            offer.policy,
            offer.generation,
            time(offer.time),
            offer.since.map(time).unwrap_or_default()
        )
    });
    (format!("{} since {since}", row.state), offer)
}

/// Starts a world with a nightly policy and a fleet with the client `a`.
async fn start(namespace: &str) -> World {
    let world = World::start(namespace).await;
    world.apply(nightly("night")).await;
    world.apply(fleet("berlin", &["a"])).await;
    world
}

/// Waits until the statuses settle, and checks the row of the client `a`.
async fn expect_row(world: &World, what: &str, state: &str, offer: &str) {
    world.settles().await;
    let said = state_and_reason(&world.row("berlin", "a").await);
    assert_eq!((said.0.as_str(), said.1.as_str()), (state, offer), "{what}");
}

/// Sets the clock to a day and time of November 2026, such as `24T21:00`.
fn set_clock(world: &World, time: &str) {
    world.clock.set(instant(&format!("2026-11-{time}:00Z")));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_noted_when_it_begins_and_kept() {
    let world = start("offers").await;
    let expect = async |what: &str, state: &str, offer: &str| {
        expect_row(&world, what, state, offer).await;
    };
    let at = |time: &str| set_clock(&world, time);
    let set = |spec| world.edit("ClientFleet", "berlin", json!({"spec": spec}));
    expect("none yet", "Waiting since 24T11:00", "").await;
    at("24T21:00");
    expect("an opening", "Distributing since 24T21:00", "3.60 by night/1 at 24T21:00 [24T21:00]")
        .await;
    at("24T22:00");
    let spec = json!({"spec": {"offlineAfterDays": 30}});
    world.edit("UpgradePolicy", "night", spec).await;
    expect(
        "the same offer",
        "Distributing since 24T21:00",
        "3.60 by night/1 at 24T21:00 [24T21:00]",
    )
    .await;
    set(json!({"packageVersion": "3.60.0"})).await;
    expect(
        "the same version",
        "Distributing since 24T21:00",
        "3.60 by night/1 at 24T21:00 [24T21:00]",
    )
    .await;
    at("24T22:10");
    set(json!({"packageVersion": "3.61"})).await;
    expect(
        "another version",
        "Distributing since 24T21:00",
        "3.61 by night/2 at 24T22:10 [24T22:10]",
    )
    .await;
    at("24T22:20");
    let mut above = auto("above");
    above["spec"]["priority"] = json!(1);
    world.apply(above).await;
    expect(
        "another policy",
        "Distributing since 24T21:00",
        "3.61 by above/1 at 24T22:20 [24T22:20]",
    )
    .await;
    at("24T22:30");
    world.delete("UpgradePolicy", "above").await;
    expect(
        "the first again",
        "Distributing since 24T21:00",
        "3.61 by night/2 at 24T22:30 [24T22:30]",
    )
    .await;
    at("25T03:00");
    expect("a closing", "Waiting since 25T03:00", "3.61 by night/2 at 24T22:30 [24T22:30]").await;
    at("25T09:00");
    set(json!({"clients": [client("new", "3.59"), client("a", "3.61")]})).await;
    expect("it has moved", "UpToDate since 25T09:00", "3.61 by night/2 at 24T22:30 [24T22:30]")
        .await;
    at("25T21:00");
    set(json!({"packageVersion": "3.62"})).await;
    expect("the next one", "Distributing since 25T21:00", "3.62 by night/2 at 25T21:00 [25T21:00]")
        .await;
}

/// A try lasts through closed windows until the client arrives, fails, or loses the offer for
/// another reason.
#[tokio::test(flavor = "multi_thread")]
async fn a_try_lasts_through_closed_windows() {
    let world = start("tries").await;
    let expect = async |what: &str, state: &str, offer: &str| {
        expect_row(&world, what, state, offer).await;
    };
    let at = |time: &str| set_clock(&world, time);
    let set = |spec| world.edit("ClientFleet", "berlin", json!({"spec": spec}));
    let report = |reported| set(json!({"clients": [{"name": "a", "reported": reported}]}));
    let suspend =
        |suspend: bool| world.edit("UpgradePolicy", "night", json!({"spec": {"suspend": suspend}}));
    at("24T21:00");
    let first = "3.60 by night/1 at 24T21:00 [24T21:00]";
    expect("an opening", "Distributing since 24T21:00", first).await;
    at("25T03:00");
    expect("a closing", "Waiting since 25T03:00", first).await;
    at("25T21:00");
    let second = "3.60 by night/1 at 25T21:00 [24T21:00]";
    expect("the next opening", "Distributing since 25T21:00", second).await;
    report(json!({"version": "3.59", "stagedVersion": "3.60"})).await;
    expect("it is staged", "RestartRequired since 25T21:00", second).await;
    report(json!({"version": "3.60"})).await;
    expect("it has arrived", "UpToDate since 25T21:00", second).await;
    at("25T22:00");
    report(json!({"version": "3.59"})).await;
    let again = "3.60 by night/1 at 25T22:00 [25T22:00]";
    expect("it went back", "Distributing since 25T22:00", again).await;
    suspend(true).await;
    let ended = "3.60 by night/1 at 25T22:00 []";
    expect("a suspension", "Held since 25T22:00", ended).await;
    at("25T23:00");
    suspend(false).await;
    let anew = "3.60 by night/3 at 25T23:00 [25T23:00]";
    expect("the end of the suspension", "Distributing since 25T23:00", anew).await;
    let error = json!({"version": "3.60", "message": "1603", "time": "2026-11-25T23:00:00Z"});
    report(json!({"version": "3.59", "lastError": error})).await;
    let failed = "3.60 by night/3 at 25T23:00 []";
    expect("a failure", "Failed since 25T23:00", failed).await;
    at("27T00:00");
    let retried = "3.60 by night/3 at 27T00:00 [27T00:00]";
    expect("a retry", "Distributing since 27T00:00", retried).await;
    at("27T03:00");
    suspend(true).await;
    expect("suspended while closed", "Held since 27T03:00", "3.60 by night/3 at 27T00:00 []").await;
    at("27T21:00");
    suspend(false).await;
    let last = "3.60 by night/5 at 27T21:00 [27T21:00]";
    expect("open again", "Distributing since 27T21:00", last).await;
    at("27T22:00");
    world.apply(fleet("oslo", &["a"])).await;
    expect("listed by another fleet too", "Blocked since 27T22:00", last).await;
    at("27T22:30");
    world.delete("ClientFleet", "oslo").await;
    let goes_on = "3.60 by night/5 at 27T22:30 [27T21:00]";
    expect("listed once again", "Distributing since 27T22:30", goes_on).await;
    report(json!({"version": "3.60"})).await;
    expect("it has arrived again", "UpToDate since 27T22:30", goes_on).await;
    at("27T22:40");
    world.apply(fleet("oslo", &["a"])).await;
    let finished = "3.60 by night/5 at 27T22:30 []";
    expect("arrived, and listed twice", "Blocked since 27T22:40", finished).await;
    report(json!({"version": "3.59"})).await;
    at("27T22:50");
    world.delete("ClientFleet", "oslo").await;
    let fresh = "3.60 by night/5 at 27T22:50 [27T22:50]";
    expect("it went back meanwhile", "Distributing since 27T22:50", fresh).await;
}
