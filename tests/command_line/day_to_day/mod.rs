//! Tests an administrator's daily commands with the real program: `windows`, `halt` and `resume`,
//! `settings` and `status`. They run against the real API server and statuses of the real
//! controller.
mod everywhere;
mod halt;
mod racing_proxy;
mod running;
mod settings;
mod status;
mod windows;
