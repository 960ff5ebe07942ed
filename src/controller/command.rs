//! `clientfleet controller`: connects to the cluster and runs until it is told to stop.

use std::env;
use std::sync::Arc;

use kube::Client;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::clock::SystemClock;
use super::{Options, run};
use crate::connection::Connection;

/// Runs the controller until SIGTERM or SIGINT, and logs to standard error what `RUST_LOG` asks for,
/// or else what matters.
///
/// # Errors
/// A sentence on what keeps it from running.
pub fn run_until_stopped(connection: &Connection, namespace: Option<String>) -> Result<(), String> {
    let filter = match env::var(EnvFilter::DEFAULT_ENV) {
        Ok(asked) => EnvFilter::try_new(&asked)
            .map_err(|error| format!("RUST_LOG {asked:?}: {error}; write a level, as info"))?,
        Err(_) => EnvFilter::new("info,kube=warn"),
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = Runtime::new().map_err(|error| format!("no threads to run on: {error}"))?;
    let result = runtime.block_on(watch_over(connection, namespace));
    // What still runs then has had its time.
    runtime.shutdown_background();
    result
}

async fn watch_over(connection: &Connection, namespace: Option<String>) -> Result<(), String> {
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut stopped = std::pin::pin!(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    let options = Options { namespace, ..Options::default() };
    let client = tokio::select! {
        () = &mut stopped => return Ok(()),
        client = connect(connection) => client?,
    };
    let clock = Arc::new(SystemClock);
    run(client, clock, options, stopped).await.map_err(|error| error.to_string())
}

fn listen(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("no signal can be listened for: {error}"))
}

async fn connect(connection: &Connection) -> Result<Client, String> {
    let config = connection.config().await?;
    Client::try_from(config).map_err(|error| format!("no cluster to connect to: {error}"))
}
