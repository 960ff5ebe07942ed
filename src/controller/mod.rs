//! The controller: carries out in the cluster what [`crate::plan`] decides. A shell: it watches,
//! reads the clock and writes, and decides nothing itself.
//!
//! One way through, from a watch event to a status write:
//!
//! 1. [`watch`]: a watch for each kind fills a store and leaves a note of what it touched, the store
//!    first.
//! 2. [`planning`]: one loop, the only place where plans are made, takes the notes after a burst, at
//!    the moment the plan names, and looks at the clock each minute. What should be written goes to
//!    the outbox of its kind.
//! 3. [`writing`]: each outbox is emptied by kube's applier, one write for each object at a time, a
//!    few objects at once, with a back-off for each object. [`events`] follow a policy's write.

pub mod audit;
pub mod clock;
pub mod command;
pub mod crds;
pub mod events;
pub mod health;
pub mod logging;
pub mod metrics;
pub mod notes;
pub mod outbox;
pub mod planning;
pub mod pulse;
pub mod serving;
pub mod watch;
pub mod writing;

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::reflector::store;
use kube::{Api, Client};
use tokio::task::JoinSet;

use crate::api::{ClientFleet, UpgradePolicy};
use crate::plan::Kind;

use audit::Auditor;
use audit::stream::Stream;
use clock::Clock;
use health::Health;
use metrics::Metrics;
use notes::Notes;
use outbox::Outbox;
use pulse::Pulse;

/// What a controller is started with.
#[derive(Clone)]
pub struct Options {
    /// The namespace to look after; `None`: all of them.
    pub namespace: Option<String>,
    /// How many status writes of each kind may be under way at once.
    pub concurrent_writes: u16,
    /// Under which name it tells of its writes.
    pub identity: String,
    /// Where the audit stream goes, if anywhere.
    pub audit: Option<Arc<Stream>>,
    /// What it measures.
    pub metrics: Arc<Metrics>,
    /// How it is.
    pub health: Health,
    /// Whether it goes on.
    pub pulse: Arc<Pulse>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespace: None,
            concurrent_writes: 8,
            identity: "clientfleet".to_owned(),
            audit: None,
            metrics: Arc::default(),
            health: Health::default(),
            pulse: Arc::default(),
        }
    }
}

/// How long writes that are under way may take to end once the controller is to stop.
const LAST_WRITES: Duration = Duration::from_secs(3);

/// Runs the controller until `shutdown` completes: then it takes up nothing new, waits at most three
/// seconds for the writes that are under way, and returns.
///
/// # Errors
/// When the cluster's custom resource definitions are missing or older than the controller's own, or
/// cannot be read for want of rights.
pub async fn run(
    client: Client,
    clock: Arc<dyn Clock>,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), crds::Unfit> {
    let mut shutdown = std::pin::pin!(shutdown);
    tokio::select! {
        () = &mut shutdown => return Ok(()),
        fit = crds::check(&client) => fit?,
    }
    let Options { health, metrics, pulse, identity, audit, .. } = options.clone();
    let auditor = Arc::new(Auditor::new(identity, audit, Arc::clone(&metrics)));
    health.started(2);
    metrics.watch_health(health.clone());
    tracing::info!(namespace = options.namespace.as_deref().unwrap_or("all"), "watching");

    let notes = Arc::new(Notes::default());
    let (fleets, fleet_store) = store();
    let (policies, policy_store) = store();
    let (fleet_outbox, fleet_queue) = Outbox::new();
    let (policy_outbox, policy_queue) = Outbox::new();

    let mut reading = JoinSet::new();
    let fleet_api = api::<ClientFleet>(&client, &options);
    let policy_api = api::<UpgradePolicy>(&client, &options);
    metrics.watch_queue("ClientFleet", Arc::<Outbox<_>>::clone(&fleet_outbox));
    metrics.watch_queue("UpgradePolicy", Arc::<Outbox<_>>::clone(&policy_outbox));
    let watch = watch::Watch { notes: Arc::clone(&notes), metrics: Arc::clone(&metrics), health };
    reading.spawn(watch.clone().run::<ClientFleet>(fleet_api, fleet_store));
    reading.spawn(watch.run::<UpgradePolicy>(policy_api, policy_store));
    reading.spawn(
        planning::Loop {
            notes,
            clock: Arc::clone(&clock),
            fleets: fleets.clone(),
            policies: policies.clone(),
            fleet_outbox: Arc::clone(&fleet_outbox),
            policy_outbox: Arc::clone(&policy_outbox),
            auditor: Arc::clone(&auditor),
            metrics: Arc::clone(&metrics),
            pulse,
        }
        .run(),
    );

    let mut writers = JoinSet::new();
    let concurrency = options.concurrent_writes;
    let pen = writing::Pen { client, clock, auditor, metrics };
    let writer = writing::Writer::new(pen.clone(), Arc::clone(&fleet_outbox));
    writers.spawn(writing::write_all(writer, fleets, fleet_queue, concurrency));
    let writer = writing::Writer::new(pen, Arc::clone(&policy_outbox));
    writers.spawn(writing::write_all(writer, policies, policy_queue, concurrency));

    tokio::select! {
        () = shutdown => {}
        Some(ended) = reading.join_next() => stop_with(ended),
        Some(ended) = writers.join_next() => stop_with(ended),
    }
    tracing::info!("stopping");
    reading.shutdown().await;
    fleet_outbox.close();
    policy_outbox.close();
    let ended = async { while writers.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_WRITES, ended).await.is_err() {
        tracing::warn!("writes were still under way after {LAST_WRITES:?} and were given up");
    }
    Ok(())
}

/// None of the tasks ends by itself. When one panics so does the controller: what is left of it would
/// seem to work and do nothing.
fn stop_with(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        std::panic::resume_unwind(error.into_panic());
    }
}

fn api<K: Kind<Scope = kube::core::NamespaceResourceScope>>(
    client: &Client,
    options: &Options,
) -> Api<crate::plan::Observed<K>> {
    match &options.namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}
