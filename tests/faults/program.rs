//! Runs the controller as a process, so that tests can kill it, stop it and read its memory use.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Maximum time for the controller to end after SIGTERM: 3 s in which it waits for responses, and
/// 2 s for a busy machine.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(5);

/// Pause between two checks whether the process has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A running `clientfleet controller`. Dropping it kills the process.
pub struct Program {
    child: Child,
}

impl Program {
    /// Starts a controller. It appends its log to the file `log` and its audit lines to the file
    /// `audit`, both in `folder`, which also contains the file `kubeconfig`.
    pub fn start(folder: &Path, kubeconfig: &str, arguments: &[String]) -> Self {
        let log = folder.join("log");
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
            .args(["controller", "--audit", "audit", "--kubeconfig", kubeconfig])
            .args(arguments)
            .current_dir(folder)
            .envs([("RUST_LOG", "info,clientfleet=debug"), ("NO_COLOR", "1")])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child }
    }

    /// Sends a signal, such as `TERM`, to the process.
    pub fn signal(&self, signal: &str) {
        send_signal(&self.child, signal);
    }

    /// Kills the process and waits until it has ended.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends SIGTERM. Returns the exit status, or `None` if the process still runs after 5 s.
    pub async fn terminate(&mut self) -> Option<ExitStatus> {
        self.signal("TERM");
        let sent = Instant::now();
        loop {
            match self.child.try_wait().unwrap() {
                None if sent.elapsed() > SHUTDOWN_LIMIT => return None,
                None => tokio::time::sleep(POLL_INTERVAL).await,
                ended => return ended,
            }
        }
    }

    /// Returns the exit status if the process has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Returns the largest resident set size so far, in KiB; `None` if the process has ended.
    pub fn peak_memory_kib(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.trim().trim_end_matches(" kB").parse().ok()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A process that has already ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal, such as `TERM`, to a process.
pub fn send_signal(child: &Child, signal: &str) {
    let kill = format!("kill -{signal} {}", child.id());
    assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
}
