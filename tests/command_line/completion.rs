//! Tests the program as a plugin of the real kubectl, and the completion of the program's arguments
//! in bash and in kubectl.

use std::env;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};
use std::sync::OnceLock;

use crate::estate::{DAY, command, plane, run_with, settled_examples};

/// Returns a folder that contains the program under the names that kubectl looks for.
fn installed() -> &'static Path {
    static FOLDER: OnceLock<tempfile::TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        for name in ["clientfleet", "kubectl-clientfleet", "kubectl_complete-clientfleet"] {
            symlink(env!("CARGO_BIN_EXE_clientfleet"), folder.path().join(name)).unwrap();
        }
        folder
    });
    folder.path()
}

fn path() -> std::ffi::OsString {
    let known = env::var_os("PATH").unwrap_or_default();
    let folders = std::iter::once(installed().to_owned()).chain(env::split_paths(&known));
    env::join_paths(folders).unwrap()
}

fn kubectl(arguments: &[&str]) -> Output {
    let mut kubectl = plane().kubectl(arguments);
    run_with(
        {
            kubectl.env("PATH", path()).env("TZ", "Europe/Berlin");
            kubectl
        },
        "",
    )
}

fn text(output: &[u8]) -> String {
    String::from_utf8(output.to_vec()).expect("text")
}

#[test]
fn kubectl_finds_the_plugin_and_it_says_the_same() {
    settled_examples();
    let list = kubectl(&["plugin", "list"]);
    assert!(text(&list.stdout).contains("/kubectl-clientfleet"), "{}", text(&list.stdout));
    let asked = ["clients", "-n", "clients", "--state", "Blocked,Failed"];
    let by_plugin = kubectl(&[&["clientfleet"], &asked[..], &["--now", DAY]].concat());
    let by_itself = run_with(command(DAY, &asked), "");
    assert_eq!(text(&by_plugin.stdout), text(&by_itself.stdout));
    assert!(text(&by_plugin.stdout).lines().count() > 5);
    assert_eq!(by_plugin.status.code(), Some(0));
    let refused = kubectl(&["clientfleet", "clients", "--state", "Nonsense"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(text(&refused.stderr).starts_with("error: --state: there is no `Nonsense`"));
}

#[test]
fn as_a_plugin_it_names_itself_so() {
    let help = kubectl(&["clientfleet", "clients", "--help"]);
    assert!(text(&help.stdout).contains("Usage: kubectl clientfleet clients"));
    let help = kubectl(&["clientfleet", "--help"]);
    assert!(text(&help.stdout).starts_with("Says which client of a fleet"), "its own description");
}

fn completed_by_kubectl(line: &[&str]) -> Vec<String> {
    let output = kubectl(&[&["__complete", "clientfleet"], line].concat());
    let output = text(&output.stdout);
    let (candidates, directive) = output.rsplit_once(':').expect("it ends with a directive");
    assert_eq!(directive.trim(), "4", "names are no files");
    let words = candidates.lines().map(|line| line.split('\t').next().unwrap_or(line));
    words.map(ToOwned::to_owned).collect()
}

#[test]
fn kubectl_completes_commands_options_and_names_from_the_cluster() {
    settled_examples();
    assert_eq!(completed_by_kubectl(&["cl"]), ["clients"]);
    assert!(completed_by_kubectl(&["clients", "--old"]).contains(&"--older-than".to_owned()));
    assert_eq!(completed_by_kubectl(&["clients", "--state", "Up"]), ["UpToDate"]);
    let fleets = completed_by_kubectl(&["clients", "-n", "clients", "--fleet", "b"]);
    assert_eq!(fleets, ["berlin", "berlin-2"]);
    let policies = completed_by_kubectl(&["clients", "-n", "clients", "--policy", "canary,ware"]);
    assert_eq!(policies, ["canary,warehouse-withdrawn"]);
    assert_eq!(completed_by_kubectl(&["clients", "-n", "clie"]), ["clients"]);
    assert_eq!(completed_by_kubectl(&["clients", "--context", "t"]), ["test"]);
}

#[test]
fn options_before_the_command_are_completed_and_count() {
    settled_examples();
    assert_eq!(completed_by_kubectl(&["--context", "t"]), ["test"]);
    assert_eq!(completed_by_kubectl(&["-n", "clients", "cl"]), ["clients"]);
    assert!(completed_by_kubectl(&["--request"]).contains(&"--request-timeout".to_owned()));
    let fleets = completed_by_kubectl(&["-n", "clients", "clients", "--fleet", "b"]);
    assert_eq!(fleets, ["berlin", "berlin-2"]);
    let asked = ["-n", "clients", "clients", "--state", "Blocked,Failed", "--now", DAY];
    let before = kubectl(&[&["clientfleet"], &asked[..]].concat());
    assert!(text(&before.stdout).lines().count() > 5, "{}", text(&before.stderr));
}

#[test]
fn without_an_answer_nothing_is_completed() {
    let nowhere = ["clients", "--kubeconfig", "/nowhere", "--policy", "c"];
    assert_eq!(completed_by_kubectl(&nowhere), [""; 0]);
}

fn completed_by_bash(words: &[&str]) -> Vec<String> {
    let line = words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ");
    let script = format!(
        "source <(clientfleet completion bash); COMP_WORDS=({line}); COMP_CWORD={}; \
         _clap_complete_clientfleet clientfleet '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        words.len() - 1,
        words.last().expect("a line has a word")
    );
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", &script])
        .env("PATH", path())
        .env("KUBECONFIG", plane().kubeconfig_path());
    let output = run_with(bash, "");
    assert!(output.status.success(), "{}", text(&output.stderr));
    text(&output.stdout).lines().map(|word| word.trim().to_owned()).collect()
}

#[test]
fn bash_completes_them_too() {
    settled_examples();
    assert_eq!(completed_by_bash(&["clientfleet", "wind"]), ["windows"]);
    let fleets = completed_by_bash(&["clientfleet", "clients", "-n", "clients", "--fleet", "n"]);
    assert_eq!(fleets, ["new-york"]);
}

#[test]
fn every_shell_is_told_whom_to_ask() {
    for shell in ["bash", "zsh", "fish"] {
        let output = run_with(command(DAY, &["completion", shell]), "");
        let script = text(&output.stdout);
        assert!(script.contains("CLIENTFLEET_COMPLETE"), "{shell}: {script}");
        assert!(!script.contains("/target/"), "{shell} is told a place of this build: {script}");
    }
    let output = run_with(command(DAY, &["completion", "tcsh"]), "");
    assert_eq!(output.status.code(), Some(2));
}
