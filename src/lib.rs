//! clientfleet rolls out client upgrades that are described by Kubernetes objects in Git. It
//! decides which clients may upgrade, to which version and when, and records each decision with its
//! reason.
//!
//! The modules form layers. Each layer uses only the layers above it in this list:
//!
//! 1. [`values`]: versions, time zones and openings, without Kubernetes.
//! 2. [`api`]: the two custom resources as data, and their validation.
//! 3. [`plan`]: the decision for one client and the plan for a namespace, without I/O or a clock.
//! 4. [`ddi`]: the protocol between the service and update agents, without I/O or a clock. It does
//!    not use [`plan`].
//! 5. [`checkin`]: the answer to a client that polls, and what its reports change, without I/O or a
//!    clock.
//! 6. [`cluster`]: the connection to a cluster, and the watch that fills a store with its objects.
//!    [`daemon`]: what long-running commands share, such as logs, signals and probes. The two do
//!    not use each other.
//! 7. [`controller`], [`serve`] and [`cli`], which do not use each other.

pub mod api;
pub mod checkin;
pub mod cli;
pub mod cluster;
pub mod controller;
pub mod daemon;
pub mod ddi;
pub mod plan;
pub mod serve;
pub mod values;
