//! The two servers of a control plane: how etcd and kube-apiserver are started here, and when they count as ready.

use std::hash::{BuildHasher, RandomState};
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kube::{Client, Config};

use super::access;
use super::assets::Assets;
use super::certificates;
use super::error::Error;
use super::process::Process;

/// Usually 3 seconds. A machine that builds and tests at once can take many times as long.
const START_TIMEOUT: Duration = Duration::from_secs(180);

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Below the ranges from which Linux and macOS take the local ports of outgoing connections: so a port stays free
/// while its server is being restarted.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A server that did not become ready.
pub enum Failure {
    /// Another program had taken the port between our choosing it and the server's binding it.
    PortTaken(Error),
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// On Unix sockets, so that no port is needed.
pub fn start_etcd(
    assets: &Assets,
    group: i32,
    folder: &Path,
    more_arguments: &[String],
) -> Result<Process, Error> {
    let mut command = Command::new(&assets.etcd);
    command
        .arg(format!("--data-dir={}", folder.join("etcd").display()))
        .arg(format!("--listen-client-urls={}", etcd_address(folder)))
        // etcd wants host and port here, but nobody is told: the same workaround as in Kubernetes' own tests.
        .arg("--advertise-client-urls=http://127.0.0.111:0")
        .arg("--listen-peer-urls=http://127.0.0.1:0")
        // The data outlives no test, so it need not outlive a power failure.
        .arg("--unsafe-no-fsync")
        // The default of 2 GiB is soon full when a bench writes 100,000 clients over and over.
        .arg("--quota-backend-bytes=8589934592")
        .arg("--log-level=warn")
        .args(more_arguments);
    Process::start("etcd", &mut command, group, folder)
}

fn etcd_address(folder: &Path) -> String {
    format!("unix://{}", folder.join("etcd.sock").display())
}

pub fn start_apiserver(
    assets: &Assets,
    group: i32,
    folder: &Path,
    port: u16,
    more_arguments: &[String],
) -> Result<Process, Error> {
    let file = |name| folder.join(name).display().to_string();
    let mut command = Command::new(&assets.kube_apiserver);
    command
        .arg(format!("--etcd-servers={}", etcd_address(folder)))
        .arg(format!("--cert-dir={}", folder.display()))
        .arg(format!("--tls-cert-file={}", file(certificates::SERVER_FILE)))
        .arg(format!("--tls-private-key-file={}", file(certificates::SERVER_KEY_FILE)))
        .arg(format!("--client-ca-file={}", file(certificates::AUTHORITY_FILE)))
        .arg(format!("--service-account-key-file={}", file(certificates::ACCOUNTS_FILE)))
        .arg(format!(
            "--service-account-signing-key-file={}",
            file(certificates::ACCOUNTS_KEY_FILE)
        ))
        .arg("--service-account-issuer=https://kubernetes.default.svc")
        .arg("--bind-address=127.0.0.1")
        .arg(format!("--secure-port={port}"))
        // There are no nodes: nothing needs this server's address, and a machine without a network has none to find.
        .args(["--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"])
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        .arg("--authorization-mode=RBAC")
        // Nobody makes the default service accounts without which this plugin lets no pod in.
        .arg("--disable-admission-plugins=ServiceAccount")
        .arg("--allow-privileged=true")
        // A server that is to stop ends its watches instead of waiting a minute for them.
        .arg("--shutdown-watch-termination-grace-period=1s")
        .args(more_arguments);
    Process::start("kube-apiserver", &mut command, group, folder)
}

/// A port that is free now. Random, so that test processes that start at once do not all try the same one.
pub fn free_port() -> Result<u16, Error> {
    let random = RandomState::new();
    let mut candidates = (0..1000_u32).map(|attempt| {
        let offset = random.hash_one(attempt) % u64::from(PORTS.end - PORTS.start);
        PORTS.start + offset as u16
    });
    candidates.find(|&port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()).ok_or_else(
        || Error::new("there is no free port for kube-apiserver between 20000 and 32000"),
    )
}

/// Returns when the API server answers as ready, or says why it will not.
pub fn wait_until_ready(
    mut config: Config,
    etcd: &mut Process,
    apiserver: &mut Process,
) -> Result<(), Failure> {
    // An error is to come back at once: it is asked again right away.
    config.default_retry = false;
    access::wait_for(async {
        let client = Client::try_from(config).map_err(Error::doing("make a client"))?;
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            if apiserver.ended()?.is_some() {
                return Err(why_it_ended(apiserver, etcd));
            }
            if etcd.ended()?.is_some() {
                return Err(Failure::Other(Error::new(etcd.report())));
            }
            if access::is_ready(&client).await {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let seconds = START_TIMEOUT.as_secs();
                let (apiserver, etcd) = (apiserver.report(), etcd.report());
                return Err(Failure::Other(Error::new(format!(
                    "kube-apiserver is not ready after {seconds} s: {apiserver}\n{etcd}"
                ))));
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    })?
}

fn why_it_ended(apiserver: &mut Process, etcd: &mut Process) -> Failure {
    let report = apiserver.report();
    match report.contains("address already in use") {
        true => Failure::PortTaken(Error::new(report)),
        false => Failure::Other(Error::new(format!("{report}\n{}", etcd.report()))),
    }
}
