//! Tests `nextTransitionTime` and `lastOffer` with handwritten cases, one for each sentence of the
//! design about these fields.

use serde_json::{Value, json};

use crate::generate::{document, policy::with};
use crate::world::{World, clients, instant, rows, seconds};

const AT: &str = "2026-06-17T09:00:00Z";

/// Returns a world with one fleet in the time zone UTC and with the package version 3.59. The fleet
/// has one client, which reports version 3.58 and the facts in `reports`.
fn world(policies: &[Value], reports: Value) -> World {
    let mut client = json!({"name": "c0", "reported": {"version": "3.58"}});
    for (field, value) in reports.as_object().expect("reports") {
        client["reported"][field] = value.clone();
    }
    let spec = json!({"packageVersion": "3.59", "timeZone": "Etc/UTC", "clients": [client]});
    let policies = policies.iter().zip(["a", "b", "c"]);
    World {
        fleets: vec![document("ClientFleet", "emea", spec, json!({}))],
        policies: policies
            .map(|(p, name)| document("UpgradePolicy", name, p.clone(), json!({})))
            .collect(),
        at: seconds(AT),
        step: 60,
    }
}

fn auto(fields: Value) -> Value {
    let mut spec = json!({"upgrade": {"mode": "AutoUpgrade"}});
    for (field, value) in fields.as_object().expect("fields") {
        spec[field] = value.clone();
    }
    spec
}

fn window(start: &str, end: &str) -> Value {
    json!({"windows": [{"start": start, "end": end}]})
}

fn next_and_offer(world: &World) -> (String, Option<String>) {
    let row = rows(&world.plan()).into_values().next().expect("a client");
    let next = row.next_transition_time.map(|t| t.format("%Y-%m-%dT%H:%M:%SZ").to_string());
    (row.reason.to_string(), next)
}

#[track_caller]
fn check(what: &str, world: &World, reason: &str, next: Option<&str>) {
    assert_eq!(next_and_offer(world), (reason.into(), next.map(str::to_owned)), "{what}");
}

#[test]
fn going_offline_counts_only_as_the_end_of_an_offer() {
    let offline =
        |distribution: Value| auto(json!({"offlineAfterDays": 1, "distribution": distribution}));
    let noon = || offline(window("12:00", "13:00"));
    let seen = |time: &str| json!({"lastSeen": time});
    let gone = seen("2026-06-16T09:00:00Z");
    check("an Offline client has none", &world(&[noon()], gone.clone()), "NotSeen", None);
    let later = auto(json!({"priority": 1, "effectiveFrom": "2026-06-17T10:00:00Z"}));
    check("whatever comes", &world(&[noon(), later], gone), "NotSeen", None);
    let nearly = seen("2026-06-16T10:00:00Z");
    let opening = Some("2026-06-17T12:00:00Z");
    check("the opening after", &world(&[noon()], nearly.clone()), "OutsideWindow", opening);
    let all_day = world(&[offline(window("00:00", "24:00"))], nearly.clone());
    check("the end of an offer", &all_day, "UpgradeOffered", Some("2026-06-17T10:00:00Z"));
    let failed = json!({"lastSeen": "2026-06-16T10:00:00Z",
        "lastError": {"version": "3.59", "time": "2026-06-16T11:00:00Z"}});
    let failed = world(&[auto(json!({"offlineAfterDays": 1}))], failed);
    check("a retry after it", &failed, "InstallFailed", Some("2026-06-17T11:00:00Z"));
}

