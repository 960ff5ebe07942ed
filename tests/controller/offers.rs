//! Tests the status fields `lastOffer` and `lastTransitionTime` of a client over several offers and
//! state changes.

use clientfleet::api::fleet::ClientStatus;
use serde_json::json;

use crate::objects::{auto, client, fleet, nightly};
use crate::world::{World, instant};

/// Formats a client's state as `state since time`, and its last offer as `version by
/// policy/generation at time`.
fn state_and_reason(row: &ClientStatus) -> (String, String) {
    let time = |t: clientfleet::values::Timestamp| t.format("%dT%H:%M").to_string();
    let since = row.last_transition_time.map(time).unwrap_or_default();
    let offer = row.last_offer.as_ref().map_or_else(String::new, |offer| {
        format!(
            "{} by {}/{} at {}",
            offer.version,
            offer.policy,
            offer.generation,
            time(offer.time)
        )
    });
    (format!("{} since {since}", row.state), offer)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_noted_when_it_begins_and_kept() {
    let world = World::start("offers").await;
    world.apply(nightly("night")).await;
    world.apply(fleet("berlin", &["a"])).await;
    let expect = async |what: &str, state: &str, offer: &str| {
        world.settles().await;
        let said = state_and_reason(&world.row("berlin", "a").await);
        assert_eq!((said.0.as_str(), said.1.as_str()), (state, offer), "{what}");
    };
    let at = |time: &str| world.clock.set(instant(&format!("2026-11-{time}:00Z")));
    let set = |spec| world.edit("ClientFleet", "berlin", json!({"spec": spec}));
    expect("none yet", "Waiting since 24T11:00", "").await;
    at("24T21:00");
    expect("an opening", "Distributing since 24T21:00", "3.60 by night/1 at 24T21:00").await;
    at("24T22:00");
    let spec = json!({"spec": {"offlineAfterDays": 30}});
    world.edit("UpgradePolicy", "night", spec).await;
    expect("the same offer", "Distributing since 24T21:00", "3.60 by night/1 at 24T21:00").await;
    set(json!({"packageVersion": "3.60.0"})).await;
    expect("the same version", "Distributing since 24T21:00", "3.60 by night/1 at 24T21:00").await;
    at("24T22:10");
    set(json!({"packageVersion": "3.61"})).await;
    expect("another version", "Distributing since 24T21:00", "3.61 by night/2 at 24T22:10").await;
    at("24T22:20");
    let mut above = auto("above");
    above["spec"]["priority"] = json!(1);
    world.apply(above).await;
    expect("another policy", "Distributing since 24T21:00", "3.61 by above/1 at 24T22:20").await;
    at("24T22:30");
    world.delete("UpgradePolicy", "above").await;
    expect("the first again", "Distributing since 24T21:00", "3.61 by night/2 at 24T22:30").await;
    at("25T03:00");
    expect("a closing", "Waiting since 25T03:00", "3.61 by night/2 at 24T22:30").await;
    at("25T09:00");
    set(json!({"clients": [client("new", "3.59"), client("a", "3.61")]})).await;
    expect("it has moved", "UpToDate since 25T09:00", "3.61 by night/2 at 24T22:30").await;
    at("25T21:00");
    set(json!({"packageVersion": "3.62"})).await;
    expect("the next one", "Distributing since 25T21:00", "3.62 by night/2 at 25T21:00").await;
}
