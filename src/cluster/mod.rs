//! Follows the objects of a cluster, for all parts of the program that run for a long time. Does not
//! know what these parts do with the objects: neither `controller` nor `cli` nor `serve`.
//!
//! - [`watch`] fills a store with the objects of one kind and reports what changes in it.
//! - [`revision`] compares the versions of objects.

pub mod revision;
pub mod watch;
