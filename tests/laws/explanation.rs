//! Tests the laws that every explanation must satisfy: it contains the planned decision, the listed
//! inputs of a rule determine whether the rule matches, and each remedy has the predicted outcome.

use clientfleet::plan::explanation::{Choice, Explainer, Explanation, Obstacle, Remedy, Verdict};
use clientfleet::plan::rule_input::InputValue;
use clientfleet::plan::rules::{RULES, RuleName};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Mutex, OnceLock};

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
            |p: &&clientfleet::plan::explanation::ExplainedPolicy| p.verdict == Verdict::Governs;
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

/// The rules that compare an input with the current time. The other rules list the result of such
/// comparisons as an input.
const TIMED: [RuleName; 2] = [RuleName::NotSeen, RuleName::InstallFailed];

/// Checks that the listed inputs of a rule determine whether the rule matches: all evaluations of a
/// rule with the same inputs must have the same result. For the rules in [`TIMED`], the current
/// time counts as an input.
fn facts_tell(told: &Explanation) -> Result<(), TestCaseError> {
    static SEEN: OnceLock<Mutex<HashMap<String, bool>>> = OnceLock::new();
    let mut seen = SEEN.get_or_init(Mutex::default).lock().expect("no test panics with it");
    for rule in &told.rules {
        let saw = json!(rule.saw);
        let is_timed = TIMED.iter().any(|timed| timed.number() == rule.number);
        let at = Some(told.at.timestamp()).filter(|_| is_timed);
        let key = format!("{at:?} {} {saw}", rule.number);
        let before = *seen.entry(key.clone()).or_insert(rule.held);
        prop_assert_eq!(before, rule.held, "{}", key);
    }
    Ok(())
}

