//! Runs the controller, which applies the decisions of [`crate::plan`] to the cluster and makes no
//! decisions itself.
//!
//! Data flows in one direction, from a watch event to a status write:
//!
//! 1. A [`watch`] for each kind fills a store, and [`watch_recorder`] records the changed objects in
//!    the change set ([`change_set`]).
//! 2. [`planning`]: one loop makes all plans. It plans after a burst of changes, and when a plan
//!    expires. It reads the clock at least once a minute, and puts each status write into the
//!    outbox for its kind of object.
//! 3. [`writing`]: kube's applier empties each outbox in the order of its write queue
//!    ([`write_queue`]). It runs at most one write of an object at a time, with a separate back-off
//!    for each object. The write limit ([`write_limit`]) limits the number of concurrent writes.
//!    After a policy status is written, the controller publishes [`events`] for the policy.
//!
//! If several replicas run, one of them leads ([`lease`]). The other replicas also watch, and start
//! step 2 when they become the leader.
//!
//! [`watch`]: crate::cluster::watch

pub mod audit;
pub mod change_set;
pub mod command;
pub mod crds;
pub mod endpoints;
pub mod events;
pub mod health;
pub mod heartbeat;
pub mod lease;
pub mod metrics;
pub mod outbox;
pub mod pipeline;
pub mod planning;
pub mod watch_recorder;
pub mod write_limit;
pub mod write_queue;
pub mod writing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

use audit::Auditor;
use health::Health;
use heartbeat::Heartbeat;
use lease::candidate::{Candidacy, Candidate, LeadershipLost};
use lease::leadership::Leadership;
use metrics::Metrics;
use pipeline::{Context, Permits, Pipeline, STORES_PER_PIPELINE, Tasks};

use crate::daemon::audit_stream::Stream;
use crate::daemon::clock::Clock;

/// Options of the controller.
#[derive(Clone)]
pub struct Options {
    /// The namespaces to watch; empty to watch all namespaces.
    pub namespaces: BTreeSet<String>,
    /// Maximum number of concurrent status writes for each kind of object. The [write
    /// limit](write_limit) may be lower if the API server is slow.
    pub concurrent_writes: u16,
    /// Configuration for leader election, and a client that [`lease::candidate::client`] created;
    /// `None` if this process is the only replica.
    pub candidacy: Option<(Client, Candidacy)>,
    /// Health of the controller, for probes and metrics.
    pub health: Health,
    /// Metrics of the controller.
    pub metrics: Arc<Metrics>,
    /// Heartbeat of the planning loops.
    pub heartbeat: Arc<Heartbeat>,
    /// Name of the controller in the audit stream. With leader election, this is also its name in
    /// the lease.
    pub identity: String,
    /// The audit stream; `None` to report changes in the log only.
    pub audit: Option<Arc<Stream>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            namespaces: BTreeSet::new(),
            concurrent_writes: 8,
            candidacy: None,
            health: Health::default(),
            metrics: Arc::default(),
            heartbeat: Arc::default(),
            identity: "clientfleet".to_owned(),
            audit: None,
        }
    }
}

