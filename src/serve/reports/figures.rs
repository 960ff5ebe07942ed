//! Counts what becomes of reports, for the metrics of `serve`.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

/// Result of a request that writes the reports of a fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types)]
pub enum WriteResult {
    /// The API server accepted the write.
    written,
    /// Another writer had changed the fleet, so the write is repeated.
    changed,
    /// The API server refused a value, so the write is repeated without it.
    refused_value,
    /// The fleet does not exist.
    gone,
    /// The account lacks a right, or an admission policy refused the write.
    forbidden,
    /// The fleet would be too large.
    too_large,
    /// The API server cannot write now: a conflict, too many requests, or an error of the server.
    unavailable,
    /// The API server did not respond before the timeout.
    unanswered,
    /// The connection failed, or the answer could not be read.
    error,
}

impl WriteResult {
    const ALL: [Self; 9] = [
        Self::written,
        Self::changed,
        Self::refused_value,
        Self::gone,
        Self::forbidden,
        Self::too_large,
        Self::unavailable,
        Self::unanswered,
        Self::error,
    ];
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: WriteResult,
}

/// The metrics of reports. All clones count together.
#[derive(Clone, Debug)]
pub struct ReportMetrics {
    writes: Family<ResultLabel, Counter>,
    /// Seconds from a report that changes a client's state until it is stored.
    pub delays: Histogram,
    /// Reports that change a client's state.
    pub accepted: Counter,
    /// Reports beyond the limit of their client, of which only the newest is stored.
    pub merged: Counter,
    /// Values that the API server refused.
    pub refused: Counter,
    /// Reports that were dropped because no fleet has their client any more.
    pub dropped: Counter,
}

impl Default for ReportMetrics {
    fn default() -> Self {
        let writes = Family::<ResultLabel, Counter>::default();
        for result in WriteResult::ALL {
            drop(writes.get_or_create(&ResultLabel { result }));
        }
        Self {
            writes,
            // From 50 ms to 27 minutes: a client that changes its state too often waits 10 minutes.
            delays: Histogram::new(exponential_buckets(0.05, 2.0, 16)),
            accepted: Counter::default(),
            merged: Counter::default(),
            refused: Counter::default(),
            dropped: Counter::default(),
        }
    }
}

impl ReportMetrics {
    /// Adds the metrics to a registry.
    pub fn register(&self, registry: &mut Registry) {
        let Self { writes, delays, accepted, merged, refused, dropped } = self.clone();
        registry.register("report_writes", "Requests that write reports, by result", writes);
        registry.register(
            "report_delay_seconds",
            "Seconds from a report that changes a state until it is stored",
            delays,
        );
        registry.register("reports", "Reports that change a client's state", accepted);
        registry.register(
            "reports_merged",
            "Reports beyond the limit of their client, of which the newest is stored",
            merged,
        );
        registry.register("report_values_refused", "Values that the API server refused", refused);
        registry.register(
            "reports_dropped",
            "Reports that were dropped because no fleet has their client",
            dropped,
        );
    }

    /// Counts a request.
    pub fn wrote(&self, result: WriteResult) {
        self.writes.get_or_create(&ResultLabel { result }).inc();
    }

    /// Returns the number of requests with this result.
    #[must_use]
    pub fn writes(&self, result: WriteResult) -> u64 {
        self.writes.get_or_create(&ResultLabel { result }).get()
    }
}

/// The reports that are not stored at a point in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Number of clients with reports that are not stored.
    pub reports: usize,
    /// Time since the oldest report that changes a client's state was accepted.
    pub oldest: Duration,
}
