//! `clientfleet clients` through the real binary, against the real API server.

mod following;
mod listing;
mod refusals;
