//! Tests the command `clientfleet clients` with the real program, against the real API server.

mod csv_rows;
mod filters;
mod following;
mod listing;
mod refusals;
