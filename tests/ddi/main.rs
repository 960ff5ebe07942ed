//! Tests the protocol with update agents: the requests that real agents send, the answers that they
//! accept, and that no input causes a panic.

mod answers;
mod feedback;
mod paths;
