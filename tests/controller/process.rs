//! Tests the controller as a program: its checks at startup, and its shutdown on request.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use clientfleet::api::REVISION_ANNOTATION;
use serde_json::json;
use tempfile::TempDir;

use crate::control_plane::{ControlPlane, shared};
use crate::objects::{auto, distinct_fleet, fleet, names};
use crate::world::{World, eventually, install_crds};

/// Maximum time until the program ends after SIGTERM. Kubernetes kills a container after 30 s.
const GRACE: Duration = Duration::from_secs(30);

/// A running `clientfleet controller` process. Dropping this value kills the process.
pub struct Program {
    pub child: Child,
    pub folder: TempDir,
}

/// A simulated API server that never responds, because no process reads from its connections.
pub struct Silent {
    listener: TcpListener,
    folder: TempDir,
}

impl Silent {
    pub fn listen() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { listener, folder: tempfile::tempdir().unwrap() }
    }

    pub fn kubeconfig(&self) -> PathBuf {
        let kubeconfig = self.folder.path().join("kubeconfig");
        let server = format!("https://{}", self.listener.local_addr().unwrap());
        let content = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "silent",
            "contexts": [{"name": "silent", "context": {"cluster": "silent", "user": "silent"}}],
            "clusters": [{"name": "silent", "cluster": {"server": server}}],
            "users": [{"name": "silent", "user": {}}],
        });
        fs::write(&kubeconfig, content.to_string()).unwrap();
        kubeconfig
    }
}

impl Program {
    fn start(kubeconfig: &Path, namespace: &str) -> Self {
        Self::start_with(kubeconfig, &["-n", namespace])
    }

