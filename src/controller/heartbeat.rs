//! Records the heartbeats of the planning loop, and reports a loop without recent heartbeats as
//! stuck.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::daemon::http_server::Check;

/// Time without a heartbeat after which the planning loop is considered stuck. The loop records a
/// heartbeat at least once a minute, and the largest plan takes seconds.
const STUCK_AFTER: Duration = Duration::from_secs(300);

/// Time of the last heartbeat of the planning loop; `None` before the loop starts.
#[derive(Debug, Default)]
pub struct Heartbeat(Mutex<Option<Instant>>);

impl Heartbeat {
    /// Records a heartbeat of the planning loop.
    pub fn record(&self) {
        self.record_at(Instant::now());
    }

    fn record_at(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Returns the health check of the planning loop. A loop that has not started passes the check:
    /// it may be waiting for the API server or for leadership, and a restart would not help.
    #[must_use]
    pub fn check(&self) -> Check {
        self.check_at(Instant::now())
    }

    fn check_at(&self, now: Instant) -> Check {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_well = last.is_none_or(|last| now.saturating_duration_since(last) < STUCK_AFTER);
        Check::of("planning", is_well)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loop_that_has_begun_can_be_stuck() {
        let heartbeat = Heartbeat::default();
        let start = Instant::now();
        let is_well = |after| heartbeat.check_at(start + Duration::from_secs(after)).is_well;
        assert!(is_well(100_000));
        heartbeat.record_at(start);
        assert!(is_well(299));
        assert!(!is_well(300));
    }
}
