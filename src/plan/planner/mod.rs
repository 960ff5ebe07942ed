//! Keeps the plan of one namespace up to date, with the same result as if every fleet were planned
//! from scratch.
//!
//! The planner plans a fleet again when:
//!
//! - the fleet's spec or labels change, or the fleet is being deleted;
//! - the package that the fleet takes from another fleet changes;
//! - a policy that applies or applied to the fleet changes;
//! - another fleet begins or ends to decide for a client that both fleets list;
//! - the fleet's stored status no longer equals the planned one, or shows another start of a wait
//!   for the package;
//! - the fleet's plan expires, or the clock is set back.
//!
//! A pass runs three stages ([`pass`]): it collects the claims of the fleets that need a plan,
//! allots the standings of all clients if claims have changed, and makes the decisions for the
//! clients of the fleets that need a plan. A fleet in which a standing has changed needs a plan
//! too.

mod name_index;
mod pass;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use pass::{PassResult, PlanningPass};

use self::name_index::{EntryStanding, NameIndex};
use super::aggregate::{Change, NamespaceAggregates, NamespaceCounts, PlanRecord};
use super::allot::{Allotter, Claim, Claims, Standing, Standings, Unlimited};
use super::cached::{CachedFleet, CachedPolicy};
use super::collect::Collected;
use super::fleet::Rulebook;
use super::package_source::stored_wait;
use super::policy::Policy;
use super::scope::Scope;
use super::trigger::{Cause, PolicyRevisions};
use crate::api::Text;
use crate::api::fleet::ClientFleetSpec;
use crate::values::Timestamp;

/// The incremental planner of one namespace.
#[derive(Debug)]
pub struct Planner {
    fleets: BTreeMap<Text, Fleet>,
    /// Fleets that have no plan and whose claims are not collected yet.
    due: BTreeSet<Text>,
    /// Fleets that have no plan and whose claims are already collected.
    collected: BTreeSet<Text>,
    allotter: Arc<dyn Allotter>,
    claims: Claims,
    /// True if the claims have changed since the last allotment.
    claims_changed: bool,
    /// Names of fleets, grouped by the fleet that their `packageFrom` names.
    package_dependents: BTreeMap<Text, BTreeSet<Text>>,
    /// Fleets whose stored status may differ from the observed one.
    outdated: BTreeSet<Text>,
    /// Index of the client names of all fleets.
    names: NameIndex,
    policies: BTreeMap<Text, KnownPolicy>,
    rulebook: Rulebook,
    rulebook_is_stale: bool,
    aggregates: NamespaceAggregates,
    /// Instant of the last plan, and the instant at which the plan expires, if it does.
    planned: Option<(Timestamp, Option<Timestamp>)>,
    /// True if an object was observed or removed since the last plan.
    touched: bool,
    decisions: u64,
}

#[derive(Debug)]
struct KnownPolicy {
    observed: Arc<CachedPolicy>,
    policy: Arc<Policy>,
    /// Latest generation that, according to a plan, all fleets in scope have applied. The watch may
    /// not have returned the status from that plan yet.
    in_force: Option<i64>,
}

impl KnownPolicy {
    /// Returns the latest generation that all fleets in scope have applied, according to the stored
    /// status and earlier plans; -1 if there is none. An invalid generation counts as applied.
    fn was_observed(&self) -> i64 {
        let stored =
            self.observed.status.as_ref().and_then(|status| status.kept.observed_generation);
        stored.max(self.in_force).unwrap_or(-1)
    }
}

#[derive(Debug)]
struct Fleet {
    observed: Arc<CachedFleet>,
    collected: Collected,
    /// Standings of the clients in the allotment.
    standings: Standings,
    /// Standings of the clients that other fleets list too; they override `standings`.
    duplicates: Standings,
    /// Record of the fleet's plan; `None` if the fleet must be planned.
    plan: Option<PlanRecord>,
    causes: BTreeSet<Cause>,
    /// Policy revisions in the latest plan whose status the planner has observed in the cluster.
    applied_revisions: PolicyRevisions,
}

impl Default for Planner {
    fn default() -> Self {
        Self::with_allotter(Arc::new(Unlimited))
    }
}

impl Planner {
    /// Creates a planner that allots standings with `allotter`.
    #[must_use]
    pub fn with_allotter(allotter: Arc<dyn Allotter>) -> Self {
        Self {
            fleets: BTreeMap::new(),
            due: BTreeSet::new(),
            collected: BTreeSet::new(),
            allotter,
            claims: Claims::new(),
            claims_changed: false,
            package_dependents: BTreeMap::new(),
            outdated: BTreeSet::new(),
            names: NameIndex::default(),
            policies: BTreeMap::new(),
            rulebook: Rulebook::default(),
            rulebook_is_stale: false,
            aggregates: NamespaceAggregates::default(),
            planned: None,
            touched: false,
            decisions: 0,
        }
    }

