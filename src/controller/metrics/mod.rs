//! Defines the metrics, which `docs/metrics.md` lists, and exports them to Prometheus.
//!
//! Each planning pass stores its counts, so a scrape iterates over the policies but not over the
//! fleets or clients.

mod estate;
mod queues;
mod replica;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::controller::health::Health;
use crate::daemon::exposition::classic;
use crate::daemon::process_metrics::Process;
use crate::plan::{NamespaceCounts, PassResult};

use estate::PlanGauges;
use queues::Queues;
pub use queues::{Backlog, Backlogged};
use replica::ReplicaMetrics;

/// The metrics of one controller.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    writes: Family<WriteLabels, Counter>,
    write_durations: Family<KindLabel, Histogram, fn() -> Histogram>,
    planning: Histogram,
    decisions: Counter,
    interruptions: Family<KindLabel, Counter>,
    events: Family<EventLabel, Counter>,
    audit: Family<AuditLabel, Counter>,
    replica: Arc<ReplicaMetrics>,
    estate: Arc<PlanGauges>,
    queues: Arc<Queues>,
}

/// Outcome of a status write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types)]
pub enum Outcome {
    /// The API server accepted the status.
    written,
    /// Another writer has changed or deleted the object since the plan was made.
    conflict,
    /// The API server rejected the status.
    refused,
    /// The API server did not respond before the timeout.
    unanswered,
    /// The status could not be sent, or the connection broke.
    error,
    /// The status was not sent, because this replica does not lead or is not sure that it leads.
    unseated,
}

/// Outcome of an attempt to publish an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types)]
pub enum EventOutcome {
    /// The API server accepted the event.
    published,
    /// The event was not published.
    failed,
}

/// Outcome of an attempt to write a line to the audit stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(non_camel_case_types)]
pub enum AuditOutcome {
    /// The line was written.
    written,
    /// The line could not be written to the stream, and was written to the log instead.
    failed,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WriteLabels {
    kind: String,
    result: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabel {
    result: EventOutcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AuditLabel {
    result: AuditOutcome,
}

/// The kinds whose status the controller writes.
pub(super) const KINDS: [&str; 2] = ["ClientFleet", "UpgradePolicy"];

/// Returns a histogram with buckets from 1 ms to about 33 s, just above the 30 s timeout of a
/// status write.
fn write_buckets() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 16))
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::default(),
            writes: Family::default(),
            write_durations: Family::new_with_constructor(write_buckets),
            // The buckets range from 100 µs, the time to plan one fleet, to 13 s, the time to plan
            // a million clients.
            planning: Histogram::new(exponential_buckets(0.0001, 2.0, 18)),
            decisions: Counter::default(),
            interruptions: Family::default(),
            events: Family::default(),
            audit: Family::default(),
            replica: Arc::default(),
            estate: Arc::default(),
            queues: Arc::default(),
        };
        metrics.with_zeros().registered()
    }
}

impl Metrics {
    /// Creates all labeled metrics with the value zero, so that Prometheus sees the first increment
    /// of each metric as an increase from zero.
    fn with_zeros(self) -> Self {
        use Outcome::{conflict, error, refused, unanswered, unseated, written};
        for kind in KINDS {
            for result in [written, conflict, refused, unanswered, error, unseated] {
                let _ = self.writes.get_or_create(&WriteLabels { kind: kind.to_owned(), result });
            }
            let kind = KindLabel { kind: kind.to_owned() };
            let _ = self.interruptions.get_or_create(&kind);
            let _ = self.write_durations.get_or_create(&kind);
        }
        for result in [EventOutcome::published, EventOutcome::failed] {
            let _ = self.events.get_or_create(&EventLabel { result });
        }
        for result in [AuditOutcome::written, AuditOutcome::failed] {
            let _ = self.audit.get_or_create(&AuditLabel { result });
        }
        self
    }

    fn registered(mut self) -> Self {
        let mut root = std::mem::take(&mut self.registry);
        let ours = root.sub_registry_with_prefix("clientfleet");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        ours.register("build", "The controller's release", version);
        ours.register("status_writes", "Status writes by kind and result", self.writes.clone());
        let help = "How long the API server takes for a status write";
        let durations = self.write_durations.clone();
        ours.register_with_unit("status_write_duration", help, Unit::Seconds, durations);
        let help = "How long a pass of the planning loop over one namespace takes";
        ours.register_with_unit("planning_duration", help, Unit::Seconds, self.planning.clone());
        ours.register("decisions", "Clients decided for", self.decisions.clone());
        let help = "Watches that were interrupted, or could not begin";
        ours.register("watch_interruptions", help, self.interruptions.clone());
        ours.register("events", "Events on policies by result", self.events.clone());
        ours.register("audit_lines", "Lines of the audit stream by result", self.audit.clone());
        ours.register_collector(Box::new(Arc::clone(&self.replica)));
        ours.register_collector(Box::new(Arc::clone(&self.estate)));
        ours.register_collector(Box::new(Arc::clone(&self.queues)));
        root.register_collector(Box::new(Process::new()));
        Self { registry: root, ..self }
    }

    /// Counts a status write and records its duration.
    pub fn wrote(&self, kind: &str, result: Outcome, took: Duration) {
        self.writes.get_or_create(&WriteLabels { kind: kind.to_owned(), result }).inc();
        let kind = KindLabel { kind: kind.to_owned() };
        self.write_durations.get_or_create(&kind).observe(took.as_secs_f64());
    }

    /// Counts an interrupted watch.
    pub fn interrupted(&self, kind: &str) {
        self.interruptions.get_or_create(&KindLabel { kind: kind.to_owned() }).inc();
    }

    /// Counts an attempt to publish an event.
    pub(crate) fn published(&self, result: EventOutcome) {
        self.events.get_or_create(&EventLabel { result }).inc();
    }

    /// Adds `lines` to the number of audit lines with the given outcome.
    pub fn audited(&self, result: AuditOutcome, lines: u64) {
        self.audit.get_or_create(&AuditLabel { result }).inc_by(lines);
    }

    /// Records the results of a planning pass over a namespace.
    pub fn planned(
        &self,
        namespace: &str,
        census: NamespaceCounts,
        pass: &PassResult,
        decisions: u64,
        took: Duration,
    ) {
        self.decisions.inc_by(decisions);
        self.planning.observe(took.as_secs_f64());
        self.estate.note(namespace, census, pass);
    }

    /// Removes the metrics of a namespace that has no objects left.
    pub fn forget(&self, namespace: &str) {
        self.estate.forget(namespace);
    }

    /// Sets the source of the metrics about this replica.
    pub(crate) fn watch_health(&self, health: Health) {
        self.replica.set(health);
    }

    /// Adds a queue to the metrics of pending writes.
    pub(crate) fn watch_queue(&self, kind: &'static str, queue: Arc<dyn Backlogged>) {
        self.queues.add(kind, queue);
    }

    /// Returns all metrics in the `OpenMetrics` text format.
    #[must_use]
    pub(crate) fn open_metrics(&self) -> String {
        let mut text = String::new();
        // Ignore the result, because writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }

    /// Returns all metrics in the Prometheus text format 0.0.4, the predecessor of `OpenMetrics`.
    #[must_use]
    pub fn classic(&self) -> String {
        classic(&self.open_metrics())
    }
}

/// Converts a count to `i64`, because a Prometheus gauge is a signed integer or a floating-point
/// number.
fn count(count: impl Into<u64>) -> i64 {
    i64::try_from(count.into()).unwrap_or(i64::MAX)
}
