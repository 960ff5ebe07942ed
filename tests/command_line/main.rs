//! Tests the command line with the real program, against the real API server and statuses that the
//! real controller has written.
//!
//! The tests cover the commands that list and watch clients, the daily commands, the kubectl
//! plugin, and the commands in the documentation.

mod as_documented;
mod clients;
mod completion;
#[path = "../control_plane/mod.rs"]
mod control_plane;
mod day_to_day;
#[path = "../estate/mod.rs"]
mod estate;