    /// Records the current state of a fleet.
    pub fn observe_fleet(&mut self, observed: Arc<CachedFleet>) {
        self.touched = true;
        let name = Text::from(observed.name());
        let Some(fleet) = self.fleets.get_mut(&name) else {
            return self.add_fleet(name, observed);
        };
        let before = std::mem::replace(&mut fleet.observed, observed);
        let now = Arc::clone(&fleet.observed);
        self.names.update(&name, Some(&before), Some(&now));
        // Do not plan the fleet again if the stored status equals the planned one: the watch event
        // then only shows the controller's own status write.
        let says_so = fleet.plan.as_ref().is_none_or(|plan| now.status_equals(plan.status));
        let same = before.has_same_inputs_as(&now);
        // The start of a wait is history, which digests leave out, but the wait's end is planned.
        let wait = stored_wait(&now);
        let waits_otherwise = wait.is_some() && wait != stored_wait(&before);
        if !same || !says_so || waits_otherwise {
            let cause = match () {
                () if same => Cause::Status,
                () if before.has_same_spec_as(&now) => Cause::Metadata,
                () => Cause::Spec,
            };
            self.touch(&name, cause);
        }
        self.record_applied_revisions(&name);
        if !same && package(&before) != package(&now) {
            self.set_package_source(&name, package_from(&before), package_from(&now));
            self.touch_dependents_of(&name);
        }
    }

    fn add_fleet(&mut self, name: Text, observed: Arc<CachedFleet>) {
        self.set_package_source(&name, None, package_from(&observed));
        self.names.update(&name, None, Some(&observed));
        let causes = BTreeSet::from([Cause::Seen]);
        let fleet = Fleet {
            observed,
            collected: Collected::default(),
            standings: Standings::default(),
            duplicates: Standings::default(),
            plan: None,
            causes,
            applied_revisions: PolicyRevisions::default(),
        };
        self.fleets.insert(name.clone(), fleet);
        self.touch_dependents_of(&name);
        self.due.insert(name);
    }

    /// Sets the fleets with a status write that no watch event has shown yet. The planner does not
    /// count a new policy revision as applied by these fleets.
    pub fn set_outdated(&mut self, fleets: BTreeSet<Text>) {
        let before = std::mem::replace(&mut self.outdated, fleets);
        let known_again: Vec<Text> = before.difference(&self.outdated).cloned().collect();
        for name in known_again {
            self.record_applied_revisions(&name);
        }
    }

    /// Removes a fleet that no longer exists.
    pub fn forget_fleet(&mut self, name: &str) {
        self.touched = true;
        if let Some((name, fleet)) = self.fleets.remove_entry(name) {
            if let Some(plan) = &fleet.plan {
                self.aggregates.change(Change::Remove, &name, plan, &fleet.applied_revisions);
            }
            self.due.remove(&name);
            self.collected.remove(&name);
            self.replace_claims(&fleet.collected.claims, &[]);
            self.names.update(&name, Some(&fleet.observed), None);
            self.set_package_source(&name, package_from(&fleet.observed), None);
        }
        self.touch_dependents_of(name);
    }

    /// Records the current state of a policy.
    pub fn observe_policy(&mut self, observed: Arc<CachedPolicy>) {
        self.touched = true;
        let name = Text::from(observed.name());
        if let Some(known) = self.policies.get_mut(&name)
            && known.observed.has_same_inputs_as(&observed)
        {
            known.observed = observed;
            return;
        }
        self.rulebook_is_stale = true;
        let policy = Arc::new(Policy::read(&observed));
        self.touch_scope_of(&policy.name, &policy.scope);
        let before = self.policies.remove(&name);
        // After a restore of etcd, the generation is lower than before.
        let same = before.as_ref().filter(|before| {
            before.policy.uid == policy.uid && before.policy.generation <= policy.generation
        });
        let in_force = same.and_then(|before| before.in_force);
        self.policies.insert(name, KnownPolicy { observed, policy, in_force });
        if let Some(before) = before {
            self.touch_scope_of(&before.policy.name, &before.policy.scope);
        }
    }

    /// Removes a policy that no longer exists.
    pub fn forget_policy(&mut self, name: &str) {
        self.touched = true;
        if let Some(before) = self.policies.remove(name) {
            self.rulebook_is_stale = true;
            self.touch_scope_of(&before.policy.name, &before.policy.scope);
        }
    }

    /// Returns whether a new plan is needed at `at`: an object has changed since the last plan, the
    /// plan has expired, or the clock was set back to a time before the plan.
    #[must_use]
    pub fn is_due(&self, at: Timestamp) -> bool {
        let runs_out =
            self.planned.is_none_or(|(made, until)| at < made || until.is_some_and(|t| t <= at));
        self.touched || runs_out
    }

    /// Returns the instant until which the last plan holds if no object changes; `None` if the plan
    /// never expires.
    #[must_use]
    pub fn holds_until(&self) -> Option<Timestamp> {
        self.planned.and_then(|(_, until)| until)
    }

    /// Returns the number of decisions that the planner has made since it was created.
    #[must_use]
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    /// Returns the counts from the last plan that are not part of any policy's status, such as the
    /// number of stalled fleets.
    #[must_use]
    pub fn counts(&self) -> NamespaceCounts {
        self.aggregates.counts()
    }

