//! Tests the laws of the plan (section 6 of the design) with random estates. Also compares the
//! decision for each client with an oracle, a second implementation that reads the same objects.

mod agreement;
mod allotment;
mod diff;
mod duplicates;
mod explanation;
mod force;
mod generate;
mod holds;
mod incremental;
mod moments;
mod networks;
mod offers;
mod oracle;
mod order;
mod package_source;
mod policy_status;
mod robustness;
mod world;
