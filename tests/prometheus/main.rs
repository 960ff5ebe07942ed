//! Tests the metrics, the alerts and the dashboard with Prometheus and promtool.
//!
//! promtool checks the names of metrics and the alert rules; a real Prometheus server scrapes the
//! real controller, and runs every query of the alerts and the dashboard.

#[path = "../control_plane/mod.rs"]
mod control_plane;

mod queries;
mod rules;
mod scraped;

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::control_plane::tools::tool_of;

fn chart_file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/clientfleet/files").join(name)
}

fn promtool(arguments: &[&str], input: Option<&Path>) -> (bool, String) {
    let mut promtool = Command::new(tool_of("prometheus", "promtool").unwrap());
    promtool.args(arguments);
    if let Some(path) = input {
        promtool.stdin(std::fs::File::open(path).unwrap());
    }
    let output = promtool.output().unwrap();
    let [said, complained] = [output.stdout, output.stderr].map(|b| String::from_utf8(b).unwrap());
    (output.status.success(), format!("{said}{complained}"))
}
