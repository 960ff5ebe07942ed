//! Generates random fleets and clients.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{FLEETS, Field, Gen, Stage, always, list, maybe, moment, object, one_of, zone};

/// Versions from which the generators choose. The list contains several spellings of some versions.
pub const VERSIONS: [&str; 11] = [
    "3.57",
    "3.58.0",
    "v3.58",
    "3.58.0.0+b7",
    "3.59-rc.1",
    "3.59-rc.2",
    "3.59",
    "3.59.0.0",
    "3.60",
    "3.060.0",
    "4",
];

pub const COMPUTERS: [&str; 5] = ["LT-100", "lt-200", "PC-MÜLLER", "ΟΔΟΣ", "LT*"];
pub const USERS: [&str; 4] = ["CORP\\müller", "anna@example.com", "Bob", "ΟΔΟσ"];

const OLD: [&str; 4] = ["3.57", "3.58.0", "v3.58", "3.58.0.0+b7"];
/// Versions that [`target`] prefers.
const NEW: [&str; 4] = ["3.59", "3.59.0.0", "3.60", "3.060.0"];

fn reported_version(mostly: &'static [&'static str]) -> Gen {
    let odd = one_of(&["unknown", "Unknown", "", "3.58 beta", "1.2.3.4.5.6.7"]);
    prop_oneof![12 => one_of(mostly), 5 => one_of(&VERSIONS), 1 => odd].boxed()
}

pub fn target() -> Gen {
    prop_oneof![3 => one_of(&NEW), 1 => one_of(&VERSIONS)].boxed()
}

fn reported_time(stage: Stage) -> Gen {
    let odd =
        one_of(&["yesterday", "", "2026-03-20", "2026-03-20T10:00:00", "0001-01-01T00:00:00Z"]);
    let with_fraction = |time: Value| {
        let text = time.as_str().unwrap_or_default();
        Value::from(format!("{}.987654321{}", &text[..19], &text[19..]))
    };
    let fractions = moment(stage).prop_map(with_fraction);
    prop_oneof![8 => moment(stage), 1 => fractions, 1 => odd].boxed()
}

pub fn reports(stage: Stage) -> Gen {
    let ip = one_of(&[
        "10.20.1.5",
        "10.20.7.7",
        "192.168.0.9",
        "fd00:20::5",
        "::ffff:10.20.1.5",
        "fe80::1%eth0",
        "fe80::1%eth0 fe80::2%eth1",
        "fe80::1%eth0, 10.20.1.5",
        "192.168.0.9 10.20.1.5",
        "192.168.0.9,fd00:20::5",
        "10.20.7.7, unknown",
        "192.168.0.9 ...",
        "192.168.0.9\u{a0}10.20.1.5",
        "unknown",
        "",
    ]);
    let error = object(vec![
        ("version", maybe(90, reported_version(&NEW))),
        ("message", maybe(50, Just(json!("disk full")))),
        ("time", maybe(85, reported_time(stage))),
    ]);
    object(vec![
        ("computer", maybe(70, one_of(&COMPUTERS))),
        ("ip", maybe(70, ip)),
        ("lastUser", maybe(60, one_of(&USERS))),
        ("version", maybe(96, reported_version(&OLD))),
        ("stagedVersion", maybe(15, reported_version(&NEW))),
        ("lastError", maybe(35, error)),
        ("lastSeen", maybe(60, reported_time(stage))),
    ])
}

fn client(stage: Stage) -> Gen {
    object(vec![
        ("labels", maybe(60, super::labels())),
        ("timeZone", maybe(50, zone())),
        ("reported", maybe(97, reports(stage))),
    ])
}

/// Numbers of a fleet's first client. Fleets with different numbers mostly list different names.
const FIRST: [usize; 9] = [0, 0, 0, 3, 5, 6, 12, 12, 18];

/// Generates up to six clients with consecutive names, such as `c0` to `c5`. Another fleet may list
/// some of the names, too.
pub fn clients(stage: Stage) -> Gen {
    let named = |(clients, first): (Vec<Value>, usize)| {
        let clients = clients.into_iter().enumerate().map(|(index, mut client)| {
            client["name"] = format!("c{}", first + index).into();
            client
        });
        clients.collect()
    };
    let clients = proptest::collection::vec(client(stage), 0..7);
    (clients, proptest::sample::select(&FIRST[..])).prop_map(named).boxed()
}

/// Makes a spec unreadable: a value has a type that the API does not declare.
fn unreadable(mut spec: Value) -> Value {
    spec["timeZone"] = json!(7);
    if let Some(clients) = spec["clients"].as_array_mut() {
        clients.extend([json!({"reported": {}}), json!({"name": 1})]);
    }
    spec
}

fn package() -> Gen {
    prop_oneof![20 => target(), 1 => Just(json!("latest"))].boxed()
}

pub fn spec(stage: Stage) -> Gen {
    let shared = |mut rest: Vec<Field>| {
        rest.extend([
            ("withdrawnVersions", maybe(10, list(one_of(&VERSIONS), 2))),
            ("timeZone", maybe(70, zone())),
            ("clients", maybe(97, clients(stage))),
            ("deletes", maybe(7, Just(json!(true)))),
        ]);
        object(rest)
    };
    let own = shared(vec![
        ("packageVersion", always(package())),
        ("retainedVersions", maybe(60, list(target(), 3))),
    ]);
    let source = proptest::sample::select(&FLEETS[..]).prop_map(|name| json!({ "name": name }));
    let from = shared(vec![("packageFrom", always(source))]);
    let readable = prop_oneof![4 => own, 1 => from].boxed();
    if !stage.mistakes {
        return readable;
    }
    let broken = readable.clone().prop_map(unreadable);
    prop_oneof![24 => readable, 1 => broken].boxed()
}
