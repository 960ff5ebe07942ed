//! Computes local wall-clock times with jiff's arithmetic, and evaluates whether distribution is
//! open at these times.

use std::cell::RefCell;
use std::collections::HashMap;

use chrono::{Datelike, NaiveDate, TimeDelta};
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::read::{Exclusion, Policy, Window};

/// Returns the time zone with exactly this name. Rejects `Factory`, a placeholder in the time zone
/// database for systems on which no zone is set.
pub fn find(name: &str) -> Option<TimeZone> {
    let zone = TimeZoneDatabase::bundled().get(name).ok()?;
    (zone.iana_name() == Some(name) && name != "Factory").then_some(zone)
}

fn date_of(day: i64) -> NaiveDate {
    NaiveDate::default() + TimeDelta::days(day)
}

/// Returns whether a window starts on a day. `offsetDays` moves it from another day, whose weekday
/// and whose place in its month count.
fn starts_on(window: &Window, day: i64) -> bool {
    let unmoved = day - window.offset;
    // 1970-01-01 (day 0) was a Thursday, which is weekday 3 because Monday is 0.
    if !window.days.contains(&(unmoved + 3).rem_euclid(7)) {
        return false;
    }
    let Some(weeks) = &window.weeks else { return true };
    let month = |day: i64| date_of(day).month();
    let before = (1..5).filter(|week| month(unmoved - 7 * week) == month(unmoved)).count();
    let is_last = month(unmoved + 7) != month(unmoved);
    let name = ["First", "Second", "Third", "Fourth", "Fifth"][before];
    weeks.iter().any(|week| week == name || week == "Last" && is_last)
}

/// Returns whether an exclusion contains a date. A yearly one is compared by month and day.
fn is_excluded(exclusion: &Exclusion, date: NaiveDate) -> bool {
    let Exclusion { first, last, yearly } = *exclusion;
    if !yearly {
        return first <= date && date <= last;
    }
    let leap_day_exists = date.leap_year();
    let place = |of: NaiveDate| match (of.month(), of.day()) {
        (2, 29) if !leap_day_exists => (2, 28),
        place => place,
    };
    let begun = place(first) <= place(date) && first.year() <= date.year();
    let goes_on = place(date) <= place(last);
    match first.year() == last.year() {
        true => begun && goes_on,
        false => begun || goes_on && first.year() < date.year(),
    }
}

type Wall = (i64, i64);

/// Cache of local wall-clock times by time zone. The oracle needs the local times of the same
/// instants repeatedly.
#[derive(Default)]
pub struct Clocks(RefCell<HashMap<String, Clock>>);

#[derive(Default)]
struct Clock {
    zone: Option<TimeZone>,
    seen: HashMap<i64, Wall>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Local {
    Open,
    Excluded,
    OutsideWindow,
}

impl Clocks {
    pub fn knows(&self, zone: &str) -> bool {
        self.with(zone, |clock| clock.zone.is_some())
    }

    fn with<R>(&self, name: &str, look: impl FnOnce(&mut Clock) -> R) -> R {
        let mut clocks = self.0.borrow_mut();
        if !clocks.contains_key(name) {
            clocks.insert(name.into(), Clock { zone: find(name), ..Clock::default() });
        }
        look(clocks.get_mut(name).expect("just made"))
    }

    /// Returns the local date in days since 1970-01-01, and the local time in minutes since
    /// midnight.
    fn wall(&self, zone: &str, t: i64) -> Wall {
        self.with(zone, |clock| {
            let Clock { zone, seen } = clock;
            *seen.entry(t).or_insert_with(|| {
                let instant = jiff::Timestamp::from_second(t).expect("in range");
                let local = zone.as_ref().expect("a known zone").to_datetime(instant);
                let epoch = jiff::civil::date(1970, 1, 1);
                let days = (local.date() - epoch).get_days();
                (days.into(), i64::from(local.hour()) * 60 + i64::from(local.minute()))
            })
        })
    }

    /// Returns the local state of distribution according to points 2 and 3 of "When distribution is
    /// open" in `docs/decision.md`: open, excluded, or outside all windows.
    pub fn local(&self, policy: &Policy, zone: Option<&str>, t: i64) -> Local {
        if policy.windows.is_empty() && policy.exclusions.is_empty() {
            return Local::Open;
        }
        let (day, minute) = self.wall(zone.expect("`TimeZoneUnknown` comes first"), t);
        let date = date_of(day);
        if policy.exclusions.iter().any(|exclusion| is_excluded(exclusion, date)) {
            return Local::Excluded;
        }
        let in_one = policy.windows.iter().any(|window| {
            let (today, yesterday) = (starts_on(window, day), starts_on(window, day - 1));
            let (start, end) = (window.start, window.end);
            match start < end {
                true => today && start <= minute && minute < end,
                false => today && start <= minute || yesterday && minute < end,
            }
        });
        if in_one || policy.windows.is_empty() { Local::Open } else { Local::OutsideWindow }
    }

    /// Returns whether distribution is open according to all three points of "When distribution is
    /// open" in `docs/decision.md`.
    pub fn open(&self, policy: &Policy, zone: Option<&str>, t: i64) -> bool {
        policy.not_before.is_none_or(|from| from <= t)
            && policy.not_after.is_none_or(|until| t < until)
            && self.local(policy, zone, t) == Local::Open
    }
}
