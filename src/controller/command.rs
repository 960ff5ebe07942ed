//! `clientfleet controller`: connects to the cluster and runs until it is told to stop.

use std::net::SocketAddr;
use std::sync::Arc;

use kube::Client;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::audit::stream::Stream;
use super::clock::SystemClock;
use super::logging::Logging;
use super::{Options, run, serving};
use crate::connection::Connection;

/// What it is told on the command line.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Which cluster.
    pub connection: Connection,
    /// The namespace to look after; `None`: all of them.
    pub namespace: Option<String>,
    /// Where probes and metrics are served, if anywhere.
    pub listen: Option<SocketAddr>,
    /// How it logs.
    pub logging: Logging,
}

/// Runs the controller until SIGTERM or SIGINT.
///
/// # Errors
/// A sentence on what keeps it from running.
pub fn run_until_stopped(told: &Told) -> Result<(), String> {
    let audit = told.logging.start()?;
    let runtime = Runtime::new().map_err(|error| format!("no threads to run on: {error}"))?;
    let result = runtime.block_on(watch_over(told, audit));
    // What still runs then has had its time.
    runtime.shutdown_background();
    result
}

async fn watch_over(told: &Told, audit: Option<Arc<Stream>>) -> Result<(), String> {
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
    let identity = std::env::var("HOSTNAME").unwrap_or_else(|_| "clientfleet".to_owned());
    let namespace = told.namespace.clone();
    let options = Options { namespace, identity, audit, ..Options::default() };
    if let Some(address) = told.listen {
        serve(address, &options).await?;
    }
    let client = tokio::select! {
        () = &mut stopped => return Ok(()),
        client = connect(&told.connection) => client?,
    };
    let clock = Arc::new(SystemClock);
    run(client, clock, options, stopped).await.map_err(|error| error.to_string())
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

async fn connect(connection: &Connection) -> Result<Client, String> {
    let config = connection.config().await?;
    Client::try_from(config).map_err(|error| format!("no cluster to connect to: {error}"))
}
