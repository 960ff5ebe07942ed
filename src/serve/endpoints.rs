//! Answers the probes and metrics requests of the service. Requests only read its state.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::front::FrontCounters;
use super::metrics::{GAUGES, Metrics, StateSource};
use super::packages::{PackageCatalog, TransferLimits};
use super::registry::Registry;
use super::reports::ReportDesk;
use super::sessions::Sessions;
use crate::cluster::watch::freshness::UNREADY_AFTER;
use crate::daemon::clock::Clock;
use crate::daemon::http_server::{Check, Endpoints};

/// The parts of the service that probes and metrics show.
#[derive(Clone)]
pub struct ServeEndpoints {
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// State of the service.
    pub state: Arc<ServeState>,
}

/// State of the service for probes and metrics.
pub struct ServeState {
    /// Fleets and policies.
    pub registry: Arc<Registry>,
    /// Reports that are not stored yet.
    pub desk: Arc<ReportDesk>,
    /// Memory of the clients' requests.
    pub sessions: Arc<Sessions>,
    /// Packages that can be sent.
    pub catalog: watch::Receiver<Arc<PackageCatalog>>,
    /// Limits of all downloads.
    pub transfers: Arc<TransferLimits>,
    /// Counts of connections.
    pub front: Arc<FrontCounters>,
    /// Clock.
    pub clock: Arc<dyn Clock>,
}

impl Endpoints for ServeEndpoints {
    /// Returns no check: nothing in the process can hang that a restart would mend.
    fn livez(&self) -> Vec<Check> {
        vec![Check::of("process", true)]
    }

    fn readyz(&self) -> Vec<Check> {
        let ServeState { registry, catalog, .. } = &*self.state;
        let pending = catalog.borrow().pending();
        let packages = Check {
            name: "packages",
            is_well: catalog.borrow().is_complete(),
            detail: format!(": {pending} files are not hashed yet"),
        };
        let watches = Check::of_watches(registry.silences(), UNREADY_AFTER);
        vec![watches, Check::of("stores", registry.is_filled()), packages]
    }

    fn open_metrics(&self) -> String {
        self.metrics.open_metrics()
    }
}

impl StateSource for ServeState {
    fn values(&self) -> [f64; GAUGES.len()] {
        let Self { registry, desk, sessions, catalog, transfers, front, clock } = self;
        let (fleets, clients) = registry.counts();
        let backlog = desk.backlog(clock.now());
        [
            clients as f64,
            fleets as f64,
            sessions.len() as f64,
            backlog.reports as f64,
            backlog.oldest.as_secs_f64(),
            front.open() as f64,
            front.refused() as f64,
            front.failed_handshakes() as f64,
            transfers.active() as f64,
            transfers.bytes() as f64,
            transfers.failed() as f64,
            catalog.borrow().problems().len() as f64,
        ]
    }

    fn silences(&self) -> Vec<(&'static str, Duration)> {
        self.registry.silences().into_iter().collect()
    }
}
