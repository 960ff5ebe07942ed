//! Implements `clientfleet controller`: connects to the cluster and runs the controller until it
//! receives SIGTERM or SIGINT.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;

use kube::Client;

use super::endpoints::ControllerEndpoints;
use super::lease::candidate::{self, Candidacy};
use super::lease::times::Times;
use super::{Options, run};
use crate::cluster::connection::{ClusterAccess, Connection};
use crate::daemon::audit_stream::Stream;
use crate::daemon::clock::SystemClock;
use crate::daemon::identity::{default_identity, mark};
use crate::daemon::logging::Logging;
use crate::daemon::{self, http_server, signals};

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
    daemon::run(&orders.logging, |audit| run_with_signals(orders, audit))
}

async fn run_with_signals(
    orders: &ControllerOptions,
    audit: Option<Arc<Stream>>,
) -> Result<(), String> {
    let mut stopped = std::pin::pin!(signals::stopped()?);
    if let Some(stream) = &audit {
        signals::reopen_on_hangup(Arc::clone(stream))?;
    }
    let mut options =
        Options { namespaces: orders.namespaces.clone(), audit, ..Options::default() };
    if let Some(address) = orders.listen {
        // Start the server before connecting to the cluster, so that early probes get a response.
        let Options { metrics, health, heartbeat, .. } = options.clone();
        let endpoints = ControllerEndpoints { metrics, health, heartbeat };
        http_server::start("--listen", address, endpoints)?;
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
