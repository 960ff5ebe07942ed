//! The plan of one namespace, kept up to date: decides again only what a change can have touched.
//!
//! It holds what was observed and what each fleet adds to the policies. A fleet is planned again when
//! its own spec or labels change, when the package it uses does, when a policy that was or is about
//! it does, when its stored status comes to say something else than planned, or when the moment comes
//! until which its plan held. Policies are summed up again from what the fleets add to them. Planning
//! everything anew is the same with everything touched.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::fleet::plan_fleet;
use super::governance::{PolicyPlan, Share, plan_policy};
use super::live::Kind;
use super::observed::{Digest, Observed, ObservedFleet, ObservedPolicy};
use super::occasion::{Cause, Edition, Editions, Occasion};
use super::outlook::earlier;
use super::policy::Policy;
use super::scope::Scope;
use super::tally::Tally;
use super::version::Spelled;
use crate::api::fleet::ClientFleetSpec;
use crate::api::{ClientFleet, Text, UpgradePolicy};
use crate::values::Timestamp;

/// What is planned in one namespace.
#[derive(Debug, Default)]
pub struct Planner {
    fleets: BTreeMap<Text, Fleet>,
    policies: BTreeMap<Text, Arc<ObservedPolicy>>,
    /// The policies parsed, in the order of their precedence.
    rulebook: Vec<Policy>,
    rulebook_is_old: bool,
    /// When the last plan was made, and until when it holds.
    planned: Option<(Timestamp, Option<Timestamp>)>,
    /// Whether anything was observed since.
    touched: bool,
    decisions: u64,
}

#[derive(Debug)]
struct Fleet {
    observed: Arc<ObservedFleet>,
    /// `None` until it is planned, and again once something has touched it.
    plan: Option<Kept>,
    /// Why it is to be planned.
    causes: BTreeSet<Cause>,
    /// The policies that its stored status was seen to carry out, by name.
    carries_out: Editions,
}

fn edition(policy: &Policy) -> Edition {
    (policy.uid.clone(), policy.generation)
}

impl Fleet {
    fn new(observed: Arc<ObservedFleet>) -> Self {
        let causes = BTreeSet::from([Cause::Seen]);
        Self { observed, plan: None, causes, carries_out: Editions::default() }
    }

    /// Has it planned again.
    fn touch(&mut self, cause: Cause) {
        self.plan = None;
        // What is seen for the first time has changed in every way.
        if !self.causes.contains(&Cause::Seen) {
            self.causes.insert(cause);
        }
    }

    /// What it brings to a policy in whose scope it is.
    fn share(&self, policy: &Policy) -> Option<Share<'_>> {
        let plan = self.plan.as_ref()?;
        let tally = plan.tallies.get(&policy.name)?;
        let settled = self.carries_out.get(&policy.name) == Some(&edition(policy));
        Some(Share { tally, package: plan.package.as_ref(), settled })
    }

    /// Where the stored status says what is planned, notes which policies that carries out. It stays
    /// so when reports or the time have moved the plan on: among many fleets there is always one that
    /// is being written, and a policy would never be in force.
    fn note_what_it_carries_out(&mut self) {
        if let Some(plan) = self.plan.as_ref().filter(|plan| self.observed.says(plan.status)) {
            self.carries_out = Arc::clone(&plan.editions);
        }
    }
}

/// What is kept of a fleet's plan; its status goes to whoever writes it.
#[derive(Debug)]
struct Kept {
    status: Digest,
    tallies: BTreeMap<Text, Tally>,
    /// The policies that it was planned under.
    editions: Editions,
    package: Option<Spelled>,
    holds_until: Option<Timestamp>,
    /// How many of its clients no policy governs.
    unmanaged: u32,
    /// Whether something is wrong with the fleet itself.
    stalled: bool,
}

/// An object with the status that it should have.
#[derive(Clone, Debug)]
pub struct Planned<K: Kind> {
    /// What the plan was made from.
    pub observed: Arc<Observed<K>>,
    /// What its status should say.
    pub status: Arc<K::Status>,
    /// That status's digest.
    pub digest: Digest,
    /// When and why it was planned.
    pub occasion: Occasion,
}

impl<K: Kind> Planned<K> {
    fn new(observed: Arc<Observed<K>>, status: K::Status, occasion: Occasion) -> Self {
        let digest = Digest::of(&status);
        Self { observed, status: Arc::new(status), digest, occasion }
    }

    /// Whether the stored status says so already, so that no write is owed.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.observed.says(self.digest)
    }
}

