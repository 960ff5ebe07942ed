//! Exports a gauge that shows whether this replica leads.

use std::fmt;
use std::sync::OnceLock;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;

use crate::controller::health::Health;

/// Gauge that is 1 while this replica leads, and 0 otherwise.
#[derive(Debug, Default)]
pub struct RoleMetric(OnceLock<Health>);

impl RoleMetric {
    /// Sets the health from which the gauge is read. Later calls have no effect.
    pub fn set(&self, health: Health) {
        let _ = self.0.set(health);
    }
}

impl Collector for RoleMetric {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let health = self.0.get().map(Health::now);
        let leads = health.is_some_and(|health| health.is_started && health.leads());
        let help = "1 while this replica leads, and so writes.";
        encoder
            .encode_descriptor("leader", help, None, MetricType::Gauge)?
            .encode_gauge(&i64::from(leads))
    }
}
