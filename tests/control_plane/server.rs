//! Starts the two servers of a control plane, etcd and kube-apiserver, and waits until they are
//! ready.

use std::hash::{BuildHasher, RandomState};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use kube::{Client, Config};

use super::access;
use super::assets::Assets;
use super::certificates;
use super::error::Error;
use super::process::Process;

/// Timeout for the start of the servers. A start usually takes 3 s, but can take far longer on a
/// machine that runs builds and tests at the same time.
const START_TIMEOUT: Duration = Duration::from_secs(180);

const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// Range from which the API server's port is chosen. Linux and macOS use higher ports for outgoing
/// connections, so the port stays free while the server restarts.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

pub enum Failure {
    /// Another program took the port after it was chosen and before the server bound it.
    PortTaken(Error),
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Starts etcd. The API server connects to etcd through a Unix socket, so etcd needs no free port.
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
        // etcd requires a host and a port in its advertised URL, but nothing connects to that
        // address. Kubernetes' own tests use the same placeholder.
        .arg("--advertise-client-urls=http://127.0.0.111:0")
        .arg("--listen-peer-urls=http://127.0.0.1:0")
        // The data is deleted at the end of the test, so it does not have to survive a power
        // failure.
        .arg("--unsafe-no-fsync")
        // Raise the quota above the default of 2 GiB for a benchmark that repeatedly writes 100,000
        // clients.
        .arg("--quota-backend-bytes=8589934592")
        .arg("--log-level=warn")
        .args(more_arguments);
    Process::start("etcd", &mut command, group, folder)
}

fn etcd_address(folder: &Path) -> String {
    format!("unix://{}", folder.join("etcd.sock").display())
}

/// Raises or clears etcd's alarm `NOSPACE` through etcd's JSON gateway.
pub fn set_no_space_alarm(folder: &Path, is_raised: bool) -> Result<(), Error> {
    let action = if is_raised { "ACTIVATE" } else { "DEACTIVATE" };
    let body = format!(r#"{{"action":"{action}","alarm":"NOSPACE","memberID":"1"}}"#);
    let length = body.len();
    let request = format!(
        "POST /v3/maintenance/alarm HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let mut response = String::new();
    UnixStream::connect(folder.join("etcd.sock"))
        .and_then(|mut etcd| {
            etcd.write_all(request.as_bytes())?;
            etcd.read_to_string(&mut response)
        })
        .map_err(Error::doing("set an alarm of etcd"))?;
    match response.starts_with("HTTP/1.1 200") {
        true => Ok(()),
        false => Err(Error::new(format!("etcd does not set the alarm: {response}"))),
    }
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
        // The server cannot detect its own address on a machine without a network. Nothing uses the
        // address, because the cluster has no nodes.
        .args(["--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none"])
        .arg("--service-cluster-ip-range=10.0.0.0/24")
        .arg("--authorization-mode=RBAC")
        // The ServiceAccount plugin rejects pods in namespaces without a default service account.
        // The control plane has no controller manager, which would create these accounts.
        .arg("--disable-admission-plugins=ServiceAccount")
        .arg("--allow-privileged=true")
        // Let open watches delay a shutdown by at most 1 s instead of the default 60 s.
        .arg("--shutdown-watch-termination-grace-period=1s")
        .args(more_arguments);
    Process::start("kube-apiserver", &mut command, group, folder)
}

/// Returns a free port. The port is chosen at random, so that test processes that start at the same
/// time try different ports.
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

/// Waits until the API server is ready. Fails if etcd or the API server ends, or after
/// [`START_TIMEOUT`].
pub fn wait_until_ready(
    mut config: Config,
    etcd: &mut Process,
    apiserver: &mut Process,
) -> Result<(), Failure> {
    // Disable kube's retries, because this function retries and must see each error immediately.
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
