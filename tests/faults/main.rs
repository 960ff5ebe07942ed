//! Runs the real controller as a process behind a hostile proxy, against a real API server, and
//! checks in every case that nothing wrong is offered and nothing is forgotten.
//!
//! A case injects a fault ([`fault`], [`proxy`]) or breaks a process, changes objects meanwhile,
//! and ends the fault ([`stage`]). An [`observer`] collects every stored version, and the
//! [`oracles`] judge them. The module `wrong` proves that each oracle can fail.

#[path = "../control_plane/mod.rs"]
mod control_plane;
#[path = "../controller/objects.rs"]
#[allow(dead_code)] // Each test target uses some of the functions.
mod objects;

mod audit;
mod cases;
mod damage;
mod fault;
mod history;
mod local_plan;
mod observer;
mod offers;
mod oracles;
mod program;
mod proxy;
mod stage;
mod wrong;
