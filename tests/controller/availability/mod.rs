//! Tests two replicas as real processes on a real API server. If the leader fails in any way, the
//! other replica must take over in time.
//!
//! Only the leader may write statuses, and it must write each of them exactly once. The tests read
//! the API server's audit log to find out which replica wrote each status.
//!
//! Most of these tests wait for real leases to expire, and one waits for a whole minute. They do
//! not lengthen the test run: the test harness starts them early, because their names sort first,
//! and runs the other controller tests at the same time.
mod audit;
mod estate;
mod expiry;
mod frozen;
mod proxy;
mod replica;
mod takeover;
