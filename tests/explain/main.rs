//! Tests `clientfleet explain` with the real binary, both on files and with a real API server: each
//! rule, each verdict on a policy, remedies, the examples, and errors.

#[path = "../decision/case.rs"]
#[allow(dead_code)]
mod case;
#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../estate/mod.rs"]
mod estate;
mod from_cluster;
mod from_files;
#[path = "../merge_patch/mod.rs"]
mod merge_patch;
#[path = "../decision/rows/mod.rs"]
#[allow(dead_code)]
mod rows;
mod verdicts;
mod ways;
