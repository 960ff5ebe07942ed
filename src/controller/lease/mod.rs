//! High availability: one of several replicas leads, by means of a Lease. [`election`] decides,
//! [`candidate`] talks to the API server, and [`leadership`] is the result for the rest of the
//! controller.

pub mod candidate;
pub mod election;
pub mod leadership;
pub mod moment;
pub mod record;
pub mod times;
