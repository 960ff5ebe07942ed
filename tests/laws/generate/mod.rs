//! Generates random estates, each with the fleets and policies of a namespace, from short lists of
//! values, so that the same value often occurs in several places.
//!
//! Every generated instant is a whole number of steps before or after a base instant, such as a
//! clock change.

pub mod fleet;
mod mistakes;
pub mod policy;

use chrono::{DateTime, FixedOffset};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::world::{World, instant, seconds};

pub type Gen = BoxedStrategy<Value>;
/// Name of a field and a generator for its value. The value is `None` if the field is left out.
pub type Field = (&'static str, BoxedStrategy<Option<Value>>);

/// Base instant, step and range from which all instants of an estate are generated.
#[derive(Clone, Copy, Debug)]
pub struct Stage {
    /// Base instant as Unix time.
    pub base: i64,
    /// Step in seconds.
    pub step: i64,
    /// Largest distance of an instant from the base, in steps.
    pub reach: i64,
    /// True if the generator may create policies that are invalid or cannot be parsed.
    pub mistakes: bool,
}

/// Base instants: instants at or near clock changes in the time zones of [`ZONES`], a date that
/// Apia skipped, a leap day, the end of a year, and an ordinary day.
const BASES: [&str; 11] = [
    "2026-03-29T01:00:00Z",
    "2026-10-25T01:00:00Z",
    "2026-03-08T10:00:00Z",
    "2026-11-01T08:00:00Z",
    "2026-04-04T15:00:00Z",
    "2026-10-03T15:30:00Z",
    "2026-03-08T05:00:00Z",
    "2011-12-30T10:00:00Z",
    "2028-02-29T12:00:00Z",
    "2027-12-31T23:00:00Z",
    "2026-06-17T09:00:00Z",
];

pub const ZONES: [&str; 9] = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Havana",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Asia/Tokyo",
    "Etc/UTC",
    "Pacific/Kiritimati",
];

pub fn zone() -> Gen {
    prop_oneof![20 => select(&ZONES[..]), 1 => Just("Mars/Olympus"), 1 => Just("europe/berlin"), 1 => Just("")]
        .prop_map(Value::from)
        .boxed()
}

/// Generates a world in which most instants are close to a base instant: at most about 7 days away
/// in steps of 15 minutes, or at most about 7 hours away in steps of one minute.
pub fn world(mistakes: bool) -> BoxedStrategy<World> {
    let stages = [(4, 900, 700), (1, 60, 400)].into_iter().flat_map(|(weight, step, reach)| {
        BASES.map(|base| (weight, Stage { base: seconds(base), step, reach, mistakes }))
    });
    // Creating a strategy is expensive, so create the strategy of each stage only once.
    proptest::strategy::Union::new_weighted(
        stages.map(|(w, stage)| (w, world_on(stage).boxed())).collect(),
    )
    .boxed()
}

/// Generates a world for the stage that [`stage`] returns. A test can then generate more objects
/// for the same stage.
pub fn world_of_stage() -> BoxedStrategy<World> {
    world_on(stage()).boxed()
}

pub fn stage() -> Stage {
    Stage { base: seconds(BASES[0]), step: 900, reach: 700, mistakes: true }
}

/// Generates a world in which policies send clients from version to version and in circles.
pub fn world_of_circles() -> BoxedStrategy<World> {
    let stage = Stage { reach: 100, mistakes: false, ..stage() };
    let at = (-100..100i64).prop_map(move |k| stage.base + k * stage.step);
    let package = json!({"packageVersion": "3.60", "retainedVersions": ["3.58", "3.59"], "timeZone": "Etc/UTC"});
    let policies = proptest::collection::vec(policy::leading_on(stage), 2..6);
    let clients = fleet::clients(stage);
    (at, policies, clients)
        .prop_map(move |(at, policies, clients)| {
            let mut fleet = package.clone();
            fleet["clients"] = clients;
            World {
                fleets: documents("ClientFleet", &FLEETS, vec![fleet], &[]),
                policies: documents("UpgradePolicy", &POLICIES, policies, &[]),
                at,
                step: stage.step,
            }
        })
        .boxed()
}

