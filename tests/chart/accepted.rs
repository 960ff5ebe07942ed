//! Tests that a real API server accepts all objects of the chart and of `config/`, in a namespace
//! that enforces the Pod Security Standard `restricted`.

use serde_json::{Value, json};

use crate::control_plane::ControlPlane;
use crate::helm::{EVERYTHING, LIMITED, RELEASE, kind, objects, only, project, template};
use crate::plane::with_namespaces;

fn dry_run(plane: &ControlPlane, object: &Value) -> Result<String, String> {
    let output = plane.kubectl_ok(
        &["apply", "--server-side", "--dry-run=server", "--warnings-as-errors", "-f", "-"],
        &object.to_string(),
    );
    output.map_err(|error| error.to_string())
}

#[test]
fn every_object_is_accepted_without_a_warning() {
    let plane = with_namespaces(&[RELEASE, "berlin", "tokyo"]);
    for values in ["", LIMITED, EVERYTHING] {
        let rendered = objects(&template(values));
        for object in &rendered {
            // Skip these kinds, because the Prometheus Operator defines them and is not installed
            // in the test cluster.
            if ["ServiceMonitor", "PrometheusRule"].contains(&kind(object)) {
                continue;
            }
            dry_run(&plane, object).unwrap_or_else(|error| panic!("{error}\n{object:#}"));
        }
        let pod = pod_of(only(&rendered, "Deployment"));
        dry_run(&plane, &pod).unwrap_or_else(|error| panic!("{error}\n{pod:#}"));
    }
}

/// Returns the pod that a Deployment would create. The test cluster has no controller that creates
/// pods for Deployments.
fn pod_of(deployment: &Value) -> Value {
    let template = &deployment["spec"]["template"];
    let mut metadata = template["metadata"].clone();
    metadata["name"] = json!("clientfleet-0");
    metadata["namespace"] = deployment["metadata"]["namespace"].clone();
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

#[test]
fn a_pod_that_is_not_restricted_would_be_refused() {
    let plane = with_namespaces(&[RELEASE]);
    let mut pod = pod_of(only(&objects(&template("")), "Deployment"));
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = json!(true);
    let error = dry_run(&plane, &pod).unwrap_err();
    assert!(error.contains("violates PodSecurity \"restricted"), "{error}");
}

#[test]
fn kustomize_installs_the_same() {
    let plane = ControlPlane::start().unwrap();
    let config = project("config");
    let config = config.to_str().unwrap();
    plane.kubectl_ok(&["apply", "--server-side", "-k", config], "").unwrap();
    let wanted = objects(&template(""));
    for object in &wanted {
        let name = object["metadata"]["name"].as_str().unwrap();
        let found = plane.kubectl_ok(&["get", "-n", RELEASE, kind(object), name], "");
        found.unwrap_or_else(|error| panic!("{error}"));
    }
    plane.kubectl_ok(&["apply", "--server-side", "-k", config], "").unwrap();
}

#[test]
fn an_overlay_names_the_image() {
    // Create the overlay inside the repository, because kustomize accepts `config` only as a
    // relative path.
    let target = project("target");
    std::fs::create_dir_all(&target).unwrap();
    let folder = tempfile::tempdir_in(target).unwrap();
    let overlay = json!({
        "resources": ["../../config"],
        "images": [{"name": "clientfleet", "newName": "registry.example.com/clientfleet", "newTag": "1.2.3"}],
    });
    std::fs::write(folder.path().join("kustomization.yaml"), overlay.to_string()).unwrap();
    let plane = crate::control_plane::shared();
    let made = plane.kubectl_ok(&["kustomize", folder.path().to_str().unwrap()], "").unwrap();
    assert!(made.contains("image: registry.example.com/clientfleet:1.2.3"), "{made}");
}
