//! Defines the scenario, real or hypothetical, for which the decision for one client is made.
//! Explanations change a scenario and decide again with the functions of the plan, so each rule is
//! implemented only once.

use crate::api::Text;
use crate::api::fleet::{Client, ClientFleetSpec};
use crate::api::policy::{HALT_POLICY_NAME, MANAGED_BY};
use crate::plan::allot::Standing;
use crate::plan::cached::CachedPolicy;
use crate::plan::case::Case;
use crate::plan::client_fields::ClientFields;
use crate::plan::facts::{Facts, Package, package_spec};
use crate::plan::fleet_zones::FleetZones;
use crate::plan::next_change::{ApplicablePolicies, ApplicablePolicy, Governing};
use crate::plan::policy::Policy;
use crate::plan::policy_in_zone::ZonedPolicy;
use crate::plan::target_chain::PossiblePolicy;
use crate::values::Timestamp;

/// A scenario: one client, its fleet and the policies whose scope includes the fleet, at an instant.
#[derive(Clone, Debug)]
pub(super) struct Scenario {
    /// Policies whose scope includes the fleet, highest precedence first.
    pub policies: Vec<Policy>,
    pub fleet_name: Text,
    /// Spec of the client's fleet, without the fleet's other clients.
    pub fleet: ClientFleetSpec,
    /// Spec of the fleet that `packageFrom` names, without its clients; `None` if that fleet is
    /// missing or cannot be read.
    pub source: Option<ClientFleetSpec>,
    /// Number of clients that each policy governs. Policies whose status is missing or outdated are
    /// left out.
    pub governed: Vec<(Text, u32)>,
    /// The policy that `clientfleet halt` created, if the namespace has one.
    pub halt: Option<Halt>,
    /// Standing of the client's entry among those of other fleets.
    pub standing: Standing,
    /// Other fleets that list a client of the same name.
    pub other_fleets: Vec<Text>,
    pub at: Timestamp,
    pub absence_counts: bool,
}

/// The policy that `clientfleet halt` creates and `clientfleet resume` removes.
#[derive(Clone, Debug)]
pub(super) struct Halt {
    pub name: Text,
    pub namespace: String,
}

impl Halt {
    /// Returns the name and namespace of `policy` if its name and `managed-by` label are those of a
    /// halt policy. `clientfleet resume` makes the same check.
    pub fn of(policy: &CachedPolicy) -> Option<Self> {
        let is_ours = policy.label(MANAGED_BY.0) == Some(MANAGED_BY.1);
        let is_it = is_ours && policy.name() == HALT_POLICY_NAME;
        is_it.then(|| Self { name: policy.name().into(), namespace: policy.namespace().to_owned() })
    }
}

/// Returns the name of a policy and the number of clients that it governs; `None` if the policy's
/// status is missing or outdated.
pub(super) fn governed(policy: &CachedPolicy) -> Option<(Text, u32)> {
    let status = &policy.status.as_ref()?.kept;
    let is_current = status.observed_generation == Some(policy.generation());
    let governed = status.governed_clients.filter(|_| is_current)?;
    Some((policy.name().into(), governed))
}

/// Returns a copy of a fleet's spec with `clients` in place of its clients.
pub(super) fn with_clients(spec: &ClientFleetSpec, clients: Vec<Client>) -> ClientFleetSpec {
    ClientFleetSpec {
        package_version: spec.package_version.clone(),
        package_from: spec.package_from.clone(),
        retained_versions: spec.retained_versions.clone(),
        withdrawn_versions: spec.withdrawn_versions.clone(),
        time_zone: spec.time_zone.clone(),
        clients: Some(clients),
    }
}

/// The inputs that the rules read from a scenario.
#[derive(Clone, Copy, Debug)]
pub(super) struct ScenarioView<'a> {
    pub facts: &'a Facts<'a>,
    pub package: &'a Package,
    pub applicable: ApplicablePolicies<'a, 'a>,
    at: Timestamp,
    absence_counts: bool,
}

impl<'a> ScenarioView<'a> {
    pub fn case(&self) -> Case<'a> {
        let Governing { policy: governing, in_doubt } = self.applicable.governing(self.at);
        Case {
            client: self.facts,
            governing,
            possible: self.applicable.possible,
            in_doubt,
            at: self.at,
            absence_counts: self.absence_counts,
        }
    }
}