    /// Starts a controller. Its standard output goes to the file `output` and its standard error to
    /// the file `log` in the program's folder.
    pub fn start_with(kubeconfig: &Path, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let log = File::create(folder.path().join("log")).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
            .arg("controller")
            .args(arguments)
            .arg("--kubeconfig")
            .arg(kubeconfig)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(File::create(folder.path().join("output")).unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, folder }
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    pub async fn has_logged(&self, text: &str) {
        eventually("the program says something", async || {
            let log = self.log();
            if log.contains(text) { Ok(()) } else { Err(format!("no {text:?} in {log}")) }
        })
        .await;
    }

    pub async fn ended(&mut self) -> ExitStatus {
        eventually("the program ends", async || {
            self.child.try_wait().unwrap().ok_or_else(|| "it runs".to_owned())
        })
        .await
    }

    async fn ends_when_told(mut self, when: &str) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
        let told = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(told.elapsed() < GRACE, "{when}: it still runs: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        println!("{when}: it took {:?} to end", told.elapsed());
        let status = self.ended().await;
        assert_eq!(status.code(), Some(0), "{when}: {}", self.log());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_that_are_missing_or_older_are_refused_by_name() {
    let plane = ControlPlane::start().unwrap();
    let kubeconfig = plane.kubeconfig_path();
    let refused = async || {
        let mut program = Program::start(&kubeconfig, "default");
        assert_eq!(program.ended().await.code(), Some(1));
        program.log()
    };
    let log = refused().await;
    assert!(log.contains("no CustomResourceDefinition clientfleets.clientfleet.dev"), "{log}");
    assert!(log.contains("apply those that `clientfleet crds` prints"), "{log}");

    install_crds(&plane);
    let older = format!("{REVISION_ANNOTATION}=0");
    let name = "upgradepolicies.clientfleet.dev";
    plane.kubectl_ok(&["annotate", "--overwrite", "crd", name, &older], "").unwrap();
    let log = refused().await;
    assert!(log.contains(&format!("{name} in the cluster has schema revision 0")), "{log}");
    assert!(log.contains("apply the definitions that `clientfleet crds` prints"), "{log}");

    plane.kubectl_ok(&["delete", "crd", name], "").unwrap();
    let log = refused().await;
    assert!(log.contains(&format!("no CustomResourceDefinition {name}")), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_it_is_told_to() {
    let mut plane = ControlPlane::start().unwrap();
    install_crds(&plane);
    let kubeconfig = plane.kubeconfig_path();
    let world = World::without_controller(&plane, "process");
    world.apply(auto("all")).await;
    let clients = names(100);
    let clients: Vec<&str> = clients.iter().map(String::as_str).collect();
    for number in 0..40 {
        world.apply(distinct_fleet(&format!("fleet-{number}"), &clients)).await;
    }
    let decided = async || {
        let statuses = world.statuses().await;
        statuses.fleets.values().filter(|status| status.observed_generation == Some(1)).count()
    };
    let program = Program::start(&kubeconfig, &world.namespace);
    eventually(
        "it writes",
        async || if decided().await > 0 { Ok(()) } else { Err("nothing".into()) },
    )
    .await;
    program.ends_when_told("during a bulk of writes").await;
    println!("{} of 40 fleets were written until then", decided().await);

    let program = Program::start(&kubeconfig, &world.namespace);
    eventually("all is written", async || {
        let statuses = world.statuses().await;
        let in_force = statuses.policies["all"].observed_generation == Some(1);
        let decided = decided().await;
        if in_force && decided == 40 { Ok(()) } else { Err(format!("{decided}, {in_force}")) }
    })
    .await;
    // The program uses the system clock, so `notBefore` must be shortly after the current time.
    let soon = chrono::Utc::now() + chrono::TimeDelta::seconds(3);
    let soon = soon.format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let spec = json!({"spec": {"distribution": {"notBefore": soon}}});
    world.edit("UpgradePolicy", "all", spec).await;
    eventually("the opening", async || {
        let status = world.policy("all").await;
        let is_so = status.observed_generation == Some(2)
            && status.distribution_state.as_deref() == Some("Open");
        if is_so { Ok(()) } else { Err(format!("{status:?}")) }
    })
    .await;
    program.ends_when_told("while nothing is to do").await;

    let program = Program::start(&kubeconfig, &world.namespace);
    program.has_logged("watching").await;
    plane.stop_apiserver().unwrap();
    program.has_logged("the watch was interrupted").await;
    program.ends_when_told("without an API server").await;

    let program = Program::start(&kubeconfig, &world.namespace);
    program.has_logged("waiting for the API server").await;
    plane.start_apiserver().unwrap();
    program.has_logged("watching").await;
    program.ends_when_told("after it has waited for an API server").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_looks_after_the_namespaces_that_it_is_told_of() {
    let plane = shared();
    let world = World::start("one").await;
    let second = World::without_controller(plane, "two");
    let other = World::without_controller(plane, "other");
    for world in [&second, &other] {
        world.apply(auto("all")).await;
        world.apply(fleet("berlin", &["a"])).await;
    }
    // Pass the namespace `two` twice, because the program must watch it only once. The test waits
    // only for `two`, because another controller also reconciles `one`.
    let (one, two) = (world.namespace.as_str(), second.namespace.as_str());
    let arguments = ["-n", two, "--namespace", one, "-n", two];
    let program = Program::start_with(&plane.kubeconfig_path(), &arguments);
    eventually("the second one is decided", async || {
        let observed = second.fleet("berlin").await.observed_generation;
        if observed == Some(1) { Ok(()) } else { Err(program.log()) }
    })
    .await;
    assert_eq!(program.log().matches("watching").count(), 2, "{}", program.log());
    assert_eq!(other.fleet("berlin").await.observed_generation, Some(-1));
    program.ends_when_told("with two namespaces").await;
}

#[test]
fn times_of_a_lease_that_do_not_fit_are_refused() {
    let cases: [(&[&str], &str); 6] = [
        (&["--leader-elect", "--renew-deadline", "20"], "shorter than --lease-duration (15s)"),
        (&["--leader-elect", "--retry-period", "9s"], "1.2 times --retry-period (9s)"),
        (&["--leader-elect", "--lease-duration=2500ms"], "whole seconds"),
        (&["--leader-elect", "--lease-duration", "soon"], "as 15s or 500ms"),
        (&["--lease-name", "mine"], "--leader-elect"),
        (&["--namespace", ""], "--namespace"),
    ];
    for (arguments, sentence) in cases {
        let output = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
            .arg("controller")
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(sentence), "{arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_ends_when_it_is_told_to_before_anybody_has_answered() {
    let silent = Silent::listen();
    let kubeconfig = silent.kubeconfig();
    let program = Program::start(&kubeconfig, "default");
    let _connection = silent.listener.accept().unwrap();
    program.ends_when_told("before anybody has answered").await;
}

#[test]
fn without_a_cluster_it_says_what_to_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    fs::write(path("empty"), "apiVersion: v1\nkind: Config\n").unwrap();
    fs::write(path("broken"), "clusters: [").unwrap();
    let cases = [
        (vec![], "--kubeconfig or KUBECONFIG"),
        (vec!["--kubeconfig".to_owned(), path("gone")], "gone"),
        (
            vec!["--kubeconfig".to_owned(), path("empty")],
            "empty: no context is selected by current-context",
        ),
        (vec!["--kubeconfig".to_owned(), path("broken")], "broken: failed to parse"),
        (vec!["--context".to_owned(), "nowhere".to_owned()], "--context"),
    ];
    for (arguments, sentence) in cases {
        let output = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
            .arg("controller")
            .args(&arguments)
            .env_clear()
            .env("HOME", folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.contains(sentence), "{arguments:?}: {said}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_log_level_that_nobody_knows_is_refused() {
    for (filter, sentence) in [
        ("garbage=[[", "RUST_LOG \"garbage=[[\""),
        ("loud", "RUST_LOG \"loud\": there is no level loud: "),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
            .arg("controller")
            .env("RUST_LOG", filter)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(said.contains(sentence), "{said}");
    }
}
