//! Runs the planning loop, which makes all plans. The loop keeps a [`Planner`] for each namespace
//! and puts status writes into the outboxes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use kube::runtime::reflector::{ObjectRef, Store};

use super::audit::{Accepted, Audited, Auditor};
use super::change_set::{ChangeSet, Key, KindChanges};
use super::events::Announced;
use super::heartbeat::Heartbeat;
use super::lease::leadership::Leadership;
use super::metrics::Metrics;
use super::outbox::Outbox;
use crate::api::{ClientFleet, Text, UpgradePolicy};
use crate::cluster::watch::freshness::Freshness;
use crate::daemon::clock::Clock;
use crate::plan::{Cached, CachedFleet, CachedPolicy, Planned, Planner};
use crate::values::Timestamp;

/// Pause after the first change of a burst, so that one `kubectl apply` of a directory leads to one
/// plan.
const BURST_DELAY: Duration = Duration::from_millis(1);

/// Number of clients that the planning loop plans before it yields, so that writes can start and
/// the HTTP server can respond.
const CLIENTS_PER_PART: u64 = 10_000;

/// The planning loop with its inputs and outputs.
pub struct Loop {
    /// The change set that the watches fill.
    pub change_set: Arc<ChangeSet>,
    /// Freshness of the two stores.
    pub freshness: [Freshness; 2],
    /// Source of the current time.
    pub clock: Arc<dyn Clock>,
    /// Leadership of this process. The loop plans nothing before this process leads.
    pub leadership: Leadership,
    /// The fleets in the cluster.
    pub fleets: Store<CachedFleet>,
    /// The policies in the cluster.
    pub policies: Store<CachedPolicy>,
    /// Outbox for fleet statuses.
    pub fleet_outbox: Arc<Outbox<ClientFleet>>,
    /// Outbox for policy statuses.
    pub policy_outbox: Arc<Outbox<UpgradePolicy>>,
    /// Auditor that records a write without a response as soon as a watch event shows the write.
    pub auditor: Arc<Auditor>,
    /// Metrics of the planning passes.
    pub metrics: Arc<Metrics>,
    /// Heartbeat that the loop updates while it runs.
    pub heartbeat: Arc<Heartbeat>,
}

/// Time without any watch event after which the loop verifies that the stores are current before it
/// plans. An API server sends a bookmark about once a minute.
const MAX_AGE: Duration = Duration::from_secs(75);

/// Time between two heartbeats while the loop waits for the stores.
const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(30);

type Planners = BTreeMap<String, Planner>;

impl Loop {
    /// Waits until this process leads, then plans until the task is dropped.
    ///
    /// The first pass plans all objects: the change set returns nothing before both stores are
    /// filled, and then contains the first list of each kind.
    pub async fn run(self) {
        self.leadership.won().await;
        if !self.leadership.is_alone() {
            // The watches may lag behind, and the previous leader may have planned from newer
            // objects.
            self.prove_stores().await;
        }
        let mut planners = Planners::new();
        let mut now = self.clock.now();
        loop {
            let until = planners.values().filter_map(Planner::holds_until).min();
            self.heartbeat.record();
            tokio::select! {
                () = self.change_set.changed() => tokio::time::sleep(BURST_DELAY).await,
                () = self.fleet_outbox.caught_up() => {}
                () = self.clock.wait_until_due(now, until) => {}
            }
            if self.freshness.iter().any(|store| store.silence() >= MAX_AGE) {
                self.prove_stores().await;
            }
            let touched = self.change_set.take();
            let (fleets, policies) = (touched.fleets, touched.policies);
            observe(&mut planners, &self.fleets, &self.fleet_outbox, fleets, &self.auditor);
            observe(&mut planners, &self.policies, &self.policy_outbox, policies, &self.auditor);
            let mut outdated = outdated(&self.fleet_outbox);
            for (namespace, planner) in &mut planners {
                planner.set_outdated(outdated.remove(namespace).unwrap_or_default());
            }
            now = self.clock.now();
            for (namespace, planner) in planners.iter_mut().filter(|(_, p)| p.is_due(now)) {
                self.heartbeat.record();
                self.plan(namespace, planner, now).await;
            }
            planners.retain(|namespace, planner| {
                if planner.is_empty() {
                    self.metrics.forget(namespace);
                }
                !planner.is_empty()
            });
        }
    }

