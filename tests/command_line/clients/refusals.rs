//! Tests the command `clients` with an API server that forbids the request, lacks the CRDs or does
//! not respond, and with invalid kubeconfigs. In each case the command must print one sentence on
//! standard error.

use std::fs;

use crate::control_plane::ControlPlane;
use crate::estate::{DAY, apply, namespace, plane, transcript};

const READERS: &str = "
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: read, namespace: read-only}
rules:
- {apiGroups: [clientfleet.dev], resources: [clientfleets], verbs: [get, list, watch]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: read, namespace: read-only}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: read}
subjects: [{apiGroup: rbac.authorization.k8s.io, kind: User, name: reader}]
";

#[test]
fn a_reader_reads_where_they_may_and_nowhere_else() {
    namespace("read-only");
    apply(READERS);
    let kubeconfig = plane().kubeconfig_path_as("reader", &[]).unwrap();
    let kubeconfig = kubeconfig.to_str().unwrap();
    let asked = ["clients", "--kubeconfig", kubeconfig, "-n", "read-only"];
    insta::assert_snapshot!("a_reader", transcript(DAY, &asked));
    let asked = ["clients", "--kubeconfig", kubeconfig, "-A"];
    insta::assert_snapshot!("not_everywhere", transcript(DAY, &asked));
    let asked = ["clients", "--kubeconfig", kubeconfig, "-n", "default", "-w"];
    insta::assert_snapshot!("no_watch_either", transcript(DAY, &asked));
}

#[test]
fn a_cluster_without_the_definitions() {
    let bare = ControlPlane::start().unwrap();
    let kubeconfig = bare.kubeconfig_path();
    let asked = ["clients", "--kubeconfig", kubeconfig.to_str().unwrap()];
    let told = transcript(DAY, &asked).replace(&bare.folder().display().to_string(), "FOLDER");
    insta::assert_snapshot!("no_definitions", told);
}

#[test]
fn nobody_answers() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let told = |arguments: &[&str]| {
        let told = transcript(DAY, &[&["clients"], arguments].concat());
        told.replace(&folder.path().display().to_string(), "FOLDER")
    };
    let closed = "{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a, user: a}}], \
                  clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}], users: [{name: a, user: {}}]}";
    let closed = write("closed", closed);
    insta::assert_snapshot!("nobody_listens", told(&["--kubeconfig", &closed]));
    insta::assert_snapshot!("no_such_file", told(&["--kubeconfig", &format!("{closed}-not")]));
    let asked = ["--kubeconfig", &closed, "--context", "other"];
    insta::assert_snapshot!("no_such_context", told(&asked));
    let nonsense = write("nonsense", "{");
    insta::assert_snapshot!("no_kubeconfig", told(&["--kubeconfig", &nonsense]));
}
