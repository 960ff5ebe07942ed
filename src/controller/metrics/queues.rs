//! Exports gauges for the pending status writes. Each scrape reads the current values from the
//! queues.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::{KINDS, count};

/// The number and age of the pending writes of a queue, and its limit on concurrent writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Number of objects with a pending write.
    pub depth: u64,
    /// Age of the oldest pending write.
    pub oldest: Duration,
    /// Current limit on concurrent writes.
    pub window: u64,
}

/// A queue that reports its pending writes.
pub trait Backlogged: fmt::Debug + Send + Sync {
    /// Returns the current backlog.
    fn backlog(&self) -> Backlog;
}

/// Queues of pending status writes, each with the kind of the objects in the queue.
#[derive(Debug, Default)]
pub struct Queues(Mutex<Vec<(&'static str, Arc<dyn Backlogged>)>>);

impl Queues {
    /// Adds a queue to the metrics.
    pub fn add(&self, kind: &'static str, queue: Arc<dyn Backlogged>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((kind, queue));
    }

    /// Returns the combined backlog of all queues for one kind of object.
    fn of(&self, kind: &str) -> Backlog {
        let queues = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let backlogs = queues.iter().filter(|(of, _)| *of == kind).map(|(_, q)| q.backlog());
        backlogs.fold(Backlog::default(), |sum, one| Backlog {
            depth: sum.depth + one.depth,
            oldest: sum.oldest.max(one.oldest),
            window: sum.window + one.window,
        })
    }
}

impl Collector for Queues {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let backlogs = KINDS.map(|kind| (kind, self.of(kind)));
        let help = "Objects whose status is still to be written.";
        let depth = |backlog: &Backlog| count(backlog.depth);
        gauge(&mut encoder, ("queue_depth", help, None), &backlogs, depth)?;
        let help = "For how long the status that waits longest has been waiting to be written.";
        let age = ("queue_oldest_age", help, Some(&Unit::Seconds));
        gauge(&mut encoder, age, &backlogs, |backlog| backlog.oldest.as_secs_f64())?;
        let help =
            "Statuses that may be written at once, as far as the API server keeps up with them.";
        let window = |backlog: &Backlog| count(backlog.window);
        gauge(&mut encoder, ("write_window", help, None), &backlogs, window)
    }
}

/// Writes a gauge with one sample for each kind of object. `metric` contains the gauge's name, help
/// text and unit.
fn gauge<V: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    metric: (&str, &str, Option<&Unit>),
    backlogs: &[(&str, Backlog)],
    value: impl Fn(&Backlog) -> V,
) -> fmt::Result {
    let (name, help, unit) = metric;
    let mut metric = encoder.encode_descriptor(name, help, unit, MetricType::Gauge)?;
    for (kind, backlog) in backlogs {
        metric.encode_family(&[("kind", *kind)])?.encode_gauge(&value(backlog))?;
    }
    Ok(())
}
