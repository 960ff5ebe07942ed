//! Tests `clients -w`, which prints the list of clients and then every change.

use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Stdio};

use crate::estate::{DAY, apply, command, namespace, plane, settle_at};

const ESTATE: &str = "
apiVersion: clientfleet.dev/v1alpha1
kind: ClientFleet
metadata: {name: one, namespace: NAMESPACE}
spec:
  packageVersion: '2.0'
  timeZone: Europe/Berlin
  clients:
  - {name: a, reported: {version: '1.0', lastSeen: '2026-11-24T11:00:00Z'}}
  - {name: b, reported: {version: '1.0', lastSeen: '2026-11-24T11:00:00Z'}}
---
apiVersion: clientfleet.dev/v1alpha1
kind: UpgradePolicy
metadata: {name: all, namespace: NAMESPACE}
spec: {upgrade: {mode: AutoUpgrade}}
";

struct Following {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Following {
    fn start(arguments: &[&str]) -> Self {
        let mut child = command(DAY, arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().expect("it goes on").expect("its output is text")
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn patch(namespace: &str, patch: &str) {
    let asked = ["patch", "clf", "one", "-n", namespace, "--type=json", "-p", patch];
    plane().kubectl_ok(&asked, "").unwrap();
}

#[test]
fn a_list_and_then_each_change() {
    namespace("follow");
    apply(&ESTATE.replace("NAMESPACE", "follow"));
    settle_at("follow", DAY);
    let mut following = Following::start(&["clients", "-n", "follow", "-w"]);
    let mut lines: Vec<String> = (0..3).map(|_| following.line()).collect();
    // The new version makes the fleet's status out of date. The command prints no line about client
    // `b`, because `b` has not changed.
    let version = r#"[{"op":"replace","path":"/spec/clients/0/reported/version","value":"2.0"}]"#;
    patch("follow", version);
    lines.push(following.line());
    settle_at("follow", DAY);
    lines.push(following.line());
    plane().kubectl_ok(&["delete", "clf", "one", "-n", "follow"], "").unwrap();
    lines.extend((0..2).map(|_| following.line()));
    insta::assert_snapshot!("followed", lines.join("\n"));
}

#[test]
fn a_client_that_is_no_longer_wanted_is_told_once_more() {
    namespace("follow-some");
    apply(&ESTATE.replace("NAMESPACE", "follow-some"));
    settle_at("follow-some", DAY);
    let asked = ["clients", "-n", "follow-some", "-w", "--version", "1.0", "-o", "json"];
    let mut following = Following::start(&asked);
    let read = |line: String| serde_json::from_str::<serde_json::Value>(&line).expect("JSON");
    let listed: Vec<_> = (0..2).map(|_| read(following.line())).collect();
    assert_eq!((&listed[0]["name"], &listed[1]["name"]), (&"a".into(), &"b".into()));
    let version = r#"[{"op":"replace","path":"/spec/clients/0/reported/version","value":"2.0"}]"#;
    patch("follow-some", version);
    let changed = read(following.line());
    assert_eq!((&changed["name"], &changed["version"]), (&"a".into(), &"2.0".into()));
    // The command must print only the change of client `b`, because client `a` no longer matches
    // `--version 1.0`.
    let seen = r#"[{"op":"replace","path":"/spec/clients/0/reported/version","value":"3.0"},
                   {"op":"replace","path":"/spec/clients/1/reported/version","value":"1"}]"#;
    patch("follow-some", seen);
    let changed = read(following.line());
    assert_eq!((&changed["name"], &changed["version"]), (&"b".into(), &"1".into()));
}
