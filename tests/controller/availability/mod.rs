//! Tests two replicas as real processes on a real API server. Whatever happens to the leader, the
//! other replica takes over in time. Only the leader writes statuses; none is lost, and none is
//! written twice. The API server's audit log shows which replica wrote which status.
//!
//! Most of these tests wait for real leases to expire, and one waits for a whole minute. That costs
//! no extra time, because the controller's other tests run at the same time, and these are among
//! the first by name.
mod audit;
mod estate;
mod expiry;
mod frozen;
mod proxy;
mod replica;
mod takeover;
