//! Answers the probes and metrics requests of the controller from its metrics, health and
//! heartbeat. Requests only read the state of the controller and change nothing.

use std::sync::Arc;
use std::time::Duration;

use super::health::Health;
use super::heartbeat::Heartbeat;
use super::metrics::{KINDS, Metrics};
use crate::cluster::watch::freshness::MAX_SILENCE;
use crate::daemon::http_server::{Check, Endpoints};

/// The sources of the responses: metrics, health and heartbeat.
#[derive(Clone, Debug)]
pub struct ControllerEndpoints {
    /// Metrics of the controller.
    pub metrics: Arc<Metrics>,
    /// Health of the controller.
    pub health: Health,
    /// Heartbeat of the planning loop.
    pub heartbeat: Arc<Heartbeat>,
}

impl Endpoints for ControllerEndpoints {
    fn livez(&self) -> Vec<Check> {
        vec![self.heartbeat.check()]
    }

    fn readyz(&self) -> Vec<Check> {
        let health = self.health.now();
        let is_filled = health.stores_awaited == Some(0);
        vec![
            watches(&self.health),
            Check::of("definitions", health.is_started),
            Check::of("stores", is_filled),
        ]
    }

    fn open_metrics(&self) -> String {
        self.metrics.open_metrics()
    }
}

/// Time without any watch event after which the controller is not ready. It exceeds
/// [`MAX_SILENCE`], so that the controller can first reopen a silent watch.
const UNREADY_AFTER: Duration = Duration::from_secs(MAX_SILENCE.as_secs() + 60);

/// Returns the health check of the watches, which shows how long each kind has received nothing.
fn watches(health: &Health) -> Check {
    let silences = KINDS.map(|kind| (kind, health.silence(kind)));
    let heard = silences.into_iter().filter_map(|(kind, silence)| Some((kind, silence?)));
    let is_well = heard.clone().all(|(_, silence)| silence < UNREADY_AFTER);
    let ages = heard.map(|(kind, silence)| format!("{kind} heard {} s ago", silence.as_secs()));
    let ages: Vec<String> = ages.collect();
    let detail = if ages.is_empty() { String::new() } else { format!(": {}", ages.join(", ")) };
    Check { name: "watches", is_well, detail }
}

#[cfg(test)]
mod tests {
    use crate::cluster::watch::freshness::Freshness;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readiness_says_how_long_ago_each_watch_was_heard_and_ends_after_150_s() {
        let health = Health::default();
        for kind in KINDS {
            health.watches(kind, Freshness::default());
        }
        tokio::time::advance(Duration::from_secs(149)).await;
        let check = watches(&health);
        assert!(check.is_well);
        assert_eq!(check.detail, ": ClientFleet heard 149 s ago, UpgradePolicy heard 149 s ago");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!watches(&health).is_well);
    }
}