#[test]
fn policies_come_and_go() {
    let (ten, noon) = ("2026-06-17T10:00:00Z", "2026-06-17T12:00:00Z");
    let from = auto(json!({"effectiveFrom": ten}));
    check("effective", &world(&[from], json!({})), "NoMatchingPolicy", Some(ten));
    let until = auto(json!({"effectiveUntil": ten}));
    check("expires", &world(&[until], json!({})), "UpgradeOffered", Some(ten));
    let two = [auto(json!({"priority": 1, "effectiveUntil": ten})), auto(json!({}))];
    check("same target, other policy", &world(&two, json!({})), "UpgradeOffered", Some(ten));
    let hold = json!({"priority": 9, "effectiveFrom": ten, "effectiveUntil": noon});
    let held = [auto(json!({})), hold.clone()];
    check("a hold", &world(&held, json!({})), "UpgradeOffered", Some(ten));
    let begins = with(hold, "/effectiveFrom", json!("2026-06-17T08:00:00Z"));
    check("its end", &world(&[auto(json!({})), begins], json!({})), "NoUpgrade", Some(noon));
    let invalid = auto(json!({"priority": 9, "effectiveFrom": ten, "offlineAfterDays": 0}));
    check(
        "an invalid one",
        &world(&[auto(json!({})), invalid], json!({})),
        "UpgradeOffered",
        Some(ten),
    );
    let lock = json!({"priority": 1, "effectiveUntil": noon,
        "upgrade": {"mode": "OnlyUpgradeTo", "version": "3.60"}});
    let locked = world(&[lock, auto(json!({}))], json!({}));
    check("what the server does not carry", &locked, "PackageUnavailable", Some(noon));
}

#[test]
fn a_retry_comes_when_it_can() {
    let failed = |time: Value| json!({"lastError": {"version": "v3.59.0", "time": time}});
    let yesterday = || failed(json!("2026-06-16T10:30:00.9Z"));
    let next = Some("2026-06-17T10:30:00Z");
    check("a day later", &world(&[auto(json!({}))], yesterday()), "InstallFailed", next);
    let evening = auto(json!({"distribution": window("20:00", "22:00")}));
    let next = Some("2026-06-17T20:00:00Z");
    check("when it is open", &world(&[evening], yesterday()), "InstallFailed", next);
    check("never", &world(&[auto(json!({}))], failed(json!("then"))), "InstallFailed", None);
    let over = auto(json!({"distribution": {"notAfter": "2026-06-17T10:30:00Z"}}));
    check("too late", &world(&[over], yesterday()), "InstallFailed", None);
}

#[test]
fn openings_by_the_wall_clock() {
    let range =
        |distribution: Value| world(&[auto(json!({"distribution": distribution}))], json!({}));
    let at = |time: &str, world: World| World { at: seconds(time), ..world };
    let touching = json!({"windows": [{"start": "08:00", "end": "12:00"}, {"start": "12:00", "end": "14:00"}]});
    check("no gap", &range(touching), "UpgradeOffered", Some("2026-06-17T14:00:00Z"));
    check("always", &range(window("00:00", "24:00")), "UpgradeOffered", None);
    let berlin = |start: &str, end: &str| {
        let mut distribution = window(start, end);
        distribution["timeZone"] = "Europe/Berlin".into();
        range(distribution)
    };
    let skipped = at("2026-03-28T12:00:00Z", berlin("02:00", "03:00"));
    check("skipped", &skipped, "OutsideWindow", Some("2026-03-30T00:00:00Z"));
    let twice = |time: &str| at(time, berlin("02:15", "02:45"));
    let night = twice("2026-10-25T00:00:00Z");
    check("once", &night, "OutsideWindow", Some("2026-10-25T00:15:00Z"));
    let between = twice("2026-10-25T00:45:00Z");
    check("twice", &between, "OutsideWindow", Some("2026-10-25T01:15:00Z"));
    let whole = at("2026-10-25T00:00:00Z", berlin("02:00", "03:00"));
    check("without a break", &whole, "UpgradeOffered", Some("2026-10-25T02:00:00Z"));
    // The window that starts on Sunday lasts until Monday, although no window starts on Monday.
    let sunday = json!({"windows": [{"days": ["Sunday"], "start": "22:00", "end": "05:00"}]});
    let night = at("2026-06-15T00:00:00Z", range(sunday));
    check("over midnight", &night, "UpgradeOffered", Some("2026-06-15T05:00:00Z"));
    let ends = json!({"windows": [{"start": "20:00", "end": "21:00"}], "notAfter": "2026-06-17T20:00:00Z"});
    check("no opening before the end", &range(ends), "DistributionEnded", None);
}

