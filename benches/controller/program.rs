//! Runs the controller under test as a separate process, and reads its state from its log and its
//! metrics.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::Failure;
use crate::control_plane::ControlPlane;
use crate::process::Pid;

const WAIT_TIMEOUT: Duration = Duration::from_secs(600);
/// Interval for polling the metrics and for checking whether the process has exited.
const LOOK: Duration = Duration::from_millis(10);

/// A `clientfleet controller` process with defaults for all options except `--namespace`,
/// `--listen` and `--kubeconfig`.
pub struct Program {
    child: Child,
    started: Instant,
    address: SocketAddr,
    log: UnboundedReceiver<(Instant, String)>,
}

impl Program {
    pub fn start(plane: &ControlPlane, namespace: &str) -> Result<Self, Failure> {
        // Bind a free port and close the listener immediately, so that the controller can use the
        // port.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
            .args(["controller", "--namespace", namespace, "--listen", &address.to_string()])
            .arg("--kubeconfig")
            .arg(plane.kubeconfig_path())
            .env_remove("RUST_LOG")
            .process_group(plane.group())
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()?;
        let (lines, log) = unbounded_channel();
        let said = BufReader::new(child.stderr.take().ok_or("no standard error")?);
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                // The receiver may already be dropped; ignore that.
                let _ = lines.send((Instant::now(), line));
            }
        });
        Ok(Self { child, started, address, log })
    }

    pub fn pid(&self) -> Pid {
        Pid(self.child.id())
    }

    /// Waits for a log line that contains `words`, and returns the time from the start of the
    /// process to this line.
    pub async fn says(&mut self, words: &str) -> Result<Duration, Failure> {
        let wait = async {
            while let Some((at, line)) = self.log.recv().await {
                if line.contains(words) {
                    return Ok(at - self.started);
                }
            }
            Err(format!("it ended and never said {words:?}"))
        };
        Ok(tokio::time::timeout(WAIT_TIMEOUT, wait)
            .await
            .map_err(|_| format!("no {words:?}"))??)
    }

    /// Waits until the controller has read all objects and is ready. Returns the time since the
    /// start of the process.
    pub async fn is_ready(&mut self) -> Result<Duration, Failure> {
        let ready = self.says("stores are filled").await?;
        let probe = self.get("/readyz")?;
        if probe.starts_with("HTTP/1.1 200") { Ok(ready) } else { Err(probe.into()) }
    }

    /// Waits until the controller has made decisions for `clients` clients. Returns the time since
    /// the start of the process.
    pub async fn has_decided(&self, clients: usize) -> Result<Duration, Failure> {
        while self.started.elapsed() < WAIT_TIMEOUT {
            if self.metric("clientfleet_decisions_total")? >= clients as f64 {
                return Ok(self.started.elapsed());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err(format!("it has not decided for {clients} clients").into())
    }

    /// Waits until the controller's queue is empty.
    pub async fn is_at_rest(&self) -> Result<(), Failure> {
        let since = Instant::now();
        while since.elapsed() < WAIT_TIMEOUT {
            if self.metric("clientfleet_queue_depth")? == 0.0 {
                return Ok(());
            }
            tokio::time::sleep(LOOK).await;
        }
        Err("it does not come to rest".into())
    }

    /// Returns the sum of a metric over all its label values.
    pub fn metric(&self, name: &str) -> Result<f64, Failure> {
        let answer = self.get("/metrics")?;
        let values = answer.lines().filter_map(|line| {
            let rest = line.strip_prefix(name)?;
            rest.starts_with(['{', ' ']).then(|| line.rsplit(' ').next()?.parse::<f64>().ok())?
        });
        Ok(values.sum())
    }

    fn get(&self, path: &str) -> Result<String, Failure> {
        let mut connection = TcpStream::connect(self.address)?;
        write!(connection, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Stops the process with SIGTERM, as Kubernetes does, and waits until it has exited.
    pub async fn stop(mut self) -> Result<(), Failure> {
        let kill = format!("kill -TERM {}", self.child.id());
        Command::new("sh").args(["-c", &kill]).status()?;
        while self.child.try_wait()?.is_none() {
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // `kill` and `wait` fail only if the process has already exited; ignore that.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
