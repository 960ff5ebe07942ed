//! Tests patches of random specs and reports: each stores exactly what the reports say, and none
//! changes anything else, whatever others have changed meanwhile.

use std::collections::BTreeMap;

use clientfleet::api::fleet::{LastError, Reported};
use clientfleet::checkin::fleet::{DecidedStatus, DeliveryFleet};
use clientfleet::checkin::queue::Reports;
use clientfleet::checkin::report::Report;
use clientfleet::serve::reports::basis::Basis;
use clientfleet::serve::reports::patch::{FleetPatch, Guard, HeardTimes, MIN_SEEN_STEP};
use clientfleet::values::{Timestamp, parse_rfc3339};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use crate::json_patch::apply;

const NAMES: [&str; 5] = ["a", "b", "Müller-PC", "d\"1", "e"];

fn at(minute: i64) -> Timestamp {
    Timestamp::from_timestamp(1_795_000_000 + minute * 60, 0).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    select(vec!["1.0", "2.0", "v2.0", "R&D <3>", ""]).prop_map(ToOwned::to_owned)
}

fn time() -> impl Strategy<Value = String> {
    let written = (0..90_i64).prop_map(|minute| clientfleet::values::rfc3339(at(minute)));
    prop_oneof![9 => written, 1 => Just("yesterday".to_owned())]
}

// Boxed, because the nested strategies are larger than the stack of a test.
fn facts() -> BoxedStrategy<Value> {
    let fields = ["version", "stagedVersion", "computer", "lastUser", "ip"];
    let fields = fields.map(|field| prop::option::of(text().prop_map(move |text| (field, text))));
    (fields, prop::option::of(time()), prop::option::of(text()))
        .prop_map(|(fields, seen, error)| {
            let mut facts: Map<String, Value> = fields
                .into_iter()
                .flatten()
                .map(|(field, text)| (field.to_owned(), json!(text)))
                .collect();
            facts.extend(seen.map(|seen| ("lastSeen".to_owned(), json!(seen))));
            facts.extend(error.map(|text| ("lastError".to_owned(), json!({"message": text}))));
            Value::Object(facts)
        })
        .boxed()
}

fn client(name: &'static str) -> BoxedStrategy<Value> {
    let label = prop::option::of(select(vec!["1", "2"]));
    (label, prop::option::of(facts()))
        .prop_map(move |(label, facts)| {
            let mut client = json!({"name": name});
            if let Some(label) = label {
                client["labels"] = json!({"ring": label});
            }
            if let Some(facts) = facts {
                client["reported"] = facts;
            }
            client
        })
        .boxed()
}

/// Returns a fleet with some of the clients, in any order.
fn fleet() -> impl Strategy<Value = Value> {
    let clients = NAMES.map(|name| prop::option::weighted(0.8, client(name)));
    clients
        .prop_map(|clients| clients.into_iter().flatten().collect::<Vec<_>>())
        .prop_shuffle()
        .prop_map(|clients| {
            json!({
                "metadata": {"name": "f", "namespace": "ns", "uid": "u", "generation": 4},
                "spec": {"packageVersion": "2.0", "clients": clients},
            })
        })
}

fn report() -> BoxedStrategy<Report> {
    let set = || prop::option::of(text().prop_map(Into::into));
    let set_or_clear = || prop::option::of(prop::option::of(text().prop_map(Into::into)));
    let error = prop::option::of(text()).prop_map(|text| {
        text.map(|text| LastError { message: Some(text.into()), ..LastError::default() })
    });
    let seen = prop::option::of((0..90_i64).prop_map(at));
    (set(), set_or_clear(), error, set_or_clear(), set_or_clear(), set(), seen)
        .prop_map(|(version, staged_version, last_error, computer, last_user, ip, last_seen)| {
            Report { version, staged_version, last_error, computer, last_user, ip, last_seen }
        })
        .boxed()
}

fn reports() -> impl Strategy<Value = Reports> {
    NAMES
        .map(|name| prop::option::of(report().prop_map(move |report| (name.into(), report))))
        .prop_map(|reports| reports.into_iter().flatten().collect())
}

fn heard() -> impl Strategy<Value = HeardTimes> {
    NAMES
        .map(|name| prop::option::of((0..90_i64).prop_map(move |minute| (name.into(), at(minute)))))
        .prop_map(|heard| heard.into_iter().flatten().collect())
}

