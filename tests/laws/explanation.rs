//! An explanation says what the plan decides, from what the rules look at; and what it says would move
//! a client does, when it is done to the documents themselves.

use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

use clientfleet::plan::evidence::Seen;
use clientfleet::plan::explanation::{Explainer, Explanation, Verdict, Way};
use clientfleet::plan::rules::RULES;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::generate;
use crate::world::{World, clients, config, instant, name, reported, rows};

fn explanations(world: &World) -> Vec<Explanation> {
    let estate = world.estate();
    let explainer = Explainer::new(&estate, instant(world.at));
    let planned = rows(&world.plan());
    let told = planned.iter().map(|((fleet, client), row)| {
        explainer.explain(fleet, client, Some(row)).expect("each row can be explained")
    });
    told.collect()
}

fn says_what_is_planned(world: &World) -> Result<(), TestCaseError> {
    let planned = rows(&world.plan());
    for told in explanations(world) {
        let row = &planned[&(told.fleet.to_string(), told.client.name.to_string())];
        let decision = &told.decision;
        let who = format!("{} {}", told.fleet, told.client.name);
        prop_assert_eq!(decision.state, row.state.as_ref(), "{}", &who);
        prop_assert_eq!(decision.reason, row.reason.as_ref(), "{}", &who);
        prop_assert_eq!(&decision.policy, &row.policy, "{}", &who);
        prop_assert_eq!(&decision.target_version, &row.target_version, "{}", &who);
        prop_assert_eq!(&decision.next_transition_time, &row.next_transition_time, "{}", &who);
        prop_assert!(told.stored.as_ref().is_some_and(|stored| stored.agrees), "{}", &who);

        let held: Vec<u8> = told.rules.iter().filter(|r| r.held).map(|r| r.number).collect();
        prop_assert_eq!(held, vec![decision.rule], "{}: only the last one tried holds", &who);
        let tried: Vec<u8> = told.rules.iter().map(|rule| rule.number).collect();
        prop_assert_eq!(tried, (1..=decision.rule).collect::<Vec<u8>>(), "{}", &who);

        prop_assert_eq!(told.policies.len(), world.policies.len(), "{}", &who);
        let governs =
            |p: &&clientfleet::plan::explanation::PolicyTold| p.verdict == Verdict::Governs;
        let governing: Vec<_> = told.policies.iter().filter(governs).map(|p| &p.name).collect();
        prop_assert_eq!(governing, decision.policy.iter().collect::<Vec<_>>(), "{}", &who);
        for policy in &told.policies {
            if let Verdict::Lost { to, .. } = &policy.verdict {
                prop_assert_eq!(Some(to), decision.policy.as_ref(), "{}", &who);
            }
        }
        let first = told.would_move.first().map(|obstacle| obstacle.rule);
        let moves = decision.state == "Distributing";
        prop_assert_eq!(first, (!moves).then_some(decision.rule), "{}", &who);
    }
    Ok(())
}

/// Whether a rule holds is told by the facts it says it looks at, and the instant: what was seen with
/// one answer is never seen with another.
fn facts_tell(told: &Explanation) -> Result<(), TestCaseError> {
    static SEEN: OnceLock<Mutex<HashMap<String, bool>>> = OnceLock::new();
    let mut seen = SEEN.get_or_init(Mutex::default).lock().expect("no test panics with it");
    for rule in &told.rules {
        let saw = json!(rule.saw);
        let key = format!("{} {} {saw}", told.at.timestamp(), rule.number);
        let before = *seen.entry(key.clone()).or_insert(rule.held);
        prop_assert_eq!(before, rule.held, "{}", key);
    }
    Ok(())
}

// ---- what would move it ----

