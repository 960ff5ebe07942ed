//! Simulates a reader of the documentation who types commands at a terminal, with a folder for
//! files, and kubectl and this project's program in `PATH`.
//!
//! In the reader's cluster, the controller reconciles the documentation's examples, which are in
//! the default namespace of the kubeconfig.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clientfleet::controller::{Options, run};
use clientfleet::daemon::clock::ManualClock;
use clientfleet::values::Zone;
use kube::Client;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::page::Call;
use crate::control_plane::ControlPlane;
use crate::estate::{self, DAY, is_settled};

/// Namespace of the examples, and default namespace of the kubeconfig.
const NAMESPACE: &str = "clients";
const COMMAND_TIMEOUT: Duration = Duration::from_secs(180);

pub struct Reader {
    /// Control plane that only this reader uses, because the reader changes its kubeconfig and
    /// deletes all fleets and policies in [`NAMESPACE`].
    plane: ControlPlane,
    runtime: Runtime,
    client: Client,
    clock: Arc<ManualClock>,
    now: String,
    programs: TempDir,
    desk: TempDir,
}

impl Reader {
    pub fn sit_down() -> Self {
        let context = ["config", "set-context", "--current", "--namespace", NAMESPACE];
        let plane = ControlPlane::start().unwrap();
        estate::install(&plane);
        plane.kubectl_ok(&context, "").unwrap();
        plane.kubectl_ok(&["create", "namespace", NAMESPACE], "").unwrap();
        let runtime = Runtime::new().unwrap();
        let client = {
            let _inside = runtime.enter();
            plane.client().unwrap()
        };
        let clock = Arc::new(ManualClock::at(DAY.parse().unwrap()));
        let options = Options { namespaces: [NAMESPACE.to_owned()].into(), ..Options::default() };
        runtime.spawn(run(client.clone(), clock.clone(), options, std::future::pending()));
        let programs = tempfile::tempdir().unwrap();
        symlink(&plane.assets().kubectl, programs.path().join("kubectl")).unwrap();
        let desk = tempfile::tempdir().unwrap();
        Self { plane, runtime, client, clock, now: DAY.to_owned(), programs, desk }
    }

    /// Prepares for the next page of the documentation: restores the examples, sets the clock to
    /// [`DAY`], and empties the folder for files.
    pub fn turn_the_page(&mut self) {
        let delete = ["delete", "clf,upol", "--all", "-n", NAMESPACE];
        self.plane.kubectl_ok(&delete, "").unwrap();
        self.desk = tempfile::tempdir().unwrap();
        self.now = DAY.to_owned();
        self.clock.set(DAY.parse().unwrap());
        let apply = ["apply", "--server-side", "-f", "-"];
        self.plane.kubectl_ok(&apply, &estate::examples(NAMESPACE)).unwrap();
        self.wait_until(DAY);
    }

    pub fn wait_until(&mut self, at: &str) {
        self.now = at.to_owned();
        self.clock.set(at.parse().unwrap());
        self.settle();
    }

    fn settle(&self) {
        let at = self.now.parse().unwrap();
        let deadline = Instant::now() + COMMAND_TIMEOUT;
        self.runtime.block_on(async {
            while !is_settled(&self.client, NAMESPACE, at).await {
                assert!(Instant::now() < deadline, "the controller does not settle at {at}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }

    pub fn write(&self, name: &str, text: &str) {
        fs::write(self.desk.path().join(name), text).unwrap();
    }

    pub fn run(&self, call: Call) -> Call {
        // Run the program through scripts that add `--now` with the simulated time, because the
        // documented commands do not set this option.
        let program = env!("CARGO_BIN_EXE_clientfleet");
        let script = format!("#!/bin/sh\nexec {program} \"$@\" --now {}\n", self.now);
        for name in ["clientfleet", "kubectl-clientfleet"] {
            let path = self.programs.path().join(name);
            fs::write(&path, &script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:/usr/bin:/bin", self.programs.path().display());
        let output = Command::new("sh")
            .args(["-c", &format!("exec 2>&1; {}", call.command)])
            .current_dir(self.desk.path())
            .env_clear()
            .env("PATH", path)
            .env("KUBECONFIG", self.plane.kubeconfig_path())
            .env("HOME", self.plane.folder())
            .env("TZ", "Europe/Berlin")
            .output()
            .unwrap();
        self.settle();
        let printed = String::from_utf8(output.stdout).unwrap();
        Call { output: self.by_the_pages_clock(&printed), ..call }
    }

    /// Replaces the creation times in the output with the simulated time, because the API server
    /// sets creation times from its own clock.
    fn by_the_pages_clock(&self, printed: &str) -> String {
        let now: chrono::DateTime<chrono::Utc> = self.now.parse().unwrap();
        let now = Zone::named("Europe/Berlin").unwrap().local(now);
        let made =
            regex::Regex::new(r"since [A-Z][a-z]{2} \d{1,2} [A-Z][a-z]{2} \d\d:\d\d").unwrap();
        made.replace_all(printed, now.format("since %a %-d %b %H:%M").to_string()).into_owned()
    }
}