/// Returns the form in which the watch shows a fleet.
fn shown(fleet: &Value) -> DeliveryFleet {
    let metadata = serde_json::from_value(fleet["metadata"].clone()).unwrap();
    let spec = serde_json::from_value(fleet["spec"].clone()).unwrap();
    DeliveryFleet::new(
        metadata,
        Some(std::sync::Arc::new(spec)),
        DecidedStatus::default(),
        None,
        at(0),
    )
}

fn bases(fleet: &Value) -> [Basis; 2] {
    [Basis::seen(&shown(fleet)).unwrap(), Basis::fetched(&fleet.to_string()).unwrap()]
}

fn operations(patch: &FleetPatch) -> Value {
    serde_json::from_slice(&patch.body().unwrap()).unwrap()
}

fn clients(fleet: &Value) -> BTreeMap<String, Value> {
    let clients = fleet["spec"]["clients"].as_array().unwrap();
    clients.iter().map(|c| (c["name"].as_str().unwrap().to_owned(), c.clone())).collect()
}

fn reported(client: &Value) -> Option<Reported> {
    let facts = client.get("reported")?;
    Some(serde_json::from_value(facts.clone()).unwrap())
}

fn last_seen(facts: Option<&Reported>) -> Option<Timestamp> {
    parse_rfc3339(facts?.last_seen.as_deref()?)
}

/// Returns the client as it is after its report, if it has one, and after it was heard of.
fn expected(client: &Value, reports: &Reports, heard: &HeardTimes) -> Value {
    let name = client["name"].as_str().unwrap();
    let before = reported(client);
    let seen = heard.get(name).copied();
    let report = match reports.get(name) {
        Some(report) => {
            let mut report = report.clone();
            report.merge(Report { last_seen: seen, ..Report::default() });
            report
        }
        None => {
            let stored = last_seen(before.as_ref());
            let is_news =
                |seen: &Timestamp| stored.is_none_or(|stored| *seen >= stored + MIN_SEEN_STEP);
            let Some(seen) = seen.filter(is_news) else { return client.clone() };
            Report::seen(seen)
        }
    };
    let after = report.apply(before.as_ref());
    let mut expected = client.clone();
    if before.is_some() || after != Reported::default() {
        expected["reported"] = json!(after);
    }
    expected
}

