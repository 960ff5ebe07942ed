//! Computes the expected status of a policy, as specified in section 4 of the design.

use serde_json::{Value, json};

use super::read::list;
use super::scope::LISTS;
use super::{
    Client, Fleet, Oracle, Policy, Relation, Standing, Truth, judge, same, value_matches, version,
};

/// Fields of a policy's status that the tests compare.
#[derive(Debug, Default, PartialEq)]
pub struct PolicyExpectation {
    pub matched_fleets: usize,
    pub matched_clients: usize,
    pub address_unknown: usize,
    pub governed: usize,
    /// Number of governed clients that run a version that is withdrawn for their fleet.
    pub withdrawn: usize,
    /// Number of clients in each state. States without clients are left out.
    pub summary: std::collections::BTreeMap<String, usize>,
    pub distribution: &'static str,
    pub complete: &'static str,
    pub settings: Vec<(String, Option<String>)>,
    pub unmatched: Vec<String>,
}

impl Oracle {
    pub fn expected_status(&self, policy: &Policy, at: i64) -> PolicyExpectation {
        let fleets: Vec<&Fleet> =
            self.estate.fleets.iter().filter(|fleet| policy.scope.holds_fleet(fleet)).collect();
        let counts = |(fleet, client): &(&Fleet, &Client)| {
            policy.scope.holds_fleet(fleet)
                && self.standing(fleet, client, at) != Standing::Elsewhere
        };
        let clients: Vec<&Client> =
            self.clients().filter(counts).map(|(_, client)| client).collect();
        let mut told = PolicyExpectation {
            matched_fleets: fleets.len(),
            matched_clients: clients
                .iter()
                .filter(|c| [Relation::In, Relation::MayBeExcluded].contains(&policy.relation(c)))
                .count(),
            address_unknown: clients
                .iter()
                .filter(|c| policy.relation(c) == Relation::OutButCounted)
                .count(),
            settings: settings(policy, &fleets),
            unmatched: unmatched(policy, &clients),
            ..PolicyExpectation::default()
        };
        let mut open = Vec::new();
        let mut all_done = true;
        for (fleet, client) in self.clients() {
            let about = self.policies_about(fleet, client);
            let decision = self.decide(fleet, client, &about, at, true);
            if decision.policy.as_ref() == Some(&policy.name) {
                told.governed += 1;
                let runs_withdrawn = client.version.as_ref().is_some_and(|runs| {
                    fleet.package.withdrawn.iter().any(|withdrawn| same(withdrawn, runs))
                });
                told.withdrawn += usize::from(runs_withdrawn);
                all_done &= match decision.state {
                    "UpToDate" | "Offline" => true,
                    "Ahead" => !runs_withdrawn,
                    _ => false,
                };
                *told.summary.entry(decision.state.into()).or_default() += 1;
                open.push(self.open_now(policy, self.zone(policy, fleet, client), at));
            }
        }
        if open.is_empty() {
            let own = policy.zone.as_deref().filter(|zone| self.clocks.knows(zone));
            open.push(self.open_now(policy, own, at));
        }
        let off = policy.invalid
            || policy.suspend
            || policy.mode == "NoUpgrade"
            || !policy.governs_at(at);
        told.distribution = match (off, open.contains(&true), open.contains(&false)) {
            (true, ..) => "Off",
            (_, true, true) => "Mixed",
            (_, true, false) => "Open",
            _ => "Closed",
        };
        told.complete = match told.governed {
            _ if policy.invalid || policy.mode == "NoUpgrade" => "Unknown",
            0 => "False",
            _ if all_done => "True",
            _ => "False",
        };
        told
    }

    pub(super) fn open_now(&self, policy: &Policy, zone: Option<&str>, at: i64) -> bool {
        !(policy.needs_zone() && zone.is_none()) && self.clocks.open(policy, zone, at)
    }
}

