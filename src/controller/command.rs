//! `clientfleet controller`: connects to the cluster and runs until it is told to stop.

use std::path::PathBuf;
use std::sync::Arc;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing_subscriber::EnvFilter;

use super::clock::SystemClock;
use super::{Options, run};

/// Which cluster, and what of it.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// A kubeconfig file instead of the usual places.
    pub kubeconfig: Option<PathBuf>,
    /// A context of it instead of the current one.
    pub context: Option<String>,
    /// The namespace to look after; `None`: all.
    pub namespace: Option<String>,
}

/// Runs the controller until SIGTERM or SIGINT, and logs to standard error what `RUST_LOG` asks for,
/// or else what matters.
///
/// # Errors
/// A sentence on what keeps it from running.
pub fn run_until_stopped(connection: Connection) -> Result<(), String> {
    let filter = EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("info,kube=warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let runtime = Runtime::new().map_err(|error| format!("no threads to run on: {error}"))?;
    let result = runtime.block_on(watch_over(connection));
    // What still runs then has had its time.
    runtime.shutdown_background();
    result
}

async fn watch_over(connection: Connection) -> Result<(), String> {
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut stopped = std::pin::pin!(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    });
    let options = Options { namespace: connection.namespace.clone(), ..Options::default() };
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

async fn connect(connection: Connection) -> Result<Client, String> {
    let Connection { kubeconfig, context, .. } = connection;
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = match kubeconfig {
        Some(file) => {
            let read = Kubeconfig::read_from(&file)
                .map_err(|error| format!("{}: {error}", file.display()))?;
            Config::from_custom_kubeconfig(read, &options)
                .await
                .map_err(|error| error.to_string())?
        }
        None if options.context.is_some() => {
            Config::from_kubeconfig(&options).await.map_err(|error| error.to_string())?
        }
        None => Config::infer().await.map_err(|error| {
            format!(
                "no cluster to connect to: {error}; name a file with --kubeconfig or KUBECONFIG"
            )
        })?,
    };
    Client::try_from(config).map_err(|error| error.to_string())
}
