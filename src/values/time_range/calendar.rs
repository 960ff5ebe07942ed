//! Computes the local calendar of a time range, that is, the local times at which distribution is
//! open.
//!
//! Times are local seconds since 1970-01-01T00:00:00, on a wall clock that is never set forward or
//! back; this module must not use instants, zones or daylight saving time.

use chrono::NaiveDate;

use super::{
    Exclusion, Phase,
    window::{DAY, WEEK, WeekPattern, Window},
};

/// Number of seconds from Monday 1969-12-29 00:00, the start of a week, to 1970-01-01 00:00.
const EPOCH_AFTER_MONDAY: i64 = 3 * DAY;

/// Local calendar of a time range: the weekly windows without the excluded dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Calendar {
    week: WeekPattern,
    /// Excluded intervals as pairs of start and end in local seconds. Each interval includes its
    /// start but not its end; the intervals are sorted and do not touch each other.
    excluded: Vec<(i64, i64)>,
}

impl Calendar {
    pub(super) fn new(windows: &[Window], exclusions: &[Exclusion]) -> Calendar {
        let mut days: Vec<(i64, i64)> = exclusions
            .iter()
            .map(|exclusion| (midnight(exclusion.start), midnight(exclusion.end) + DAY))
            .filter(|(start, end)| start < end)
            .collect();
        days.sort_unstable();
        let mut excluded: Vec<(i64, i64)> = Vec::with_capacity(days.len());
        for (start, end) in days {
            match excluded.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => excluded.push((start, end)),
            }
        }
        Calendar { week: WeekPattern::new(windows), excluded }
    }

    /// Returns the phase at the local time `at`, and the local time at which this phase ends
    /// (`None` if it never ends).
    ///
    /// The phase is [`Phase::Excluded`], [`Phase::OutsideWindow`] or [`Phase::Open`].
    pub(super) fn phase(&self, at: i64) -> (Phase, Option<i64>) {
        let passed = self.excluded.partition_point(|excluded| excluded.1 <= at);
        let exclusion = self.excluded.get(passed);
        if let Some(&(start, end)) = exclusion
            && start <= at
        {
            return (Phase::Excluded, Some(end));
        }
        let (open, change) = self.week.state((at + EPOCH_AFTER_MONDAY).rem_euclid(WEEK));
        let phase = if open { Phase::Open } else { Phase::OutsideWindow };
        let ends = change.map(|after| at + after);
        (phase, ends.into_iter().chain(exclusion.map(|excluded| excluded.0)).min())
    }

    /// Returns the first local time at or after `at` whose phase satisfies `wanted`; `None` if
    /// there is none. The number of steps depends on the number of exclusions, not on their length.
    pub(super) fn first(&self, mut at: i64, wanted: impl Fn(Phase) -> bool) -> Option<i64> {
        loop {
            let (phase, ends) = self.phase(at);
            if wanted(phase) {
                return Some(at);
            }
            at = ends?;
        }
    }
}

fn midnight(date: NaiveDate) -> i64 {
    i64::from(date.to_epoch_days()) * DAY
}