    /// Returns whether the namespace has no fleets and no policies.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fleets.is_empty() && self.policies.is_empty()
    }

    /// Returns the names of the known fleets.
    pub fn fleet_names(&self) -> impl Iterator<Item = &str> {
        self.fleets.keys().map(Text::as_str)
    }

    /// Returns the names of the known policies.
    pub fn policy_names(&self) -> impl Iterator<Item = &str> {
        self.policies.keys().map(Text::as_str)
    }

    /// Marks a fleet for planning and records the cause.
    fn touch(&mut self, name: &Text, cause: Cause) {
        if self.fleets.contains_key(name) {
            self.unplan(name, cause);
            self.due.insert(name.clone());
        }
    }

    /// Updates the standings of the clients that several fleets list, and marks the fleets in which
    /// one has changed for planning.
    fn resolve_duplicates(&mut self, at: Timestamp) {
        let went_back = self.planned.is_some_and(|(made, _)| at < made);
        let observed = |name: &Text| self.fleets.get(name).map(|fleet| &*fleet.observed);
        for EntryStanding { fleet: name, client, standing } in
            self.names.resolve(at, went_back, observed)
        {
            let Some(fleet) = self.fleets.get_mut(&name) else { continue };
            let before = fleet.duplicates.get(&client).copied().unwrap_or_default();
            if before == standing {
                continue;
            }
            let duplicates = Arc::make_mut(&mut fleet.duplicates);
            match standing {
                Standing::Free => drop(duplicates.remove(&client)),
                standing => drop(duplicates.insert(client, standing)),
            }
            self.touch(&name, Cause::Duplicate);
        }
    }

    fn replace_claims(&mut self, before: &[Claim], now: &[Claim]) {
        if before != now {
            for claim in before {
                self.claims.remove(claim);
            }
            self.claims.extend(now.iter().cloned());
            self.claims_changed = true;
        }
    }

    fn unplan(&mut self, name: &Text, cause: Cause) {
        let Some(fleet) = self.fleets.get_mut(name) else { return };
        if let Some(plan) = fleet.plan.take() {
            self.aggregates.change(Change::Remove, name, &plan, &fleet.applied_revisions);
        }
        // `Seen` means that the fleet was observed for the first time, so further causes add no
        // information.
        if !fleet.causes.contains(&Cause::Seen) {
            fleet.causes.insert(cause);
        }
    }

    /// Records that a fleet has applied the policy revisions of its plan, if the stored status
    /// equals the planned status.
    ///
    /// The record remains when the plan changes later, because at least one status of a policy with
    /// many fleets is always being written, and the policy would never count as applied by all of
    /// them.
    fn record_applied_revisions(&mut self, name: &Text) {
        let Some(fleet) = self.fleets.get_mut(name) else { return };
        if self.outdated.contains(name) {
            return;
        }
        let Some(plan) =
            fleet.plan.as_ref().filter(|plan| fleet.observed.status_equals(plan.status))
        else {
            return;
        };
        if fleet.applied_revisions != plan.policy_revisions {
            self.touched = true;
            self.aggregates.change(Change::Remove, name, plan, &fleet.applied_revisions);
            fleet.applied_revisions = Arc::clone(&plan.policy_revisions);
            self.aggregates.change(Change::Add, name, plan, &fleet.applied_revisions);
        }
    }

    fn set_package_source(&mut self, name: &Text, before: Option<&str>, now: Option<&str>) {
        if let Some(source) = before
            && let Some(users) = self.package_dependents.get_mut(source)
        {
            users.remove(name);
            if users.is_empty() {
                self.package_dependents.remove(source);
            }
        }
        if let Some(source) = now {
            self.package_dependents.entry(source.into()).or_default().insert(name.clone());
        }
    }

    fn touch_dependents_of(&mut self, name: &str) {
        for user in self.package_dependents.get(name).cloned().unwrap_or_default() {
            self.touch(&user, Cause::Package(name.into()));
        }
    }

    fn touch_scope_of(&mut self, policy: &Text, scope: &Scope) {
        let about =
            |(_, fleet): &(&Text, &Fleet)| scope.includes_fleet(|key| fleet.observed.label(key));
        let names = self.fleets.iter().filter(about).map(|(name, _)| name.clone());
        for name in names.collect::<Vec<_>>() {
            self.touch(&name, Cause::Policy(policy.clone()));
        }
    }
}

/// Returns the name of the fleet in `packageFrom`, if the spec sets it.
pub(super) fn package_from(fleet: &CachedFleet) -> Option<&str> {
    Some(fleet.spec.as_deref().ok()?.package_from.as_ref()?.name.as_str())
}

/// Returns the fields of a fleet's spec that other fleets may use through `packageFrom`.
fn package(fleet: &CachedFleet) -> Option<impl PartialEq + '_> {
    let ClientFleetSpec {
        package_version,
        package_from,
        retained_versions,
        withdrawn_versions,
        time_zone: _,
        clients: _,
    } = fleet.spec.as_deref().ok()?;
    Some((package_version, package_from, retained_versions, withdrawn_versions))
}
