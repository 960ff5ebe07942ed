//! The laws of the plan (design, section 6), held by random estates; and the decision for each
//! client against an oracle that reads the same objects on its own.

mod agreement;
mod diff;
mod explanation;
mod force;
mod generate;
mod holds;
mod incremental;
mod moments;
mod offers;
mod oracle;
mod order;
mod policy_status;
mod robustness;
mod world;
