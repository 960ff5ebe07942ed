//! Tests `clientfleet import` with the real binary: exports from inventory tools, all errors in
//! exports, and the fleets on the real API server.

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../estate/mod.rs"]
mod estate;

mod cluster;
mod dialects;
mod errors;
mod losses;
mod previous;
mod program;
mod shared;
