//! Defines the metrics of the service, which `docs/metrics.md` lists, and exports them to
//! Prometheus. No label is chosen by a client, so the number of series is fixed.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use crate::checkin::messages::Taken;
use crate::checkin::poll::Why;
use crate::checkin::validity::Doubt;
use crate::daemon::process_metrics::Process;
use crate::serve::reports::ReportMetrics;

/// The metrics of one process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    polls: Family<AnswerLabel, Counter>,
    held: Histogram,
    messages: Family<MessageLabel, Counter>,
    requests: Family<StatusLabel, Counter>,
    refused: Family<RefusalLabel, Counter>,
    interruptions: Family<KindLabel, Counter>,
    state: Arc<StateGauges>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AnswerLabel {
    answer: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MessageLabel {
    taken: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    code: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RefusalLabel {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabel {
    kind: &'static str,
}

/// Values that are read when Prometheus scrapes, in the order of [`GAUGES`].
pub trait StateSource: Send + Sync + 'static {
    /// Returns the current values.
    fn values(&self) -> [f64; GAUGES.len()];
    /// Returns the time for which the watch of each kind has received nothing.
    fn silences(&self) -> Vec<(&'static str, Duration)>;
}

/// Names and help texts of the gauges and counters that [`StateSource`] provides.
pub const GAUGES: [(&str, &str, MetricType); 12] = [
    ("checkin_clients", "Clients in the watched fleets.", MetricType::Gauge),
    ("checkin_fleets", "Watched fleets.", MetricType::Gauge),
    ("checkin_sessions", "Clients with requests in memory.", MetricType::Gauge),
    ("checkin_reports_pending", "Clients with reports that are not stored.", MetricType::Gauge),
    (
        "checkin_oldest_report_seconds",
        "Age of the oldest report that is not stored.",
        MetricType::Gauge,
    ),
    ("checkin_connections", "Open connections.", MetricType::Gauge),
    ("checkin_connections_refused", "Connections that a limit has refused.", MetricType::Counter),
    ("checkin_handshakes_failed", "TLS handshakes that failed.", MetricType::Counter),
    ("checkin_transfers", "Downloads in progress.", MetricType::Gauge),
    ("checkin_transferred_bytes", "Bytes of packages sent.", MetricType::Counter),
    (
        "checkin_transfers_failed",
        "Downloads that a fault of the service ended.",
        MetricType::Counter,
    ),
    ("checkin_package_problems", "Problems with the package store.", MetricType::Gauge),
];

#[derive(Default)]
struct StateGauges(OnceLock<Arc<dyn StateSource>>);

impl fmt::Debug for StateGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateGauges").finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct StateCollector(Arc<StateGauges>);

impl Collector for StateCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Some(source) = self.0.0.get() else { return Ok(()) };
        for ((name, help, kind), value) in GAUGES.into_iter().zip(source.values()) {
            let mut metric = encoder.encode_descriptor(name, help, None, kind)?;
            match kind {
                MetricType::Counter => {
                    metric.encode_counter::<[(&str, &str); 0], f64, f64>(&value, None)?;
                }
                _ => metric.encode_gauge(&value)?,
            }
        }
        let help = "Time since the API server last sent something on the watch of a kind.";
        let seconds = Some(&Unit::Seconds);
        let mut silence =
            encoder.encode_descriptor("checkin_watch_silence", help, seconds, MetricType::Gauge)?;
        for (kind, time) in source.silences() {
            silence.encode_family(&[("kind", kind)])?.encode_gauge(&time.as_secs_f64())?;
        }
        Ok(())
    }
}

impl Metrics {
    /// Creates the metrics, with those of the reports.
    #[must_use]
    pub fn new(reports: &ReportMetrics) -> Self {
        let metrics = Self {
            registry: Registry::default(),
            polls: Family::default(),
            // From 1 ms to 2 s, the maximum time for which a poll is held.
            held: Histogram::new(exponential_buckets(0.001, 2.0, 12)),
            messages: Family::default(),
            requests: Family::default(),
            refused: Family::default(),
            interruptions: Family::default(),
            state: Arc::default(),
        };
        metrics.registered(reports)
    }

    fn registered(mut self, reports: &ReportMetrics) -> Self {
        let mut root = std::mem::take(&mut self.registry);
        let ours = root.sub_registry_with_prefix("clientfleet");
        let version = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        ours.register("build", "The release of the service", version);
        ours.register("checkin_polls", "Polls by answer", self.polls.clone());
        let help = "How long polls waited for the controller";
        ours.register_with_unit("checkin_poll_hold", help, Unit::Seconds, self.held.clone());
        let help = "Messages about actions, by how they were taken";
        ours.register("checkin_messages", help, self.messages.clone());
        ours.register("checkin_requests", "Requests by status code", self.requests.clone());
        ours.register("checkin_refusals", "Refused requests by reason", self.refused.clone());
        let help = "Watches that were interrupted, or could not begin";
        ours.register("checkin_watch_interruptions", help, self.interruptions.clone());
        reports.register(ours.sub_registry_with_prefix("checkin"));
        ours.register_collector(Box::new(StateCollector(Arc::clone(&self.state))));
        root.register_collector(Box::new(Process::new()));
        Self { registry: root, ..self }.with_zeros()
    }

    /// Creates all labeled metrics with the value zero, so that Prometheus sees the first increment
    /// of each one as an increase from zero.
    fn with_zeros(self) -> Self {
        for answer in ANSWERS {
            let _ = self.polls.get_or_create(&AnswerLabel { answer });
        }
        for reason in REFUSALS {
            let _ = self.refused.get_or_create(&RefusalLabel { reason });
        }
        for kind in ["ClientFleet", "UpgradePolicy"] {
            let _ = self.interruptions.get_or_create(&KindLabel { kind });
        }
        self
    }

    /// Sets the source of the values that are read at each scrape. Only the first call has an effect.
    pub fn watch_state(&self, source: Arc<dyn StateSource>) {
        let _ = self.state.0.set(source);
    }

    /// Counts a poll, and the time for which it was held.
    pub fn polled(&self, why: Why, held: Duration) {
        self.polls.get_or_create(&AnswerLabel { answer: answer_word(why) }).inc();
        if !held.is_zero() {
            self.held.observe(held.as_secs_f64());
        }
    }

    /// Counts a message about an action.
    pub fn took(&self, taken: Taken) {
        self.messages.get_or_create(&MessageLabel { taken: taken_word(taken) }).inc();
    }

    /// Counts a request by the status code of its response.
    pub fn responded(&self, code: u16) {
        self.requests.get_or_create(&StatusLabel { code }).inc();
    }

    /// Counts a refused request.
    pub fn refused(&self, reason: &'static str) {
        self.refused.get_or_create(&RefusalLabel { reason }).inc();
    }

    /// Counts an interrupted watch.
    pub fn interrupted(&self, kind: &'static str) {
        self.interruptions.get_or_create(&KindLabel { kind }).inc();
    }

    /// Returns the metrics in the `OpenMetrics` text format.
    #[must_use]
    pub fn open_metrics(&self) -> String {
        let mut text = String::new();
        // Writing to a string cannot fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

/// Reasons for refusing a request, as label values.
pub const REFUSALS: [&str; 5] = ["credentials", "revoked", "tenant", "path", "body"];

const ANSWERS: [&str; 13] = [
    "no-fleet",
    "offered",
    "version-wanted",
    "package-missing",
    "closed",
    "stopped",
    "restart-pending",
    "reports-unwritten",
    "nothing-offered",
    "in-doubt-fleet",
    "in-doubt-policy",
    "in-doubt-package",
    "in-doubt-watch",
];

/// Returns the word for the answer to a poll in metrics and logs.
#[must_use]
pub fn answer_word(why: Why) -> &'static str {
    match why {
        Why::NoFleet => "no-fleet",
        Why::Offered => "offered",
        Why::VersionWanted => "version-wanted",
        Why::PackageMissing => "package-missing",
        Why::Closed => "closed",
        Why::Stopped => "stopped",
        Why::RestartPending => "restart-pending",
        Why::ReportsUnwritten => "reports-unwritten",
        Why::NothingOffered => "nothing-offered",
        Why::InDoubt(Doubt::FleetNotPlanned | Doubt::ListedTwice) => "in-doubt-fleet",
        Why::InDoubt(Doubt::PolicyNotPlanned | Doubt::PolicyGone) => "in-doubt-policy",
        Why::InDoubt(Doubt::PackageChanged | Doubt::TargetWithdrawn) => "in-doubt-package",
        Why::InDoubt(Doubt::WatchSilent) => "in-doubt-watch",
    }
}

/// Returns the word for how a message was taken in metrics, logs and audit lines.
#[must_use]
pub fn taken_word(taken: Taken) -> &'static str {
    match taken {
        Taken::Changed => "Changed",
        Taken::Seen => "Seen",
        Taken::OtherAction => "OtherAction",
        Taken::LateFailure => "LateFailure",
        Taken::UnconfirmedSuccess => "UnconfirmedSuccess",
    }
}
