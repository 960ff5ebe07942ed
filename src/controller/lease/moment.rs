//! Provides a monotonic clock for the expiry of leases. On Linux, the clock continues while the
//! machine sleeps.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A point in time on the clock of this machine. Moments of different machines cannot be compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(Duration);

impl Moment {
    /// Returns the current moment.
    #[must_use]
    pub fn now() -> Self {
        // Do not use `std::time::Instant`: on Linux it reads CLOCK_MONOTONIC, which stops while the
        // machine sleeps. After a sleep, a leader would not notice that its lease has expired.
        #[cfg(target_os = "linux")]
        let clock = ClockId::Boottime;
        #[cfg(not(target_os = "linux"))]
        let clock = ClockId::Monotonic;
        let read = clock_gettime(clock);
        let seconds = u64::try_from(read.tv_sec).unwrap_or_default();
        Self(Duration::new(seconds, u32::try_from(read.tv_nsec).unwrap_or_default()))
    }

    /// Creates a moment from the time since the start of the clock.
    #[must_use]
    pub const fn at(since_beginning: Duration) -> Self {
        Self(since_beginning)
    }

    /// Returns the moment that is `wait` later than this one.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }

    /// Returns the time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}
