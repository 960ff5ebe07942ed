//! Keeps the plan of one namespace up to date. The planner repeats decisions only for fleets that a
//! change may affect.
//!
//! The planner holds the observed objects and each fleet's contribution to the policies. It plans a
//! fleet again when:
//!
//! - the fleet's spec or labels change, or the fleet is being deleted;
//! - the package that it takes from another fleet changes;
//! - a policy that applies or applied to it changes;
//! - its stored status no longer equals the planned one;
//! - its plan expires, or the clock is set back.
//!
//! [`aggregate`](super::aggregate) sums up the contributions. A plan from scratch gives the same
//! result as one in which every fleet is planned again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::aggregate::{Change, NamespaceAggregates, NamespaceCounts, PlanRecord, PolicyAggregate};
use super::cached::{CachedFleet, CachedPolicy};
use super::fleet::{Rulebook, plan_fleet};
use super::next_change::earlier;
use super::phase_cache::PhaseCache;
use super::planned::{FleetStatusInputs, Planned};
use super::policy::Policy;
use super::policy_status::{PolicyPlan, plan_policy};
use super::scope::Scope;
use super::trigger::{Cause, PlanTrigger, PolicyRevision, PolicyRevisions};
use super::version_text::VersionText;
use crate::api::fleet::ClientFleetSpec;
use crate::api::{ClientFleet, Text, UpgradePolicy};
use crate::values::Timestamp;

/// The incremental planner of one namespace.
#[derive(Debug, Default)]
pub struct Planner {
    fleets: BTreeMap<Text, Fleet>,
    /// Fleets without a plan.
    due: BTreeSet<Text>,
    /// For each fleet, the fleets that take their package from it.
    package_dependents: BTreeMap<Text, BTreeSet<Text>>,
    policies: BTreeMap<Text, KnownPolicy>,
    rulebook: Rulebook,
    rulebook_is_stale: bool,
    aggregates: NamespaceAggregates,
    /// Instant of the last plan, and the instant until which this plan holds; the second is `None`
    /// if the plan never expires.
    planned: Option<(Timestamp, Option<Timestamp>)>,
    /// Whether an object was observed or forgotten since the last plan.
    touched: bool,
    decisions: u64,
}

/// A policy as observed and as parsed.
#[derive(Debug)]
struct KnownPolicy {
    observed: Arc<CachedPolicy>,
    policy: Arc<Policy>,
    /// Generation that was in force in the last plan. The watch may not show the status of that
    /// plan yet.
    in_force: Option<i64>,
}

impl KnownPolicy {
    /// Returns the generation that was in force before, by the stored status and by the last plan;
    /// -1 if none was.
    fn was_observed(&self) -> i64 {
        let stored =
            self.observed.status.as_ref().and_then(|status| status.kept.observed_generation);
        stored.max(self.in_force).unwrap_or(-1)
    }
}

#[derive(Debug)]
struct Fleet {
    observed: Arc<CachedFleet>,
    /// Record of the fleet's plan; `None` until the fleet is planned, and again after a change that
    /// affects it.
    plan: Option<PlanRecord>,
    /// Reasons why the fleet must be planned next time.
    causes: BTreeSet<Cause>,
    /// Revisions of the policies that the stored status applied when it last equaled the planned
    /// status, by policy name.
    applied_revisions: PolicyRevisions,
}

fn policy_revision(policy: &Policy) -> PolicyRevision {
    (policy.uid.clone(), policy.generation)
}

/// The result of one planning pass.
#[derive(Clone, Debug, Default)]
pub struct PassResult {
    /// Planned fleets that [`PlanningPass::fleets`] has not returned before, sorted by name.
    pub fleets: Vec<Planned<ClientFleet>>,
    /// All policies, sorted by name.
    pub policies: Vec<Planned<UpgradePolicy>>,
    /// Instant until which the plan holds if no object changes; `None` if the plan never expires.
    pub until: Option<Timestamp>,
}

/// A planning pass in progress. It returns fleets in parts, so that the first statuses of a large
/// namespace can be written while the last ones are planned. All plans are for the same instant.
/// Policies are planned at the end, when their aggregates are complete.
#[derive(Debug)]
pub struct PlanningPass<'a> {
    planner: &'a mut Planner,
    at: Timestamp,
}

