//! Sets up command tests: creates namespaces on a real API server, and runs the real controller
//! until it has written all statuses. Also runs the program and returns its output.

// Each test target includes the whole module but calls only some of its functions.
#![allow(dead_code)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use clientfleet::api::{ClientFleet, UpgradePolicy, crds_yaml};
use clientfleet::cli::yaml;
use clientfleet::controller::{Options, run};
use clientfleet::daemon::clock::ManualClock;
use clientfleet::plan::parsed::Kind;
use clientfleet::plan::{Cached, Estate, settle};
use clientfleet::values::Timestamp;
use kube::{Api, Client};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::control_plane::{ControlPlane, shared};

/// Current time in most command tests. It is a Tuesday: 13:00 in Berlin, 07:00 in New York and
/// 21:00 in Tokyo.
pub const DAY: &str = "2026-11-24T12:00:00Z";

/// Maximum time to wait until all statuses match the plan. The controller usually needs 1 or 2 s,
/// but can need longer on a busy machine.
const WAIT_TIMEOUT: Duration = Duration::from_secs(180);

/// Returns the shared control plane, with the CRDs installed.
pub fn plane() -> &'static ControlPlane {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    INSTALLED.get_or_init(|| install(shared()));
    shared()
}

pub fn install(plane: &ControlPlane) {
    let apply = ["apply", "--server-side", "-f", "-"];
    plane.kubectl_ok(&apply, &crds_yaml().unwrap()).unwrap();
    let crds = ["crd/clientfleets.clientfleet.dev", "crd/upgradepolicies.clientfleet.dev"];
    let wait = ["wait", "--for=condition=Established", "--timeout=180s", crds[0], crds[1]];
    plane.kubectl_ok(&wait, "").unwrap();
}

/// Creates a namespace with exactly this name. A random suffix would change the output of commands
/// from run to run.
pub fn namespace(name: &str) {
    plane().kubectl_ok(&["create", "namespace", name], "").unwrap();
}

/// Returns all example objects as one YAML text, with their namespace replaced by `namespace`.
pub fn examples(namespace: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    // Leave out the file that defines the namespace `clients`, because the tests create their own
    // namespaces.
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.retain(|file| !file.ends_with("00-namespace.yaml"));
    files.sort();
    let texts = files.iter().map(|file| std::fs::read_to_string(file).unwrap());
    let text = texts.collect::<Vec<_>>().join("\n---\n");
    text.replace("namespace: clients", &format!("namespace: {namespace}"))
}

pub fn apply(text: &str) {
    plane().kubectl_ok(&["apply", "--server-side", "-f", "-"], text).unwrap();
}

/// Runs the real controller in a namespace until every status matches the plan, and then stops the
/// controller. The controller's clock always shows the instant `at`.
pub fn settle_at(namespace: &str, at: &str) {
    let at: Timestamp = at.parse().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let client = plane().client().unwrap();
        let options = Options { namespaces: [namespace.to_owned()].into(), ..Options::default() };
        let (stop, stopped) = oneshot::channel::<()>();
        let clock = Arc::new(ManualClock::at(at));
        let shutdown = async { drop(stopped.await) };
        let controller = tokio::spawn(run(client.clone(), clock, options, shutdown));
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while !is_settled(&client, namespace, at).await {
            assert!(Instant::now() < deadline, "the statuses of {namespace} do not settle");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(stop);
        controller.await.unwrap().unwrap();
    });
}

async fn list<K: Kind<Scope = kube::core::NamespaceResourceScope>>(
    client: &Client,
    namespace: &str,
) -> Vec<Arc<Cached<K>>> {
    let api = Api::<Cached<K>>::namespaced(client.clone(), namespace);
    let objects = api.list(&kube::api::ListParams::default()).await.unwrap();
    objects.items.into_iter().map(Arc::new).collect()
}

/// Returns whether every status in a namespace matches the plan for the instant `at`.
pub async fn is_settled(client: &Client, namespace: &str, at: Timestamp) -> bool {
    let estate =
        Estate { fleets: list(client, namespace).await, policies: list(client, namespace).await };
    let plan = settle(&estate, at);
    let fleets = estate.fleets.iter().all(|fleet| {
        let planned = plan.fleets.iter().find(|(name, _)| name.as_str() == fleet.name());
        planned.is_some_and(|(_, status)| fleet.status_equals(ClientFleet::digest(status)))
    });
    let policies = estate.policies.iter().all(|policy| {
        let planned = plan.policies.iter().find(|(name, _)| name.as_str() == policy.name());
        planned.is_some_and(|(_, status)| policy.status_equals(UpgradePolicy::digest(status)))
    });
    fleets && policies
}

/// Creates a namespace, applies the examples in it, and runs the controller until their statuses
/// match the plan for the instant `at`.
pub fn of_examples(name: &str, at: &str) {
    namespace(name);
    apply(&examples(name));
    settle_at(name, at);
}

/// Creates the namespace `clients` with the examples and their statuses at [`DAY`], and returns its
/// name. All read-only tests share this namespace.
pub fn settled_examples() -> &'static str {
    static EXAMPLES: OnceLock<()> = OnceLock::new();
    EXAMPLES.get_or_init(|| of_examples("clients", DAY));
    "clients"
}

/// Returns a command that runs the program at the time `at`, as the administrator and in Berlin's
/// time zone. To run the program as another user, add `--kubeconfig` to `arguments`.
pub fn command(at: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clientfleet"));
    command
        .args(arguments)
        .args(["--now", at])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_clear()
        .env("KUBECONFIG", plane().kubeconfig_path())
        .env("HOME", plane().folder())
        .env("TZ", "Europe/Berlin");
    command
}

pub fn run_with(mut command: Command, input: &str) -> Output {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("the program starts");
    let mut stdin = child.stdin.take().expect("it has an input");
    let input = input.to_owned();
    // Write the input in a thread while this thread reads the output. Both can be larger than the
    // buffer of a pipe, so writing the whole input first could block forever.
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("the input is written");
    output
}

/// Runs the program, and returns a transcript for a snapshot: the command line, standard output,
/// standard error and the exit code.
pub fn transcript(at: &str, arguments: &[&str]) -> String {
    transcript_with(at, arguments, "")
}

pub fn transcript_with(at: &str, arguments: &[&str], input: &str) -> String {
    let output = run_with(command(at, arguments), input);
    let mut text = format!("$ clientfleet {}\n", arguments.join(" "));
    text.push_str(&String::from_utf8(output.stdout).expect("results are text"));
    let words = String::from_utf8(output.stderr).expect("words are text");
    text.extend(words.lines().map(|line| format!("[stderr] {line}\n")));
    text.push_str(&format!("[exit code {}]\n", output.status.code().expect("it is not killed")));
    let folder = plane().folder().display().to_string();
    text.replace(&folder, "FOLDER")
}

/// Runs the program, which must succeed, and returns its standard output parsed as JSON.
pub fn json(at: &str, arguments: &[&str]) -> Value {
    let output = run_with(command(at, arguments), "");
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{arguments:?}: {words}");
    serde_json::from_slice(&output.stdout).expect("it prints JSON")
}

pub fn documents(text: &str) -> Vec<Value> {
    yaml::read(text)
        .into_iter()
        .map(|document| document.content.expect("an object").value())
        .collect()
}