/// A change that another writer makes.
#[derive(Clone, Debug)]
enum Change {
    Swap(usize, usize),
    Remove(usize),
    Add(Value),
    Label(usize),
    Facts(usize, Option<Value>),
    Fact(usize, &'static str, String),
}

fn change() -> impl Strategy<Value = Change> {
    let index = || 0..5_usize;
    let field = select(vec!["version", "stagedVersion", "computer", "ip", "lastSeen"]);
    prop_oneof![
        (index(), index()).prop_map(|(a, b)| Change::Swap(a, b)),
        index().prop_map(Change::Remove),
        client("new").prop_map(Change::Add),
        index().prop_map(Change::Label),
        (index(), prop::option::of(facts())).prop_map(|(at, facts)| Change::Facts(at, facts)),
        (index(), field, text(), time()).prop_map(|(at, field, text, time)| {
            Change::Fact(at, field, if field == "lastSeen" { time } else { text })
        }),
    ]
}

impl Change {
    fn make(self, fleet: &mut Value) {
        let list = fleet["spec"]["clients"].as_array_mut().unwrap();
        let count = list.len();
        match self {
            Self::Swap(a, b) if a < count && b < count => list.swap(a, b),
            Self::Remove(at) if at < count => drop(list.remove(at)),
            Self::Add(client) if count < 6 => list.insert(0, client),
            Self::Label(at) if at < count => list[at]["labels"] = json!({"ring": "3"}),
            Self::Facts(at, facts) if at < count => {
                let client = list[at].as_object_mut().unwrap();
                client.remove("reported");
                client.extend(facts.map(|facts| ("reported".to_owned(), facts)));
            }
            Self::Fact(at, field, text) if at < count => {
                let client = list[at].as_object_mut().unwrap();
                client.entry("reported").or_insert_with(|| json!({}))[field] = json!(text);
            }
            _ => {}
        }
    }
}

/// Returns whether `report` speaks of a fact.
fn speaks_of(report: &Report, field: &str) -> bool {
    report.clone().remove(field)
}

proptest! {
    #[test]
    fn a_patch_stores_what_the_reports_say_and_nothing_else(
        fleet in fleet(), reports in reports(), heard in heard(),
        guard in select(vec![Guard::Spec, Guard::Clients]),
    ) {
        for basis in bases(&fleet) {
            let patch = FleetPatch::new(&basis, &reports, &heard, guard);
            let patched = apply(&fleet, &operations(&patch)).unwrap();
            let mut expected_fleet = fleet.clone();
            for client in expected_fleet["spec"]["clients"].as_array_mut().unwrap() {
                *client = expected(client, &reports, &heard);
            }
            prop_assert_eq!(&patched, &expected_fleet);
            prop_assert_eq!(patch.operations.is_empty(), patched == fleet, "no needless write");
            let before = clients(&fleet);
            let absent: Vec<&str> =
                reports.keys().map(|name| name.as_str()).filter(|n| !before.contains_key(*n)).collect();
            prop_assert_eq!(patch.absent.iter().map(|n| n.as_str()).collect::<Vec<_>>(), absent);
            for (index, name) in &patch.clients {
                prop_assert_eq!(&fleet["spec"]["clients"][index]["name"], name.as_str());
            }
        }
    }

    #[test]
    fn a_patch_of_a_changed_fleet_fails_or_changes_the_reported_facts_only(
        fleet in fleet(), reports in reports(), heard in heard(),
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let mut server = fleet.clone();
        changes.into_iter().for_each(|change| change.make(&mut server));
        for basis in bases(&fleet) {
            let patch = FleetPatch::new(&basis, &reports, &heard, Guard::Clients);
            let Ok(patched) = apply(&server, &operations(&patch)) else { continue };
            let (before, after) = (clients(&server), clients(&patched));
            let without_facts = |fleet: &Value| {
                let mut fleet = fleet.clone();
                for client in fleet["spec"]["clients"].as_array_mut().unwrap() {
                    client.as_object_mut().unwrap().remove("reported");
                }
                fleet
            };
            prop_assert_eq!(without_facts(&patched), without_facts(&server));
            for (name, client) in &after {
                let before = &before[name];
                let Some(facts) = client.get("reported") else {
                    prop_assert_eq!(before, client);
                    continue;
                };
                let report = reports.get(name.as_str()).cloned().unwrap_or_default();
                let is_written = before != client;
                prop_assert!(!is_written || patch.clients.values().any(|n| n.as_str() == name));
                let names = facts.as_object().unwrap().keys();
                let names = names.chain(before["reported"].as_object().into_iter().flat_map(Map::keys));
                for field in names {
                    let is_same = before["reported"].get(field) == facts.get(field);
                    let is_own = match field.as_str() {
                        "lastSeen" => heard.contains_key(name.as_str()) || speaks_of(&report, field),
                        "stagedVersion" => true,
                        _ => speaks_of(&report, field),
                    };
                    prop_assert!(is_same || is_own, "{name} {field}");
                }
                let (seen_before, seen_after) = (reported(before), reported(client));
                let seen_before = last_seen(seen_before.as_ref());
                prop_assert!(last_seen(seen_after.as_ref()) >= seen_before, "lastSeen goes back");
            }
        }
    }

    #[test]
    fn a_patch_for_a_spec_fails_for_each_other_spec(
        fleet in fleet(), reports in reports(), heard in heard(),
    ) {
        let mut newer = fleet.clone();
        newer["metadata"]["generation"] = json!(5);
        let mut another = fleet.clone();
        another["metadata"]["uid"] = json!("v");
        for basis in bases(&fleet) {
            let patch = FleetPatch::new(&basis, &reports, &heard, Guard::Spec);
            let operations = operations(&patch);
            let is_empty = patch.operations.is_empty();
            prop_assert!(is_empty || apply(&newer, &operations).is_err());
            prop_assert!(is_empty || apply(&another, &operations).is_err());
        }
    }
}

#[test]
fn characters_are_escaped_as_go_does() {
    let fleet = json!({
        "metadata": {"name": "f", "namespace": "ns"},
        "spec": {"clients": [{"name": "a", "timeZone": "A&B<>"}]},
    });
    let reports = [("a".into(), Report { version: Some("\u{2028}".into()), ..Report::default() })];
    let [basis, _] = bases(&fleet);
    let patch = FleetPatch::new(&basis, &reports.into(), &HeardTimes::new(), Guard::Clients);
    let body = String::from_utf8(patch.body().unwrap()).unwrap();
    assert_eq!(
        body,
        r#"[{"op":"test","path":"/spec/clients/0/name","value":"a"},{"op":"test","path":"/spec/clients/0","value":{"name":"a","timeZone":"A\u0026B\u003c\u003e"}},{"op":"add","path":"/spec/clients/0/reported","value":{"version":"\u2028"}}]"#
    );
}