impl Planner {
    /// Records the current state of a fleet.
    pub fn observe_fleet(&mut self, observed: Arc<CachedFleet>) {
        self.touched = true;
        let name = Text::from(observed.name());
        let Some(fleet) = self.fleets.get_mut(&name) else {
            return self.add_fleet(name, observed);
        };
        let before = std::mem::replace(&mut fleet.observed, observed);
        let now = Arc::clone(&fleet.observed);
        // The watch event of the controller's own write needs no new plan, because the written
        // status equals the planned one.
        let says_so = fleet.plan.as_ref().is_none_or(|plan| now.status_equals(plan.status));
        let same = before.has_same_inputs_as(&now);
        if !same || !says_so {
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
        let causes = BTreeSet::from([Cause::Seen]);
        let fleet =
            Fleet { observed, plan: None, causes, applied_revisions: PolicyRevisions::default() };
        self.fleets.insert(name.clone(), fleet);
        self.touch_dependents_of(&name);
        self.due.insert(name);
    }

    /// Removes a fleet that no longer exists.
    pub fn forget_fleet(&mut self, name: &str) {
        self.touched = true;
        if let Some((name, fleet)) = self.fleets.remove_entry(name) {
            if let Some(plan) = &fleet.plan {
                self.aggregates.change(Change::Remove, &name, plan, &fleet.applied_revisions);
            }
            self.due.remove(&name);
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
        let same = before.as_ref().filter(|before| before.policy.uid == policy.uid);
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
    /// plan has expired, or the clock was set back to before the plan.
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

    /// Updates the plan for the instant `at`.
    pub fn plan(&mut self, at: Timestamp) -> PassResult {
        self.begin(at).end()
    }

    /// Begins a planning pass whose fleets can be planned in parts.
    pub fn begin(&mut self, at: Timestamp) -> PlanningPass<'_> {
        if std::mem::take(&mut self.rulebook_is_stale) {
            let policies = self.policies.values().map(|known| Arc::clone(&known.policy));
            let mut policies: Vec<Arc<Policy>> = policies.collect();
            policies.sort_by(|a, b| a.precedence().cmp(&b.precedence()));
            self.rulebook = policies.into();
        }
        self.touch_expired(at);
        PlanningPass { planner: self, at }
    }

    fn touch_expired(&mut self, at: Timestamp) {
        let went_back = self.planned.is_some_and(|(made, _)| at < made);
        let (ended, cause) = if went_back {
            (self.fleets.keys().cloned().collect(), Cause::Clock)
        } else {
            (self.aggregates.ended(at), Cause::Time)
        };
        for name in ended {
            if !self.due.contains(&name) {
                self.touch(&name, cause.clone());
            }
        }
    }

    fn plan_fleet(
        &mut self,
        name: &Text,
        phase_cache: &PhaseCache,
    ) -> Option<Planned<ClientFleet>> {
        let fleet = self.fleets.get(name)?;
        let source = package_from(&fleet.observed).and_then(|source| self.fleets.get(source));
        let source = source.map(|source| Arc::clone(&source.observed));
        let plan = plan_fleet(&fleet.observed, source.as_deref(), &self.rulebook, phase_cache);
        self.decisions += plan.decisions;
        let in_scope =
            self.rulebook.iter().filter(|policy| plan.contributions.contains_key(&policy.name));
        let policy_revisions =
            in_scope.map(|policy| (policy.name.clone(), policy_revision(policy))).collect();
        let policy_revisions = PolicyRevisions::new(policy_revisions);
        let fleet = self.fleets.get_mut(name)?;
        let kept = PlanRecord {
            status: plan.status,
            contributions: plan.contributions,
            // Share the existing map if it is equal, because the revisions rarely change.
            policy_revisions: Some(&fleet.applied_revisions)
                .filter(|known| **known == policy_revisions)
                .cloned()
                .unwrap_or(policy_revisions),
            package: plan.package,
            holds_until: plan.holds_until,
            unmanaged: plan.unmanaged,
            stalled: plan.stalled,
            unreadable: fleet.observed.spec.is_err(),
        };
        let causes = std::mem::take(&mut fleet.causes);
        let policies = Arc::clone(&kept.policy_revisions);
        let trigger = PlanTrigger { at: phase_cache.now, causes, policies };
        let draft = FleetStatusInputs { source, rulebook: Arc::clone(&self.rulebook) };
        let planned = Planned::fleet(Arc::clone(&fleet.observed), kept.status, draft, trigger);
        if fleet.observed.status_equals(kept.status) {
            fleet.applied_revisions = Arc::clone(&kept.policy_revisions);
        }
        self.aggregates.change(Change::Add, name, &kept, &fleet.applied_revisions);
        fleet.plan = Some(kept);
        Some(planned)
    }

    fn plan_policy(&self, known: &KnownPolicy, at: Timestamp) -> PolicyPlan {
        let policy = &known.policy;
        let was_observed = known.was_observed();
        let nothing = PolicyAggregate::default();
        let total = self.aggregates.policy(&policy.name).unwrap_or(&nothing);
        let packages = total.packages();
        if has_duplicate_versions(&packages) {
            return plan_policy(was_observed, policy, total, self.packages(&policy.name), at);
        }
        plan_policy(was_observed, policy, total, packages.iter(), at)
    }

    /// Returns the package versions of the fleets in a policy's scope, in order of fleet name.
    fn packages<'a>(&'a self, policy: &'a str) -> impl Iterator<Item = &'a VersionText> {
        let plans = self.fleets.values().filter_map(|fleet| fleet.plan.as_ref());
        let in_scope = plans.filter(move |plan| plan.contributions.contains_key(policy));
        in_scope.filter_map(|plan| plan.package.as_ref())
    }

    /// Returns the number of client decisions since the planner was created.
    #[must_use]
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    /// Returns the counts of the last plan that no policy's status contains.
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
        let Some(fleet) = self.fleets.get_mut(name) else { return };
        if let Some(plan) = fleet.plan.take() {
            self.aggregates.change(Change::Remove, name, &plan, &fleet.applied_revisions);
            self.due.insert(name.clone());
        }
        // `Seen` means that the fleet is new, so further causes add no information.
        if !fleet.causes.contains(&Cause::Seen) {
            fleet.causes.insert(cause);
        }
    }

    /// Records the policy revisions that a fleet's stored status applies, if this status equals the
    /// planned one.
    ///
    /// The record is kept when client reports or the time change the plan. Otherwise, a policy with
    /// many fleets would never be in force, because one of their statuses is always being written.
    fn record_applied_revisions(&mut self, name: &Text) {
        let Some(fleet) = self.fleets.get_mut(name) else { return };
        let Some(plan) =
            fleet.plan.as_ref().filter(|plan| fleet.observed.status_equals(plan.status))
        else {
            return;
        };
        if fleet.applied_revisions != plan.policy_revisions {
            self.aggregates.change(Change::Remove, name, plan, &fleet.applied_revisions);
            fleet.applied_revisions = Arc::clone(&plan.policy_revisions);
            self.aggregates.change(Change::Add, name, plan, &fleet.applied_revisions);
        }
    }

    /// Records that a fleet takes its package from the fleet `now` instead of the fleet `before`.
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

    /// Marks for planning all fleets that take their package from `name`.
    fn touch_dependents_of(&mut self, name: &str) {
        for user in self.package_dependents.get(name).cloned().unwrap_or_default() {
            self.touch(&user, Cause::Package(name.into()));
        }
    }

    /// Marks for planning all fleets to which a policy with this scope applies.
    fn touch_scope_of(&mut self, policy: &Text, scope: &Scope) {
        let about =
            |(_, fleet): &(&Text, &Fleet)| scope.includes_fleet(|key| fleet.observed.label(key));
        let names = self.fleets.iter().filter(about).map(|(name, _)| name.clone());
        for name in names.collect::<Vec<_>>() {
            self.touch(&name, Cause::Policy(policy.clone()));
        }
    }
}

impl PlanningPass<'_> {
    /// Plans the next fleets that need a plan until they have at least `clients` clients in total.
    /// Returns an empty list if no fleet needs a plan.
    pub fn fleets(&mut self, clients: u64) -> Vec<Planned<ClientFleet>> {
        let Self { planner, at } = self;
        let phase_cache = PhaseCache::new(*at, planner.rulebook.len());
        let enough = planner.decisions.saturating_add(clients);
        let mut fleets = Vec::new();
        while planner.decisions < enough
            && let Some(name) = planner.due.pop_first()
        {
            fleets.extend(planner.plan_fleet(&name, &phase_cache));
        }
        fleets
    }

