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

pub mod clock;
pub mod command;
pub mod crds;
pub mod events;
pub mod health;
pub mod notes;
pub mod outbox;
pub mod planning;
pub mod watch;
pub mod writing;

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::reflector::store;
use kube::{Api, Client};
use tokio::task::JoinSet;

use crate::api::{ClientFleet, UpgradePolicy};
use crate::plan::Kind;

use clock::Clock;
use notes::Notes;
use outbox::Outbox;

/// What a controller is started with.
#[derive(Clone)]
pub struct Options {
    /// The namespace to look after; `None`: all of them.
    pub namespace: Option<String>,
    /// How many status writes of each kind may be under way at once.
    pub concurrent_writes: u16,
}

impl Default for Options {
    fn default() -> Self {
        Self { namespace: None, concurrent_writes: 8 }
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
    tracing::info!(namespace = options.namespace.as_deref().unwrap_or("all"), "watching");

    let notes = Arc::new(Notes::default());
    let (fleets, fleet_store) = store();
    let (policies, policy_store) = store();
    let (fleet_outbox, fleet_queue) = Outbox::new();
    let (policy_outbox, policy_queue) = Outbox::new();

    let mut reading = JoinSet::new();
    let fleet_api = api::<ClientFleet>(&client, &options);
    let policy_api = api::<UpgradePolicy>(&client, &options);
    reading.spawn(watch::watch::<ClientFleet>(fleet_api, fleet_store, Arc::clone(&notes)));
    reading.spawn(watch::watch::<UpgradePolicy>(policy_api, policy_store, Arc::clone(&notes)));
    reading.spawn(
        planning::Loop {
            notes,
            clock: Arc::clone(&clock),
            fleets: fleets.clone(),
            policies: policies.clone(),
            fleet_outbox: Arc::clone(&fleet_outbox),
            policy_outbox: Arc::clone(&policy_outbox),
        }
        .run(),
    );

    let mut writers = JoinSet::new();
    let concurrency = options.concurrent_writes;
    let writer =
        writing::Writer::new(client.clone(), Arc::clone(&clock), Arc::clone(&fleet_outbox));
    writers.spawn(writing::write_all(writer, fleets, fleet_queue, concurrency));
    let writer = writing::Writer::new(client, clock, Arc::clone(&policy_outbox));
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
