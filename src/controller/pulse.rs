//! Whether the controller is alive and ready, as a cluster asks it. Knows nothing of who asks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The planning loop looks at its clock each minute at least, and the largest plan takes seconds:
/// after so long without a look it is stuck.
const STUCK_AFTER: Duration = Duration::from_secs(300);

/// What the controller shows of itself.
#[derive(Debug, Default)]
pub struct Pulse {
    definitions_checked: AtomicBool,
    stores_filled: AtomicBool,
    /// When the planning loop last began to wait or to plan; `None` before it runs.
    turned: Mutex<Option<Instant>>,
}

/// One thing that was looked at, and whether it is well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it is well.
    pub is_well: bool,
}

impl Pulse {
    /// The cluster's definitions are fit.
    pub fn definitions_are_checked(&self) {
        self.definitions_checked.store(true, Ordering::Release);
    }

    /// The cluster was listed whole.
    pub fn stores_are_filled(&self) {
        self.stores_filled.store(true, Ordering::Release);
    }

    /// The planning loop goes on.
    pub fn turn(&self) {
        self.turn_at(Instant::now());
    }

    fn turn_at(&self, now: Instant) {
        *self.turned.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Whether it makes sense to let it go on. Nobody is helped by a restart while an API server is
    /// away: only a loop that has begun can be stuck.
    #[must_use]
    pub fn liveness(&self) -> Vec<Check> {
        self.liveness_at(Instant::now())
    }

    fn liveness_at(&self, now: Instant) -> Vec<Check> {
        let turned = *self.turned.lock().unwrap_or_else(PoisonError::into_inner);
        let is_well =
            turned.is_none_or(|turned| now.saturating_duration_since(turned) < STUCK_AFTER);
        vec![Check { name: "planning", is_well }]
    }

    /// Whether it can do its work; a standby as well, which could take over at once.
    #[must_use]
    pub fn readiness(&self) -> Vec<Check> {
        let is = |flag: &AtomicBool| flag.load(Ordering::Acquire);
        vec![
            Check { name: "definitions", is_well: is(&self.definitions_checked) },
            Check { name: "stores", is_well: is(&self.stores_filled) },
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_has_begun_can_be_stuck() {
        let pulse = Pulse::default();
        let start = Instant::now();
        let is_alive = |after: u64| {
            pulse.liveness_at(start + Duration::from_secs(after))[0].is_well
        };
        assert!(is_alive(100_000));
        pulse.turn_at(start);
        assert!(is_alive(299));
        assert!(!is_alive(300));
    }

    #[test]
    fn ready_is_who_has_checked_and_listed() {
        let pulse = Pulse::default();
        let ready = || pulse.readiness().iter().all(|check| check.is_well);
        pulse.definitions_are_checked();
        assert!(!ready());
        pulse.stores_are_filled();
        assert!(ready());
    }
}
