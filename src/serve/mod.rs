//! Serves update agents: answers their polls and distributes the packages.
//!
//! [`front`] is the HTTP server, and [`packages`] is the store of the files that agents install.

pub mod front;
pub mod packages;
