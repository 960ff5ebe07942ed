//! Tests the control plane that all other integration tests use: it must serve requests, and must
//! leave no processes or files behind.

mod control_plane;

use std::env;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use control_plane::{ControlPlane, namespace, shared};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

/// Environment variable that selects how `victim_of_other_tests` ends after it has started a
/// control plane. With `panic` it panics; with `wait` it waits until another test kills it.
const VICTIM: &str = "CLIENTFLEET_VICTIM";

/// Timeout for the cleanup after a process that used a control plane has ended. The timeout is long
/// enough for a busy machine.
const CLEAN_UP_TIMEOUT: Duration = Duration::from_secs(120);

async fn create_config_map(client: Client, namespace: &str, name: &str) -> kube::Result<ConfigMap> {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    let config_map = ConfigMap { metadata, ..ConfigMap::default() };
    Api::namespaced(client, namespace).create(&PostParams::default(), &config_map).await
}

#[tokio::test]
async fn kubectl_and_client_see_the_same_objects() {
    let plane = shared();
    let namespace = namespace("same-objects");
    let manifest = "{apiVersion: v1, kind: ConfigMap, metadata: {name: by-kubectl}}";
    plane.kubectl_ok(&["apply", "-n", &namespace, "-f", "-"], manifest).unwrap();
    create_config_map(plane.client().unwrap(), &namespace, "by-client").await.unwrap();

    let seen = plane.kubectl_ok(&["get", "configmap", "-n", &namespace, "-o", "name"], "").unwrap();
    assert_eq!(seen, "configmap/by-client\nconfigmap/by-kubectl\n");
}

#[test]
fn kubectl_reports_what_it_complained_about() {
    let error = shared().kubectl_ok(&["get", "configmap", "no-such"], "").unwrap_err().to_string();
    assert!(error.starts_with("kubectl get configmap no-such failed"), "{error}");
    assert!(error.contains("\"no-such\" not found"), "{error}");
}

#[test]
fn kubernetes_knows_its_version() {
    let version = shared().kubectl_ok(&["get", "--raw", "/version"], "").unwrap();
    let version: serde_json::Value = serde_json::from_str(&version).unwrap();
    assert_eq!(
        version["minor"].as_str(),
        version["gitVersion"].as_str().unwrap().split('.').nth(1)
    );
}

#[tokio::test]
async fn other_users_may_do_what_rbac_grants() {
    let plane = shared();
    let namespace = namespace("rbac");
    let create =
        ["create", "role", "writer", "--verb=create", "--resource=configmaps", "-n", &namespace];
    plane.kubectl_ok(&create, "").unwrap();
    let bind =
        ["create", "rolebinding", "writers", "--role=writer", "--group=writers", "-n", &namespace];
    plane.kubectl_ok(&bind, "").unwrap();

    let member = plane.client_as("someone", &["readers", "writers"]).unwrap();
    create_config_map(member, &namespace, "granted").await.unwrap();
    let stranger = plane.client_as("someone", &["readers"]).unwrap();
    let error = create_config_map(stranger, &namespace, "refused").await.unwrap_err();
    assert!(matches!(&error, kube::Error::Api(status) if status.code == 403), "{error}");

    let kubeconfig = plane.kubeconfig_path_as("someone", &["readers"]).unwrap();
    let arguments = ["auth", "can-i", "create", "configmaps", "-n", &namespace];
    let answer = plane.kubectl(&arguments).env("KUBECONFIG", kubeconfig).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout), "no\n");
}

#[tokio::test]
async fn two_control_planes_do_not_disturb_each_other() {
    let (first, second) = (shared(), ControlPlane::start().unwrap());
    create_config_map(second.client().unwrap(), "default", "only-in-the-second").await.unwrap();

    let in_first = Api::<ConfigMap>::namespaced(first.client().unwrap(), "default");
    assert!(in_first.get_opt("only-in-the-second").await.unwrap().is_none());

    let folder = second.folder().to_owned();
    drop(second);
    assert!(!folder.exists(), "dropping a control plane returns when its folder is gone");
    assert_eq!(processes_of(&folder), Vec::<String>::new());
    in_first.get_opt("anything").await.unwrap();
}

