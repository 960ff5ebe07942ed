//! Determines the health of objects with the code of kstatus and Argo CD. This module must not
//! contain expected results, which belong in `live.rs`.

use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use serde::Deserialize;
use serde_json::Value;

use crate::control_plane::{ControlPlane, tools};

#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Verdict {
    pub kind: String,
    pub name: String,
    /// Health status, such as `Current` or `Healthy`. Empty if the tool reports none.
    pub status: String,
    pub message: String,
}

/// Runs a program from `tests/tools` with the objects as input, and returns one verdict per object
/// in the order of the objects. The program accesses the cluster through `KUBECONFIG`.
pub fn judge<'a>(
    tool: &str,
    plane: &ControlPlane,
    objects: impl IntoIterator<Item = &'a Value>,
) -> Vec<Verdict> {
    let program = tools::tool(tool).unwrap_or_else(|error| panic!("{error}"));
    let input: String = objects.into_iter().map(|object| format!("{object}\n")).collect();
    let mut judge = Command::new(program)
        .env("KUBECONFIG", plane.kubeconfig_path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = judge.stdin.take().unwrap();
    let output = thread::scope(|scope| {
        scope.spawn(move || pipe.write_all(input.as_bytes()));
        judge.wait_with_output().unwrap()
    });
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{tool}: {complaints}");
    let verdicts = String::from_utf8(output.stdout).unwrap();
    verdicts.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
