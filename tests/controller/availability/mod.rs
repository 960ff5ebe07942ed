//! Tests two replicas as real processes on a real API server: if the leader fails in any way, the
//! other replica must take over in time, and only the leader may write each status, exactly once.
//!
//! Most of these tests wait for real leases to expire. The test harness starts them early, because
//! their names sort first, so they do not lengthen the test run.
mod audit;
mod estate;
mod expiry;
mod frozen;
mod proxy;
mod replica;
mod takeover;
