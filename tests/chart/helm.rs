//! Runs the real Helm on the chart, without the settings in the home directory or environment of
//! the user.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::control_plane::tools::tool;

pub const RELEASE: &str = "clientfleet";

pub fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

pub fn chart() -> PathBuf {
    project("charts/clientfleet")
}

pub const EVERYTHING: &str = "
image: {repository: registry.example.com/clientfleet, tag: 0.1.0, pullSecrets: [{name: registry}]}
namespaces: [berlin, tokyo]
replicas: 3
log: {format: text, level: 'info,clientfleet=debug'}
serviceAccount: {annotations: {example.com/owner: endpoint-team}}
reservedPriorities: {enabled: true, from: 1000, groups: [freeze-admins, 'system:serviceaccounts:flux-system']}
metrics:
  serviceMonitor: {enabled: true, labels: {release: prometheus}}
  prometheusRule: {enabled: true}
  dashboard: {enabled: true}
networkPolicy:
  enabled: true
  metricsFrom: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  apiServer: {cidrs: [10.0.0.1/32], ports: [443]}
podAnnotations: {example.com/note: '1'}
podLabels: {team: endpoints}
priorityClassName: system-cluster-critical
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{operator: Exists}]
affinity: {nodeAffinity: {}}
";

/// Chart values that limit the permissions to two namespaces. All other values are the defaults.
pub const LIMITED: &str = "namespaces: [berlin, tokyo]";

pub fn helm(arguments: &[&str], values: &str) -> Output {
    let home = tempfile::tempdir().unwrap();
    let mut helm = Command::new(tool("helm").unwrap())
        .args(arguments)
        .args(["--values", "-"])
        .env_clear()
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    helm.stdin.take().unwrap().write_all(values.as_bytes()).unwrap();
    helm.wait_with_output().unwrap()
}

pub fn try_template(values: &str) -> Result<String, String> {
    let chart = chart();
    let output =
        helm(&["template", RELEASE, chart.to_str().unwrap(), "--namespace", RELEASE], values);
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

/// Renders the chart with `values`. Removes the blank line that some Helm versions add after each
/// document, so that the output is the same for all versions.
pub fn template(values: &str) -> String {
    try_template(values).unwrap().replace("\n\n---\n", "\n---\n")
}

pub fn objects(stream: &str) -> Vec<Value> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(stream).unwrap();
    documents.into_iter().filter(|document| !document.is_null()).collect()
}

pub fn kind(object: &Value) -> &str {
    object["kind"].as_str().unwrap()
}

pub fn only<'a>(objects: &'a [Value], wanted: &str) -> &'a Value {
    let mut found = objects.iter().filter(|object| kind(object) == wanted);
    let only = found.next().unwrap_or_else(|| panic!("there is no {wanted}"));
    assert!(found.next().is_none(), "there is more than one {wanted}");
    only
}
