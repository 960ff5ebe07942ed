//! Tests incremental planning: after an edit, the planner reads and plans only the objects that the
//! edit affects. The plan must equal one that is made from scratch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use clientfleet::api::ClientFleet;
use clientfleet::plan::{
    Cached, CachedFleet, CachedPolicy, Kind, PassResult, Plan, Planner, Raw, plan_with,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::allotment::{EveryThird, HoldersFirst};
use crate::generate::{self, FLEETS, POLICIES, fleet, policy};
use crate::world::{World, config, instant, json as to_json, name, observed};

#[derive(Clone, Debug)]
enum Edit {
    FleetSpec(usize, Value),
    FleetLabels(usize, Value),
    FleetGoes(usize),
    FleetIsDeleted(usize),
    /// Makes a fleet's list of clients unreadable. Only its status then shows their names.
    ClientsAreNoList(usize),
    Package(usize, Value),
    Reports(usize, usize, Value),
    PolicySpec(usize, Value),
    PolicyGoes(usize),
    PolicyIsDeleted(usize),
    Time(i64),
    /// Sets the clock to the instant at which the last plan expires.
    Moment,
    /// Writes all planned statuses and passes the written objects to the planner.
    Echo,
    /// Writes the planned status of one fleet and passes the written object to the planner.
    EchoOf(usize),
    /// Replaces the status of a fleet, as another program could do.
    Foreign(usize),
    /// Moves the start of a fleet's wait by some seconds, as another program could do.
    Waits(usize, i64),
    /// Replaces the status of a policy, as another program could do.
    ForeignPolicy(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let stage = generate::stage();
    let version = || proptest::sample::select(&fleet::VERSIONS[..]).prop_map(Value::from);
    prop_oneof![
        2 => (0..4usize, fleet::spec(stage)).prop_map(|(i, spec)| Edit::FleetSpec(i, spec)),
        1 => (0..4usize, generate::labels()).prop_map(|(i, labels)| Edit::FleetLabels(i, labels)),
        1 => (0..4usize).prop_map(Edit::FleetGoes),
        1 => (0..4usize).prop_map(Edit::FleetIsDeleted),
        1 => (0..4usize).prop_map(Edit::ClientsAreNoList),
        1 => (0..4usize, version()).prop_map(|(i, version)| Edit::Package(i, version)),
        3 => (0..4usize, 0..4usize, fleet::reports(stage)).prop_map(|(i, c, r)| Edit::Reports(i, c, r)),
        2 => (0..6usize, policy::spec(stage)).prop_map(|(i, spec)| Edit::PolicySpec(i, spec)),
        1 => (0..6usize).prop_map(Edit::PolicyGoes),
        1 => (0..6usize).prop_map(Edit::PolicyIsDeleted),
        2 => (-3 * 86400..6 * 86400i64).prop_map(Edit::Time),
        2 => Just(Edit::Moment),
        3 => Just(Edit::Echo),
        1 => (0..4usize).prop_map(Edit::EchoOf),
        1 => (0..4usize).prop_map(Edit::Foreign),
        1 => (0..4usize, -240..240i64).prop_map(|(i, seconds)| Edit::Waits(i, seconds)),
        1 => (0..6usize).prop_map(Edit::ForeignPolicy),
    ]
}

type Seen<T> = BTreeMap<String, Arc<T>>;

/// Reads a document, and reuses the parts that have not changed since the previous read. Checks
/// that reading without reuse gives an equal object.
fn read<K: Kind>(document: &Value, seen: &mut Seen<Cached<K>>) -> Arc<Cached<K>> {
    let raw: Raw<K> = observed(document);
    let before = seen.get(name(document));
    let object = Arc::new(Cached::read(raw, before.map(AsRef::as_ref)));
    let anew: Cached<K> = observed(document);
    assert_eq!(format!("{object:?}"), format!("{anew:?}"), "after {before:?}");
    seen.insert(name(document).to_owned(), Arc::clone(&object));
    object
}

struct Watched {
    world: World,
    planner: Planner,
    seen: (Seen<CachedFleet>, Seen<CachedPolicy>),
    fleets: BTreeMap<String, Value>,
    policies: BTreeMap<String, Value>,
    /// For each policy, the latest generation that was current when a plan reported it as
    /// `observedGeneration`.
    in_force: BTreeMap<String, i64>,
    until: Option<i64>,
}

impl Watched {
    fn fleet_changed(&mut self, index: usize, change: impl FnOnce(&mut Value)) {
        if let Some(document) = self.world.fleets.iter_mut().find(|d| name(d) == FLEETS[index]) {
            change(document);
            self.planner.observe_fleet(read(document, &mut self.seen.0));
        }
    }

    fn policy_changed(&mut self, index: usize, change: impl FnOnce(&mut Value)) {
        if let Some(document) = self.world.policies.iter_mut().find(|d| name(d) == POLICIES[index])
        {
            change(document);
            self.planner.observe_policy(read(document, &mut self.seen.1));
        }
    }

    fn happens(&mut self, edit: Edit) {
        match edit {
            Edit::FleetSpec(index, spec) => {
                put(&mut self.world.fleets, "ClientFleet", FLEETS[index]);
                self.fleet_changed(index, |document| set_spec(document, spec));
            }
            Edit::FleetLabels(index, labels) => {
                self.fleet_changed(index, |document| document["metadata"]["labels"] = labels);
            }
            Edit::FleetGoes(index) => {
                self.world.fleets.retain(|document| name(document) != FLEETS[index]);
                self.fleets.remove(FLEETS[index]);
                self.planner.forget_fleet(FLEETS[index]);
            }
            Edit::FleetIsDeleted(index) => self.fleet_changed(index, |document| {
                document["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }),
            Edit::ClientsAreNoList(index) => self.fleet_changed(index, |document| {
                let mut spec = document["spec"].clone();
                spec["clients"] = json!({"c0": {}});
                set_spec(document, spec);
            }),
            Edit::Package(index, version) => self.fleet_changed(index, |document| {
                let mut spec = document["spec"].clone();
                spec["packageVersion"] = version;
                spec.as_object_mut().expect("a spec").remove("packageFrom");
                set_spec(document, spec);
            }),
            Edit::Reports(index, client, reports) => self.fleet_changed(index, |document| {
                let mut spec = document["spec"].clone();
                if let Some(client) = spec.pointer_mut(&format!("/clients/{client}")) {
                    client["reported"] = reports;
                }
                set_spec(document, spec);
            }),
            Edit::PolicySpec(index, spec) => {
                put(&mut self.world.policies, "UpgradePolicy", POLICIES[index]);
                self.policy_changed(index, |document| set_spec(document, spec));
            }
            Edit::PolicyGoes(index) => {
                self.world.policies.retain(|document| name(document) != POLICIES[index]);
                self.policies.remove(POLICIES[index]);
                self.in_force.remove(POLICIES[index]);
                self.planner.forget_policy(POLICIES[index]);
            }
            Edit::PolicyIsDeleted(index) => self.policy_changed(index, |document| {
                document["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
            }),
            Edit::Time(seconds) => self.world.at += seconds,
            Edit::Moment => self.world.at = self.until.unwrap_or(self.world.at),
            Edit::Echo => self.echo(|_| true),
            Edit::EchoOf(index) => self.echo(|name| name == FLEETS[index]),
            Edit::Foreign(index) => self.fleet_changed(index, |document| {
                document["status"] = json!({"observedGeneration": 1, "clients": [
                    {"name": "c0", "state": "Distributing", "reason": "UpgradeOffered",
                     "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
            }),
            Edit::Waits(index, seconds) => self.fleet_changed(index, |document| {
                let conditions = document["status"]["conditions"].as_array_mut();
                for condition in conditions.into_iter().flatten() {
                    let time = condition["lastTransitionTime"].as_str().expect("a time");
                    let time = instant(crate::world::seconds(time) + seconds);
                    condition["lastTransitionTime"] = to_json(&time);
                }
            }),
            Edit::ForeignPolicy(index) => self.policy_changed(index, |document| {
                document["status"] = json!({"observedGeneration": 7, "distributionState": "Ajar"});
            }),
        }
    }

    fn echo(&mut self, written: impl Fn(&str) -> bool) {
        for document in self.world.fleets.iter_mut().filter(|document| written(name(document))) {
            document["status"] = self.fleets[name(document)].clone();
            self.planner.observe_fleet(read(document, &mut self.seen.0));
        }
        for document in self.world.policies.iter_mut().filter(|document| written(name(document))) {
            document["status"] = self.policies[name(document)].clone();
            self.planner.observe_policy(read(document, &mut self.seen.1));
        }
    }

    /// Runs one planning pass, checks the returned statuses, and stores them.
    fn pass(&mut self) {
        let at = instant(self.world.at);
        let due = self.planner.is_due(at);
        let mut begun = self.planner.begin(at);
        // The controller plans large namespaces in parts. Plan in two parts as well: first some
        // fleets with at least three clients in total, then the remaining fleets.
        let mut fleets = begun.fleets(3).unwrap_or_default();
        let PassResult { fleets: rest, policies, until } = begun.end();
        fleets.extend(rest);
        let names: BTreeSet<_> = fleets.iter().map(|fleet| fleet.cached.name()).collect();
        assert_eq!(names.len(), fleets.len(), "a fleet is planned twice in one pass");
        assert!(due || fleets.is_empty(), "planned without being due");
        for fleet in fleets {
            let status = fleet.status();
            let digest = ClientFleet::digest(&status);
            assert_eq!(fleet.digest, digest, "the built status is not the planned one");
            self.fleets.insert(fleet.cached.name().into(), to_json(&status));
        }
        for policy in policies {
            let status = to_json(&policy.status());
            if status["observedGeneration"] == json!(policy.cached.generation()) {
                self.in_force.insert(policy.cached.name().into(), policy.cached.generation());
            }
            let before = self.policies.insert(policy.cached.name().into(), status.clone());
            let before = before.map(without_times);
            assert!(
                due || before == Some(without_times(status)),
                "planned otherwise, not being due"
            );
        }
        self.until = until.map(|until| until.timestamp());
        assert_eq!(self.planner.holds_until(), until);
        assert!(!self.planner.is_due(at));
    }

    fn kept(&self) -> Value {
        json!({"fleets": self.fleets, "policies": self.policies, "until": self.until})
    }
}

fn put(documents: &mut Vec<Value>, kind: &str, name_: &str) {
    if !documents.iter().any(|document| name(document) == name_) {
        documents.push(generate::document(kind, name_, json!({}), json!({})));
    }
}

/// Sets the spec of a document. Like the API server, increments the generation only if the spec has
/// changed.
fn set_spec(document: &mut Value, mut spec: Value) {
    spec.as_object_mut().expect("a spec").remove("deletes");
    if document["spec"] != spec {
        document["spec"] = spec;
        let generation = document["metadata"]["generation"].as_i64().unwrap_or(1);
        document["metadata"]["generation"] = json!(generation + 1);
    }
}

fn plain(plan: &Plan) -> Value {
    let by_name = |pairs: Vec<(String, Value)>| pairs.into_iter().collect::<BTreeMap<_, _>>();
    let fleets = plan.fleets.iter().map(|(name, status)| (name.to_string(), to_json(status)));
    let policies = plan.policies.iter().map(|(name, status)| (name.to_string(), to_json(status)));
    json!({
        "fleets": by_name(fleets.collect()), "policies": by_name(policies.collect()),
        "until": plan.until.map(|until| until.timestamp()),
    })
}

/// Returns the plan as JSON without the times of transitions and offers. The planner remembers
/// these times from planned statuses that are not written yet, but a plan from scratch does not
/// contain them.
pub fn timeless(plan: &Plan) -> Value {
    without_times(plain(plan))
}

/// Fields with the times of transitions and offers.
const HISTORY: [&str; 3] = ["lastTransitionTime", "time", "since"];

fn without_times(mut value: Value) -> Value {
    match &mut value {
        Value::Object(fields) => {
            fields.retain(|key, _| !HISTORY.contains(&key.as_str()));
            fields.values_mut().for_each(|value| *value = without_times(value.take()));
        }
        Value::Array(values) => {
            values.iter_mut().for_each(|value| *value = without_times(value.take()));
        }
        _ => {}
    }
    value
}

/// Corrects the observed generations in a plan from scratch. While a policy is being reconciled,
/// the planner reports the last generation that all fleets applied, even if the policy's stored
/// status does not contain that generation yet.
fn recall_what_was_in_force(in_force: &BTreeMap<String, i64>, fresh: &mut Value) {
    for (name, status) in fresh["policies"].as_object_mut().expect("policies by name") {
        let stored = status["observedGeneration"].as_i64();
        if has_condition(status, "Reconciling", "True") {
            status["observedGeneration"] = json!(stored.max(in_force.get(name).copied()));
        }
    }
}

fn has_condition(status: &Value, kind: &str, value: &str) -> bool {
    let conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|c| c["type"] == kind && c["status"] == value)
}

/// Removes the one allowed difference between the planner's own plan and a plan from scratch: only
/// the planner remembers that all fleets once applied a policy.
///
/// It is an error if only the plan from scratch reports the policy as applied.
fn level_what_is_in_force(kept: &mut Value, fresh: &mut Value) {
    let policies = kept["policies"].as_object_mut().expect("policies by name");
    for (name, kept) in policies {
        let fresh = &mut fresh["policies"][name];
        if has_condition(kept, "Ready", "True") && has_condition(fresh, "Reconciling", "True") {
            for status in [kept, fresh] {
                status["observedGeneration"] = Value::Null;
                let conditions = status["conditions"].as_array_mut().expect("conditions");
                conditions.retain(|c| c["type"] == "Complete");
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum DependsOn {
    Nothing,
    /// Decisions depend on the planned statuses, and on stored statuses that no planned status has
    /// replaced.
    Statuses,
}

/// Checks after each edit that the planner's plan equals a plan from scratch. If the plan depends
/// on statuses, all planned statuses are written before each comparison.
fn keeps_up(
    world: World,
    edits: Vec<Edit>,
    planner: impl Fn() -> Planner,
    depends_on: DependsOn,
) -> Result<(), TestCaseError> {
    let mut watched = Watched {
        world: World { fleets: Vec::new(), policies: Vec::new(), ..world.clone() },
        planner: planner(),
        seen: Default::default(),
        fleets: BTreeMap::new(),
        policies: BTreeMap::new(),
        in_force: BTreeMap::new(),
        until: None,
    };
    for document in &world.fleets {
        watched.planner.observe_fleet(read(document, &mut watched.seen.0));
    }
    for document in &world.policies {
        watched.planner.observe_policy(read(document, &mut watched.seen.1));
    }
    (watched.world.fleets, watched.world.policies) = (world.fleets, world.policies);
    watched.pass();
    let mut story = Vec::new();
    for edit in edits {
        story.push(format!("{edit:?}"));
        let all_written = matches!(edit, Edit::Echo) || depends_on == DependsOn::Statuses;
        watched.happens(edit);
        watched.pass();
        if depends_on == DependsOn::Statuses {
            watched.happens(Edit::Echo);
            watched.pass();
        }
        let mut fresh =
            plain(&plan_with(planner(), &watched.world.estate(), instant(watched.world.at)));
        recall_what_was_in_force(&watched.in_force, &mut fresh);
        if all_written {
            prop_assert_eq!(&watched.kept(), &fresh, "after {:#?}", &story);
        }
        let (mut kept, mut fresh) = (without_times(watched.kept()), without_times(fresh));
        level_what_is_in_force(&mut kept, &mut fresh);
        prop_assert_eq!(kept, fresh, "after {:#?}", &story);
    }
    // When all planned statuses are written, the planner must have nothing left to write.
    for _ in 0..3 {
        watched.happens(Edit::Echo);
        watched.pass();
    }
    let pass = watched.planner.plan(instant(watched.world.at));
    prop_assert!(pass.fleets.is_empty());
    prop_assert!(pass.policies.iter().all(|policy| policy.is_settled()));
    Ok(())
}

proptest! {
    #![proptest_config(config(60))]
    #[test]
    fn the_planner_keeps_up(
        world in generate::world_of_stage(),
        edits in proptest::collection::vec(edit(), 1..25),
    ) {
        keeps_up(world, edits, Planner::default, DependsOn::Nothing)?;
    }

    #[test]
    fn the_planner_keeps_up_with_an_allotment(
        world in generate::world_of_stage(),
        edits in proptest::collection::vec(edit(), 1..25),
    ) {
        let planner = || Planner::with_allotter(Arc::new(EveryThird));
        keeps_up(world, edits, planner, DependsOn::Nothing)?;
    }

    #[test]
    fn the_planner_keeps_up_with_an_allotment_that_looks_at_offers(
        world in generate::world_of_stage(),
        edits in proptest::collection::vec(edit(), 1..25),
    ) {
        let planner = || Planner::with_allotter(Arc::new(HoldersFirst));
        keeps_up(world, edits, planner, DependsOn::Statuses)?;
    }
}