/// Checks that a client has no `nextTransitionTime` if its next transition is more than 731 days
/// ahead. The plan must expire when only 731 days remain until that transition.
#[test]
fn the_outlook_reaches_731_days() {
    let (last, beyond) = ("2028-06-17T09:00:00Z", "2028-06-17T09:00:01Z");
    assert_eq!(seconds(last) - seconds(AT), 731 * 86400);
    let from = |time: &str| world(&[auto(json!({"effectiveFrom": time}))], json!({}));
    check("the last", &from(last), "NoMatchingPolicy", Some(last));
    check("beyond", &from(beyond), "NoMatchingPolicy", None);
    assert_eq!(from(beyond).plan().until, Some(instant(seconds(AT) + 1)));
    let (_, policy) = &from(beyond).plan().policies[0];
    assert_eq!(policy.next_transition_time, Some(instant(seconds(beyond))), "however far");
    // The next opening is more than 731 days ahead, on the first day after a long exclusion.
    let exclusions = json!([{"name": "long", "startDate": "2026-01-01", "endDate": "2028-06-30"}]);
    let long = world(&[auto(json!({"distribution": {"exclusions": exclusions}}))], json!({}));
    check("excluded", &long, "Excluded", None);
    let morning = seconds("2028-07-01T00:00:00Z");
    assert_eq!(long.plan().until, Some(instant(morning - 731 * 86400)));
    let in_sight = World { at: morning - 731 * 86400, ..long };
    check("in sight", &in_sight, "Excluded", Some("2028-07-01T00:00:00Z"));
}

/// Returns the last offer of the world's only client: the version as written in the status, the
/// policy, the generation, and the Unix time.
fn last_offer(world: &World) -> Option<(String, String, i64, i64)> {
    let offer = rows(&world.plan()).into_values().next().expect("a client").last_offer?;
    Some((
        offer.version.to_string(),
        offer.policy.to_string(),
        offer.generation,
        offer.time.timestamp(),
    ))
}

#[test]
fn the_last_offer_is_kept_until_there_is_another() {
    let day = auto(json!({"distribution": window("08:00", "10:00")}));
    let lock = json!({"priority": -1, "upgrade": {"mode": "OnlyUpgradeTo", "version": "3.59.0"}});
    let (start, _) = world(&[day, lock], json!({})).settled();
    let offer = |version: &str, policy: &str, generation: i64, time: &str| {
        Some((version.to_owned(), policy.to_owned(), generation, seconds(time)))
    };
    let first = offer("3.59", "a", 1, AT);
    assert_eq!(last_offer(&start), first);
    let closed = World { at: seconds("2026-06-17T10:00:00Z"), ..start.clone() };
    assert_eq!(last_offer(&closed), first, "kept after its end");
    let (closed, _) = closed.settled();
    let again = World { at: seconds("2026-06-18T08:00:00Z"), ..closed };
    assert_eq!(last_offer(&again), offer("3.59", "a", 1, "2026-06-18T08:00:00Z"), "opened again");

    let mut respelled = World { at: start.at + 60, ..start.clone() };
    respelled.fleets[0]["spec"]["packageVersion"] = "v3.59.0.0".into();
    assert_eq!(last_offer(&respelled), first, "the same version");
    let mut edited = World { at: start.at + 60, ..start.clone() };
    edited.policies[0]["metadata"]["generation"] = 2.into();
    assert_eq!(last_offer(&edited), first, "the same offer of a later generation");
    let mut other = World { at: start.at + 60, ..start.clone() };
    other.policies.remove(0);
    assert_eq!(
        last_offer(&other),
        offer("3.59.0", "b", 1, "2026-06-17T09:01:00Z"),
        "another policy"
    );
    let mut done = World { at: start.at + 60, ..start };
    clients(&mut done.fleets[0])[0]["reported"]["version"] = "3.59".into();
    assert_eq!(last_offer(&done), first, "kept when it is taken");
    assert_eq!(next_and_offer(&done).0, "AtTarget");
}
