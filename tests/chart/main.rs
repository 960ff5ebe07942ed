//! Tests the Helm chart, the manifests for `kubectl apply -k`, and the container image, with the
//! real Helm, crane and API server.

#[path = "../control_plane/mod.rs"]
mod control_plane;

mod accepted;
mod helm;
mod image;
mod kustomization;
mod people;
mod plane;
mod priorities;
mod rendering;
mod rights;
mod tools;
