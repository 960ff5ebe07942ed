//! Runs the service: starts the watches, the scanner of the packages and the writer of reports, then
//! accepts connections until it is asked to stop.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::store;
use kube::{Api, Client, Resource};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::audit::Auditor;
use super::endpoints::{ServeEndpoints, ServeState};
use super::front::{self, FrontOptions, Reloaded};
use super::metrics::Metrics;
use super::packages::{PackageCatalog, PackageScanner, TransferLimits};
use super::registry::{Recorder, Registry, WatchedFleets};
use super::reports::{self, ReportDesk, WriterOptions};
use super::service::callers::Callers;
use super::service::missing::MissingPackages;
use super::service::refusals::RefusalLog;
use super::service::{DeliveryService, ServiceOptions};
use super::sessions::Sessions;
use super::stored::{StoredFleet, StoredPolicy};
use crate::checkin::fleet::DeliveryFleet;
use crate::cluster::watch::freshness::Freshness;
use crate::cluster::watch::{Stored, WatchHandler, watch};
use crate::daemon::clock::Clock;
use crate::daemon::listening::BoundSocket;
use crate::plan::Raw;

/// Time between two lists of the package store.
const SCAN_INTERVAL: Duration = Duration::from_secs(10);
/// Time between two removals of the memory of clients that no fleet lists any more.
const FORGET_INTERVAL: Duration = Duration::from_secs(600);
/// Maximum time for which requests may report after the process was asked to stop. It exceeds the
/// time for which a response waits for the storage of a report.
const LAST_REPORTS: Duration = Duration::from_secs(12);
/// Time between two looks at files that may have changed.
const RELOAD_INTERVAL: Duration = Duration::from_secs(5);

/// What the service runs with.
pub struct Options {
    /// Settings of the answers.
    pub service: ServiceOptions,
    /// What requests are checked against. Its tenants say which namespaces are watched.
    pub callers: Callers,
    /// Scanner of the package store, and its catalogs.
    pub packages: (PackageScanner, watch::Receiver<Arc<PackageCatalog>>),
    /// Maximum number of bytes per second of all downloads.
    pub max_bytes_per_second: Option<NonZeroU64>,
    /// Maximum number of writes to the API server per second.
    pub max_writes_per_second: f64,
    /// Limits of the connections, and TLS.
    pub front: FrontOptions,
    /// Audit lines.
    pub auditor: Auditor,
}

/// The service before it accepts connections.
pub struct Serving {
    service: Arc<DeliveryService>,
    front: FrontOptions,
    tasks: JoinSet<Result<(), String>>,
    client: Client,
}

impl Serving {
    /// Starts the watches and the scanner.
    #[must_use]
    pub fn start(client: Client, clock: Arc<dyn Clock>, options: Options) -> Self {
        let Options { service, callers, packages: (scanner, catalog), front, auditor, .. } =
            options;
        let desk = Arc::new(ReportDesk::new(options.max_writes_per_second));
        let namespaces: BTreeSet<String> = callers.tenants.values().cloned().collect();
        let registry = Registry::new(&namespaces, Arc::clone(&clock), Arc::clone(&desk));
        let (registry, metrics) = (Arc::new(registry), Arc::new(Metrics::new(&desk.metrics)));
        let mut tasks = JoinSet::new();
        for namespace in &namespaces {
            start_watches(&client, namespace, &registry, &metrics, &mut tasks);
        }
        tasks.spawn(scanner.run(SCAN_INTERVAL));
        follow_files(&callers, &front, &mut tasks);
        let sessions = Arc::<Sessions>::default();
        tasks.spawn(forget(Arc::clone(&sessions), Arc::clone(&registry)));
        let service = Arc::new(DeliveryService {
            options: service,
            callers,
            registry,
            desk,
            sessions,
            catalog,
            transfers: TransferLimits::new(options.max_bytes_per_second),
            metrics,
            auditor,
            refusals: RefusalLog::default(),
            missing: MissingPackages::default(),
            started: clock.now(),
            clock,
        });
        Self { service, front, tasks, client }
    }

    /// Returns the endpoints for probes and metrics.
    #[must_use]
    pub fn endpoints(&self) -> ServeEndpoints {
        let service = &*self.service;
        let state = Arc::new(ServeState {
            registry: Arc::clone(&service.registry),
            desk: Arc::clone(&service.desk),
            sessions: Arc::clone(&service.sessions),
            catalog: service.catalog.clone(),
            transfers: Arc::clone(&service.transfers),
            front: Arc::clone(&self.front.counters),
            clock: Arc::clone(&service.clock),
        });
        let source: Arc<ServeState> = Arc::clone(&state);
        service.metrics.watch_state(source);
        ServeEndpoints { metrics: Arc::clone(&service.metrics), state }
    }

    /// Waits until all fleets and policies are known.
    pub async fn filled(&self) {
        self.service.registry.filled().await;
    }

    /// Returns all fleets.
    #[must_use]
    pub fn fleets(&self) -> Vec<Arc<DeliveryFleet>> {
        self.service.registry.fleets()
    }

