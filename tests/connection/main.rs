//! Compares how the program and kubectl connect: each configuration is run with both, against
//! servers and proxies of the test process that record what arrives. Needs no cluster.

mod certificates;
#[path = "../control_plane/mod.rs"]
mod control_plane;
mod credential_plugins;
mod exchange;
mod files;
mod messages;
mod options;
mod proxies;
mod row;
mod servers;
mod timeout;
