//! Starts a control plane with Flux's kustomize-controller and our controller. Flux applies a Git
//! repository as described in `docs/gitops.md`, and the clock of our controller is stopped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::audit::Audit;
use super::source::Repository;
use crate::control_plane::{ControlPlane, Process, tools};
use crate::world::{World, eventually, install_crds};

/// Go modules that contain the CRDs of Flux, in the version that `tests/tools/flux` builds.
const DEFINITIONS: [&str; 2] =
    ["github.com/fluxcd/kustomize-controller", "github.com/fluxcd/source-controller"];

const FLUX: &str = "flux-system";

const NAMESPACE: &str = "clients";

// Rust drops fields in the order of their declaration. The kustomize-controller must stop before
// the control plane, so its field comes first.
pub struct Cluster {
    _kustomize_controller: Process,
    pub repository: Repository,
    pub audit: Audit,
    pub plane: ControlPlane,
    /// Our controller, which watches only the namespace of the examples.
    pub world: World,
    _temporary: TempDir,
    requests: usize,
}

impl Cluster {
    /// Starts the control plane and both controllers. No revision is published yet.
    pub fn start() -> Self {
        let (audit, builder) = Audit::of(ControlPlane::builder());
        let plane = builder.start().unwrap();
        install_crds(&plane);
        for module in DEFINITIONS {
            let folder = module_folder(module).join("config/crd/bases");
            let folder = folder.display().to_string();
            plane.kubectl_ok(&["apply", "--server-side", "-f", &folder], "").unwrap();
        }
        let wait = ["wait", "--for=condition=Established", "--timeout=180s", "crd", "--all"];
        plane.kubectl_ok(&wait, "").unwrap();
        plane.kubectl_ok(&["create", "namespace", FLUX], "").unwrap();
        let mut world = World::without_controller(&plane, "unused");
        world.namespace = NAMESPACE.to_owned();
        world.start_controller();
        let temporary = tempfile::tempdir().unwrap();
        let kustomize_controller = start_kustomize_controller(&plane, temporary.path());
        plane.kubectl_ok(&["apply", "--server-side", "-f", "-"], &page_block("flux.yaml")).unwrap();
        Self {
            _kustomize_controller: kustomize_controller,
            repository: Repository::new(),
            audit,
            plane,
            world,
            _temporary: temporary,
            requests: 0,
        }
    }

    fn api(&self, group: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let version = if group == "clientfleet.dev" { "v1alpha1" } else { "v1" };
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        Api::namespaced_with(self.world.client.clone(), namespace, &resource)
    }

    fn kustomizations(&self) -> Api<DynamicObject> {
        self.api("kustomize.toolkit.fluxcd.io", "Kustomization", FLUX)
    }

    pub fn ours(&self, kind: &str) -> Api<DynamicObject> {
        self.api("clientfleet.dev", kind, NAMESPACE)
    }

    /// Commits all files in the repository, and publishes the commit in the same form as Flux's
    /// source-controller. Returns the revision of the commit.
    pub async fn publish(&self) -> String {
        let artifact = self.repository.commit();
        let revision = artifact["revision"].as_str().unwrap().to_owned();
        let ready = json!({
            "type": "Ready", "status": "True", "reason": "Succeeded", "message": "stored artifact",
            "observedGeneration": 1, "lastTransitionTime": "2026-11-24T11:00:00Z",
        });
        let status = json!({"observedGeneration": 1, "conditions": [ready], "artifact": artifact});
        let sources = self.api("source.toolkit.fluxcd.io", "GitRepository", FLUX);
        let patch = Patch::Merge(json!({"status": status}));
        sources.patch_status("clients", &PatchParams::default(), &patch).await.unwrap();
        revision
    }

    /// Waits until Flux reports that the revision is applied and all its objects are healthy.
    pub async fn is_ready_with(&self, revision: &str) {
        self.says(revision, "True", "lastAppliedRevision").await;
    }

    /// Waits until Flux reports that it failed to apply the revision, and returns Flux's message.
    pub async fn fails_with(&self, revision: &str) -> String {
        self.says(revision, "False", "lastAttemptedRevision").await
    }

    async fn says(&self, revision: &str, ready: &str, field: &str) -> String {
        eventually(&format!("Flux: Ready {ready} with {revision}"), async || {
            let status = self.kustomizations().get("clients").await.unwrap().data["status"].take();
            let condition = ready_condition(&status);
            let is_so = condition["status"] == ready && status[field] == revision;
            if is_so { Ok(text(&condition["message"])) } else { Err(status.to_string()) }
        })
        .await
    }

    /// Requests a reconciliation in the same way as `flux reconcile`, and waits until Flux has
    /// completed the reconciliation.
    pub async fn reconcile(&mut self) {
        self.requests += 1;
        let request = self.requests.to_string();
        let annotation = json!({"reconcile.fluxcd.io/requestedAt": request});
        let patch = Patch::Merge(json!({"metadata": {"annotations": annotation}}));
        self.kustomizations().patch("clients", &PatchParams::default(), &patch).await.unwrap();
        eventually("Flux has reconciled on request", async || {
            let status = self.kustomizations().get("clients").await.unwrap().data["status"].take();
            let is_so = status["lastHandledReconcileAt"] == request
                && ready_condition(&status)["status"] == "True";
            if is_so { Ok(()) } else { Err(status.to_string()) }
        })
        .await;
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn ready_condition(status: &Value) -> Value {
    let mut conditions = status["conditions"].as_array().into_iter().flatten();
    conditions.find(|condition| condition["type"] == "Ready").cloned().unwrap_or_default()
}

/// Returns the content of the YAML code block with the label `name` in `docs/gitops.md`.
fn page_block(name: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/gitops.md");
    let page = fs::read_to_string(page).unwrap();
    let block =
        page.split_once(&format!("```yaml {name}\n")).and_then(|(_, rest)| rest.split_once("```"));
    block.unwrap_or_else(|| panic!("the page shows no {name}")).0.to_owned()
}

/// Returns the folder of a Go module in the module cache. If the module is missing, Go downloads it
/// and checks it against the public checksums.
fn module_folder(module: &str) -> PathBuf {
    let go_mod = include_str!("../../tools/flux/go.mod");
    let built =
        go_mod.lines().find_map(|line| line.strip_prefix("require ")?.strip_prefix(DEFINITIONS[0]));
    let version = built.unwrap().trim();
    let output = Command::new("go")
        .args(["mod", "download", "-json", &format!("{module}@{version}")])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools/flux"))
        .env("GOWORK", "off")
        .output()
        .unwrap();
    let download: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(output.status.success(), "{module}: {download}");
    PathBuf::from(text(&download["Dir"]))
}

fn start_kustomize_controller(plane: &ControlPlane, temporary: &Path) -> Process {
    let program = tools::tool_of("flux", "kustomize-controller").unwrap();
    let mut command = Command::new(program);
    command
        .args(["--watch-all-namespaces", "--enable-leader-election=false", "--log-level=debug"])
        .args(["--metrics-addr=127.0.0.1:0", "--health-addr=127.0.0.1:0", "--events-addr="])
        .env("KUBECONFIG", plane.kubeconfig_path())
        .env("RUNTIME_NAMESPACE", FLUX)
        .env("TMPDIR", temporary);
    plane.start_beside("kustomize-controller", &mut command).unwrap()
}
