//! `clientfleet controller`: connects to the cluster and runs until it is told to stop.

use std::env;
use std::error::Error;
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
    let filter = match env::var(EnvFilter::DEFAULT_ENV) {
        Ok(asked) => EnvFilter::try_new(&asked)
            .map_err(|error| format!("RUST_LOG {asked:?}: {error}; write a level, as info"))?,
        Err(_) => EnvFilter::new("info,kube=warn"),
    };
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
    let file = kubeconfig.as_ref().map(|file| file.display().to_string());
    let config = configuration(kubeconfig, context).await.map_err(|error| {
        let error = error.to_string();
        let unnamed = file.filter(|file| !error.contains(file.as_str()));
        let place = unnamed.map_or(String::new(), |file| format!("{file}: "));
        format!(
            "no cluster to connect to: {place}{error}; name a kubeconfig file with --kubeconfig or \
             KUBECONFIG, and one of its contexts with --context"
        )
    })?;
    Client::try_from(config).map_err(|error| format!("no cluster to connect to: {error}"))
}

async fn configuration(
    kubeconfig: Option<PathBuf>,
    context: Option<String>,
) -> Result<Config, Box<dyn Error + Send + Sync>> {
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    Ok(match kubeconfig {
        Some(file) => {
            // Not by its text: the files that it names are found from its own place.
            Config::from_custom_kubeconfig(Kubeconfig::read_from(file)?, &options).await?
        }
        None if options.context.is_some() => Config::from_kubeconfig(&options).await?,
        None => Config::infer().await?,
    })
}
