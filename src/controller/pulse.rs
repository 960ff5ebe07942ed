//! Whether the planning loop goes on. Knows nothing of who asks.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The planning loop looks at its clock each minute at least, and the largest plan takes seconds:
/// after so long without a look it is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(300);

/// When the planning loop last went on; never before it runs.
#[derive(Debug, Default)]
pub struct Pulse(Mutex<Option<Instant>>);

/// One thing that was looked at, and whether it is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it is well.
    pub is_well: bool,
}

impl Pulse {
    /// The planning loop goes on.
    pub fn beat(&self) {
        self.beat_at(Instant::now());
    }

    fn beat_at(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Whether a restart would help. Nobody is helped by one while an API server is away: only a
    /// loop that has begun can be stuck.
    #[must_use]
    pub fn check(&self) -> Check {
        self.check_at(Instant::now())
    }

    fn check_at(&self, now: Instant) -> Check {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_well = last.is_none_or(|last| now.saturating_duration_since(last) < STUCK_AFTER);
        Check { name: "planning", is_well }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_loop_that_has_begun_can_be_stuck() {
        let pulse = Pulse::default();
        let start = Instant::now();
        let is_well = |after| pulse.check_at(start + Duration::from_secs(after)).is_well;
        assert!(is_well(100_000));
        pulse.beat_at(start);
        assert!(is_well(299));
        assert!(!is_well(300));
    }
}
