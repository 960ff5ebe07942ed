//! Compares the stored statuses with the output of `clientfleet plan --local` for the same objects.

use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::observer::Stored;

/// Returns the first object whose stored status differs from the planned status, or `None` if all
/// statuses are equal.
pub fn difference(fleets: &[Stored], policies: &[Stored]) -> Option<String> {
    let items: Vec<Value> =
        fleets.iter().chain(policies).map(|stored| json!(stored.object)).collect();
    let planned = planned(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
    let planned = planned["items"].as_array().expect("`plan` prints a list");
    items.iter().find_map(|stored| {
        let is_same = |other: &&Value| {
            let name = |object: &Value| object["metadata"]["name"].clone();
            other["kind"] == stored["kind"] && name(other) == name(stored)
        };
        let status = planned.iter().find(is_same).map_or(&Value::Null, |found| &found["status"]);
        (*status != stored["status"])
            .then(|| format!("{}\nis planned with the status {status}", stored["metadata"]["name"]))
            .map(|what| format!("{what}\nbut stored with {}", stored["status"]))
    })
}

fn planned(list: &Value) -> Value {
    let mut child = Command::new(env!("CARGO_BIN_EXE_clientfleet"))
        .args(["plan", "--local", "-f", "-", "-o", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The program reads all of its input before it prints anything.
    child.stdin.take().unwrap().write_all(list.to_string().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}
