//! `clientfleet plan -f` through the real binary, against the real API server.

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../estate/mod.rs"]
mod estate;

mod answers;
mod foresight;
mod rights;