/// What was planned in one pass.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// The fleets that were planned anew, by name.
    pub fleets: Vec<Planned<ClientFleet>>,
    /// All policies, by name.
    pub policies: Vec<Planned<UpgradePolicy>>,
    /// The moment until which the plan holds, if nothing is observed; `None`: for ever.
    pub until: Option<Timestamp>,
}

/// How many there are of what a namespace's policies do not count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Census {
    /// Fleets.
    pub fleets: u32,
    /// Fleets with which something is wrong: unreadable, too large, or with an unknown zone.
    pub stalled_fleets: u32,
    /// Fleets whose spec cannot be read.
    pub unreadable_fleets: u32,
    /// Clients that no policy governs.
    pub unmanaged_clients: u32,
}

impl Planner {
    /// Takes note of a fleet as it is now.
    pub fn observe_fleet(&mut self, observed: Arc<ObservedFleet>) {
        self.touched = true;
        let name = Text::from(observed.name());
        let Some(fleet) = self.fleets.get_mut(&name) else {
            self.fleets.insert(name.clone(), Fleet::new(observed));
            return self.touch_users_of(&name);
        };
        let same = fleet.observed.asks_the_same_as(&observed);
        let same_package = same || package(&fleet.observed) == package(&observed);
        let cause = match () {
            () if same => Cause::Status,
            () if fleet.observed.has_same_spec_as(&observed) => Cause::Metadata,
            () => Cause::Spec,
        };
        fleet.observed = observed;
        // The echo of an own write ends here: it says what is planned.
        let says_so = fleet.plan.as_ref().is_some_and(|plan| fleet.observed.says(plan.status));
        if !same || (fleet.plan.is_some() && !says_so) {
            fleet.touch(cause);
        }
        fleet.note_what_it_carries_out();
        if !same_package {
            self.touch_users_of(&name);
        }
    }

    /// Takes note that a fleet is gone.
    pub fn forget_fleet(&mut self, name: &str) {
        self.touched = true;
        self.fleets.remove(name);
        self.touch_users_of(name);
    }

    /// Takes note of a policy as it is now.
    pub fn observe_policy(&mut self, observed: Arc<ObservedPolicy>) {
        self.touched = true;
        let name = Text::from(observed.name());
        let before = self.policies.insert(name, Arc::clone(&observed));
        if before.as_ref().is_some_and(|before| before.asks_the_same_as(&observed)) {
            return;
        }
        self.rulebook_is_old = true;
        for policy in before.iter().chain([&observed]) {
            self.touch_scope_of(policy);
        }
    }

    /// Takes note that a policy is gone.
    pub fn forget_policy(&mut self, name: &str) {
        self.touched = true;
        if let Some(before) = self.policies.remove(name) {
            self.rulebook_is_old = true;
            self.touch_scope_of(&before);
        }
    }

    /// Whether the last plan no longer holds at `at`: something was observed since, its moment has
    /// come, or the clock was set back before it was made.
    #[must_use]
    pub fn is_due(&self, at: Timestamp) -> bool {
        let runs_out =
            self.planned.is_none_or(|(made, until)| at < made || until.is_some_and(|t| t <= at));
        self.touched || runs_out
    }

    /// Until when the last plan holds if nothing is observed.
    #[must_use]
    pub fn holds_until(&self) -> Option<Timestamp> {
        self.planned.and_then(|(_, until)| until)
    }

    /// Brings the plan up to date for the instant `at`.
    pub fn plan(&mut self, at: Timestamp) -> Pass {
        if self.rulebook_is_old {
            self.rulebook = self.policies.values().map(|policy| Policy::read(policy)).collect();
            self.rulebook.sort_by(|a, b| a.precedence().cmp(&b.precedence()));
            self.rulebook_is_old = false;
        }
        let went_back = self.planned.is_some_and(|(made, _)| at < made);
        for fleet in self.fleets.values_mut().filter(|fleet| fleet.plan.is_some()) {
            let until = fleet.plan.as_ref().and_then(|plan| plan.holds_until);
            if went_back {
                fleet.touch(Cause::Clock);
            } else if until.is_some_and(|until| until <= at) {
                fleet.touch(Cause::Time);
            }
        }
        let due = self.fleets.iter().filter(|(_, fleet)| fleet.plan.is_none());
        let due: Vec<Text> = due.map(|(name, _)| name.clone()).collect();
        let fleets = due.iter().filter_map(|name| self.plan_fleet(name, at)).collect();
        let mut until =
            self.fleets.values().filter_map(|fleet| fleet.plan.as_ref()?.holds_until).min();
        let mut policies = Vec::with_capacity(self.rulebook.len());
        for policy in &self.rulebook {
            let Some(observed) = self.policies.get(&policy.name) else { continue };
            let PolicyPlan { status, holds_until } = self.plan_policy(observed, policy, at);
            until = earlier(until, holds_until);
            let occasion = Occasion { at, ..Occasion::default() };
            policies.push(Planned::new(Arc::clone(observed), status, occasion));
        }
        policies.sort_by(|a, b| a.observed.name().cmp(b.observed.name()));
        self.planned = Some((at, until));
        self.touched = false;
        Pass { fleets, policies, until }
    }

