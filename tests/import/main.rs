//! Tests `clientfleet import` with the real binary. Covers exports from several inventory tools,
//! every error in an export, and the fleets that the import writes to a real API server.

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../estate/mod.rs"]
mod estate;

mod cluster;
mod dialects;
mod errors;
mod layouts;
mod losses;
mod moving;
mod names;
mod odd_names;
mod older;
mod presets;
mod previous;
mod program;
mod shared;
mod times;
