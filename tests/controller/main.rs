//! Tests the controller against a real API server. After every change and every fault the statuses
//! must match the plan within the tests' timeout, without unnecessary writes.

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../merge_patch/mod.rs"]
mod merge_patch;

mod announcements;
mod audit;
mod availability;
mod changes;
mod counts;
mod disturbances;
mod files;
mod history;
mod in_force;
mod large;
mod leading;
mod metrics;
mod objects;
mod offers;
mod outbox;
mod probes;
mod process;
mod recording_client;
mod refusals;
mod rules;
mod story;
mod unreadable;
mod world;
