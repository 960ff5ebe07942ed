//! Generates random policies, some of which are invalid.

use chrono::{Days, Months, NaiveDate};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::fleet::{COMPUTERS, USERS, target};
use super::{Gen, Stage, always, labels, list, maybe, moment, object, one_of};
use crate::world::{instant, seconds};

/// Generates a policy spec. If `stage.mistakes` is true, admission refuses about one spec in nine;
/// otherwise it accepts every spec.
pub fn spec(stage: Stage) -> Gen {
    let right = right(stage);
    if !stage.mistakes {
        return right;
    }
    let wrong = (right.clone(), super::mistakes::any())
        .prop_map(|(spec, (path, value))| with(spec, path, value));
    prop_oneof![8 => right, 1 => wrong].boxed()
}

fn right(stage: Stage) -> Gen {
    let fields = vec![
        ("priority", maybe(60, select(vec![-1, 0, 5]).prop_map(Value::from))),
        ("suspend", maybe(8, Just(json!(true)))),
        ("effectiveFrom", maybe(20, moment(stage))),
        ("effectiveUntil", maybe(20, moment(stage))),
        ("upgrade", maybe(95, upgrade(stage))),
        ("distribution", maybe(70, distribution(stage))),
        ("offlineAfterDays", maybe(30, (1..6).prop_map(Value::from))),
        ("scope", maybe(45, scope())),
        ("deletes", maybe(3, Just(json!(true)))),
    ];
    object(fields).prop_map(|spec| in_order(spec, "effectiveFrom", "effectiveUntil")).boxed()
}

/// Puts the instants in two fields into order. Swaps the values if `earlier` is after `later`, and
/// removes `later` if the values are equal.
fn in_order(mut object: Value, earlier: &str, later: &str) -> Value {
    let both = (object[earlier].as_str().map(seconds), object[later].as_str().map(seconds));
    if let (Some(from), Some(until)) = both {
        let (first, second) = (object[earlier].clone(), object[later].clone());
        if from > until {
            (object[earlier], object[later]) = (second, first);
        } else if from == until {
            object.as_object_mut().expect("an object").remove(later);
        }
    }
    strip_nulls(&mut object);
    object
}

/// Removes all fields whose value is null, because indexing a missing field through a mutable
/// reference inserts null.
fn strip_nulls(object: &mut Value) {
    object.as_object_mut().expect("an object").retain(|_, value| !value.is_null());
}

fn upgrade(stage: Stage) -> Gen {
    let retry = if stage.step == 60 { 1..5 } else { 1..100 };
    let moving = move |mode: Gen, lock: Option<Gen>| {
        let mut fields = vec![
            ("mode", always(mode)),
            ("allowDowngrade", maybe(35, Just(json!(true)))),
            ("retryAfterHours", maybe(60, retry.clone().prop_map(Value::from))),
        ];
        fields.extend(lock.map(|lock| ("version", always(lock))));
        object(fields)
    };
    prop_oneof![
        2 => object(vec![("mode", maybe(70, one_of(&["NoUpgrade"])))]),
        10 => moving(one_of(&["AutoUpgrade"]), None),
        7 => moving(one_of(&["OnlyUpgradeTo"]), Some(target())),
    ]
    .boxed()
}

fn distribution(stage: Stage) -> Gen {
    let exclusions = list(exclusion(stage), 3).prop_map(|mut exclusions| {
        for (index, exclusion) in exclusions.as_array_mut().into_iter().flatten().enumerate() {
            exclusion["name"] = format!("e{index}").into();
        }
        exclusions
    });
    let policy_zone = select(&super::ZONES[..]).prop_map(Value::from);
    let fields = vec![
        ("timeZone", maybe(35, policy_zone)),
        ("windows", maybe(65, list(window(stage), 3))),
        ("notBefore", maybe(25, moment(stage))),
        ("notAfter", maybe(25, moment(stage))),
        ("exclusions", maybe(30, exclusions)),
    ];
    object(fields).prop_map(|range| in_order(range, "notBefore", "notAfter")).boxed()
}

