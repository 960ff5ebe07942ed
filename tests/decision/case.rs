//! Defines a row of the decision table: a fleet with one client, at most two policies, and the
//! expected rule.

use std::sync::Arc;

use clientfleet::api::fleet::ClientStatus;
use clientfleet::api::{ClientFleet, UpgradePolicy};
use clientfleet::plan::allot::Standing;
use clientfleet::plan::case::Case;
use clientfleet::plan::duplicates::resolve;
use clientfleet::plan::facts::{Facts, Package, ZoneFact};
use clientfleet::plan::next_change::{ApplicablePolicies, ApplicablePolicy, Governing};
use clientfleet::plan::policy::Policy;
use clientfleet::plan::policy_in_zone::ZonedPolicy;
use clientfleet::plan::rules::{Rule, RuleName};
use clientfleet::plan::target_chain::PossiblePolicy;
use clientfleet::plan::{Cached, Estate, plan};
use clientfleet::values::Timestamp;
use serde_json::{Value, json};

use crate::merge_patch::merge;

/// Default time of a row: 12:00 in Berlin (11:00 UTC) on a Tuesday, outside the window from 22:00
/// to 04:00 that some rows use.
pub const NOON: &str = "2026-11-24T11:00:00Z";

/// Row of the decision table: the objects to plan, and the expected rule.
pub struct Row {
    pub what: &'static str,
    pub policy: Option<Value>,
    /// Another policy, with the name `other`.
    pub other: Option<Value>,
    pub fleet: Value,
    pub client: Value,
    /// Reports about the client in other fleets, one fleet each.
    pub elsewhere: Vec<Value>,
    pub at: &'static str,
    pub rule: RuleName,
    /// The rule after `rule`, if this row contains the facts that both rules check for. Otherwise
    /// `None`.
    pub also: Option<RuleName>,
}

/// Returns a row in which nothing prevents the upgrade of the client. Callers change the fields
/// that they test.
pub fn row(what: &'static str, rule: RuleName) -> Row {
    Row {
        what,
        policy: Some(json!({"upgrade": {"mode": "AutoUpgrade"}})),
        other: None,
        fleet: json!({"packageVersion": "3.60", "timeZone": "Europe/Berlin"}),
        client: json!({"version": "3.59"}),
        elsewhere: vec![],
        at: NOON,
        rule,
        also: None,
    }
}

impl Row {
    /// Changes fields of the policy's spec; `null` removes a field.
    pub fn policy(mut self, changes: Value) -> Self {
        merge(self.policy.get_or_insert(json!({})), changes);
        self
    }

    /// Adds another policy, with the name `other`.
    pub fn other(mut self, spec: Value) -> Self {
        self.other = Some(spec);
        self
    }

    /// Adds another policy, with a higher priority than the row's own.
    pub fn hold(self, mut spec: Value) -> Self {
        spec["priority"] = json!(100);
        self.other(spec)
    }

    pub fn no_policy(mut self) -> Self {
        self.policy = None;
        self
    }

    pub fn fleet(mut self, changes: Value) -> Self {
        merge(&mut self.fleet, changes);
        self
    }

    /// Changes fields of the client's report; `null` removes a field.
    pub fn client(mut self, changes: Value) -> Self {
        merge(&mut self.client, changes);
        self
    }

    /// Adds another fleet that lists the client, with this report about it.
    pub fn elsewhere(mut self, report: Value) -> Self {
        self.elsewhere.push(report);
        self
    }

    pub fn at(mut self, at: &'static str) -> Self {
        self.at = at;
        self
    }

    /// Declares that this row also contains the facts that `rule` checks for. `rule` must follow
    /// the row's own rule.
    pub fn also(mut self, rule: RuleName) -> Self {
        self.also = Some(rule);
        self
    }

    fn instant(&self) -> Timestamp {
        self.at.parse().unwrap()
    }

    fn whole_client(&self) -> Value {
        json!({"name": "pc", "reported": self.client})
    }

    fn observed_fleet(&self, clients: &[Value]) -> Cached<ClientFleet> {
        let mut spec = self.fleet.clone();
        spec["clients"] = json!(clients);
        observed(&json!({"metadata": {"name": "fleet"}, "spec": spec}))
    }

