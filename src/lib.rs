//! clientfleet decides, from Kubernetes objects kept in Git, which client of a fleet moves to which
//! version, when, and which stays; and writes for every client what was decided, and why.
//!
//! The layers, each knowing only those above it in this list:
//!
//! 1. [`values`]: versions, time zones and openings. No Kubernetes in it.
//! 2. [`api`]: the two custom resources, data only, and what admission refuses of them.
//! 3. [`plan`]: the decision for one client and the plan for a namespace. No I/O, no clock.
//! 4. Two shells that do not know each other: [`controller`] and [`cli`]. Both reach a cluster by its
//!    [`connection`].

pub mod api;
pub mod cli;
pub mod connection;
pub mod controller;
pub mod plan;
pub mod values;
