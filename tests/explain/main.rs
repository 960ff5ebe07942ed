//! `clientfleet explain` through the real binary: from files, and against the real API server; each
//! rule, each verdict on a policy, the examples, errors.

#[path = "../decision/case.rs"]
#[allow(dead_code)]
mod case;
#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../estate/mod.rs"]
mod estate;
mod from_cluster;
mod from_files;
#[path = "../decision/rows.rs"]
#[allow(dead_code)]
mod rows;
mod verdicts;
