//! The cases: each injects one kind of fault. Another request of the same kind is not another case.

mod answers;
mod commands;
mod objects;
mod processes;
mod random;
mod replicas;
mod servers;
mod watches;
mod writes;

use crate::proxy::Proxy;
use crate::stage::Stage;

/// Stands for the fault of a case that breaks processes or objects instead of requests.
fn no_fault(_: &Proxy) {}

/// Injects a fault while users change policies and fleets, and checks all oracles. The fault ends
/// after it has applied at least once.
async fn endures(prefix: &str, fault: impl Fn(&Proxy)) {
    let stage = Stage::start(prefix).await;
    fault(&stage.proxy);
    stage.work().await;
    stage.fault_applies().await;
    stage.ends_well(fault).await;
}