fn window(stage: Stage) -> Gen {
    let step = stage.step / 60;
    let minutes = 24 * 60 / step;
    // Generate at least half of the start times between 0:00 and 4:00, when most clock changes
    // happen.
    let start = prop_oneof![1 => 0..minutes, 1 => 0..(4 * 60 / step)].prop_map(move |m| m * step);
    let length = (1..minutes).prop_map(move |m| m * step);
    let days = || {
        let days = proptest::sample::subsequence(DAYS.to_vec(), 1..=7);
        days.prop_shuffle().prop_map(|days| json!(days))
    };
    let text = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
    let times = (start, length).prop_map(move |(start, length)| {
        let end = if start + length == 1440 { 1440 } else { (start + length) % 1440 };
        (text(start), text(end))
    });
    let weeks = proptest::sample::subsequence(WEEKS.to_vec(), 1..=5).prop_shuffle();
    let monthly = proptest::option::weighted(0.4, (weeks, proptest::option::of(0..=14u32)));
    let whole = (times, proptest::option::of(days()), monthly);
    whole
        .prop_map(|((start, end), days, monthly)| {
            let mut window = json!({"start": start, "end": end});
            if let Some(days) = days {
                window["days"] = json!(days);
            }
            if let Some((weeks, offset)) = monthly {
                window["weeksOfMonth"] = json!(weeks);
                window["offsetDays"] = json!(offset);
            }
            strip_nulls(&mut window);
            window
        })
        .boxed()
}

pub const WEEKS: [&str; 5] = ["First", "Second", "Third", "Fourth", "Last"];

pub const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

fn exclusion(stage: Stage) -> Gen {
    let date = move |days: i64| -> NaiveDate {
        let earliest = instant(stage.base).date_naive() - Days::new(10);
        earliest + Days::new(days as u64)
    };
    // A yearly exclusion starts up to two years earlier, and sometimes leaves few days of the year.
    let days = (prop_oneof![0..20i64, 8..13i64], prop_oneof![9 => 0..4i64, 1 => 340..364i64]);
    let yearly = proptest::option::weighted(0.4, proptest::option::of(0..3u32));
    (days, yearly)
        .prop_map(move |((first, more), yearly)| {
            let years = Months::new(12 * yearly.flatten().unwrap_or(0));
            let start = date(first) - years;
            let end = start + Days::new(more as u64);
            let mut exclusion = json!({"startDate": start, "endDate": end});
            if let Some(years) = yearly {
                exclusion["yearly"] = years.is_some().into();
            }
            exclusion
        })
        .boxed()
}

pub fn label_selector() -> Gen {
    let values = || list(one_of(&["canary", "broad", "berlin"]), 2);
    let valued = object(vec![
        ("key", always(one_of(&["ring", "site"]))),
        ("operator", always(one_of(&["In", "NotIn"]))),
        ("values", always(values())),
    ]);
    let bare = object(vec![
        ("key", always(one_of(&["ring", "site"]))),
        ("operator", always(one_of(&["Exists", "DoesNotExist"]))),
    ]);
    let expressions = list(prop_oneof![valued, bare], 2);
    let pairs =
        labels().prop_filter("content", |pairs| pairs.as_object().is_some_and(|p| !p.is_empty()));
    prop_oneof![
        object(vec![("matchLabels", always(pairs.clone()))]),
        object(vec![("matchExpressions", always(expressions.clone()))]),
        object(vec![("matchLabels", always(pairs)), ("matchExpressions", always(expressions))]),
    ]
    .boxed()
}

/// Requirements on versions, most of which hold for some of the versions that clients run.
const REQUIREMENTS: [&str; 12] = [
    "3.58",
    "v3.58.0+x",
    "3.59",
    "3.59-rc.1",
    "3.60",
    "4.0",
    "<3.59",
    ">=3.59",
    "<=3.58 >=3.57",
    ">3.58   <3.60",
    ">3.60 <3.57",
    "<v4",
];

fn cidrs() -> Gen {
    one_of(&["10.20.0.0/16", "10.20.1.0/24", "10.20.1.5/32", "0.0.0.0/0", "fd00:20::/32", "::/0"])
}

/// Generates a scope whose selectors consist of networks, and some of versions.
pub fn network_scope() -> Gen {
    let selector = || {
        object(vec![
            ("cidrs", always(list(cidrs(), 2))),
            ("names", maybe(20, list(one_of(&["c0", "c1", "c2", "c3"]), 3))),
            ("versions", maybe(20, list(one_of(&REQUIREMENTS), 2))),
        ])
    };
    let fields = vec![
        ("clients", maybe(50, list(selector(), 2))),
        ("exclude", maybe(50, list(selector(), 2))),
    ];
    let some = |scope: &Value| scope.as_object().is_some_and(|scope| !scope.is_empty());
    object(fields).prop_filter("content", some).boxed()
}

