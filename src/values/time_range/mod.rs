//! Time ranges: when distribution is open. Reading a range and putting it in order is here;
//! asking it about instants, in one zone, is [`Openings`].
//!
//! Must not know policies, clients, or which zone applies to whom.

mod calendar;
mod openings;
mod window;

use chrono::NaiveDate;

use self::calendar::Calendar;
pub use self::openings::{Openings, Phase};
pub use self::window::{Days, END_PATTERN, START_PATTERN, WallTime, Window, WindowError};
use super::{Timestamp, Zone};

/// Local dates on which nothing is distributed, both included. One whose `end` is before its
/// `start` holds no date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion {
    /// What people call it.
    pub name: String,
    /// The first date.
    pub start: NaiveDate,
    /// The last date.
    pub end: NaiveDate,
}

/// When distribution is open: at the instants from `not_before` (included) to `not_after` (not
/// included), on local dates in no exclusion, at local times in a window, where there are any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeRange {
    not_before: Option<Timestamp>,
    not_after: Option<Timestamp>,
    windows: Vec<Window>,
    exclusions: Vec<Exclusion>,
    /// What windows and exclusions come to.
    calendar: Calendar,
}

impl TimeRange {
    /// A range; without windows every local time is open. Windows and exclusions may overlap and
    /// come in any order. Where `not_after` is not after `not_before`, it is never open.
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

    /// Whether the range can be judged only in a zone: it has windows or exclusions.
    #[must_use]
    pub fn needs_zone(&self) -> bool {
        !self.windows.is_empty() || !self.exclusions.is_empty()
    }

    /// What is open when in `zone`. A range that needs no zone is the same in every one and in none.
    /// One that needs a zone and gets none is never open, without a guess at the zone: callers that
    /// can say so more clearly ask [`TimeRange::needs_zone`] first.
    #[must_use]
    pub fn in_zone<'a>(&'a self, zone: Option<&'a Zone>) -> Openings<'a> {
        Openings::new(self, zone)
    }

    /// The first instant that can be open.
    #[must_use]
    pub fn not_before(&self) -> Option<Timestamp> {
        self.not_before
    }

    /// The first instant from which on none can be open.
    #[must_use]
    pub fn not_after(&self) -> Option<Timestamp> {
        self.not_after
    }

    /// The windows as they were given.
    #[must_use]
    pub fn windows(&self) -> &[Window] {
        &self.windows
    }

    /// The exclusions as they were given.
    #[must_use]
    pub fn exclusions(&self) -> &[Exclusion] {
        &self.exclusions
    }
}