/// Reason why the controller ends without a request to shut down.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The custom resource definitions in the cluster did not pass the check.
    #[error(transparent)]
    Unfit(#[from] crds::CrdError),
    /// The controller has lost its leadership.
    #[error(transparent)]
    Unseated(#[from] LeadershipLost),
}

const WRITES_GRACE_PERIOD: Duration = Duration::from_secs(3);

const LEASE_GRACE_PERIOD: Duration = Duration::from_secs(1);

/// Runs the controller until `shutdown` completes. Then starts no new writes, waits at most three
/// seconds for the writes in progress, and releases the lease if these writes have ended.
///
/// # Errors
///
/// Returns an error if a custom resource definition in the cluster is missing, is older than the
/// controller requires, or cannot be read. Also returns an error if the controller loses its
/// leadership; the process must then end.
pub async fn run(
    client: Client,
    clock: Arc<dyn Clock>,
    options: Options,
    shutdown: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let mut shutdown = std::pin::pin!(shutdown);
    tokio::select! {
        () = &mut shutdown => return Ok(()),
        fit = crds::check(&client) => fit?,
    }
    let Options { namespaces, concurrent_writes, candidacy, health, metrics, heartbeat, .. } =
        options;
    let auditor = Arc::new(Auditor::new(options.identity, options.audit, Arc::clone(&metrics)));
    metrics.watch_health(health.clone());
    let (leadership, mut seat) = ElectionHandle::take(candidacy, &health);
    let cx = Context {
        client,
        clock,
        leadership,
        health,
        concurrent_writes,
        metrics,
        heartbeat,
        auditor,
    };
    let mut tasks = Tasks::default();
    let pipelines = start(&namespaces, &cx, &mut tasks);

    tokio::select! {
        () = shutdown => {}
        unseated = seat.lost() => return Err(unseated.into()),
        Some(ended) = tasks.reading.join_next() => stop_with(ended),
        Some(ended) = tasks.writing.join_next() => stop_with(ended),
        Some(ended) = tasks.publishing.join_next() => stop_with(ended),
    }
    stop(tasks, &pipelines, seat).await;
    Ok(())
}

/// Ends all tasks, and releases the lease if the writes have ended.
async fn stop(mut tasks: Tasks, pipelines: &[Pipeline], seat: ElectionHandle) {
    tracing::info!("stopping");
    pipelines.iter().for_each(Pipeline::close);
    // Leave the watches running, because a watch event can show the outcome of a write without a
    // response.
    let mut writes_ended = false;
    let ended = async {
        while tasks.writing.join_next().await.is_some() {}
        writes_ended = true;
        while tasks.publishing.join_next().await.is_some() {}
    };
    let all_ended = tokio::time::timeout(WRITES_GRACE_PERIOD, ended).await.is_ok();
    tasks.reading.shutdown().await;
    if !writes_ended {
        // Do not release the lease: a write that is still in progress may reach the API server
        // later.
        let objects = pipelines.iter().map(Pipeline::unacknowledged).sum::<usize>();
        tracing::warn!(
            objects,
            "writes were still under way after {WRITES_GRACE_PERIOD:?} and were given up; those \
             that the API server accepts are not in the audit stream"
        );
        return;
    }
    if !all_ended {
        tracing::warn!(
            "events were not published within {WRITES_GRACE_PERIOD:?} and were given up"
        );
    }
    seat.give_back().await;
}

/// Starts one pipeline for each namespace, or one for all namespaces if `namespaces` is empty.
fn start(namespaces: &BTreeSet<String>, cx: &Context, tasks: &mut Tasks) -> Vec<Pipeline> {
    let scopes: Vec<Option<&str>> = if namespaces.is_empty() {
        vec![None]
    } else {
        namespaces.iter().map(|namespace| Some(namespace.as_str())).collect()
    };
    cx.health.started(scopes.len() * STORES_PER_PIPELINE);
    let permits = Permits::of_each_kind(cx.concurrent_writes);
    let start = |scope: Option<&str>| {
        tracing::info!(namespace = scope.unwrap_or("all"), "watching");
        Pipeline::start(scope, cx, &permits, tasks)
    };
    scopes.into_iter().map(start).collect()
}

/// Handle of the leader election; [`Alone`](Self::Alone) if this process is the only replica.
enum ElectionHandle {
    Alone,
    Candidate { retire: oneshot::Sender<()>, ended: JoinHandle<Result<(), LeadershipLost>> },
}

impl ElectionHandle {
    fn take(candidacy: Option<(Client, Candidacy)>, health: &Health) -> (Leadership, Self) {
        let Some((client, candidacy)) = candidacy else {
            return (Leadership::alone(), Self::Alone);
        };
        let leadership = Leadership::none();
        let candidate = Candidate::new(client, candidacy, leadership.clone(), health.clone());
        let (retire, retires) = oneshot::channel();
        let ended = tokio::spawn(candidate.run(retires));
        (leadership, Self::Candidate { retire, ended })
    }

    async fn lost(&mut self) -> LeadershipLost {
        match self {
            Self::Candidate { ended, .. } => match ended.await {
                Ok(Err(unseated)) => unseated,
                // This case cannot occur: the candidate ends without an error only after
                // `give_back`, which consumes `self`.
                Ok(Ok(())) => std::future::pending().await,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            Self::Alone => std::future::pending().await,
        }
    }

    /// Releases the lease, so that another replica can take it at once.
    async fn give_back(self) {
        let Self::Candidate { retire, ended } = self else { return };
        // If sending on `retire` fails, the candidate has ended and there is no lease to release.
        if retire.send(()).is_ok() && tokio::time::timeout(LEASE_GRACE_PERIOD, ended).await.is_err()
        {
            tracing::warn!("the lease was not given back: it expires by itself");
        }
    }
}

/// Propagates the panic of a task, because without that task the controller would appear healthy
/// but do nothing. No task ends normally before shutdown.
fn stop_with(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        std::panic::resume_unwind(error.into_panic());
    }
}
