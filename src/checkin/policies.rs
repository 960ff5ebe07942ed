//! Knows of each policy whether its status was computed from its spec, and which fleets it selects.
//! A policy that was changed and is not planned yet may stop or start any client of these fleets.

use std::collections::{BTreeMap, HashMap};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::fleet::DeliveryFleet;
use super::validity::PolicyFacts;
use crate::api::policy::{Scope as ScopeSpec, UpgradePolicySpec};
use crate::plan::scope::Scope;

/// A policy as check-in needs it.
#[derive(Clone, Debug)]
pub struct DeliveryPolicy {
    /// Metadata without annotations and `managedFields`.
    pub metadata: ObjectMeta,
    facts: PolicyFacts,
    /// Scope with the fleet selector alone; `None` if the spec cannot be read, so that it may select
    /// any fleet.
    scope: Option<Scope>,
}

impl DeliveryPolicy {
    /// Creates the check-in form of a policy. `spec` is `None` if it cannot be read, and
    /// `observed_generation` is the generation from which the status was computed.
    #[must_use]
    pub fn new(
        metadata: ObjectMeta,
        spec: Option<UpgradePolicySpec>,
        observed_generation: Option<i64>,
    ) -> Self {
        let facts = PolicyFacts {
            is_planned: observed_generation.is_some() && observed_generation == metadata.generation,
            is_deleting: metadata.deletion_timestamp.is_some(),
        };
        let selects = |spec: UpgradePolicySpec| {
            let fleet_selector = spec.scope.and_then(|scope| scope.fleet_selector);
            Scope::read(Some(&ScopeSpec { fleet_selector, ..ScopeSpec::default() }))
        };
        Self { metadata, facts, scope: spec.map(selects) }
    }

    fn selects(&self, fleet: &DeliveryFleet) -> bool {
        let labels = fleet.metadata.labels.as_ref();
        let label = |key: &str| labels.and_then(|labels| labels.get(key)).map(String::as_str);
        self.scope.as_ref().is_none_or(|scope| scope.includes_fleet(label))
    }
}

/// The policies of all namespaces.
#[derive(Debug, Default)]
pub struct Policies(HashMap<String, BTreeMap<String, DeliveryPolicy>>);

impl Policies {
    /// Adds a policy, or replaces its preceding version.
    pub fn apply(&mut self, policy: DeliveryPolicy) {
        let ObjectMeta { namespace, name, .. } = policy.metadata.clone();
        let of_namespace = self.0.entry(namespace.unwrap_or_default()).or_default();
        of_namespace.insert(name.unwrap_or_default(), policy);
    }

    /// Removes a policy.
    pub fn remove(&mut self, namespace: &str, name: &str) {
        if let Some(policies) = self.0.get_mut(namespace) {
            policies.remove(name);
        }
    }

    /// Removes all policies that `keeps` does not hold for.
    pub fn retain(&mut self, keeps: impl Fn(&str, &str) -> bool) {
        for (namespace, policies) in &mut self.0 {
            policies.retain(|name, _| keeps(namespace, name));
        }
    }

    /// Returns whether a policy is planned and whether it is being deleted; `None` if there is no
    /// such policy.
    #[must_use]
    pub fn get(&self, namespace: &str, name: &str) -> Option<PolicyFacts> {
        Some(self.0.get(namespace)?.get(name)?.facts)
    }

    /// Returns whether each policy that may decide about a client of the fleet is planned: those that
    /// select the fleet, and the one that decided last, which may no longer select it.
    #[must_use]
    pub fn are_planned(&self, fleet: &DeliveryFleet, decided: Option<&str>) -> bool {
        let policies = self.0.get(fleet.namespace());
        let mut open =
            policies.into_iter().flatten().filter(|(_, policy)| !policy.facts.is_planned);
        !open.any(|(name, policy)| decided == Some(name.as_str()) || policy.selects(fleet))
    }
}
