//! Runs the pipeline from watch events to status writes, for one namespace or for all namespaces.
//! The pipeline has two watches with their stores, one planning loop, and two outboxes with their
//! writers.

use std::sync::Arc;
use std::time::Duration;

use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::store;
use kube::{Api, Client};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::audit::Auditor;
use super::change_set::{ChangeSet, StoreKind};
use super::events::EventQueue;
use super::health::Health;
use super::heartbeat::Heartbeat;
use super::lease::leadership::Leadership;
use super::metrics::Metrics;
use super::outbox::Outbox;
use super::planning;
use super::watch_recorder::WatchRecorder;
use super::writing::{Writer, write_all};
use crate::api::{ClientFleet, UpgradePolicy};
use crate::cluster::watch::freshness::Freshness;
use crate::cluster::watch::watch;
use crate::daemon::clock::Clock;
use crate::plan::{Kind, Raw};

/// The context that all pipelines of a controller share.
#[derive(Clone)]
pub struct Context {
    /// Client for the cluster.
    pub client: Client,
    /// Source of the current time.
    pub clock: Arc<dyn Clock>,
    /// Leadership of this process: only a leader may write.
    pub leadership: Leadership,
    /// Health of the controller, including the number of stores that are still to be filled.
    pub health: Health,
    /// Maximum number of concurrent status writes for each kind of object.
    pub concurrent_writes: u16,
    /// Metrics of the controller.
    pub metrics: Arc<Metrics>,
    /// Heartbeat of the planning loops.
    pub heartbeat: Arc<Heartbeat>,
    /// Auditor that reports the status writes.
    pub auditor: Arc<Auditor>,
}

/// The tasks of all pipelines.
#[derive(Default)]
pub struct Tasks {
    /// Watches and planning loops, which can be aborted at any time.
    pub reading: JoinSet<()>,
    /// Writers, which end when their outbox is closed and the writes in progress are finished.
    pub writing: JoinSet<()>,
    /// Publishers, which end when the writers have ended and all events are published.
    pub publishing: JoinSet<()>,
}

/// Number of stores that each pipeline fills.
pub(crate) const STORES_PER_PIPELINE: usize = 2;

/// Minimum time between two status writes of one policy. Every fleet in a policy's scope can change
/// the counts in the policy's status, so writes would be too frequent without this limit.
const POLICY_WRITE_INTERVAL: Duration = Duration::from_secs(1);

/// A running pipeline.
pub struct Pipeline {
    fleets: Arc<Outbox<ClientFleet>>,
    policies: Arc<Outbox<UpgradePolicy>>,
}

/// Semaphores that limit the concurrent writes of all pipelines together.
#[derive(Clone)]
pub struct Permits {
    fleets: Arc<Semaphore>,
    policies: Arc<Semaphore>,
}

impl Permits {
    /// Creates semaphores that each permit `count` concurrent writes of one kind of object.
    #[must_use]
    pub fn of_each_kind(count: u16) -> Self {
        let permits = || Arc::new(Semaphore::new(usize::from(count)));
        Self { fleets: permits(), policies: permits() }
    }
}

impl Pipeline {
    /// Starts a pipeline for one namespace, or for all namespaces if `namespace` is `None`.
    pub fn start(
        namespace: Option<&str>,
        cx: &Context,
        permits: &Permits,
        tasks: &mut Tasks,
    ) -> Self {
        let notes = Arc::new(ChangeSet::default());
        let (fleets, fleet_store) = store();
        let (policies, policy_store) = store();
        let fleet_outbox = Outbox::new(Duration::ZERO, cx.concurrent_writes);
        let policy_outbox = Outbox::new(POLICY_WRITE_INTERVAL, cx.concurrent_writes);

        let Context { client, clock, leadership, health, metrics, .. } = cx;
        metrics.watch_queue("ClientFleet", Arc::<Outbox<_>>::clone(&fleet_outbox));
        metrics.watch_queue("UpgradePolicy", Arc::<Outbox<_>>::clone(&policy_outbox));
        let freshness = [Freshness::default(), Freshness::default()];
        health.watches("ClientFleet", freshness[0].clone());
        health.watches("UpgradePolicy", freshness[1].clone());
        let recorder = |store| WatchRecorder {
            store,
            change_set: Arc::clone(&notes),
            health: health.clone(),
            metrics: Arc::clone(metrics),
        };
        let [fleets_freshness, policies_freshness] = freshness.clone();
        let (api, recorded) = (api::<ClientFleet>(client, namespace), recorder(StoreKind::Fleets));
        tasks.reading.spawn(watch(api, fleet_store, fleets_freshness, recorded));
        let api = self::api::<UpgradePolicy>(client, namespace);
        let recorded = recorder(StoreKind::Policies);
        tasks.reading.spawn(watch(api, policy_store, policies_freshness, recorded));
        let planning = planning::Loop {
            change_set: notes,
            freshness,
            clock: Arc::clone(clock),
            leadership: leadership.clone(),
            fleets: fleets.clone(),
            policies: policies.clone(),
            fleet_outbox: Arc::clone(&fleet_outbox),
            policy_outbox: Arc::clone(&policy_outbox),
            auditor: Arc::clone(&cx.auditor),
            metrics: Arc::clone(metrics),
            heartbeat: Arc::clone(&cx.heartbeat),
        };
        let concurrent_writes = cx.concurrent_writes;
        tasks.reading.spawn(planning.run());

        let writer = Writer::new(cx, Arc::clone(&fleet_outbox), Arc::clone(&permits.fleets));
        let (events, publisher) = EventQueue::new(cx);
        tasks.publishing.spawn(publisher.run());
        tasks.writing.spawn(write_all(writer, events.clone(), fleets, concurrent_writes));
        let writer = Writer::new(cx, Arc::clone(&policy_outbox), Arc::clone(&permits.policies));
        tasks.writing.spawn(write_all(writer, events, policies, concurrent_writes));
        Self { fleets: fleet_outbox, policies: policy_outbox }
    }

    /// Returns the number of objects with a write whose outcome is unknown.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.fleets.unacknowledged() + self.policies.unacknowledged()
    }

    /// Closes both outboxes, so that no further write starts.
    pub fn close(&self) {
        self.fleets.close();
        self.policies.close();
    }
}

fn api<K: Kind<Scope = NamespaceResourceScope>>(
    client: &Client,
    namespace: Option<&str>,
) -> Api<Raw<K>> {
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}