    /// Plans the remaining fleets and all policies.
    #[must_use]
    pub fn end(mut self) -> PassResult {
        let fleets = self.fleets(u64::MAX);
        let Self { planner, at } = self;
        let mut until = planner.aggregates.first_end();
        let mut policies = Vec::with_capacity(planner.policies.len());
        for known in planner.policies.values() {
            let PolicyPlan { status, holds_until } = planner.plan_policy(known, at);
            until = earlier(until, holds_until);
            policies.push(Planned::policy(Arc::clone(&known.observed), status, at));
        }
        for (known, planned) in planner.policies.values_mut().zip(&policies) {
            let generation = known.policy.generation;
            let is_in_force = planned.inputs.observed_generation == Some(generation);
            known.in_force = if is_in_force { Some(generation) } else { known.in_force };
        }
        planner.planned = Some((at, until));
        planner.touched = false;
        PassResult { fleets, policies, until }
    }
}

/// Returns whether `packages` contains one version in two spellings. Only then does the order of
/// the fleets affect a policy's status.
fn has_duplicate_versions(packages: &[VersionText]) -> bool {
    let mut packages: Vec<&VersionText> = packages.iter().collect();
    packages.sort_by(|a, b| a.parsed.cmp(&b.parsed));
    packages.windows(2).any(|pair| pair[0].is_same_as(pair[1]))
}

/// Returns the name of the fleet in `packageFrom`, from which this fleet takes its package.
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
