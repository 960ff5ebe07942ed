//! Tests how GitOps tools handle `ClientFleet` and `UpgradePolicy` objects, with the real code of
//! these tools; requires `--features integrations`.
//!
//! The tests cover health in kstatus and in Argo CD, a repository that Flux applies, and a fleet to
//! which the field managers `git` and `inventory` both apply fields.

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[allow(dead_code)]
#[path = "../controller/objects.rs"]
mod objects;
#[allow(dead_code)]
#[path = "../controller/recording_client.rs"]
mod recording_client;
#[allow(dead_code)]
#[path = "../controller/world.rs"]
mod world;

mod flux;
mod health;
mod judges;
mod live;
mod owners;
