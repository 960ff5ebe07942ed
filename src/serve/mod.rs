//! Serves update agents: answers their polls, takes their reports and distributes the packages.
//!
//! A request takes this way:
//!
//! 1. [`front`] accepts connections within limits, and knows nothing of the protocol.
//! 2. [`service`] decides which client asks, looks up what is known about it in the [`registry`],
//!    which the watches fill, and answers by the decisions of [`crate::checkin`].
//! 3. [`reports`] stores what clients report in their fleets, and [`packages`] is the store of the
//!    files that agents install.
//!
//! The process holds no state that matters: [`sessions`] only saves questions, so any number of
//! replicas run behind one address.

pub mod audit;
pub mod check;
pub mod command;
pub mod endpoints;
pub mod front;
pub mod metrics;
pub mod packages;
pub mod peers;
pub mod registry;
pub mod reports;
pub mod running;
pub mod service;
pub mod sessions;
pub mod stored;
