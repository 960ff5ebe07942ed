//! The local calendar of a time range: what is open by the wall clock of a place.
//!
//! Must not know instants, zones or daylight saving: its time is the local one, counted in seconds
//! since 1970-01-01T00:00:00 by the wall clock, as if that clock were never set back or forward.

use chrono::NaiveDate;

use super::{
    Exclusion, Phase,
    window::{DAY, WEEK, WeekPattern, Window},
};

/// 1970-01-01 was a Thursday: three days after a Monday.
const EPOCH_AFTER_MONDAY: i64 = 3 * DAY;

/// Weekly windows less excluded dates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Calendar {
    week: WeekPattern,
    /// Excluded time, from start (included) to end (not included), sorted, apart from each other.
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

    /// What holds at the local time `at` ([`Phase::Excluded`], [`Phase::OutsideWindow`] or
    /// [`Phase::Open`]), and until when; `None` if for ever.
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

    /// The first local time from `at` on whose phase is `wanted`; `None` if there is none. It takes
    /// a few steps for each exclusion, however long that is.
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
