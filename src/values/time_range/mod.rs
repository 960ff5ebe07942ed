//! Defines time ranges, which determine when distribution is open; [`Openings`] evaluates a range
//! in one zone.
//!
//! This module must not depend on policies or clients, or choose the zone that applies to a client.

mod calendar;
mod exclusion;
mod openings;
mod pattern;
mod period;
mod window;

use self::calendar::Calendar;
pub use self::exclusion::Exclusion;
pub use self::openings::{Openings, Phase};
pub use self::window::{
    Days, END_PATTERN, START_PATTERN, WallTime, WeekOfMonth, WeeksOfMonth, Window, WindowError,
};
use super::{Timestamp, Zone};

/// A set of instants at which distribution is open.
///
/// An instant is open if it is at or after `not_before`, before `not_after`, not on the date of an
/// exclusion, and inside a window if the range has windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeRange {
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    windows: Vec<Window>,
    exclusions: Vec<Exclusion>,
    calendar: Calendar,
}

impl TimeRange {
    /// Creates a time range from windows and exclusions, which may overlap and come in any order.
    ///
    /// Without windows, every local time that is not excluded is open; if `not_after` is not after
    /// `not_before`, the range is never open.
    #[must_use]
    pub fn new(
        not_before: Option<Timestamp>,
        not_after: Option<Timestamp>,
        windows: Vec<Window>,
        exclusions: Vec<Exclusion>,
    ) -> TimeRange {
        let calendar = Calendar::new(&windows, &exclusions);
        TimeRange { not_before, not_after, windows, exclusions, calendar }
    }

    /// Returns whether the range depends on a zone, that is, has windows or exclusions.
    #[must_use]
    pub fn needs_zone(&self) -> bool {
        !self.windows.is_empty() || !self.exclusions.is_empty()
    }

    /// Returns the openings of the range in `zone`.
    ///
    /// Without a zone, a range with windows or exclusions is never open; callers that can report
    /// the missing zone should check [`TimeRange::needs_zone`] first.
    #[must_use]
    pub fn in_zone<'a>(&'a self, zone: Option<&'a Zone>) -> Openings<'a> {
        Openings::new(self, zone)
    }

    /// Returns the instant before which distribution is never open; `None` if the range has no such
    /// limit.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    /// Returns the instant from which distribution is never open; `None` if the range has no such
    /// limit.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }

    /// Returns the windows as passed to [`TimeRange::new`].
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// Returns the exclusions as passed to [`TimeRange::new`].
    #[must_use]
    pub fn exclusions(&self) -> &[Exclusion] {
        &self.exclusions
    }
}
