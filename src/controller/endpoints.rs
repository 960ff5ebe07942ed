//! Answers the probes and metrics requests of the controller from its metrics, health and
//! heartbeat. Requests only read the state of the controller and change nothing.

use std::sync::Arc;

use super::health::Health;
use super::heartbeat::Heartbeat;
use super::metrics::{KINDS, Metrics};
use crate::cluster::watch::freshness::UNREADY_AFTER;
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

/// Returns the health check of the watches, which shows how long each kind has received nothing.
fn watches(health: &Health) -> Check {
    let heard = KINDS.into_iter().filter_map(|kind| Some((kind, health.silence(kind)?)));
    Check::of_watches(heard, UNREADY_AFTER)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

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
