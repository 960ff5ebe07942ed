//! Tests when a decision counts, one row for each doubt and its neighbors.

use std::sync::Arc;

use clientfleet::checkin::fleet::DeliveryFleet;
use clientfleet::checkin::validity::{Doubt, PolicyFacts, Surroundings, Validity, validity};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::decided;

const NOON: &str = "2026-11-29T12:00:00Z";
const PLANNED: PolicyFacts = PolicyFacts { is_planned: true, is_deleting: false };

/// A client that is offered 2.0, in a fleet that takes its package from another one.
struct OfferCase {
    observed: i64,
    state: &'static str,
    next: Option<&'static str>,
    /// Spec of the fleet that carries the package; `None` if there is no such fleet.
    source: Option<Value>,
    package_from: Option<&'static str>,
    policy: Option<PolicyFacts>,
    policies_are_planned: bool,
}

impl Default for OfferCase {
    fn default() -> Self {
        Self {
            observed: 4,
            state: "Distributing",
            next: None,
            source: Some(json!({"packageVersion": "2.0"})),
            package_from: Some("server"),
            policy: Some(PLANNED),
            policies_are_planned: true,
        }
    }
}

fn fleet(spec: &Value, status: &Value) -> DeliveryFleet {
    DeliveryFleet::new(
        ObjectMeta { generation: Some(4), ..ObjectMeta::default() },
        Some(Arc::new(serde_json::from_value(spec.clone()).unwrap())),
        decided(status.clone()),
        None,
        NOON.parse().unwrap(),
    )
}

impl OfferCase {
    #[track_caller]
    fn is(self, expected: Validity) {
        let mut spec = json!({"clients": [{"name": "a"}]});
        match self.package_from {
            Some(name) => spec["packageFrom"] = json!({"name": name}),
            None => spec["packageVersion"] = json!("2.0"),
        }
        let row = json!({
            "name": "a", "state": self.state, "reason": "x", "targetVersion": "2.0",
            "policy": "p", "nextTransitionTime": self.next,
        });
        let status =
            json!({"observedGeneration": self.observed, "packageVersion": "2.0", "clients": [row]});
        let (own, source) = (fleet(&spec, &status), self.source.map(|s| fleet(&s, &json!({}))));
        let surroundings = Surroundings {
            policy: self.policy,
            policies_are_planned: self.policies_are_planned,
            package_source: source.as_ref(),
            watch_is_silent: false,
        };
        let entry = own.entry(0).unwrap();
        let found = validity(entry, entry.row.unwrap(), &surroundings, NOON.parse().unwrap());
        assert_eq!(found, expected);
    }
}

fn doubt(doubt: Doubt) -> Validity {
    Validity::Unknown(doubt)
}

#[test]
fn a_decision_counts_until_its_next_transition() {
    OfferCase::default().is(Validity::Valid);
    OfferCase { next: Some("2026-11-29T12:00:01Z"), ..OfferCase::default() }.is(Validity::Valid);
    OfferCase { next: Some(NOON), ..OfferCase::default() }.is(Validity::Over);
    // What has ended stays ended while everything else is in doubt.
    OfferCase { next: Some(NOON), observed: 3, ..OfferCase::default() }.is(Validity::Over);
}

#[test]
fn a_change_that_is_not_planned_is_a_doubt() {
    let unplanned = OfferCase { observed: 3, ..OfferCase::default() };
    unplanned.is(doubt(Doubt::FleetNotPlanned));
    let policies = OfferCase { policies_are_planned: false, ..OfferCase::default() };
    policies.is(doubt(Doubt::PolicyNotPlanned));
}

#[test]
fn the_policy_of_a_decision_must_exist() {
    OfferCase { policy: None, ..OfferCase::default() }.is(doubt(Doubt::PolicyGone));
    let deleting = PolicyFacts { is_deleting: true, ..PLANNED };
    OfferCase { policy: Some(deleting), ..OfferCase::default() }.is(doubt(Doubt::PolicyGone));
}

#[test]
fn the_package_of_another_fleet_must_be_the_one_of_the_decision() {
    let with = |source: Option<Value>| OfferCase { source, ..OfferCase::default() };
    with(None).is(doubt(Doubt::PackageChanged));
    with(Some(json!({"packageVersion": "2.1"}))).is(doubt(Doubt::PackageChanged));
    with(Some(json!({"packageFrom": {"name": "x"}}))).is(doubt(Doubt::PackageChanged));
    let withdrawn = json!({"packageVersion": "2.0", "withdrawnVersions": ["v2.0.0"]});
    with(Some(withdrawn.clone())).is(doubt(Doubt::TargetWithdrawn));
    let staged = OfferCase { state: "RestartRequired", ..with(Some(withdrawn)) };
    staged.is(Validity::Valid);
    OfferCase { package_from: None, ..with(None) }.is(Validity::Valid);
}
