//! `clientfleet import` through the real binary: exports as inventory tools write them, everything
//! that can be wrong with one, and fleets on the real API server.

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../estate/mod.rs"]
mod estate;

mod cluster;
mod dialects;
mod errors;
mod previous;
mod program;
mod shared;