/// Applies a remedy for a client to a world: changes the objects or the current instant.
fn take(world: &mut World, fleet: &str, client: &str, remedy: &Remedy) {
    match remedy {
        Remedy::WaitUntil { instant } => {
            world.at = instant.timestamp();
            check_in(world, fleet, client);
        }
        Remedy::CheckIn => check_in(world, fleet, client),
        Remedy::Restart { version } => {
            let reported = reported(of(world, fleet, client));
            reported.remove("stagedVersion");
            reported.insert("version".into(), json!(version));
        }
        Remedy::ClearStaged { .. } => {
            reported(of(world, fleet, client)).remove("stagedVersion");
        }
        Remedy::ClearError { .. } => {
            reported(of(world, fleet, client)).remove("lastError");
        }
        Remedy::ChangeField { kind, name, field, to: Some(to), .. } => {
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
        Remedy::RemoveField { kind, name, field, value } => {
            remove(document(world, kind, name), field, value);
        }
        Remedy::LeaveScope { name } => {
            let scope = &mut document(world, "UpgradePolicy", name)["spec"]["scope"]["exclude"];
            if scope.is_null() {
                *scope = json!([]);
            }
            scope.as_array_mut().expect("a list").push(json!({"names": [client]}));
        }
        Remedy::RemoveElsewhere { client, fleets } => {
            for fleet in fleets {
                let clients = clients(document(world, "ClientFleet", fleet));
                clients.retain(|listed| listed["name"] != client.as_str());
            }
        }
        Remedy::Resume { .. } => world.policies.retain(|policy| name(policy) != "clientfleet-halt"),
        Remedy::AddEntry { kind, name, field, value } => {
            let place = at(document(world, kind, name), field);
            if place.is_null() {
                *place = json!([]);
            }
            place.as_array_mut().expect("a list").push(json!(value));
        }
        Remedy::ChangeField { to: None, .. }
        | Remedy::Report { .. }
        | Remedy::MendPolicy { .. }
        | Remedy::AddPolicy { .. } => panic!("nothing can be assumed of {remedy:?}"),
    }
}

fn remove(document: &mut Value, field: &str, value: &InputValue) {
    let field = field.split('[').next().expect("a field");
    let (outer, last) = field.rsplit_once('.').expect("a field in a spec");
    let outer = at(document, outer).as_object_mut().expect("an object");
    if let Some(list) = outer.get_mut(last).and_then(Value::as_array_mut) {
        list.retain(|entry| *entry != json!(value) && entry["name"] != json!(value));
        if !list.is_empty() {
            return;
        }
    }
    assert!(outer.remove(last).is_some(), "{field} is not there");
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

/// Checks that each remedy has its predicted outcome in the plan, and that waiting until the
/// suggested time results in an offer. If the decision has a next transition time, waiting must be
/// the first remedy for the first obstacle.
fn each_way_leads_where_it_says(
    world: &World,
    told: &Explanation,
    obstacle: &Obstacle,
) -> Result<(), TestCaseError> {
    let (fleet, client) = (told.fleet.as_str(), told.client.name.as_str());
    for Choice { remedy, leads_to } in &obstacle.ways {
        let Some(end) = leads_to else { continue };
        let mut world = world.clone();
        take(&mut world, fleet, client, remedy);
        let row = rows(&world.plan()).remove(&(fleet.into(), client.into())).expect("a row");
        let is_offered = end.state == "Distributing";
        let next = row.next_transition_time.filter(|_| !is_offered);
        let planned = (row.state.as_ref(), row.reason.as_ref(), row.policy, row.target_version);
        let says = (end.state, end.reason, end.policy.clone(), end.target_version.clone());
        prop_assert_eq!((planned, next), (says, end.next_transition_time), "{:?}", remedy);
        let waits = matches!(remedy, Remedy::WaitUntil { .. });
        prop_assert!(!waits || is_offered, "{:?} leads to {:?}", remedy, end);
    }
    let first = obstacle.ways.first().map(|choice| &choice.remedy);
    let wait = told.decision.next_transition_time.map(|instant| Remedy::WaitUntil { instant });
    let is_first = told.would_move.first() == Some(obstacle);
    prop_assert!(!is_first || wait.is_none() || first == wait.as_ref(), "{:?}", told.decision);
    Ok(())
}

/// Applies the assumed remedies of an explanation one after another. After each remedy, the plan
/// must show the next obstacle or the final outcome.
fn each_way_leads_on(world: &World, told: &Explanation) -> Result<(), TestCaseError> {
    let (fleet, client) = (told.fleet.as_str(), told.client.name.as_str());
    let mut world = world.clone();
    for (place, obstacle) in told.would_move.iter().enumerate() {
        prop_assert!(!obstacle.ways.is_empty(), "no way out of {:?}", obstacle);
        each_way_leads_where_it_says(&world, told, obstacle)?;
        let Some(assumed) = obstacle.assumed else {
            prop_assert_eq!(place + 1, told.would_move.len());
            prop_assert!(told.leads_to.is_none());
            return Ok(());
        };
        take(&mut world, fleet, client, &obstacle.ways[assumed].remedy);
        let row = rows(&world.plan()).remove(&(fleet.into(), client.into())).expect("a row");
        let next = told.would_move.get(place + 1);
        let expected = match (next, &told.leads_to) {
            (Some(next), _) => (next.state, next.reason, next.policy.clone()),
            (None, Some(end)) => (end.state, end.reason, end.policy.clone()),
            (None, None) => panic!("it goes in a circle: {:?}", told.would_move),
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

/// Checks that each remedy for the first obstacle changes the governing policy, the deciding rule,
/// or the inputs of that rule.
fn each_way_is_one(world: &World, told: &Explanation) -> Result<(), TestCaseError> {
    let (fleet, client) = (told.fleet.as_str(), told.client.name.as_str());
    for Choice { remedy, .. } in told.would_move.iter().take(1).flat_map(|obstacle| &obstacle.ways)
    {
        let is_open = match remedy {
            Remedy::ChangeField { to, .. } => to.is_some(),
            // Several entries can withdraw the same version, so removing one of the entries may
            // change nothing.
            Remedy::RemoveField { field, .. } => field != "spec.withdrawnVersions",
            Remedy::Report { .. } | Remedy::MendPolicy { .. } | Remedy::AddPolicy { .. } => false,
            _ => true,
        };
        if !is_open {
            continue;
        }
        let mut world = world.clone();
        take(&mut world, fleet, client, remedy);
        let estate = world.estate();
        let explainer = Explainer::new(&estate, instant(world.at));
        let after = explainer.explain(fleet, client, None).expect("it is there");
        // A remedy must not make a valid policy invalid.
        let invalid = RuleName::PolicyInvalid.number();
        let broken =
            after.decision.rule == invalid && after.decision.policy == told.decision.policy;
        let keeps_policies = matches!(remedy, Remedy::RemoveElsewhere { .. });
        prop_assert!(!broken || keeps_policies || told.decision.rule == invalid, "{:?}", remedy);
        let decided =
            |told: &Explanation| (told.decision.policy.clone(), told.rules.last().cloned());
        prop_assert_ne!(decided(told), decided(&after), "{} {} {:?}", fleet, client, remedy);
    }
    Ok(())
}

/// Checks the first two openings that an explanation lists. Distribution must be open under the
/// governing policy at the start of an opening and one second before its end, but not at its end.
fn openings_are_planned(world: &World, told: &Explanation) -> Result<(), TestCaseError> {
    let (fleet, client) = (told.fleet.as_str(), told.client.name.as_str());
    let phase_at = |t: clientfleet::values::Timestamp| {
        let estate = world.estate();
        let told = Explainer::new(&estate, t).explain(fleet, client, None).expect("it is there");
        (told.decision.policy, told.ahead.phase)
    };
    let open = (told.decision.policy.clone(), Some("Open"));
    for opening in told.ahead.openings.iter().take(2) {
        prop_assert_eq!(phase_at(opening.from), open.clone(), "{:?}", opening);
        if let Some(until) = opening.until {
            prop_assert_ne!(phase_at(until), open.clone(), "{:?}", opening);
            let last = until - chrono::TimeDelta::seconds(1);
            prop_assert_eq!(phase_at(last), open.clone(), "{:?}", opening);
        }
    }
    if told.decision.state == "Distributing" {
        prop_assert_eq!(told.ahead.openings.first().map(|opening| opening.from), Some(told.at));
    }
    Ok(())
}

proptest! {
    #![proptest_config(config(80))]
    #[test]
    fn an_explanation_says_what_is_planned_and_what_would_move(
        world in prop_oneof![3 => generate::world(true), 1 => generate::world_of_circles()],
    ) {
        says_what_is_planned(&world)?;
        for told in explanations(&world) {
            facts_tell(&told)?;
            each_way_leads_on(&world, &told)?;
            each_way_is_one(&world, &told)?;
        }
    }
}

proptest! {
    #![proptest_config(config(30))]
    #[test]
    fn an_opening_is_one_and_ends_where_it_is_told_to(world in generate::world(false)) {
        for told in explanations(&world) {
            openings_are_planned(&world, &told)?;
        }
    }
}

#[test]
fn each_rule_says_what_it_looks_at() {
    for rule in &RULES {
        assert!(!rule.looks_at.is_empty(), "{:?}", rule.name);
    }
}
