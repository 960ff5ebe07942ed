//! Defines the time until the next poll, which the base answer contains as `sleep`.

use std::fmt;
use std::time::Duration;

use serde::{Serialize, Serializer};

/// Time until an agent's next poll: 1 s to 23:59:59, in whole seconds.
///
/// The text is `HH:MM:SS`. swupdate rejects the whole base answer for any other form, including
/// `24:00:00`, and replaces `00:00:00` by 45 s. The Python RAUC client parses it as a time of day,
/// and Zephyr ignores a text that does not have 8 characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PollInterval(u32);

impl PollInterval {
    /// Shortest interval.
    pub const MIN: Self = Self(1);
    /// Longest interval.
    pub const MAX: Self = Self(24 * 60 * 60 - 1);

    /// Returns the interval as a duration.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(self.0.into())
    }
}

impl From<Duration> for PollInterval {
    /// Rounds up to whole seconds, so that the poll is not just before the end of the duration, and
    /// limits the result to [`Self::MIN`] and [`Self::MAX`].
    fn from(duration: Duration) -> Self {
        let seconds = duration.as_secs().saturating_add((duration.subsec_nanos() > 0).into());
        u32::try_from(seconds).map_or(Self::MAX, Self).clamp(Self::MIN, Self::MAX)
    }
}

impl fmt::Display for PollInterval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (minutes, seconds) = (self.0 / 60, self.0 % 60);
        write!(f, "{:02}:{:02}:{seconds:02}", minutes / 60, minutes % 60)
    }
}

impl Serialize for PollInterval {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_times_of_day() {
        for (milliseconds, text) in [
            (0, "00:00:01"),
            (1, "00:00:01"),
            (1_001, "00:00:02"),
            (60_000, "00:01:00"),
            (300_000, "00:05:00"),
            (3_599_000, "00:59:59"),
            (86_399_000, "23:59:59"),
            (86_399_001, "23:59:59"),
            (86_400_000, "23:59:59"),
        ] {
            let interval = PollInterval::from(Duration::from_millis(milliseconds));
            assert_eq!(interval.to_string(), text, "{milliseconds}");
        }
        assert_eq!(PollInterval::from(Duration::MAX), PollInterval::MAX);
        assert_eq!(PollInterval::from(Duration::from_secs(7)).duration().as_secs(), 7);
    }
}
