//! Describes the connection of a pod to the API server of its own cluster, with the pod's service
//! account.

use std::env;
use std::fs;
use std::path::Path;

use kube::config::{AuthInfo, Cluster};

use super::kubeconfig::Entries;

/// Folder in which Kubernetes mounts the service account into a pod.
pub(super) const SERVICE_ACCOUNT_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Returns the entries of a kubeconfig that means the pod's own cluster, or `None` outside of a
/// pod.
pub(super) fn entries(folder: &Path) -> Option<Entries> {
    let host = variable("KUBERNETES_SERVICE_HOST")?;
    let port = variable("KUBERNETES_SERVICE_PORT")?;
    let token = folder.join("token");
    if !token.is_file() {
        return None;
    }
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let path = |name| Some(folder.join(name).to_string_lossy().into_owned());
    let cluster = Cluster {
        server: Some(format!("https://{host}:{port}")),
        certificate_authority: path("ca.crt"),
        ..Cluster::default()
    };
    let user = AuthInfo { token_file: path("token"), ..AuthInfo::default() };
    let namespace = namespace(folder);
    Some(Entries { cluster, user, user_name: String::new(), namespace })
}

/// Returns the pod's namespace, or `None` outside of a pod.
pub(super) fn namespace(folder: &Path) -> Option<String> {
    variable("KUBERNETES_SERVICE_HOST")?;
    let mounted = || fs::read_to_string(folder.join("namespace")).ok();
    let name = variable("POD_NAMESPACE").or_else(mounted)?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