fn client_selector() -> Gen {
    let computers = prop_oneof![one_of(&COMPUTERS), one_of(&["pc-müller", "LT-200", "ghost"])];
    let users = prop_oneof![one_of(&USERS), one_of(&["bob", "corp\\MÜLLER", "LT"])];
    let search =
        one_of(&["lt", "LT 1", "10.20", "müller", "*", " c0\u{3000}bob ", "ΟΔΟΣ", "corp\\m 5"]);
    let fields = vec![
        ("names", maybe(25, list(one_of(&["c0", "c1", "c2", "c6", "c12", "C1"]), 3))),
        ("computers", maybe(20, list(computers, 2))),
        ("users", maybe(20, list(users, 2))),
        ("cidrs", maybe(30, list(cidrs(), 2))),
        ("versions", maybe(30, list(one_of(&REQUIREMENTS), 2))),
        ("labelSelector", maybe(20, label_selector())),
        ("search", maybe(15, search)),
    ];
    let some = |selector: &Value| selector.as_object().is_some_and(|s| !s.is_empty());
    object(fields).prop_filter("a criterion", some).boxed()
}

pub fn scope() -> Gen {
    let fields = vec![
        ("fleetSelector", maybe(40, label_selector())),
        ("clients", maybe(40, list(client_selector(), 3))),
        ("exclude", maybe(35, list(client_selector(), 2))),
    ];
    let some = |scope: &Value| scope.as_object().is_some_and(|scope| !scope.is_empty());
    object(fields).prop_filter("content", some).boxed()
}

/// Generates a policy for a world in which most clients go round: the policy sends the clients that
/// run one of a few versions to another of them.
pub fn leading_on(stage: Stage) -> Gen {
    let version = || one_of(&["3.58", "3.59", "3.60"]);
    let upgrade = prop_oneof![
        1 => Just(json!({"mode": "NoUpgrade"})),
        2 => one_of(&["AutoUpgrade"]).prop_map(|mode| json!({"mode": mode, "allowDowngrade": true})),
        10 => version().prop_map(|version| {
            json!({"mode": "OnlyUpgradeTo", "version": version, "allowDowngrade": true})
        }),
    ];
    let requirement = prop_oneof![3 => version(), 1 => one_of(&REQUIREMENTS)];
    let selector = object(vec![
        ("versions", always(list(requirement, 2))),
        ("names", maybe(15, list(one_of(&["c0", "c1", "c2"]), 3))),
        ("cidrs", maybe(15, list(cidrs(), 2))),
    ]);
    let scope = object(vec![
        ("clients", maybe(80, list(selector.clone(), 2))),
        ("exclude", maybe(15, list(selector, 1))),
    ]);
    let range = object(vec![
        ("notBefore", maybe(10, moment(stage))),
        ("notAfter", maybe(30, moment(stage))),
        ("windows", maybe(25, list(window(stage), 2))),
    ]);
    let range = range.prop_map(|range| in_order(range, "notBefore", "notAfter"));
    let fields = vec![
        ("priority", maybe(60, select(vec![-1, 0, 5]).prop_map(Value::from))),
        ("suspend", maybe(4, Just(json!(true)))),
        ("effectiveFrom", maybe(10, moment(stage))),
        ("effectiveUntil", maybe(20, moment(stage))),
        ("upgrade", always(upgrade)),
        ("distribution", maybe(40, range)),
        (
            "scope",
            maybe(
                90,
                scope.prop_filter("content", |s| s.as_object().is_some_and(|s| !s.is_empty())),
            ),
        ),
    ];
    object(fields).prop_map(|spec| in_order(spec, "effectiveFrom", "effectiveUntil")).boxed()
}

/// Returns the document after setting the value at `path`. Creates missing objects on the path.
pub fn with(mut document: Value, path: &str, value: Value) -> Value {
    let mut at = &mut document;
    for key in path.trim_start_matches('/').split('/') {
        at = &mut at[key];
    }
    *at = value;
    document
}
