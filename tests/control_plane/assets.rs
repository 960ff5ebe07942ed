//! Finds the three programs of a control plane (etcd, kube-apiserver and kubectl), and builds them
//! once if they are missing.
//!
//! If `KUBEBUILDER_ASSETS` is set, the module uses the programs in that folder and builds nothing.

use std::env;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::go_build::{Build, Programs, cache_folder};

const ETCD_VERSION: &str = "3.6.16";
const KUBERNETES_VERSION: &str = "1.36.3";

const INSTEAD: &str =
    ", or set KUBEBUILDER_ASSETS to a folder that holds etcd, kube-apiserver and kubectl";

#[derive(Clone, Debug)]
pub struct Assets {
    pub folder: PathBuf,
    pub etcd: PathBuf,
    pub kube_apiserver: PathBuf,
    pub kubectl: PathBuf,
}

/// Returns the three programs, and builds them first if necessary. Calls `progress` with a line of
/// text every 15 s during a build, because a build takes minutes.
pub fn ensure(mut progress: impl FnMut(&str)) -> Result<Assets, Error> {
    match env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()) {
        Some(folder) => given(Path::new(&folder)),
        None => {
            let cache = cache_folder().ok_or_else(|| {
                Error::new(format!(
                    "there is no folder to build the control plane into: set HOME or XDG_CACHE_HOME{INSTEAD}"
                ))
            })?;
            Ok(Assets::in_folder(&programs().ensure(&cache, &mut progress)?))
        }
    }
}

fn given(folder: &Path) -> Result<Assets, Error> {
    let assets = Assets::in_folder(folder);
    let missing = [&assets.etcd, &assets.kube_apiserver, &assets.kubectl]
        .into_iter()
        .find(|path| !path.is_file());
    match missing {
        None => Ok(assets),
        Some(path) => Err(Error::new(format!(
            "KUBEBUILDER_ASSETS names the folder {}, but there is no {} in it: put etcd, kube-apiserver and kubectl \
             there, or unset KUBEBUILDER_ASSETS to have them built",
            folder.display(),
            path.file_name().unwrap_or_default().display(),
        ))),
    }
}

impl Assets {
    fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            etcd: folder.join("etcd"),
            kube_apiserver: folder.join("kube-apiserver"),
            kubectl: folder.join("kubectl"),
        }
    }
}

fn programs() -> Programs {
    Programs {
        name: format!("etcd-{ETCD_VERSION}-kubernetes-{KUBERNETES_VERSION}"),
        modules: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control_plane/go"),
        builds: vec![etcd(), kubernetes()],
        instead: INSTEAD,
    }
}

fn etcd() -> Build {
    Build {
        what: format!("etcd {ETCD_VERSION}"),
        usual_duration: "1 minute",
        module: "etcd".into(),
        module_files: vec![
            include_str!("go/etcd/go.mod").into(),
            include_str!("go/etcd/go.sum").into(),
        ],
        flags: vec!["-ldflags=-s -w".into()],
        packages: vec!["go.etcd.io/etcd/server/v3".into()],
        output: "etcd",
    }
}

fn kubernetes() -> Build {
    Build {
        what: format!("kube-apiserver and kubectl {KUBERNETES_VERSION}"),
        usual_duration: "4 minutes",
        module: "kubernetes".into(),
        module_files: vec![
            include_str!("go/kubernetes/go.mod").into(),
            include_str!("go/kubernetes/go.sum").into(),
        ],
        flags: vec!["-tags=selinux,notest,grpcnotrace".into(), kubernetes_linker_flags()],
        packages: vec![
            "k8s.io/kubernetes/cmd/kube-apiserver".into(),
            "k8s.io/kubernetes/cmd/kubectl".into(),
        ],
        output: "",
    }
}

/// Returns the linker flags that set the version of Kubernetes. Without these flags Kubernetes
/// reports v0.0.0, which breaks clients and CRD features that check the version.
fn kubernetes_linker_flags() -> String {
    let mut parts = KUBERNETES_VERSION.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let server = "k8s.io/component-base/version";
    let client = "k8s.io/client-go/pkg/version";
    format!(
        "-ldflags=-s -w -X {server}.gitVersion=v{KUBERNETES_VERSION} -X {client}.gitVersion=v{KUBERNETES_VERSION} \
         -X {server}.gitMajor={major} -X {server}.gitMinor={minor}"
    )
}
