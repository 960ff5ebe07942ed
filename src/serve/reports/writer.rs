//! Writes the reports on the desk to the API server, as the write budget allows.

use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures::stream::{FuturesUnordered, StreamExt};
use kube::Client;

use super::desk::{Job, ReportDesk, Settled};
use super::failure_log::FailureLog;
use super::requests::Requests;
use super::write::{Ending, Write};
use crate::checkin::fleet::DeliveryFleet;
use crate::checkin::queue::{FLEET_INTERVAL, FleetKey};
use crate::daemon::clock::Clock;

/// Delay after the first failure of a fleet. It doubles with each further one, up to
/// [`MAX_BACKOFF`].
const FIRST_BACKOFF: TimeDelta = TimeDelta::seconds(1);
const MAX_BACKOFF: TimeDelta = TimeDelta::seconds(30);
/// Maximum time for which the API server may ask to wait.
const MAX_RETRY_AFTER: TimeDelta = TimeDelta::minutes(5);
/// Maximum time for the reports that are left when the process ends.
pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(8);
/// Delay of a failed write when the process ends.
const FLUSH_BACKOFF: Duration = Duration::from_millis(500);

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
/// most [`FLUSH_TIMEOUT`] and without regard to the write budget, and returns the number of clients
/// whose reports are not stored.
pub async fn run(
    desk: Arc<ReportDesk>,
    client: Client,
    fleets: impl FleetLookup,
    clock: Arc<dyn Clock>,
    options: WriterOptions,
    shutdown: impl Future<Output = ()>,
) -> usize {
    let requests = Requests { client, metrics: desk.metrics.clone() };
    let writer = Writer { desk, requests, fleets: &fleets, clock, log: FailureLog::default() };
    let concurrency = options.concurrency.get();
    let mut shutdown = pin!(shutdown);
    let mut writes = FuturesUnordered::new();
    loop {
        let now = writer.clock.precise_now();
        let mut until = None;
        while writes.len() < concurrency {
            match writer.desk.next(now) {
                Ok(job) => writes.push(writer.write(job, WriterPhase::Running)),
                Err(wait) => {
                    until = wait;
                    break;
                }
            }
        }
        let is_full = writes.len() >= concurrency;
        tokio::select! {
            () = &mut shutdown => break,
            Some(()) = writes.next() => {}
            () = writer.desk.changed.notified(), if !is_full => {}
            () = writer.clock.wait_until_due(now, until), if !is_full => {}
        }
    }
    let flush = async {
        loop {
            let now = writer.clock.precise_now();
            while writes.len() < concurrency
                && let Some(job) = writer.desk.next_at_shutdown(now)
            {
                writes.push(writer.write(job, WriterPhase::Ending));
            }
            if writes.next().await.is_none() {
                break;
            }
        }
    };
    let is_flushed = tokio::time::timeout(FLUSH_TIMEOUT, flush).await.is_ok();
    let left = writer.desk.backlog(writer.clock.now()).reports;
    if !is_flushed {
        tracing::warn!(reports = left, "reports were not stored in time");
    }
    left
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriterPhase {
    Running,
    Ending,
}

struct Writer<'a> {
    desk: Arc<ReportDesk>,
    requests: Requests,
    fleets: &'a dyn FleetLookup,
    clock: Arc<dyn Clock>,
    log: FailureLog,
}

impl Writer<'_> {
    async fn write(&self, job: Job, phase: WriterPhase) {
        let (requests, fleets, log) = (&self.requests, self.fleets, &self.log);
        let reports = job.write.reports.clone();
        let ending = Write { requests, fleets, log, job: &job, reports }.run().await;
        let is_stored = matches!(ending, Ending::Settled(_));
        if phase == WriterPhase::Ending && !is_stored {
            tokio::time::sleep(FLUSH_BACKOFF).await;
        }
        let now = self.clock.precise_now();
        let fleet = &job.write.fleet;
        let settled = match ending {
            Ending::Settled(settled) => settled,
            Ending::Deferred(left) => Settled::Failed { left, not_before: now + FLEET_INTERVAL },
            Ending::Failed(left, at_least) => {
                let wait = backoff(self.desk.failed(fleet), at_least);
                Settled::Failed { left, not_before: now + wait }
            }
        };
        self.desk.settle(&job, settled, fleets.fleet(fleet).as_deref(), now);
    }
}

/// Returns the delay after this number of failures.
fn backoff(failures: u32, at_least: Option<TimeDelta>) -> TimeDelta {
    let doubled = FIRST_BACKOFF * (1 << failures.saturating_sub(1).min(5));
    doubled.min(MAX_BACKOFF).max(at_least.unwrap_or_default().min(MAX_RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_30_seconds() {
        let delays = [1, 2, 3, 4, 5, 6, 7, u32::MAX].map(|failures| backoff(failures, None));
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30, 30].map(TimeDelta::seconds));
        let asked = |seconds| backoff(1, Some(TimeDelta::seconds(seconds))).num_seconds();
        assert_eq!([asked(0), asked(7), asked(100_000)], [1, 7, 300]);
    }
}
