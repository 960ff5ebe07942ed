//! What an administrator does from day to day, through the real binary: `windows`, `halt` and `resume`,
//! `settings`, `status`, against the real API server and statuses of the real controller.

mod everywhere;
mod halt;
mod racing_proxy;
mod running;
mod settings;
mod status;
mod windows;
