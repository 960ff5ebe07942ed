//! Connects to a cluster and follows its objects. Does not know what the callers do with the
//! objects: neither `controller` nor `cli` nor `serve`.
//!
//! - [`connection`] reads the configuration of a connection and creates clients.
//! - [`watch`] fills a store with the objects of one kind and reports what changes in it.
//! - [`revision`] compares the versions of objects.

pub mod connection;
pub mod revision;
pub mod watch;
