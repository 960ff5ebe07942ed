//! Tests the commands that act on all namespaces: `halt -A`, `resume -A` and `status -A`.

use super::halt::{FOREIGN, transcript};
use crate::control_plane::ControlPlane;
use crate::estate;

/// Uses a separate control plane, because on the shared one `-A` would include the namespaces of
/// other tests.
#[test]
fn in_all_namespaces() {
    let plane = ControlPlane::start().unwrap();
    let kubeconfig = plane.kubeconfig_path().display().to_string();
    let apply =
        |text: &str| plane.kubectl_ok(&["apply", "--server-side", "-f", "-"], text).unwrap();
    estate::install(&plane);
    let transcript = |arguments: &[&str]| {
        let text = transcript(&[arguments, &["--kubeconfig", &kubeconfig]].concat());
        text.replace(&plane.folder().display().to_string(), "FOLDER")
    };
    let none = transcript(&["halt", "-A"]);
    let nothing = transcript(&["status", "-A"]);
    for name in ["empty", "one", "other"] {
        plane.kubectl_ok(&["create", "namespace", name], "").unwrap();
    }
    apply(&estate::examples("one"));
    apply(&FOREIGN.replace("NAMESPACE", "other"));
    let status = transcript(&["status", "-A"]);
    insta::assert_snapshot!("status_without_a_controller", status);
    let steps = [
        none,
        nothing,
        transcript(&["halt", "-A", "--wait=false", "--reason", "all of it"]),
        transcript(&["halt", "-n", "empty", "--wait=false"]),
        transcript(&["halt", "-A", "--wait=false", "-o", "name"]),
        transcript(&["status", "-n", "one"])
            .lines()
            .take(4)
            .map(|line| line.to_owned() + "\n")
            .collect(),
        transcript(&["resume", "-A"]),
        transcript(&["resume", "-A", "-o", "json"]),
    ];
    insta::assert_snapshot!("brake", steps.join("\n"));
}
