//! Tests the protocol with update agents: the requests that real agents send, the answers that they
//! accept, and that no input causes a panic.

mod agents;
mod answers;
mod attributes;
mod credentials;
mod feedback;
mod laws;
mod paths;
mod random_input;
