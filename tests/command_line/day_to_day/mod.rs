//! Tests an administrator's daily commands with the real program: `windows`, `halt`, `resume`,
//! `settings` and `status`. The API server is real, and the real controller writes the statuses.
mod everywhere;
mod halt;
mod racing_proxy;
mod running;
mod settings;
mod status;
mod who_changed;
mod windows;
