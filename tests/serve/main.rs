//! Tests the service for update agents.

mod cache;
mod changes;
mod layout;
mod range;
mod rate_limit;
mod signatures;
mod store;
mod transfers;
