//! Runs the stages of a plan (collect, allot, decide) for the fleets that need a plan, and then
//! plans the policies.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Fleet, KnownPolicy, Planner, package_from};
use crate::api::{ClientFleet, Text, UpgradePolicy};
use crate::plan::aggregate::{Change, PlanRecord, PolicyAggregate};
use crate::plan::allot::Standings;
use crate::plan::cached::CachedFleet;
use crate::plan::collect::{Collected, collect, is_covered};
use crate::plan::fleet::plan_fleet;
use crate::plan::next_change::earlier;
use crate::plan::phase_cache::PhaseCache;
use crate::plan::planned::{FleetStatusInputs, Planned};
use crate::plan::policy::Policy;
use crate::plan::policy_status::{PolicyPlan, plan_policy};
use crate::plan::trigger::{Cause, PlanTrigger, PolicyRevision, PolicyRevisions};
use crate::plan::version_text::VersionText;
use crate::values::Timestamp;

/// The result of one planning pass.
#[derive(Clone, Debug, Default)]
pub struct PassResult {
    /// Planned fleets that no call of [`PlanningPass::fleets`] has returned, sorted by name.
    pub fleets: Vec<Planned<ClientFleet>>,
    /// All policies, sorted by name.
    pub policies: Vec<Planned<UpgradePolicy>>,
    /// Instant until which the plan holds if no object changes; `None` if the plan never expires.
    pub until: Option<Timestamp>,
}

/// A planning pass in progress, in which all plans are for the same instant.
///
/// The pass returns fleets in parts, so that the first statuses of a large namespace can be written
/// while the last ones are planned, and plans policies when their aggregates are complete.
#[derive(Debug)]
pub struct PlanningPass<'a> {
    planner: &'a mut Planner,
    at: Timestamp,
}

impl Planner {
    /// Runs a complete planning pass for the instant `at`.
    pub fn plan(&mut self, at: Timestamp) -> PassResult {
        self.begin(at).end()
    }

    /// Begins a planning pass whose fleets can be planned in parts.
    pub fn begin(&mut self, at: Timestamp) -> PlanningPass<'_> {
        if std::mem::take(&mut self.rulebook_is_stale) {
            let policies = self.policies.values().map(|known| Arc::clone(&known.policy));
            let mut policies: Vec<Arc<Policy>> = policies.collect();
            policies.sort_by(|a, b| Policy::by_precedence(a, b));
            self.rulebook = policies.into();
        }
        self.resolve_duplicates(at);
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

    fn source_of(&self, fleet: &Fleet) -> Option<Arc<CachedFleet>> {
        let source = package_from(&fleet.observed).and_then(|source| self.fleets.get(source));
        source.map(|source| Arc::clone(&source.observed))
    }

    /// Returns the number of clients in a fleet, but at least 1, so that an empty fleet also counts
    /// toward the limit of [`PlanningPass::fleets`].
    fn clients_of(&self, fleet: &Text) -> u64 {
        let spec = self.fleets.get(fleet).and_then(|fleet| fleet.observed.spec.as_deref().ok());
        spec.and_then(|spec| spec.clients.as_ref()).map_or(1, |clients| clients.len().max(1) as u64)
    }

    /// Collects the claims of a fleet's clients. Returns false if the fleet needs no claims; the
    /// fleet can then be decided before the allotment.
    fn collect(&mut self, name: &Text, phase_cache: &PhaseCache) -> bool {
        let Some(fleet) = self.fleets.get(name) else { return false };
        let allotter = &*self.allotter;
        let is_covered = is_covered(&fleet.observed, &self.rulebook, allotter);
        let collected = if is_covered {
            let source = self.source_of(fleet);
            let (observed, last) = (&fleet.observed, &fleet.collected);
            let (source, duplicates) = (source.as_deref(), &fleet.duplicates);
            collect(observed, source, &self.rulebook, phase_cache, allotter, duplicates, last)
        } else {
            Collected::default()
        };
        let before = self.fleets.get_mut(name).map(|fleet| std::mem::take(&mut fleet.collected));
        self.replace_claims(&before.unwrap_or_default().claims, &collected.claims);
        if let Some(fleet) = self.fleets.get_mut(name) {
            fleet.collected = collected;
            if !is_covered {
                fleet.standings = Standings::default();
            }
        }
        is_covered
    }