    /// Waits until both stores contain everything that the API server has at the time of the call.
    ///
    /// The loop plans nothing while the API server is unreachable, because a plan from old objects
    /// may offer what a newer policy forbids.
    async fn prove_stores(&self) {
        let proofs = join_all(self.freshness.iter().map(Freshness::prove));
        let mut proofs = std::pin::pin!(proofs);
        loop {
            tokio::select! {
                _ = &mut proofs => return,
                () = tokio::time::sleep(HEARTBEAT_INTERVAL) => self.heartbeat.record(),
            }
        }
    }

    async fn plan(&self, namespace: &str, planner: &mut Planner, now: Timestamp) {
        let decided_before = planner.decisions();
        let mut begun = Instant::now();
        let mut took = Duration::ZERO;
        let mut writes = 0;
        let mut pass = planner.begin(now);
        while let Some(fleets) = pass.fleets(CLIENTS_PER_PART) {
            writes += post(&self.fleet_outbox, &fleets);
            took += begun.elapsed();
            self.heartbeat.record();
            tokio::task::yield_now().await;
            begun = Instant::now();
        }
        let pass = pass.end();
        writes += post(&self.policy_outbox, &pass.policies);
        took += begun.elapsed();
        let decisions = planner.decisions() - decided_before;
        self.metrics.planned(namespace, planner.counts(), &pass, decisions, took);
        let until = pass.until.map(tracing::field::display);
        tracing::debug!(namespace, decisions, writes, until, ?took, "planned");
    }
}

/// Returns the fleets whose status in the store may be out of date, by namespace.
fn outdated(outbox: &Outbox<ClientFleet>) -> BTreeMap<String, BTreeSet<Text>> {
    let mut by_namespace = BTreeMap::<_, BTreeSet<_>>::new();
    for (namespace, name) in outbox.outdated() {
        by_namespace.entry(namespace).or_default().insert(name.into());
    }
    by_namespace
}

/// Posts planned objects to their outbox. Returns the number of writes that were queued or
/// replaced.
fn post<K: Announced>(outbox: &Outbox<K>, planned: &[Planned<K>]) -> usize {
    planned.iter().filter(|planned| outbox.post(planned)).count()
}

/// Updates the planners with the changed and deleted objects of a store.
fn observe<K: Plannable>(
    planners: &mut Planners,
    store: &Store<Cached<K>>,
    outbox: &Outbox<K>,
    changes: KindChanges,
    auditor: &Auditor,
) {
    let mut keys: BTreeSet<Key> = changes.objects;
    if let Some(began) = changes.relisted {
        outbox.relisted(began);
        keys.extend(store.state().iter().map(|object| object.key()));
        for (namespace, planner) in &*planners {
            keys.extend(K::names(planner).into_iter().map(|name| (namespace.clone(), name)));
        }
    }
    for key in keys {
        let reference = ObjectRef::new(&key.1).within(&key.0);
        let planner = planners.entry(key.0.clone()).or_default();
        if let Some(object) = store.get(&reference) {
            if let Some(attempt) = outbox.seen(&object) {
                let made = object.metadata.resource_version.as_deref();
                K::record(auditor, &Accepted::of(&attempt, made));
            }
            K::observe(planner, object);
        } else {
            K::forget(planner, &key.1);
            outbox.forget(&key);
        }
    }
}

/// A kind of object that a [`Planner`] uses as input.
trait Plannable: Announced + Audited {
    fn observe(planner: &mut Planner, object: Arc<Cached<Self>>);
    fn forget(planner: &mut Planner, name: &str);
    fn names(planner: &Planner) -> Vec<String>;
}

impl Plannable for ClientFleet {
    fn observe(planner: &mut Planner, object: Arc<CachedFleet>) {
        planner.observe_fleet(object);
    }
    fn forget(planner: &mut Planner, name: &str) {
        planner.forget_fleet(name);
    }
    fn names(planner: &Planner) -> Vec<String> {
        planner.fleet_names().map(ToOwned::to_owned).collect()
    }
}

impl Plannable for UpgradePolicy {
    fn observe(planner: &mut Planner, object: Arc<CachedPolicy>) {
        planner.observe_policy(object);
    }
    fn forget(planner: &mut Planner, name: &str) {
        planner.forget_policy(name);
    }
    fn names(planner: &Planner) -> Vec<String> {
        planner.policy_names().map(ToOwned::to_owned).collect()
    }
}
