//! Exports gauges about this replica: whether it leads, and how long its watches have been silent.

use std::fmt;
use std::sync::OnceLock;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::KINDS;
use crate::controller::health::Health;

/// Collector of the metrics about this replica.
#[derive(Debug, Default)]
pub struct ReplicaMetrics(OnceLock<Health>);

impl ReplicaMetrics {
    /// Sets the health that the metrics show. Only the first call has an effect.
    pub fn set(&self, health: Health) {
        let _ = self.0.set(health);
    }
}

impl Collector for ReplicaMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let health = self.0.get();
        let leads = health.map(Health::now).is_some_and(|now| now.is_started && now.leads());
        let help = "1 while this replica leads, and so writes.";
        encoder
            .encode_descriptor("leader", help, None, MetricType::Gauge)?
            .encode_gauge(&i64::from(leads))?;
        let help = "Time since the API server last sent something on the watch of a kind";
        let seconds = Some(&Unit::Seconds);
        let mut silence =
            encoder.encode_descriptor("watch_silence", help, seconds, MetricType::Gauge)?;
        for kind in KINDS {
            if let Some(time) = health.and_then(|health| health.silence(kind)) {
                silence.encode_family(&[("kind", kind)])?.encode_gauge(&time.as_secs_f64())?;
            }
        }
        Ok(())
    }
}