    /// Allots the standings of all clients if claims have changed, and queues the fleets in which a
    /// standing has changed.
    fn allot(&mut self) {
        if !std::mem::take(&mut self.claims_changed) {
            return;
        }
        let mut allotment = self.allotter.allot(&self.claims);
        let mut changed = Vec::new();
        for (name, fleet) in &mut self.fleets {
            let standings = allotment.remove(name).unwrap_or_default();
            for (before, now) in fleet.collected.record_offers(&standings) {
                self.claims.remove(&before);
                self.claims.insert(now);
            }
            if standings != fleet.standings {
                fleet.standings = standings;
                changed.push(name.clone());
            }
        }
        for name in changed {
            self.unplan(&name, Cause::Allotment);
            self.collected.insert(name);
        }
    }

    fn decide(&mut self, name: &Text, phase_cache: &PhaseCache) -> Option<Planned<ClientFleet>> {
        let fleet = self.fleets.get(name)?;
        let source = self.source_of(fleet);
        let standings = overridden(&fleet.standings, &fleet.duplicates);
        let plan =
            plan_fleet(&fleet.observed, source.as_deref(), &self.rulebook, &standings, phase_cache);
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
            // Reuse the existing map if it is equal, to save memory. The revisions rarely change.
            policy_revisions: Some(&fleet.applied_revisions)
                .filter(|known| **known == policy_revisions)
                .cloned()
                .unwrap_or(policy_revisions),
            package: plan.package,
            holds_until: earlier(plan.holds_until, fleet.collected.holds_until),
            unmanaged: plan.unmanaged,
            stalled: plan.stalled,
            unreadable: fleet.observed.spec.is_err(),
        };
        let causes = std::mem::take(&mut fleet.causes);
        let policies = Arc::clone(&kept.policy_revisions);
        let trigger = PlanTrigger { at: phase_cache.now, causes, policies };
        let draft = FleetStatusInputs { source, rulebook: Arc::clone(&self.rulebook), standings };
        let planned = Planned::fleet(Arc::clone(&fleet.observed), kept.status, draft, trigger);
        if fleet.observed.status_equals(kept.status) && !self.outdated.contains(name) {
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
}

/// Returns the standings of a fleet's clients: those in `duplicates`, else those in the allotment.
fn overridden(allotted: &Standings, duplicates: &Standings) -> Standings {
    if duplicates.is_empty() {
        return Arc::clone(allotted);
    }
    if allotted.is_empty() {
        return Arc::clone(duplicates);
    }
    let mut standings = BTreeMap::clone(allotted);
    standings.extend(duplicates.iter().map(|(client, standing)| (client.clone(), *standing)));
    Arc::new(standings)
}

fn policy_revision(policy: &Policy) -> PolicyRevision {
    (policy.uid.clone(), policy.generation)
}

impl PlanningPass<'_> {
    /// Plans the next fleets that need a plan, and stops when the stages have processed at least
    /// `clients` clients in total.
    ///
    /// Returns `None` if no fleet needs a plan, and an empty list if only claims were collected.
    pub fn fleets(&mut self, clients: u64) -> Option<Vec<Planned<ClientFleet>>> {
        let Self { planner, at } = self;
        let phase_cache = PhaseCache::new(*at, planner.rulebook.len());
        let mut done = 0_u64;
        let mut fleets = Vec::new();
        while done < clients {
            if let Some(name) = planner.due.pop_first() {
                done = done.saturating_add(planner.clients_of(&name));
                if planner.collect(&name, &phase_cache) {
                    planner.collected.insert(name);
                } else {
                    planner.collected.remove(&name);
                    fleets.extend(planner.decide(&name, &phase_cache));
                }
                continue;
            }
            planner.allot();
            let Some(name) = planner.collected.pop_first() else {
                return Some(fleets).filter(|fleets| !fleets.is_empty());
            };
            done = done.saturating_add(planner.clients_of(&name));
            fleets.extend(planner.decide(&name, &phase_cache));
        }
        Some(fleets)
    }

    /// Plans the remaining fleets and all policies.
    #[must_use]
    pub fn end(mut self) -> PassResult {
        let mut fleets = self.fleets(u64::MAX).unwrap_or_default();
        fleets.sort_by(|a, b| a.cached.name().cmp(b.cached.name()));
        let Self { planner, at } = self;
        let mut until = earlier(planner.aggregates.first_end(), planner.names.next_change());
        let mut policies = Vec::with_capacity(planner.policies.len());
        for known in planner.policies.values() {
            let PolicyPlan { status, holds_until } = planner.plan_policy(known, at);
            until = earlier(until, holds_until);
            policies.push(Planned::policy(Arc::clone(&known.observed), status, at));
        }
        for (known, planned) in planner.policies.values_mut().zip(&policies) {
            let generation = known.policy.generation;
            if planned.inputs.observed_generation == Some(generation) {
                known.in_force = Some(generation);
            }
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
