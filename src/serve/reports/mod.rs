//! Stores the reports of clients in the cluster: everything between a report that was taken and the
//! API server's answer that it is stored.
//!
//! - [`ReportDesk`] takes the reports, from all connections, and a [`Ticket`] waits until a report
//!   is stored.
//! - [`writer`] writes them, one request for all reports of a fleet, within the write budget.

pub mod desk;
pub mod writer;

pub use desk::{ReportDesk, Ticket};
pub use writer::{FleetLookup, WriterOptions};
