//! Two replicas as real processes on a real API server: whatever happens to the one that leads, the
//! other takes over in time, no status is written by one that does not lead, none is lost, and none is
//! written twice. What was written by whom the API server's own audit log tells.

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[allow(dead_code)]
#[path = "../controller/objects.rs"]
mod objects;
#[allow(dead_code)]
#[path = "../controller/wire.rs"]
mod wire;
#[allow(dead_code)]
#[path = "../controller/world.rs"]
mod world;

mod audit;
mod estate;
mod expiry;
mod proxy;
mod replica;
mod takeover;
