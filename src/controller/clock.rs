//! The clock that the controller is handed: the system's, or one that a test sets by hand.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::values::Timestamp;

/// The system's clock is looked at so often at least: timers drift while a machine is suspended, and
/// somebody may set it.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// Tells the time and says when to look at it again.
pub trait Clock: Send + Sync + 'static {
    /// Now, in whole seconds.
    fn now(&self) -> Timestamp;
    /// Waits until it is worth looking again for whoever has seen it at `seen`: `until` has come,
    /// the clock was set, or nobody has looked for a while.
    fn look_again(&self, seen: Timestamp, until: Option<Timestamp>) -> BoxFuture<'static, ()>;
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        whole_seconds(Utc::now())
    }

    fn look_again(&self, _: Timestamp, until: Option<Timestamp>) -> BoxFuture<'static, ()> {
        let wait =
            until.map_or(LOOK_AGAIN, |until| (until - Utc::now()).to_std().unwrap_or_default());
        tokio::time::sleep(wait.min(LOOK_AGAIN)).boxed()
    }
}

/// A clock that stands still until it is set. It is looked at again whenever that happens.
#[derive(Debug)]
pub struct HandClock(watch::Sender<Timestamp>);

impl HandClock {
    /// A clock that stands at `now`.
    #[must_use]
    pub fn at(now: Timestamp) -> Self {
        Self(watch::Sender::new(whole_seconds(now)))
    }

    /// Sets it, forward or back.
    pub fn set(&self, now: Timestamp) {
        self.0.send_replace(whole_seconds(now));
    }
}

impl Clock for HandClock {
    fn now(&self) -> Timestamp {
        *self.0.borrow()
    }

    fn look_again(&self, seen: Timestamp, _: Option<Timestamp>) -> BoxFuture<'static, ()> {
        let mut hand = self.0.subscribe();
        // Compared with what was seen: it may have been set since.
        async move {
            let _ = hand.wait_for(|now| *now != seen).await;
        }
        .boxed()
    }
}

fn whole_seconds(instant: Timestamp) -> Timestamp {
    DateTime::from_timestamp(instant.timestamp(), 0).unwrap_or(instant)
}
