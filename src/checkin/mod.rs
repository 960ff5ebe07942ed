//! Decides what a client that checks in is answered, and what its reports change.
//!
//! This module is pure: it knows no HTTP, no Kubernetes client and no clock. `serve` hands in the
//! stored objects, the requests and the time.
//!
//! - [`fleet`] keeps what check-in needs of a fleet: the facts, the decided rows, and whether the
//!   status still counts although the spec is newer ([`lag`]).
//! - [`directory`] finds the fleets that have a client, and [`standing`] the fleet that decides
//!   about it if there are several.
//! - [`validity`] combines a row with the [`policies`]: an offer counts, has ended, or is in doubt.
//! - [`session`] is the memory of one client's requests. Losing it costs a repeated question, never
//!   a second installation.
//! - [`poll`] decides the answer to a poll, and [`messages`] what the messages of a client change.
//! - [`report`] defines what a client reports, and [`queue`] when a report is written.

pub mod directory;
pub mod fleet;
pub mod lag;
pub mod messages;
mod pending;
pub mod policies;
pub mod poll;
pub mod queue;
pub mod report;
pub mod session;
pub mod standing;
pub mod validity;
