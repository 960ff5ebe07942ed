//! `clientfleet controller`: connects to the cluster and runs until it is told to stop.

use std::collections::BTreeSet;
use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;

use kube::{Client, Config};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::audit::stream::Stream;
use super::clock::SystemClock;
use super::lease::candidate::{self, Candidacy};
use super::lease::times::Times;
use super::logging::Logging;
use super::{Options, heap, run, serving};
use crate::connection::Connection;

/// What the controller is told on the command line.
#[derive(Clone, Debug)]
pub struct Orders {
    /// Which cluster.
    pub connection: Connection,
    /// The namespaces to look after; none: all of them.
    pub namespaces: BTreeSet<String>,
    /// The lease to lead by; `None`: this is the only replica.
    pub lease: Option<LeaseOrders>,
    /// Where probes and metrics are served, if anywhere.
    pub listen: Option<SocketAddr>,
    /// How it logs.
    pub logging: Logging,
}

/// What the controller is told of its lease.
#[derive(Clone, Debug)]
pub struct LeaseOrders {
    /// Its name.
    pub name: String,
    /// Its namespace; `None`: the pod's own, or the context's.
    pub namespace: Option<String>,
    /// What this process is called in it; `None`: as its host, and a random suffix.
    pub identity: Option<String>,
    /// How long it holds.
    pub times: Times,
}

/// Runs the controller until SIGTERM or SIGINT.
///
/// # Errors
/// A sentence on what keeps it from running.
pub fn run_until_stopped(orders: &Orders) -> Result<(), String> {
    heap::set();
    let audit = orders.logging.start()?;
    let runtime = Runtime::new().map_err(|error| format!("no threads to run on: {error}"))?;
    let result = runtime.block_on(watch_over(orders, audit));
    // What still runs then has had its time.
    runtime.shutdown_background();
    result
}

async fn watch_over(orders: &Orders, audit: Option<Arc<Stream>>) -> Result<(), String> {
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
    let config = tokio::select! {
        () = &mut stopped => return Ok(()),
        config = orders.connection.config() => config?,
    };
    if let Some(lease) = &orders.lease {
        let (client, candidacy) = candidacy(lease, &config)?;
        options.identity.clone_from(&candidacy.identity);
        options.candidacy = Some((client, candidacy));
    } else {
        options.identity = own_name(&mark());
    }
    let clock = Arc::new(SystemClock);
    run(connect(config)?, clock, options, stopped).await.map_err(|error| error.to_string())
}

/// Serves from the beginning: whoever probes sees a controller that waits for its cluster.
async fn serve(address: SocketAddr, options: &Options) -> Result<(), String> {
    let listener = serving::bind(address).await?;
    let Options { metrics, health, pulse, .. } = options.clone();
    // With port 0 nobody knows it before.
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(%address, "serving /livez, /readyz and /metrics");
    tokio::spawn(serving::serve(listener, serving::Told { metrics, health, pulse }));
    Ok(())
}

/// Opens the file of the audit stream anew at each signal.
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

/// Each part of the controller tries again by itself, after a pause of its own, and looks then whether
/// there still is anything to send: nothing is to be repeated behind its back.
fn connect(mut config: Config) -> Result<Client, String> {
    config.default_retry = false;
    Client::try_from(config).map_err(|error| format!("no cluster to connect to: {error}"))
}

fn candidacy(lease: &LeaseOrders, config: &Config) -> Result<(Client, Candidacy), String> {
    let client = candidate::client(config.clone(), lease.times)?;
    let namespace = lease.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
    let mark = mark();
    let identity = lease.identity.clone().unwrap_or_else(|| own_name(&mark));
    let candidacy =
        Candidacy { namespace, name: lease.name.clone(), identity, mark, times: lease.times };
    Ok((client, candidacy))
}

/// Tells this process from all others.
fn mark() -> String {
    // The standard library's only source of chance.
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

/// In a pod the host name is the pod's; the suffix tells it from the process that ran there before.
fn own_name(suffix: &str) -> String {
    let host = hostname::get().map(|name| name.to_string_lossy().into_owned());
    let host = host.ok().filter(|name| !name.is_empty());
    format!("{}_{suffix}", host.as_deref().unwrap_or("clientfleet"))
}
