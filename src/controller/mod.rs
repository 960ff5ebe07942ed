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
//! 3. [`writing`]: each outbox is emptied by kube's applier, in the order of its [`lanes`], one write
//!    for each object at a time, as many objects at once as the [`window`] has, with a back-off for
//!    each object. [`events`] follow a policy's write.
//!
//! Of several replicas one leads ([`lease`]): the others watch as well, and begin with 2 when they win.

pub mod audit;
pub mod clock;
pub mod command;
pub mod crds;
pub mod events;
pub mod health;
pub mod heap;
pub mod lanes;
pub mod lease;
pub mod logging;
pub mod metrics;
pub mod notes;
pub mod outbox;
pub mod pipeline;
pub mod planning;
pub mod pulse;
pub mod serving;
pub mod watch;
pub mod window;
pub mod writing;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::oneshot;
use tokio::task::{JoinError, JoinHandle};

use audit::Auditor;
use audit::stream::Stream;
use clock::Clock;
use health::Health;
use lease::candidate::{Candidacy, Candidate, Unseated};
use lease::leadership::Leadership;
use metrics::Metrics;
use pipeline::{Permits, Pipeline, STORES, Surroundings, Tasks};
use pulse::Pulse;

/// What a controller is started with.
#[derive(Clone)]
pub struct Options {
    /// The namespaces to look after; none: all of them.
    pub namespaces: BTreeSet<String>,
    /// How many status writes of each kind may be under way at once, at most: the API server may
    /// bear [less](window).
    pub concurrent_writes: u16,
    /// The lease that one of several replicas leads by, and a client made for it by
    /// [`lease::candidate::client`]; `None`: this is the only one.
    pub candidacy: Option<(Client, Candidacy)>,
    /// Who is told how it is.
    pub health: Health,
    /// Who is told what is measured.
    pub metrics: Arc<Metrics>,
    /// Who is told that it goes on.
    pub pulse: Arc<Pulse>,
    /// Under which name it tells of its writes; where it stands for a lease, the same as there.
    pub identity: String,
    /// Where the audit stream goes, if anywhere.
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
            pulse: Arc::default(),
            identity: "clientfleet".to_owned(),
            audit: None,
        }
    }
}

/// Why a controller ends before it is told to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The cluster is not fit for it.
    #[error(transparent)]
    Unfit(#[from] crds::Unfit),
    /// It led and does not lead any more.
    #[error(transparent)]
    Unseated(#[from] Unseated),
}

/// How long writes that are under way may take to end once the controller is to stop.
const LAST_WRITES: Duration = Duration::from_secs(3);

/// How long it may take to give the lease back then.
const LAST_WORD: Duration = Duration::from_secs(1);

/// Runs the controller until `shutdown` completes: then it takes up nothing new, waits at most three
/// seconds for the writes that are under way, gives its lease back, and returns.
///
/// # Errors
/// When the cluster's custom resource definitions are missing or older than the controller's own, or
/// cannot be read for want of rights; and when it led and does not any more: the process must end then.
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
    let Options { namespaces, concurrent_writes, candidacy, health, metrics, pulse, .. } = options;
    let auditor = Arc::new(Auditor::new(options.identity, options.audit, Arc::clone(&metrics)));
    metrics.watch_health(health.clone());
    let (leadership, mut seat) = Seat::take(candidacy, &health);
    let around = Surroundings {
        client,
        clock,
        leadership,
        health,
        concurrent_writes,
        metrics,
        pulse,
        auditor,
    };
    let mut tasks = Tasks::default();
    let pipelines = start(&namespaces, &around, &mut tasks);

    tokio::select! {
        () = shutdown => {}
        unseated = seat.lost() => return Err(unseated.into()),
        Some(ended) = tasks.reading.join_next() => stop_with(ended),
        Some(ended) = tasks.writing.join_next() => stop_with(ended),
    }
    tracing::info!("stopping");
    tasks.reading.shutdown().await;
    pipelines.iter().for_each(Pipeline::close);
    let ended = async { while tasks.writing.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_WRITES, ended).await.is_err() {
        // Nor is the lease given back: one of them may still arrive.
        tracing::warn!("writes were still under way after {LAST_WRITES:?} and were given up");
    } else {
        seat.give_back().await;
    }
    Ok(())
}

/// Starts a pipeline for each namespace, or one for all of them.
fn start(namespaces: &BTreeSet<String>, around: &Surroundings, tasks: &mut Tasks) -> Vec<Pipeline> {
    let scopes: Vec<Option<&str>> = if namespaces.is_empty() {
        vec![None]
    } else {
        namespaces.iter().map(|namespace| Some(namespace.as_str())).collect()
    };
    around.health.started(scopes.len() * STORES);
    let permits = Permits::of_each_kind(around.concurrent_writes);
    let start = |scope: &Option<&str>| {
        tracing::info!(namespace = scope.unwrap_or("all"), "watching");
        Pipeline::start(*scope, around, &permits, tasks)
    };
    scopes.iter().map(start).collect()
}

/// This process's place in the leader election, if there is one.
enum Seat {
    Alone,
    Candidate { retire: oneshot::Sender<()>, ended: JoinHandle<Result<(), Unseated>> },
}

impl Seat {
    fn take(candidacy: Option<(Client, Candidacy)>, health: &Health) -> (Leadership, Self) {
        let Some((client, candidacy)) = candidacy else {
            return (Leadership::undisputed(), Self::Alone);
        };
        let leadership = Leadership::none();
        let candidate = Candidate::new(client, candidacy, leadership.clone(), health.clone());
        let (retire, retires) = oneshot::channel();
        let ended = tokio::spawn(candidate.stand(retires));
        (leadership, Self::Candidate { retire, ended })
    }

    /// Returns when it led and does not lead any more.
    async fn lost(&mut self) -> Unseated {
        match self {
            Self::Candidate { ended, .. } => match ended.await {
                Ok(Err(unseated)) => unseated,
                // Nobody has told it to retire yet.
                Ok(Ok(())) => std::future::pending().await,
                Err(error) => std::panic::resume_unwind(error.into_panic()),
            },
            Self::Alone => std::future::pending().await,
        }
    }

    /// Gives the lease back, so that another can take it at once.
    async fn give_back(self) {
        let Self::Candidate { retire, ended } = self else { return };
        // One that has ended has nothing to give back.
        if retire.send(()).is_ok() && tokio::time::timeout(LAST_WORD, ended).await.is_err() {
            tracing::warn!("the lease was not given back: it expires by itself");
        }
    }
}

/// None of the tasks ends by itself. When one panics so does the controller: what is left of it would
/// seem to work and do nothing.
fn stop_with(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        std::panic::resume_unwind(error.into_panic());
    }
}
