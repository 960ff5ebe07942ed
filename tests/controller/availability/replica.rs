//! Runs one replica: a process `clientfleet controller --leader-elect` with its own user.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use kube::config::Kubeconfig;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tempfile::TempDir;

use crate::control_plane::ControlPlane;
use crate::world::eventually;

/// Lease duration, renew deadline and retry period, as values for the command line.
pub type Times = [&'static str; 3];

pub struct Replica {
    /// The replica's user name. [`Replica::start`] also uses it as the replica's identity in the
    /// lease.
    pub name: String,
    child: Child,
    folder: TempDir,
}

/// Returns the kubeconfig of a replica's user. `way` is the address of a proxy to the API server;
/// with `None` the replica connects directly.
pub fn kubeconfig(plane: &ControlPlane, name: &str, way: Option<SocketAddr>) -> Kubeconfig {
    let mut kubeconfig = plane.kubeconfig_as(name, &["system:masters"]);
    for cluster in &mut kubeconfig.clusters {
        if let (Some(cluster), Some(way)) = (&mut cluster.cluster, way) {
            cluster.server = Some(format!("https://{way}"));
        }
    }
    kubeconfig
}

impl Replica {
    pub fn start(name: &str, kubeconfig: &Kubeconfig, namespace: &str, times: Times) -> Self {
        let [duration, deadline, retry] = times;
        let arguments = [
            ["--identity", name],
            ["--namespace", namespace],
            ["--lease-namespace", namespace],
            ["--lease-duration", duration],
            ["--renew-deadline", deadline],
            ["--retry-period", retry],
        ];
        Self::start_with(name, kubeconfig, arguments.as_flattened())
    }

    pub fn start_with(name: &str, kubeconfig: &Kubeconfig, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("kubeconfig");
        fs::write(&file, serde_json::to_vec(kubeconfig).unwrap()).unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
            .args(["controller", "--leader-elect"])
            .args(arguments)
            .arg("--kubeconfig")
            .arg(&file)
            .envs([("RUST_LOG", "info,clientfleet=debug"), ("NO_COLOR", "1")])
            .stdin(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { name: name.to_owned(), child, folder }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(Path::new(self.folder.path()).join("log")).unwrap()
    }

    pub async fn has_logged(&self, text: &str) {
        eventually(&format!("{} says something", self.name), async || {
            let log = self.log();
            if log.contains(text) { Ok(()) } else { Err(format!("no {text:?} in {log}")) }
        })
        .await;
    }

    /// Stops all threads of the process with SIGSTOP, and returns when they have stopped.
    ///
    /// The command `kill` returns before all threads have stopped, and on a busy machine the
    /// remaining threads have enough time to plan and to write.
    pub async fn freeze(&self) {
        self.signal("STOP");
        let pid = Pid::from_child(&self.child);
        eventually(&format!("{} has stopped", self.name), async || {
            // `NOWAIT` does not consume the child's wait status, so that `Child::try_wait` can
            // still read it.
            let options = WaitIdOptions::STOPPED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
            match waitid(WaitId::Pid(pid), options) {
                Ok(Some(_)) => Ok(()),
                Ok(None) => Err("it runs".to_owned()),
                Err(error) => Err(error.to_string()),
            }
        })
        .await;
    }

    pub fn wake(&self) {
        self.signal("CONT");
    }

    pub fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    pub async fn ended(&mut self) -> ExitStatus {
        let name = self.name.clone();
        eventually(&format!("{name} ends"), async || {
            self.child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
        })
        .await
    }

    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    pub async fn gives_up(&mut self, why: &[&str]) {
        let code = self.ended().await.code();
        let log = self.log();
        assert_eq!(code, Some(1), "{log}");
        let last = log.lines().last().unwrap_or_default();
        assert!(last.starts_with("error: ") && why.iter().any(|why| last.contains(why)), "{log}");
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("-- what {} said:\n{}", self.name, self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
