//! Stores the reports of clients in the cluster: everything between a report that was accepted and
//! the API server's answer that it is stored.
//!
//! - [`ReportDesk`] takes the reports, from all connections, and a [`Ticket`] waits until a report
//!   is stored.
//! - [`writer`] writes them, with one request for all reports of a fleet, within the write budget.
//!   [`failure`] decides what an error of the API server means.
//! - [`patch`] computes the JSON Patch of a fleet from a version of it ([`basis`]), without I/O.

pub mod basis;
pub mod desk;
pub mod failure;
mod failure_log;
pub mod figures;
mod notes;
pub mod patch;
mod requests;
mod write;
pub mod writer;

pub use desk::{ReportDesk, Ticket};
pub use figures::{Backlog, ReportMetrics};
pub use writer::{FleetLookup, WriterOptions};
