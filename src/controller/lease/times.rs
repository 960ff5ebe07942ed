//! Defines the three durations of leader election: the lease duration, the renew deadline and the
//! retry period. The module reads no clock.

use std::time::Duration;

/// Exclusive lower bound for the ratio of the renew deadline to the retry period, in tenths. With a
/// lower ratio, one late answer would end the leadership.
const MIN_DEADLINE_TENTHS_OF_RETRY: u32 = 12;

/// The three durations of leader election, named as in client-go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    duration: Duration,
    deadline: Duration,
    retry: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            deadline: Duration::from_secs(10),
            retry: Duration::from_secs(2),
        }
    }
}

impl Times {
    /// Creates the durations if they are consistent. For example, the renew deadline must be
    /// shorter than the lease duration, so that the leader stops before another replica takes over.
    ///
    /// # Errors
    ///
    /// Returns a message if the durations are not consistent.
    pub fn new(duration: Duration, deadline: Duration, retry: Duration) -> Result<Self, String> {
        if duration.subsec_nanos() != 0 || duration.is_zero() || duration.as_secs() > 86_400 {
            return Err(format!(
                "--lease-duration is {duration:?}: the lease holds whole seconds; write 1s to 24h, as 15s"
            ));
        }
        if retry.is_zero() {
            return Err("--retry-period is 0: write the pause between two tries, as 2s".to_owned());
        }
        if deadline >= duration {
            return Err(format!(
                "--renew-deadline ({deadline:?}) must be shorter than --lease-duration ({duration:?}): \
                 the leader has to give up before another may take over"
            ));
        }
        if deadline.saturating_mul(10) <= retry.saturating_mul(MIN_DEADLINE_TENTHS_OF_RETRY) {
            return Err(format!(
                "--renew-deadline ({deadline:?}) must be more than 1.2 times --retry-period ({retry:?}): \
                 one late answer would end the leader"
            ));
        }
        Ok(Self { duration, deadline, retry })
    }

    /// Returns the lease duration: the time after which another replica may take the lease, counted
    /// from the last renewal that the other replica saw.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// Returns the renew deadline: the time for which a process remains leader, counted from the
    /// moment when it sent its last answered renewal.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.deadline
    }

    /// Returns the retry period: the time between two attempts to acquire or renew the lease.
    #[must_use]
    pub fn retry(&self) -> Duration {
        self.retry
    }

    /// Returns the timeout of one request: half of the renew deadline, so that there is time for a
    /// second attempt.
    #[must_use]
    pub fn request_timeout(&self) -> Duration {
        self.deadline / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_must_fit_each_other() {
        let new = |duration, deadline, retry| {
            Times::new(
                Duration::from_millis(duration),
                Duration::from_millis(deadline),
                Duration::from_millis(retry),
            )
        };
        assert_eq!(new(15_000, 10_000, 2_000), Ok(Times::default()));
        assert!(new(3_000, 2_000, 500).is_ok());
        for (given, word) in [
            ((1_500, 1_000, 200), "whole seconds"),
            ((0, 0, 0), "--lease-duration"),
            ((90_000_000, 1_000, 200), "24h"),
            ((15_000, 15_000, 2_000), "shorter than --lease-duration (15s)"),
            ((15_000, 2_400, 2_000), "1.2 times --retry-period (2s)"),
            ((15_000, 10_000, 0), "--retry-period"),
        ] {
            let refused = new(given.0, given.1, given.2).unwrap_err();
            assert!(refused.contains(word), "{given:?}: {refused}");
        }
    }
}