fn settings(policy: &Policy, fleets: &[&Fleet]) -> Vec<(String, Option<String>)> {
    let mut fleets = fleets.to_vec();
    fleets.sort_by(|a, b| a.name.cmp(&b.name));
    let readable = |text: &&str| version::read(text).is_some();
    let lock = policy.lock.as_deref().filter(readable);
    let mut versions: Vec<&str> = lock.into_iter().collect();
    for fleet in fleets {
        let withdrawn = |version: &&str| fleet.package.withdrawn.iter().any(|w| same(w, version));
        let listed = |version: &&str| versions.iter().any(|known| same(known, version));
        let package = fleet.package.readable().filter(|p| !withdrawn(p) && !listed(p));
        versions.extend(package);
    }
    let read = |text: &str| version::read(text).expect("only those that can be read");
    versions.sort_by(|a, b| version::compare(&read(a), &read(b)));
    while versions.len() > 20 {
        let lowest = usize::from(Some(versions[0]) == lock);
        versions.remove(lowest);
    }
    let modes = ["NoUpgrade", "AutoUpgrade"].map(|mode| (mode.into(), None));
    let locks = versions.iter().map(|v| ("OnlyUpgradeTo".into(), Some((*v).to_owned())));
    modes.into_iter().chain(locks).collect()
}

fn unmatched(policy: &Policy, clients: &[&Client]) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for list_name in ["clients", "exclude"] {
        for (index, selector) in list(&policy.scope.0[list_name]).iter().enumerate() {
            let listed = entries.len();
            for field in LISTS {
                for value in list(&selector[field]) {
                    let finds = |c: &&Client| value_matches(field, value, c) == Some(true);
                    let text = value.as_str().unwrap_or_default();
                    let entry = format!("scope.{list_name}[{index}].{field}: {text}");
                    if !clients.iter().any(finds) && !entries.contains(&entry) {
                        entries.push(entry);
                    }
                }
            }
            let unreadable = list_name == "clients";
            let matches = |c: &&Client| judge(selector, c, unreadable) == Truth::Yes;
            if entries.len() == listed && !clients.iter().any(matches) {
                entries.push(format!("scope.{list_name}[{index}]"));
            }
        }
    }
    entries.truncate(20);
    entries
}

impl PolicyExpectation {
    /// Extracts the fields to compare from a status that the program has planned.
    pub fn of(status: &Value) -> PolicyExpectation {
        let count = |field: &str| status[field].as_u64().unwrap_or(u64::MAX) as usize;
        let word = |value: &Value, words: &[&'static str]| {
            words.iter().copied().find(|word| value == word).unwrap_or("?")
        };
        let summary = status["summary"].as_object().cloned().unwrap_or_default();
        let summary = summary.into_iter().filter(|(state, n)| state != "total" && *n != json!(0));
        let capital = |state: String| state[..1].to_uppercase() + &state[1..];
        let complete = list(&status["conditions"]).iter().find(|c| c["type"] == "Complete");
        let complete = complete.map_or(&Value::Null, |condition| &condition["status"]);
        let text = |value: &Value| value.as_str().map(str::to_owned);
        PolicyExpectation {
            matched_fleets: count("matchedFleets"),
            matched_clients: count("matchedClients"),
            address_unknown: count("addressUnknownClients"),
            governed: count("governedClients"),
            withdrawn: count("withdrawnClients"),
            summary: summary
                .map(|(state, n)| (capital(state), n.as_u64().unwrap_or(0) as usize))
                .collect(),
            distribution: word(&status["distributionState"], &["Off", "Open", "Closed", "Mixed"]),
            complete: word(complete, &["True", "False", "Unknown"]),
            settings: list(&status["availableSettings"])
                .iter()
                .map(|s| (text(&s["mode"]).unwrap_or_default(), text(&s["version"])))
                .collect(),
            unmatched: list(&status["unmatched"]).iter().filter_map(text).collect(),
        }
    }
}
