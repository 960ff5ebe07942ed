//! High availability: a Lease decides which of several replicas leads. [`election`] makes the
//! decisions, [`candidate`] sends the requests to the API server, and [`leadership`] gives the
//! result to the rest of the controller.

pub mod candidate;
pub mod election;
pub mod leadership;
pub mod moment;
pub mod record;
pub mod times;
