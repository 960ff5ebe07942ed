//! Tests an administrator's daily commands with the real program: `windows`, `halt`, `resume`,
//! `settings` and `status`. The tests use the real API server, and statuses that the real
//! controller has written.
mod everywhere;
mod halt;
mod racing_proxy;
mod running;
mod settings;
mod status;
mod windows;
