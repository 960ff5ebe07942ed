//! Elects a leader among several replicas through a Lease. [`election`] makes the decisions,
//! [`candidate`] sends the requests to the API server, and [`leadership`] makes the result
//! available to the rest of the controller.

pub mod candidate;
pub mod election;
pub mod leadership;
pub mod moment;
pub mod record;
pub mod times;
