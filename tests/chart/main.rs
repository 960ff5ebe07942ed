//! The Helm chart, the manifests for `kubectl apply -k` and the container image, with the real helm, kubeconform, crane
//! and API server.

#[path = "../control_plane/mod.rs"]
mod control_plane;

mod tools;
