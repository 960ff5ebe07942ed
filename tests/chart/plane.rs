//! Starts a control plane for one test, with the CRDs and namespaces that the test needs.

use serde_json::json;

use crate::control_plane::{Builder, ControlPlane};
use crate::helm::{RELEASE, chart};

/// Starts a control plane and creates the namespaces `names`. The namespace [`RELEASE`] enforces
/// the Pod Security Standard `restricted`.
pub fn with_namespaces(names: &[&str]) -> ControlPlane {
    build(ControlPlane::builder(), names)
}

pub fn build(builder: Builder, names: &[&str]) -> ControlPlane {
    let plane = builder.start().unwrap();
    let crds = chart().join("crds");
    plane.kubectl_ok(&["apply", "--server-side", "-f", crds.to_str().unwrap()], "").unwrap();
    plane
        .kubectl_ok(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=180s"], "")
        .unwrap();
    for name in names {
        let labels = match *name == RELEASE {
            true => json!({"pod-security.kubernetes.io/enforce": "restricted"}),
            false => json!({}),
        };
        let namespace = json!({
            "apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels},
        });
        plane.kubectl_ok(&["create", "-f", "-"], &namespace.to_string()).unwrap();
    }
    plane
}
