//! Represents estates as JSON documents in the format in which the API server stores objects. Both
//! the program and the oracle parse these documents.

use std::collections::BTreeMap;
use std::sync::Arc;

use clientfleet::api::fleet::ClientStatus;
use clientfleet::plan::{Estate, Plan, plan};
use clientfleet::values::Timestamp;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};
use serde_json::{Map, Value};

/// The objects of one namespace, and the current instant `at`. Every other instant differs from
/// `at` by a multiple of `step` seconds.
#[derive(Clone)]
pub struct World {
    pub fleets: Vec<Value>,
    pub policies: Vec<Value>,
    pub at: i64,
    pub step: i64,
}

impl std::fmt::Debug for World {
    /// Prints everything that is needed to reproduce a failing case.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "at {} in steps of {} s", instant(self.at), self.step)?;
        for document in self.policies.iter().chain(&self.fleets) {
            writeln!(f, "{document:#}")?;
        }
        Ok(())
    }
}

impl World {
    pub fn estate(&self) -> Estate {
        Estate {
            fleets: self.fleets.iter().map(|fleet| Arc::new(observed(fleet))).collect(),
            policies: self.policies.iter().map(|policy| Arc::new(observed(policy))).collect(),
        }
    }

    pub fn plan(&self) -> Plan {
        plan(&self.estate(), instant(self.at))
    }

    /// Returns a copy of the world in which all objects have their statuses from `plan`.
    pub fn with_statuses(&self, plan: &Plan) -> World {
        let fleets: BTreeMap<&str, Value> =
            plan.fleets.iter().map(|(name, status)| (name.as_str(), json(status))).collect();
        let policies: BTreeMap<&str, Value> =
            plan.policies.iter().map(|(name, status)| (name.as_str(), json(status))).collect();
        let mut written = self.clone();
        for (documents, statuses) in
            [(&mut written.fleets, fleets), (&mut written.policies, policies)]
        {
            for document in documents {
                if let Some(status) = statuses.get(name(document)) {
                    document["status"] = status.clone();
                }
            }
        }
        written
    }

    /// Plans and writes statuses until nothing changes. Returns the final world and its plan.
    ///
    /// # Panics
    ///
    /// Panics if the statuses still change after four rounds.
    pub fn settled(&self) -> (World, Plan) {
        let mut world = self.clone();
        for _ in 0..4 {
            let plan = world.plan();
            let written = world.with_statuses(&plan);
            if written.fleets == world.fleets && written.policies == world.policies {
                return (world, plan);
            }
            world = written;
        }
        panic!("writing what is planned does not come to rest in\n{world:?}");
    }
}

pub fn observed<T: serde::de::DeserializeOwned>(document: &Value) -> T {
    serde_json::from_str(&document.to_string()).unwrap_or_else(|e| panic!("{e}: {document:#}"))
}

pub fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("statuses are JSON")
}

pub fn name(document: &Value) -> &str {
    document["metadata"]["name"].as_str().unwrap_or_default()
}

/// Returns the status rows of all clients in a plan, by fleet name and client name.
pub fn rows(plan: &Plan) -> BTreeMap<(String, String), ClientStatus> {
    let rows = plan.fleets.iter().flat_map(|(fleet, status)| {
        let rows = status.clients.iter().flatten();
        rows.map(|row| ((fleet.to_string(), row.name.to_string()), row.clone()))
    });
    rows.collect()
}

pub fn instant(seconds: i64) -> Timestamp {
    Timestamp::from_timestamp(seconds, 0).expect("in range")
}

pub fn seconds(text: &str) -> i64 {
    text.parse::<Timestamp>().expect("an RFC 3339 instant").timestamp()
}

/// Returns the client list in a fleet's document. Adds an empty list if there is none.
pub fn clients(fleet: &mut Value) -> &mut Vec<Value> {
    let spec = fleet["spec"].as_object_mut().expect("a spec");
    let clients = spec.entry("clients").or_insert_with(|| Value::Array(Vec::new()));
    clients.as_array_mut().expect("a list")
}

/// Returns the reported facts in a client's document. Adds an empty object if there are none.
pub fn reported(client: &mut Value) -> &mut Map<String, Value> {
    let client = client.as_object_mut().expect("a client");
    let reported = client.entry("reported").or_insert_with(|| Value::Object(Map::new()));
    reported.as_object_mut().expect("reports")
}

/// Returns a proptest configuration for `cases` cases with a fixed random seed, so that a test does
/// not fail by chance after an unrelated change.
///
/// With the environment variable `LAWS_TIMES=N`, a test runs N times as many cases, with a
/// different seed in each run.
pub fn config(cases: u32) -> Config {
    let times: Option<u32> = std::env::var("LAWS_TIMES").ok().and_then(|times| times.parse().ok());
    let seeds = FileFailurePersistence::Direct("tests/laws/regressions.txt");
    Config {
        failure_persistence: Some(Box::new(seeds)),
        rng_seed: times.map_or(RngSeed::Fixed(1), |_| RngSeed::Random),
        ..Config::with_cases(cases * times.unwrap_or(1))
    }
}
