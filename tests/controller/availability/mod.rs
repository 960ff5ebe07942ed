//! Two replicas as real processes on a real API server: whatever happens to the one that leads, the
//! other takes over in time, no status is written by one that does not lead, none is lost, and none is
//! written twice. What was written by whom the API server's own audit log tells.
//!
//! Most of them wait for real leases to expire, one for a whole minute: beside the controller's other tests, and
//! among the first of them by name, that costs no time.

mod audit;
mod estate;
mod expiry;
mod frozen;
mod proxy;
mod replica;
mod takeover;
