//! Tests `clientfleet plan -f` with the real binary, against a real API server.

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../estate/mod.rs"]
mod estate;

mod answers;
mod conflicts;
mod foresight;
mod rights;
mod stored;