#[tokio::test]
async fn restarted_server_has_its_objects_and_arguments() {
    let mut plane = ControlPlane::builder().apiserver_arg("--event-ttl=61m").start().unwrap();
    let client = plane.client().unwrap();
    create_config_map(client.clone(), "default", "kept").await.unwrap();

    plane.stop_apiserver().unwrap();
    plane.kubectl_ok(&["get", "--raw", "/readyz", "--request-timeout=1s"], "").unwrap_err();
    plane.start_apiserver().unwrap();

    // A client from before the restart must reconnect, because the server keeps its port and
    // certificates.
    Api::<ConfigMap>::namespaced(client, "default").get("kept").await.unwrap();
    let running = processes_of(plane.folder()).join("\n");
    assert_eq!(running.matches("--event-ttl=61m").count(), 1, "{running}");
}

#[test]
fn unknown_server_argument_is_shown() {
    let error =
        ControlPlane::builder().apiserver_arg("--no-such-flag").start().err().unwrap().to_string();
    assert!(error.contains("kube-apiserver ended (exit status: 1)"), "{error}");
    assert!(error.contains("unknown flag: --no-such-flag"), "{error}");
}

#[test]
fn assets_folder_without_a_server_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("etcd"), "").unwrap();
    let output = victim("panic").env("KUBEBUILDER_ASSETS", folder.path()).output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    assert!(output.contains("but there is no kube-apiserver in it"), "{output}");
}

#[test]
fn panicking_test_leaves_nothing_behind() {
    let (mut process, folder) = start_victim("panic");
    assert!(!process.wait().unwrap().success());
    assert_clean(&folder);
}

#[test]
fn killed_test_leaves_nothing_behind() {
    let (mut process, folder) = start_victim("wait");
    assert_eq!(processes_of(&folder).len(), 2, "etcd and kube-apiserver");
    process.kill().unwrap();
    process.wait().unwrap();
    assert_clean(&folder);
}

/// Starts a control plane and ends as [`VICTIM`] specifies; does nothing if this variable is not
/// set. Other tests run this function in a separate process, and check that the watchdog removes
/// the control plane.
#[test]
fn victim_of_other_tests() {
    let Ok(end) = env::var(VICTIM) else { return };
    let folder = shared().folder().display();
    // Do not use `println!`, because the test harness would show its output only at the end of the
    // test.
    writeln!(io::stdout(), "\nfolder: {folder}").unwrap();
    match end.as_str() {
        "panic" => panic!("as wanted"),
        // Limit the sleep to 300 s, in case the test that should kill this process is itself
        // killed.
        _ => thread::sleep(Duration::from_secs(300)),
    }
}

fn victim(end: &str) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", "victim_of_other_tests"]).env(VICTIM, end);
    command
}

fn start_victim(end: &str) -> (Child, PathBuf) {
    let mut process = victim(end).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    let folder = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("folder: ").map(PathBuf::from));
    (process, folder.expect("the victim names its folder"))
}

fn assert_clean(folder: &Path) {
    let deadline = Instant::now() + CLEAN_UP_TIMEOUT;
    while folder.exists() || !processes_of(folder).is_empty() {
        assert!(
            Instant::now() < deadline,
            "{} exists, or {:?} run",
            folder.display(),
            processes_of(folder)
        );
        thread::sleep(Duration::from_millis(20));
    }
}

/// Returns the command lines of all running processes whose command line contains the folder's
/// path. Each server has this path in its arguments.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.display().to_string();
    let processes =
        fs::read_dir("/proc").expect("these tests look for processes in /proc, as Linux has it");
    processes
        .filter_map(|process| fs::read(process.ok()?.path().join("cmdline")).ok())
        .map(|command_line| String::from_utf8_lossy(&command_line).replace('\0', " "))
        .filter(|command_line| command_line.contains(&folder))
        .collect()
}
