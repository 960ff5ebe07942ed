//! One way through, from a watch event to a status write, for one namespace or for all of them: two
//! watches with their stores, one planning loop, two outboxes with their writers.

use std::sync::Arc;
use std::time::Duration;

use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::store;
use kube::{Api, Client};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::audit::Auditor;
use super::clock::Clock;
use super::health::Health;
use super::lease::leadership::Leadership;
use super::metrics::Metrics;
use super::notes::Notes;
use super::outbox::Outbox;
use super::pulse::Pulse;
use super::writing::{Writer, write_all};
use super::{planning, watch};
use crate::api::{ClientFleet, UpgradePolicy};
use crate::plan::{Kind, Raw};

/// What all pipelines of a controller work with.
#[derive(Clone)]
pub struct Surroundings {
    /// The cluster.
    pub client: Client,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether anything may be written.
    pub leadership: Leadership,
    /// Who is told of the stores.
    pub health: Health,
    /// How many status writes of each kind may be under way at once.
    pub concurrent_writes: u16,
    /// Who is told what is measured.
    pub metrics: Arc<Metrics>,
    /// Who is told that the planning loops go on.
    pub pulse: Arc<Pulse>,
    /// Who tells of the writes.
    pub auditor: Arc<Auditor>,
}

/// The tasks of all pipelines.
#[derive(Default)]
pub struct Tasks {
    /// Watches and planning loops: they end at once.
    pub reading: JoinSet<()>,
    /// Writers: they end when their outboxes are closed and what is under way is written.
    pub writing: JoinSet<()>,
}

/// How many stores each pipeline fills.
pub const STORES: usize = 2;

/// A policy's sums change with each of its fleets: they are written once in so long.
const POLICY_PACE: Duration = Duration::from_secs(1);

/// A pipeline at work.
pub struct Pipeline {
    fleets: Arc<Outbox<ClientFleet>>,
    policies: Arc<Outbox<UpgradePolicy>>,
}

/// How many writes may be under way, of all pipelines together.
#[derive(Clone)]
pub struct Permits {
    fleets: Arc<Semaphore>,
    policies: Arc<Semaphore>,
}

impl Permits {
    /// So many of each kind.
    #[must_use]
    pub fn of_each_kind(count: u16) -> Self {
        let permits = || Arc::new(Semaphore::new(usize::from(count)));
        Self { fleets: permits(), policies: permits() }
    }
}

impl Pipeline {
    /// Starts one for a namespace, or with `None` for all of them.
    pub fn start(
        namespace: Option<&str>,
        around: &Surroundings,
        permits: &Permits,
        tasks: &mut Tasks,
    ) -> Self {
        let notes = Arc::new(Notes::default());
        let (fleets, fleet_store) = store();
        let (policies, policy_store) = store();
        let fleet_outbox = Outbox::new(Duration::ZERO, around.concurrent_writes);
        let policy_outbox = Outbox::new(POLICY_PACE, around.concurrent_writes);

        let Surroundings { client, clock, leadership, health, metrics, .. } = around;
        metrics.watch_queue("ClientFleet", Arc::<Outbox<_>>::clone(&fleet_outbox));
        metrics.watch_queue("UpgradePolicy", Arc::<Outbox<_>>::clone(&policy_outbox));
        let told = || watch::Told {
            notes: Arc::clone(&notes),
            health: health.clone(),
            metrics: Arc::clone(metrics),
        };
        let api = api::<ClientFleet>(client, namespace);
        tasks.reading.spawn(watch::watch::<ClientFleet>(api, fleet_store, told()));
        let api = self::api::<UpgradePolicy>(client, namespace);
        tasks.reading.spawn(watch::watch::<UpgradePolicy>(api, policy_store, told()));
        let planning = planning::Loop {
            notes,
            clock: Arc::clone(clock),
            leadership: leadership.clone(),
            fleets: fleets.clone(),
            policies: policies.clone(),
            fleet_outbox: Arc::clone(&fleet_outbox),
            policy_outbox: Arc::clone(&policy_outbox),
            auditor: Arc::clone(&around.auditor),
            metrics: Arc::clone(metrics),
            pulse: Arc::clone(&around.pulse),
        };
        let concurrent_writes = around.concurrent_writes;
        tasks.reading.spawn(planning.run());

        let writer = Writer::new(around, Arc::clone(&fleet_outbox), Arc::clone(&permits.fleets));
        tasks.writing.spawn(write_all(writer, fleets, concurrent_writes));
        let writer = Writer::new(around, Arc::clone(&policy_outbox), Arc::clone(&permits.policies));
        tasks.writing.spawn(write_all(writer, policies, concurrent_writes));
        Self { fleets: fleet_outbox, policies: policy_outbox }
    }

    /// Takes up nothing new to write.
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