    /// Accepts connections on a bound socket until `shutdown` completes, then ends what is in
    /// progress and stores the reports.
    ///
    /// Does not listen before the stores are filled and the packages are hashed: until then a poll
    /// would find no fleet of the client, and a download would fail.
    ///
    /// # Errors
    /// Returns a message if the service cannot listen, or if a task ends by itself.
    pub async fn run(
        mut self,
        socket: BoundSocket,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), String> {
        let mut shutdown = std::pin::pin!(shutdown);
        tokio::select! {
            () = &mut shutdown => return Ok(()),
            () = ready(&self.service) => {}
            Some(ended) = self.tasks.join_next() => return Err(why_ended(ended)),
        }
        let listener = socket.listen()?;
        let address = listener.local_addr().map_err(|error| format!("--listen: {error}"))?;
        tracing::info!(%address, url = %self.service.options.base_url, "serving update agents");
        let (stop_front, front_stops) = oneshot::channel::<()>();
        let (stop_writer, writer_stops) = oneshot::channel::<()>();
        let stops = async { drop(front_stops.await) };
        let service = Arc::clone(&self.service);
        let mut front = tokio::spawn(front::serve(listener, service, self.front, stops));
        let mut writer = tokio::spawn(reports::writer::run(
            Arc::clone(&self.service.desk),
            self.client.clone(),
            WatchedFleets(Arc::clone(&self.service.registry)),
            Arc::clone(&self.service.clock),
            WriterOptions::default(),
            async { drop(writer_stops.await) },
        ));
        tokio::select! {
            () = &mut shutdown => {}
            Some(ended) = self.tasks.join_next() => return Err(why_ended(ended)),
            ended = &mut front => return Err(why_ended(ended.map(|()| Ok(())))),
            ended = &mut writer => return Err(why_ended(ended.map(|_| Ok(())))),
        }
        tracing::info!("stopping");
        let _ = stop_front.send(());
        let requests_ended = tokio::time::timeout(LAST_REPORTS, &mut front).await.is_ok();
        let _ = stop_writer.send(());
        if let Ok(unstored) = writer.await
            && unstored > 0
        {
            tracing::warn!(clients = unstored, "reports could not be stored before the stop");
        }
        if !requests_ended {
            // The front ends its transfers by itself.
            let _ = front.await;
        }
        Ok(())
    }
}

/// Starts to read the files again that change while the service runs.
fn follow_files(callers: &Callers, front: &FrontOptions, tasks: &mut JoinSet<Result<(), String>>) {
    fn follow<T: Send + Sync + 'static>(
        file: &Arc<Reloaded<T>>,
        tasks: &mut JoinSet<Result<(), String>>,
    ) {
        let file = Arc::clone(file);
        tasks.spawn(async move {
            file.watch(RELOAD_INTERVAL).await;
            Ok(())
        });
    }
    follow(&callers.keys, tasks);
    callers.revoked.iter().for_each(|file| follow(file, tasks));
    front.tls.iter().for_each(|files| follow(files, tasks));
}

/// Waits until the service can answer.
async fn ready(service: &DeliveryService) {
    service.registry.filled().await;
    // An error means that the scanner has ended, which `run` notices by itself.
    let mut catalog = service.catalog.clone();
    if catalog.wait_for(|catalog| catalog.is_complete()).await.is_err() {
        std::future::pending::<()>().await;
    }
}

fn start_watches(
    client: &Client,
    namespace: &str,
    registry: &Arc<Registry>,
    metrics: &Arc<Metrics>,
    tasks: &mut JoinSet<Result<(), String>>,
) {
    let Some([fleets, policies]) = registry.freshness(namespace) else { return };
    tracing::info!(namespace, "watching");
    let cx = (client, namespace, registry, metrics);
    start_watch::<StoredFleet>(cx, fleets, tasks);
    start_watch::<StoredPolicy>(cx, policies, tasks);
}

fn start_watch<S: Stored>(
    (client, namespace, registry, metrics): (&Client, &str, &Arc<Registry>, &Arc<Metrics>),
    freshness: Freshness,
    tasks: &mut JoinSet<Result<(), String>>,
) where
    S::Kind: Resource<Scope = NamespaceResourceScope>,
    Recorder<S>: WatchHandler<S>,
{
    let (store, writer) = store::<S>();
    let recorder = Recorder {
        registry: Arc::clone(registry),
        store,
        namespace: namespace.to_owned(),
        metrics: Arc::clone(metrics),
    };
    let api = Api::<Raw<S::Kind>>::namespaced(client.clone(), namespace);
    tasks.spawn(async move {
        watch(api, writer, freshness, recorder).await;
        Ok(())
    });
}

/// Removes the memory of clients that no fleet lists any more, from time to time.
async fn forget(sessions: Arc<Sessions>, registry: Arc<Registry>) -> Result<(), String> {
    loop {
        tokio::time::sleep(FORGET_INTERVAL).await;
        sessions.retain(|namespace, client| !registry.find(namespace, client).is_empty());
    }
}

/// Returns why a task has ended that should run until the process stops.
fn why_ended(ended: Result<Result<(), String>, tokio::task::JoinError>) -> String {
    match ended {
        Ok(Err(error)) => error,
        Ok(Ok(())) => "a part of the service has ended by itself".to_owned(),
        Err(error) => format!("a part of the service has failed: {error}"),
    }
}
