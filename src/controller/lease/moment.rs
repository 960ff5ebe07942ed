//! The clock that leases expire by: it only goes forward, and goes on while the process is stopped or
//! the machine asleep. Knows nothing of dates.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A moment of this machine. Moments of two machines have nothing to do with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        // `std::time::Instant` reads CLOCK_MONOTONIC, which on Linux stands still while the machine is
        // asleep: a leader would wake up and believe that no time has passed.
        #[cfg(target_os = "linux")]
        let clock = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = ClockId::Monotonic;
        let read = clock_gettime(clock);
        let seconds = u64::try_from(read.tv_sec).unwrap_or_default();
        Self(Duration::new(seconds, u32::try_from(read.tv_nsec).unwrap_or_default()))
    }

    /// So long after the machine's beginning of time.
    #[must_use]
    pub const fn at(since_beginning: Duration) -> Self {
        Self(since_beginning)
    }

    /// So much later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }

    /// How long it is from `earlier` until this moment; nothing if that is the later one.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
