//! Tests the command `clientfleet clients` with the real program, against the real API server.

mod following;
mod listing;
mod refusals;
