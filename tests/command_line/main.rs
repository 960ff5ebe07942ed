//! The command line through the real binary, against the real API server and statuses that the real
//! controller has written: what is listed and followed, what one does from day to day, as kubectl's
//! plugin, and as the documentation has it.

mod as_documented;
mod clients;
mod completion;
#[path = "../control_plane/mod.rs"]
mod control_plane;
mod day_to_day;
#[path = "../estate/mod.rs"]
mod estate;
