//! Serves update agents: answers their polls and distributes the packages.
//!
//! [`packages`] is the store of the files that agents install, and [`reports`] stores what clients
//! report.

pub mod packages;
pub mod reports;
