//! Reads the write requests for fleets and policies from the audit log of the API server.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;
use tempfile::TempDir;

use crate::control_plane::Builder;

const POLICY: &str = r"
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
  - level: Metadata
    verbs: [create, update, patch, delete, deletecollection]
    resources: [{group: clientfleet.dev}]
  - level: None
";

pub struct Audit {
    folder: TempDir,
}

/// Description of a write, such as `apply upgradepolicies/canary by kustomize-controller`.
pub type Written = String;

impl Audit {
    /// Configures the control plane to write an audit log. Returns the log and the changed builder.
    pub fn of(builder: Builder) -> (Self, Builder) {
        let audit = Self { folder: tempfile::tempdir().unwrap() };
        let policy = audit.folder.path().join("policy.yaml");
        fs::write(&policy, POLICY).unwrap();
        let builder = builder
            .apiserver_arg(format!("--audit-policy-file={}", policy.display()))
            .apiserver_arg(format!("--audit-log-path={}", audit.log().display()));
        (audit, builder)
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Returns all successful writes in the log. Leaves out dry runs and requests that the API
    /// server refused.
    pub fn writes(&self) -> Vec<Written> {
        let log = fs::read_to_string(self.log()).unwrap();
        let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        entries.filter(took_place).map(|entry| described(&entry)).collect()
    }
}

fn took_place(entry: &Value) -> bool {
    let is_dry = entry["requestURI"].as_str().unwrap().contains("dryRun=");
    !is_dry && entry["responseStatus"]["code"].as_u64().is_some_and(|code| code < 300)
}

fn described(entry: &Value) -> Written {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let object = &entry["objectRef"];
    let path = [&object["resource"], &object["name"], &object["subresource"]];
    let path: Vec<String> = path.into_iter().map(text).filter(|part| !part.is_empty()).collect();
    let agent = text(&entry["userAgent"]);
    let agent = agent.split('/').next().unwrap_or_default();
    // The audit log records server-side apply with the verb `patch`. The parameter `force=true`
    // identifies such a request, because only server-side apply accepts this parameter.
    let is_apply = entry["requestURI"].as_str().unwrap().contains("force=true");
    let verb = if is_apply { "apply".to_owned() } else { text(&entry["verb"]) };
    format!("{verb} {} by {agent}", path.join("/"))
}
