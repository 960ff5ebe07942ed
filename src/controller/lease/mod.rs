//! High availability: of several replicas one leads, by a Lease of the cluster. [`election`] decides,
//! [`candidate`] asks the cluster, [`leadership`] is what the rest of the controller knows of it.

pub mod candidate;
pub mod election;
pub mod leadership;
pub mod moment;
pub mod record;
pub mod times;
