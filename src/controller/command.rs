//! Implements `clientfleet controller`: connects to the cluster and runs the controller until it
//! receives SIGTERM or SIGINT.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;

use kube::Client;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::audit::stream::Stream;
use super::clock::SystemClock;
use super::lease::candidate::{self, Candidacy};
use super::lease::times::Times;
use super::logging::Logging;
use super::{Options, heap, run, serving};
use crate::connection::{ClusterAccess, Connection};

/// The command-line options of the controller.
#[derive(Clone, Debug)]
pub struct ControllerOptions {
    /// The cluster to connect to.
    pub connection: Connection,
    /// The namespaces to watch; empty to watch all namespaces.
    pub namespaces: BTreeSet<String>,
    /// The lease for leader election; `None` if this process is the only replica.
    pub lease: Option<LeaseOptions>,
    /// Address of the HTTP server for probes and metrics; `None` to start no server.
    pub listen: Option<SocketAddr>,
    /// The logging options.
    pub logging: Logging,
}

/// The command-line options for the lease.
#[derive(Clone, Debug)]
pub struct LeaseOptions {
    /// Name of the lease.
    pub name: String,
    /// Namespace of the lease; `None` to use the namespace of the pod or of the kubeconfig context.
    pub namespace: Option<String>,
    /// Name of this process in the lease; `None` to use the host name with a random suffix.
    pub identity: Option<String>,
    /// Lease duration, renew deadline and retry period.
    pub times: Times,
}

/// Runs the controller until it receives SIGTERM or SIGINT.
///
/// # Errors
///
/// Returns a message if the controller cannot start, or fails before it receives a signal.
pub fn run_until_stopped(orders: &ControllerOptions) -> Result<(), String> {
    heap::set_mmap_threshold();
    let audit = orders.logging.start()?;
    let runtime = Runtime::new().map_err(|error| format!("no threads to run on: {error}"))?;
    let result = runtime.block_on(run_with_signals(orders, audit));
    // Do not wait for tasks that are still running, such as the HTTP server. The controller has
    // already waited for the writes in progress.
    runtime.shutdown_background();
    result
}

async fn run_with_signals(
    orders: &ControllerOptions,
    audit: Option<Arc<Stream>>,
) -> Result<(), String> {
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut stopped = std::pin::pin!(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    if let Some(stream) = &audit {
        tokio::spawn(reopen(listen(SignalKind::hangup())?, Arc::clone(stream)));
    }
    let mut options =
        Options { namespaces: orders.namespaces.clone(), audit, ..Options::default() };
    if let Some(address) = orders.listen {
        serve(address, &options).await?;
    }
    let access = tokio::select! {
        () = &mut stopped => return Ok(()),
        access = orders.connection.access() => access?,
    };
    if let Some(lease) = &orders.lease {
        let (client, candidacy) = candidacy(lease, &access)?;
        options.identity.clone_from(&candidacy.identity);
        options.candidacy = Some((client, candidacy));
    } else {
        options.identity = default_identity(&mark());
    }
    let clock = Arc::new(SystemClock);
    run(access.client()?, clock, options, stopped).await.map_err(|error| error.to_string())
}

/// Starts the HTTP server for probes and metrics. The server starts before the controller connects
/// to the cluster, so that early probes get a response.
async fn serve(address: SocketAddr, options: &Options) -> Result<(), String> {
    let listener = serving::bind(address).await?;
    let Options { metrics, health, heartbeat, .. } = options.clone();
    // Log the actual address, because the system chooses the port if the given port is 0.
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(%address, "serving /livez, /readyz and /metrics");
    tokio::spawn(serving::serve(listener, serving::Served { metrics, health, heartbeat }));
    Ok(())
}

/// Reopens the file of the audit stream each time the process receives SIGHUP.
async fn reopen(mut signals: Signal, stream: Arc<Stream>) {
    while signals.recv().await.is_some() {
        match stream.reopen() {
            Ok(()) => tracing::info!("the audit stream was opened anew"),
            Err(error) => tracing::error!(error, "the audit stream goes on where it was"),
        }
    }
}

fn listen(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("no signal can be listened for: {error}"))
}

fn candidacy(lease: &LeaseOptions, access: &ClusterAccess) -> Result<(Client, Candidacy), String> {
    let client = candidate::client(access.clone(), lease.times)?;
    let namespace =
        lease.namespace.clone().unwrap_or_else(|| access.config.default_namespace.clone());
    let mark = mark();
    let identity = lease.identity.clone().unwrap_or_else(|| default_identity(&mark));
    let candidacy =
        Candidacy { namespace, name: lease.name.clone(), identity, mark, times: lease.times };
    Ok((client, candidacy))
}

/// Returns random text that distinguishes this process from all others.
fn mark() -> String {
    // Use `RandomState`, because it is the only source of randomness in the standard library.
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

/// Returns the host name with a suffix. The suffix distinguishes this process from earlier
/// processes in the same pod.
fn default_identity(suffix: &str) -> String {
    let host = hostname::get().map(|name| name.to_string_lossy().into_owned());
    let host = host.ok().filter(|name| !name.is_empty());
    format!("{}_{suffix}", host.as_deref().unwrap_or("clientfleet"))
}
