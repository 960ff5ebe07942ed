//! Describes the connection of a pod to the API server of its own cluster, with the pod's service
//! account.

use std::fs;
use std::path::Path;

use kube::config::{AuthInfo, Cluster};

use super::kubeconfig::Entries;

/// Folder in which Kubernetes mounts the service account into a pod.
pub(super) const SERVICE_ACCOUNT_FOLDER: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Returns the entries of a kubeconfig that means the pod's own cluster, or `None` outside of a
/// pod.
pub(super) fn entries(folder: &Path, variable: impl Fn(&str) -> Option<String>) -> Option<Entries> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
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
    let namespace = namespace(folder, variable);
    Some(Entries { cluster, user, user_name: String::new(), namespace })
}

/// Returns the pod's namespace, or `None` outside of a pod.
pub(super) fn namespace(
    folder: &Path,
    variable: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
    variable("KUBERNETES_SERVICE_HOST")?;
    let mounted = || fs::read_to_string(folder.join("namespace")).ok();
    let name = variable("POD_NAMESPACE").or_else(mounted)?;
    Some(name.trim().to_owned()).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variable(name: &str) -> Option<String> {
        match name {
            "KUBERNETES_SERVICE_HOST" => Some("fd00::1".to_owned()),
            "KUBERNETES_SERVICE_PORT" => Some("443".to_owned()),
            "POD_NAMESPACE" => Some(String::new()),
            _ => None,
        }
    }

    #[test]
    fn a_pod_connects_with_its_service_account() {
        let folder = tempfile::tempdir().unwrap();
        assert!(entries(folder.path(), variable).is_none(), "without a token");
        fs::write(folder.path().join("token"), "secret").unwrap();
        fs::write(folder.path().join("namespace"), "clients\n").unwrap();
        let found = entries(folder.path(), variable).unwrap();
        assert_eq!(found.cluster.server.as_deref(), Some("https://[fd00::1]:443"));
        assert_eq!(found.namespace.as_deref(), Some("clients"));
        assert!(found.user.token_file.is_some_and(|file| file.ends_with("/token")));
        assert!(found.cluster.certificate_authority.is_some_and(|file| file.ends_with("/ca.crt")));
        assert!(entries(folder.path(), |_| None).is_none(), "outside of a pod");
    }
}