    fn plan_fleet(&mut self, name: &str, at: Timestamp) -> Option<Planned<ClientFleet>> {
        let fleet = self.fleets.get(name)?;
        let source = package_from(&fleet.observed).and_then(|source| self.fleets.get(source));
        let source = source.map(|source| source.observed.as_ref());
        let plan = plan_fleet(&fleet.observed, source, &self.rulebook, at);
        self.decisions += plan.decisions;
        let in_scope =
            self.rulebook.iter().filter(|policy| plan.tallies.contains_key(&policy.name));
        let editions = in_scope.map(|policy| (policy.name.clone(), edition(policy))).collect();
        let editions = Editions::new(editions);
        let fleet = self.fleets.get_mut(name)?;
        let causes = std::mem::take(&mut fleet.causes);
        let unmanaged = plan.status.summary.map_or(0, |summary| summary.unmanaged);
        let stalled = plan.status.conditions.iter().any(|condition| condition.r#type == "Stalled");
        let occasion = Occasion { at, causes, policies: Arc::clone(&editions) };
        let planned = Planned::new(Arc::clone(&fleet.observed), plan.status, occasion);
        fleet.plan = Some(Kept {
            status: planned.digest,
            tallies: plan.tallies,
            editions,
            package: plan.package,
            holds_until: plan.holds_until,
            unmanaged,
            stalled,
        });
        fleet.note_what_it_carries_out();
        Some(planned)
    }

    fn plan_policy(&self, observed: &ObservedPolicy, policy: &Policy, at: Timestamp) -> PolicyPlan {
        let fleets = self.fleets.values();
        let shares: Vec<Share<'_>> = fleets.filter_map(|fleet| fleet.share(policy)).collect();
        plan_policy(observed, policy, &shares, at)
    }

    /// How many clients were decided for since the start.
    #[must_use]
    pub fn decisions(&self) -> u64 {
        self.decisions
    }

    /// Counts what the policies do not, of what was planned last.
    #[must_use]
    pub fn census(&self) -> Census {
        let mut census = Census::default();
        for fleet in self.fleets.values() {
            census.fleets += 1;
            census.unreadable_fleets += u32::from(fleet.observed.spec.is_err());
            if let Some(plan) = &fleet.plan {
                census.stalled_fleets += u32::from(plan.stalled);
                census.unmanaged_clients += plan.unmanaged;
            }
        }
        census
    }

    /// Whether nothing is left in the namespace.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fleets.is_empty() && self.policies.is_empty()
    }

    /// The names of the fleets that are known.
    pub fn fleet_names(&self) -> impl Iterator<Item = &str> {
        self.fleets.keys().map(Text::as_str)
    }

    /// The names of the policies that are known.
    pub fn policy_names(&self) -> impl Iterator<Item = &str> {
        self.policies.keys().map(Text::as_str)
    }

    /// Touches the fleets that take their package from `name`.
    fn touch_users_of(&mut self, name: &str) {
        for fleet in self.fleets.values_mut() {
            if package_from(&fleet.observed) == Some(name) {
                fleet.touch(Cause::Package(name.into()));
            }
        }
    }

    /// Touches the fleets that a policy is about.
    fn touch_scope_of(&mut self, policy: &ObservedPolicy) {
        let scope = Scope::read(policy.spec.as_ref().ok().and_then(|spec| spec.scope.as_ref()));
        for fleet in self.fleets.values_mut() {
            if scope.holds_fleet(|key| fleet.observed.label(key)) {
                fleet.touch(Cause::Policy(policy.name().into()));
            }
        }
    }
}

/// The fleet that this one takes its package from.
pub(super) fn package_from(fleet: &ObservedFleet) -> Option<&str> {
    Some(fleet.spec.as_ref().ok()?.package_from.as_ref()?.name.as_str())
}

/// What of a fleet's spec others may use through `packageFrom`.
fn package(fleet: &ObservedFleet) -> Option<impl PartialEq + '_> {
    let ClientFleetSpec {
        package_version,
        package_from,
        retained_versions,
        withdrawn_versions,
        ..
    } = fleet.spec.as_ref().ok()?;
    Some((package_version, package_from, retained_versions, withdrawn_versions))
}