/// Does to the documents what a way says.
fn take(world: &mut World, fleet: &str, client: &str, way: &Way) {
    match way {
        Way::WaitUntil { instant } => {
            world.at = instant.timestamp();
            check_in(world, fleet, client);
        }
        Way::CheckIn => check_in(world, fleet, client),
        Way::Restart { version } => {
            let reported = reported(of(world, fleet, client));
            reported.remove("stagedVersion");
            reported.insert("version".into(), json!(version));
        }
        Way::ClearStaged { .. } => {
            reported(of(world, fleet, client)).remove("stagedVersion");
        }
        Way::ClearError { .. } => {
            reported(of(world, fleet, client)).remove("lastError");
        }
        Way::ChangeField { kind, name, field, to: Some(to), .. } => {
            let document = document(world, kind, name);
            match field.strip_prefix("spec.clients[") {
                Some(_) => {
                    let list = clients(document);
                    let found = list.iter_mut().find(|c| c["name"] == client).expect("it is there");
                    found["timeZone"] = json!(to);
                }
                None => *at(document, field) = json!(to),
            }
            if field == "spec.upgrade.mode" {
                document["spec"]["upgrade"].as_object_mut().expect("it is one").remove("version");
            }
        }
        Way::RemoveField { kind, name, field, value } => {
            let document = document(world, kind, name);
            let place = at(document, field);
            match (place.as_array_mut(), value) {
                (Some(list), value) => list.retain(|entry| *entry != json!(value)),
                (None, Seen::Text(_) | Seen::Instant(_)) => {
                    let (outer, last) = field.rsplit_once('.').expect("a field in a spec");
                    at(document, outer).as_object_mut().expect("an object").remove(last);
                }
                (None, other) => panic!("{other:?} cannot be removed from {field}"),
            }
        }
        Way::AddEntry { kind, name, field, value } => {
            let place = at(document(world, kind, name), field);
            if place.is_null() {
                *place = json!([]);
            }
            place.as_array_mut().expect("a list").push(json!(value));
        }
        Way::ChangeField { to: None, .. }
        | Way::Report { .. }
        | Way::MendPolicy { .. }
        | Way::AddPolicy { .. } => panic!("nothing can be assumed of {way:?}"),
    }
}

fn document<'a>(world: &'a mut World, kind: &str, wanted: &str) -> &'a mut Value {
    let documents = if kind == "ClientFleet" { &mut world.fleets } else { &mut world.policies };
    documents.iter_mut().find(|document| name(document) == wanted).expect("it is there")
}

fn at<'a>(document: &'a mut Value, field: &str) -> &'a mut Value {
    field.split('.').fold(document, |value, part| &mut value[part])
}

fn of<'a>(world: &'a mut World, fleet: &str, client: &str) -> &'a mut Value {
    let fleet = document(world, "ClientFleet", fleet);
    clients(fleet).iter_mut().find(|c| c["name"] == client).expect("it is there")
}

fn check_in(world: &mut World, fleet: &str, client: &str) {
    let now = instant(world.at);
    let reported = reported(of(world, fleet, client));
    if reported.contains_key("lastSeen") {
        reported.insert("lastSeen".into(), json!(now));
    }
}

/// After each way that is assumed, the plan says what the next obstacle says.
fn each_way_leads_on(world: &World, told: &Explanation) -> Result<(), TestCaseError> {
    let (fleet, client) = (told.fleet.as_str(), told.client.name.as_str());
    let mut world = world.clone();
    for (place, obstacle) in told.would_move.iter().enumerate() {
        prop_assert!(!obstacle.ways.is_empty(), "no way out of {:?}", obstacle);
        let Some(assumed) = obstacle.assumed else {
            prop_assert_eq!(place + 1, told.would_move.len());
            prop_assert!(told.leads_to.is_none());
            return Ok(());
        };
        take(&mut world, fleet, client, &obstacle.ways[assumed]);
        let row = rows(&world.plan()).remove(&(fleet.into(), client.into())).expect("a row");
        let next = told.would_move.get(place + 1);
        let expected = match (next, &told.leads_to) {
            (Some(next), _) => (next.state, next.reason, next.policy.clone()),
            (None, Some(end)) => (end.state, end.reason, end.policy.clone()),
            // The calendar goes on for longer than is told.
            (None, None) => return Ok(()),
        };
        let says = (row.state.as_ref(), row.reason.as_ref(), row.policy.clone());
        prop_assert_eq!(
            says,
            expected,
            "{} {} after {:?} of {:?}",
            fleet,
            client,
            obstacle,
            told.at
        );
    }
    if let (Some(end), false) = (&told.leads_to, told.would_move.is_empty()) {
        prop_assert!(["Distributing", "UpToDate"].contains(&end.state), "{:?}", end);
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(300))]
    #[test]
    fn an_explanation_says_what_is_planned_and_what_would_move(world in generate::world(true)) {
        says_what_is_planned(&world)?;
        for told in explanations(&world) {
            facts_tell(&told)?;
            each_way_leads_on(&world, &told)?;
        }
    }
}

#[test]
fn each_rule_says_what_it_looks_at() {
    for rule in &RULES {
        assert!(!rule.looks_at.is_empty(), "rule {}", rule.number);
    }
}