/// Returns the policies that apply to a client, and those that apply at some version. The latter are
/// empty if none of them depends on the version.
fn matching_policies<'a>(
    zoned: &'a [ZonedPolicy<'a>],
    client: &ClientFields<'_>,
) -> (Vec<ApplicablePolicy<'a>>, Vec<PossiblePolicy<'a>>) {
    let (mut applicable, mut possible) = (Vec::with_capacity(zoned.len()), Vec::new());
    let mut depends_on_version = false;
    for zoned in zoned {
        let Policy { scope, .. } = zoned.policy;
        let result = scope.match_client(client, zoned.policy.distributes());
        applicable.extend(result.applies().map(|applies| ApplicablePolicy { zoned, applies }));
        if let Some(applies) = scope.applies_at(Some(client), result) {
            depends_on_version |= scope.looks_at_versions();
            possible.push(PossiblePolicy { zoned, applies });
        }
    }
    if !depends_on_version {
        possible.clear();
    }
    (applicable, possible)
}

impl Scenario {
    /// Calls `ask` with the rule inputs of the scenario, and returns the result.
    pub fn probe<T>(&self, ask: impl FnOnce(&ScenarioView<'_>) -> T) -> T {
        let nobody = Client::default();
        let mut facts = Facts::read(self.client().unwrap_or(&nobody));
        facts.standing = self.standing;
        let package = Package::read(&self.fleet, self.source.as_ref());
        let zones = FleetZones::of(&self.fleet);
        let zone = zones.of_client(0);
        let subject = facts.subject();
        let in_zone = |policy| ZonedPolicy::new(policy, &package, zone);
        let governs = self.standing != Standing::ReportedElsewhere;
        let policies = self.policies.iter().filter(|_| governs);
        let zoned: Vec<ZonedPolicy<'_>> = policies.map(in_zone).collect();
        let (applicable, possible) = matching_policies(&zoned, &subject);
        ask(&ScenarioView {
            facts: &facts,
            package: &package,
            applicable: ApplicablePolicies { policies: &applicable, possible: &possible },
            at: self.at,
            absence_counts: self.absence_counts,
        })
    }

    pub fn client(&self) -> Option<&Client> {
        self.fleet.clients.as_deref().unwrap_or_default().first()
    }

    pub(crate) fn client_mut(&mut self) -> Option<&mut Client> {
        self.fleet.clients.as_mut()?.first_mut()
    }

    /// Edits a policy, which may change its precedence.
    pub(crate) fn edit_policy(&mut self, name: &Text, edit: impl FnOnce(&mut Policy)) {
        if let Some(policy) = self.policies.iter_mut().find(|policy| policy.name == *name) {
            edit(policy);
        }
        self.policies.sort_by(Policy::by_precedence);
    }

    /// Returns the name of the fleet that sets the package: the client's fleet, or the fleet that
    /// `packageFrom` names.
    pub(crate) fn carrier_name(&self) -> &Text {
        self.fleet.package_from.as_ref().map_or(&self.fleet_name, |from| &from.name)
    }

    /// Returns the spec of the fleet that sets the package; `None` if that fleet cannot be
    /// determined.
    pub(crate) fn carrier(&self) -> Option<&ClientFleetSpec> {
        package_spec(&self.fleet, self.source.as_ref())
    }

    pub(crate) fn carrier_mut(&mut self) -> Option<&mut ClientFleetSpec> {
        if self.carrier().is_some_and(|carrier| std::ptr::eq(carrier, &raw const self.fleet)) {
            Some(&mut self.fleet)
        } else {
            self.carrier()?;
            self.source.as_mut()
        }
    }

    /// Returns the number of clients that a policy governs, if known.
    pub(crate) fn governed_by(&self, name: &Text) -> Option<u32> {
        self.governed.iter().find(|(policy, _)| policy == name).map(|(_, governed)| *governed)
    }

    /// Advances the scenario to the instant `t`, assuming that the client does not go offline.
    pub fn wait(&mut self, t: Timestamp) {
        self.at = t;
        self.absence_counts = false;
    }
}