fn world_on(stage: Stage) -> impl Strategy<Value = World> {
    let at = (-100..100i64).prop_map(move |k| stage.base + k * stage.step);
    let policies = proptest::collection::vec(policy::spec(stage), 1..5);
    let fleets = proptest::collection::vec(fleet::spec(stage), 1..4);
    (at, policies, fleets, labels_of_fleets()).prop_map(move |(at, policies, fleets, labels)| {
        World {
            fleets: documents("ClientFleet", &FLEETS, fleets, &labels),
            policies: documents("UpgradePolicy", &POLICIES, policies, &[]),
            at,
            step: stage.step,
        }
    })
}

pub const FLEETS: [&str; 4] = ["emea", "apac", "amer", "shard-2"];
/// Names of policies. They are not in alphabetical order, so that tests find code that depends on
/// the order of policies.
pub const POLICIES: [&str; 6] = ["m-policy", "a-policy", "z-policy", "b-policy", "a", "zz"];

fn labels_of_fleets() -> impl Strategy<Value = Vec<Value>> {
    proptest::collection::vec(labels(), 4)
}

fn documents(kind: &str, names: &[&str], specs: Vec<Value>, labels: &[Value]) -> Vec<Value> {
    let with_name = |(index, spec): (usize, Value)| {
        document(kind, names[index], spec, labels.get(index).cloned().unwrap_or(json!({})))
    };
    specs.into_iter().enumerate().map(with_name).collect()
}

/// Returns the document of an object. If the generated spec has the field `deletes`, which the API
/// does not define, the function removes the field and marks the object as being deleted.
pub fn document(kind: &str, name: &str, mut spec: Value, labels: Value) -> Value {
    let deletes = spec.as_object_mut().and_then(|spec| spec.remove("deletes"));
    let mut metadata = json!({
        "name": name, "namespace": "default", "generation": 1, "labels": labels,
    });
    if deletes.is_some() {
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    }
    json!({
        "apiVersion": "clientfleet.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec,
    })
}

pub fn object(fields: Vec<Field>) -> Gen {
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let whole = move |values: Vec<Option<Value>>| {
        let fields = names.iter().zip(values).filter_map(|(&name, v)| Some((name.to_owned(), v?)));
        Value::Object(fields.collect::<Map<_, _>>())
    };
    values.prop_map(whole).boxed()
}

/// Generates an optional field, which is present with a probability of `percent` %.
pub fn maybe(
    percent: u32,
    value: impl Strategy<Value = Value> + 'static,
) -> BoxedStrategy<Option<Value>> {
    proptest::option::weighted(f64::from(percent) / 100.0, value).boxed()
}

pub fn always(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    value.prop_map(Some).boxed()
}

pub fn one_of(values: &'static [&'static str]) -> Gen {
    select(values).prop_map(Value::from).boxed()
}

pub fn list(value: impl Strategy<Value = Value> + 'static, most: usize) -> Gen {
    proptest::collection::vec(value, 1..=most).prop_map(Value::from).boxed()
}

/// Generates an instant within the stage's range around the base instant. For one in 31 instants,
/// the range is shifted by 731 days, because the planner looks ahead 731 days.
pub fn moment(stage: Stage) -> Gen {
    let near = -stage.reach..stage.reach;
    let ahead = 731 * 86400 / stage.step;
    let steps = prop_oneof![30 => near.clone(), 1 => near.prop_map(move |k| k + ahead)];
    let written = (steps, any::<bool>()).prop_map(move |(steps, utc)| {
        let t = instant(stage.base + steps * stage.step);
        let east = FixedOffset::east_opt(5400).expect("in range");
        let local: DateTime<FixedOffset> = t.with_timezone(&east);
        let utc_text = t.format("%Y-%m-%dT%H:%M:%SZ").to_string();
        Value::from(if utc { utc_text } else { local.to_rfc3339() })
    });
    written.boxed()
}

pub fn labels() -> Gen {
    object(vec![
        ("ring", maybe(60, one_of(&["canary", "broad", "last"]))),
        ("site", maybe(40, one_of(&["berlin", "tokyo", ""]))),
    ])
}
