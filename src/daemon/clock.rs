//! Provides the clock of a long-running command: the system clock, or in tests a clock that is set
//! manually.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::values::Timestamp;

/// Maximum time between two readings of the system clock. Longer timers would be unreliable,
/// because a machine may be suspended and an administrator may set the clock.
const MAX_TIMER: Duration = Duration::from_secs(60);

/// A source of the current time that also wakes its callers when they should read the time again.
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time in whole seconds.
    fn now(&self) -> Timestamp;
    /// Returns the current time with the precision of the clock, for intervals below a second.
    fn precise_now(&self) -> Timestamp {
        self.now()
    }
    /// Waits until the caller should read the clock again; `seen` is the time that the caller read
    /// last.
    ///
    /// The system clock ends the wait at `until` or after `MAX_TIMER`, whichever comes first, and a
    /// manual clock ends the wait when its time differs from `seen`.
    fn wait_until_due(&self, seen: Timestamp, until: Option<Timestamp>) -> BoxFuture<'static, ()>;
}

/// The system clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        whole_seconds(Utc::now())
    }

    fn precise_now(&self) -> Timestamp {
        Utc::now()
    }

    fn wait_until_due(&self, _: Timestamp, until: Option<Timestamp>) -> BoxFuture<'static, ()> {
        let wait =
            until.map_or(MAX_TIMER, |until| (until - Utc::now()).to_std().unwrap_or_default());
        tokio::time::sleep(wait.min(MAX_TIMER)).boxed()
    }
}

/// A clock for tests. Its time changes only when a test sets it, which wakes all waiting callers.
#[derive(Debug)]
pub struct ManualClock(watch::Sender<Timestamp>);

impl ManualClock {
    /// Creates a clock that shows `now` until it is set.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(watch::Sender::new(whole_seconds(now)))
    }

    /// Sets the clock, forward or back.
    pub fn set(&self, now: Timestamp) {
        self.0.send_replace(whole_seconds(now));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    fn wait_until_due(&self, seen: Timestamp, _: Option<Timestamp>) -> BoxFuture<'static, ()> {
        let mut hand = self.0.subscribe();
        // Compare with `seen`, because a test may have set the clock between the caller's reading
        // and the subscription.
        async move {
            let _ = hand.wait_for(|now| *now != seen).await;
        }
        .boxed()
    }
}

fn whole_seconds(instant: Timestamp) -> Timestamp {
    DateTime::from_timestamp(instant.timestamp(), 0).unwrap_or(instant)
}