    fn observed_policies(&self) -> Vec<Cached<UpgradePolicy>> {
        let named = [("policy", &self.policy), ("other", &self.other)];
        let policy = |(name, spec): (&str, &Option<Value>)| {
            let spec = spec.as_ref()?;
            Some(observed(&json!({"metadata": {"name": name}, "spec": spec})))
        };
        named.into_iter().filter_map(policy).collect()
    }

    fn estate(&self) -> Estate {
        let other = |(index, report): (usize, &Value)| {
            let clients = json!([{"name": "pc", "reported": report}]);
            let spec = json!({"packageVersion": "1", "clients": clients});
            Arc::new(observed(
                &json!({"metadata": {"name": format!("other-{index}")}, "spec": spec}),
            ))
        };
        let own = Arc::new(self.observed_fleet(&[self.whole_client()]));
        Estate {
            fleets: [own].into_iter().chain(self.elsewhere.iter().enumerate().map(other)).collect(),
            policies: self.observed_policies().into_iter().map(Arc::new).collect(),
        }
    }

    /// Returns the standing of the client among its entries in all fleets.
    fn standing(&self) -> Standing {
        let entries = self.estate().entries_of("pc");
        let own = entries.iter().position(|entry| entry.fleet.as_str() == "fleet").unwrap();
        resolve(&entries, self.instant()).standings[own]
    }

    /// Returns the first rule in `rules` whose conditions hold for this row.
    pub fn decide(&self, rules: &[&Rule]) -> RuleName {
        let mut decided = None;
        self.each_case(&[self.whole_client()], self.standing(), |_, case| {
            decided = rules.iter().find(|rule| (rule.holds)(case)).map(|rule| rule.name);
        });
        decided.unwrap()
    }

    /// Calls `look` with the index and the case of each client in `clients`. These clients replace
    /// the row's own client.
    pub fn each_case(
        &self,
        clients: &[Value],
        standing: Standing,
        mut look: impl FnMut(usize, &Case<'_>),
    ) {
        let fleet = self.observed_fleet(clients).spec.unwrap();
        let policies = self.observed_policies();
        let mut policies: Vec<Policy> = policies.iter().map(Policy::read).collect();
        policies.sort_by(|a, b| a.precedence().cmp(&b.precedence()));
        let package = Package::read(&fleet, None);
        let zone = ZoneFact::read(fleet.time_zone.as_ref());
        let zoned = policies.iter().map(|policy| ZonedPolicy::new(policy, &package, &zone));
        let zoned: Vec<ZonedPolicy<'_>> = zoned.collect();
        let at = self.instant();
        for (index, client) in fleet.clients.iter().flatten().enumerate() {
            let mut facts = Facts::read(client);
            facts.standing = standing;
            let subject = facts.subject();
            let by_version = policies.iter().any(|policy| policy.scope.looks_at_versions());
            let (mut applicable, mut possible) = (Vec::new(), Vec::new());
            for zoned in &zoned {
                let Policy { scope, .. } = zoned.policy;
                let result = scope.match_client(&subject, zoned.policy.distributes());
                let applies = result.applies();
                applicable.extend(applies.map(|applies| ApplicablePolicy { zoned, applies }));
                let applies = scope.applies_at(Some(&subject), result).filter(|_| by_version);
                possible.extend(applies.map(|applies| PossiblePolicy { zoned, applies }));
            }
            let (policies, possible) = (&applicable[..], &possible[..]);
            let Governing { policy: governing, in_doubt } =
                ApplicablePolicies { policies, possible }.governing(at);
            let client = &facts;
            let case = Case { client, governing, possible, in_doubt, at, absence_counts: true };
            look(index, &case);
        }
    }

    pub fn planned(&self) -> ClientStatus {
        let (_, status) = plan(&self.estate(), self.instant()).fleets.remove(0);
        status.clients.unwrap().remove(0)
    }
}

fn observed<T: serde::de::DeserializeOwned>(object: &Value) -> T {
    serde_json::from_str(&object.to_string()).unwrap()
}
