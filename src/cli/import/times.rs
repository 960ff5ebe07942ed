//! Parses the times in an export as instants. A time that is not RFC 3339 is parsed only with the
//! format and the time zone that the user specifies, never by guessing.

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Timelike};

use super::time_format::{CellTime, TimeFormat, fitting_number};
use crate::values::{Timestamp, Zone, rfc3339};

/// Cells of a time column that stand for no time, in lower case.
const NO_TIME: [&str; 9] =
    ["-", "--", "n/a", "never", "none", "null", "unknown", "not available", "(never)"];
/// Dates that stand for no time, because they are zero in the product that exports them: .NET,
/// Windows file times, SQL Server, spreadsheets and Unix.
const ZERO_DATES: [(i32, u32, u32); 6] =
    [(1, 1, 1), (1601, 1, 1), (1753, 1, 1), (1899, 12, 30), (1900, 1, 1), (1970, 1, 1)];
/// Largest difference between a time zone and UTC. A zero date may be exported in local time.
const MAX_OFFSET: TimeDelta = TimeDelta::hours(14);
/// How far a time may be ahead of the current time, because clocks and time zones are wrong
/// sometimes.
pub(super) const MAX_AHEAD: TimeDelta = TimeDelta::days(1);
/// Unix time of 2000-01-01T00:00:00Z. No client was seen before.
const EARLIEST_SECONDS: i64 = 946_684_800;

/// Format and time zone of times that are not RFC 3339.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    pub format: Option<TimeFormat>,
    /// Time zone of times without a UTC offset.
    pub zone: Option<Zone>,
    /// Current time.
    pub now: Timestamp,
}

impl Times {
    /// Parses the time in a cell, and returns it as RFC 3339 text, or `None` if the cell stands for
    /// no time, such as `never`. Text that is already RFC 3339 is returned unchanged, if every reader
    /// accepts it.
    ///
    /// # Errors
    ///
    /// Returns the reason why the time is invalid, as a phrase that a message appends to the text
    /// of the cell.
    pub fn read(&self, cell: &str) -> Result<Option<String>, String> {
        if is_no_time(cell) {
            return Ok(None);
        }
        if let Ok(instant) = DateTime::parse_from_rfc3339(cell) {
            if is_zero_date(instant.naive_utc()) {
                return Ok(None);
            }
            self.judge(cell, instant.to_utc(), "is")?;
            let text = if is_plain_rfc3339(cell) {
                cell.to_owned()
            } else {
                whole_seconds(instant.to_utc())
            };
            return Ok(Some(text));
        }
        let Some(format) = &self.format else { return Err(self.without_format(cell)) };
        let time = format.parse(cell).ok_or_else(|| self.in_other_format(cell, format))?;
        if format.has_short_year(cell) {
            return Err("has a year of two digits: write %y in place of %Y in --time-format".into());
        }
        let instant = match time {
            CellTime::Never => return Ok(None),
            CellTime::Instant(at) if !format.is_number() && is_zero_date(at.naive_utc()) => {
                return Ok(None);
            }
            CellTime::Local(local) if !format.is_number() && is_zero_date(local) => {
                return Ok(None);
            }
            CellTime::Instant(instant) => instant,
            // Such a time is refused below. At the ends of the calendar, it has no local time.
            CellTime::Local(local) if !(1..=9999).contains(&local.year()) => local.and_utc(),
            CellTime::Local(local) => {
                let zone = self
                    .zone
                    .as_ref()
                    .ok_or("has no offset from UTC: name its zone, as --time-zone Europe/Berlin")?;
                instant(local, zone).ok_or_else(|| {
                    format!(
                        "is a time that the clocks of {zone} never showed: they were put forward"
                    )
                })?
            }
        };
        self.judge(cell, instant, &format!("would be {},", rfc3339(instant)))?;
        Ok(Some(whole_seconds(instant)))
    }

    /// Returns an error if the cells show that the day and the month are in the other order than
    /// in the format. Without this check, some of the cells would be read with a wrong date.
    pub fn check_order<'a>(
        &self,
        cells: impl Iterator<Item = (usize, &'a str)>,
    ) -> Result<(), String> {
        let Some(format) = &self.format else { return Ok(()) };
        let Some(other) = format.in_other_order() else { return Ok(()) };
        let mut contrary = None;
        for (line, cell) in cells {
            match (self.plausible(format, cell), self.plausible(&other, cell)) {
                // Only a cell that one of the two cannot read shows which of them is right.
                (true, false) => return Ok(()),
                (false, true) if contrary.is_none() => contrary = Some((line, cell)),
                _ => {}
            }
        }
        contrary.map_or(Ok(()), |(line, cell)| {
            Err(format!(
                "--time-format {}: day and month are the other way round, as \"{cell}\" in \
                 line {line} shows: write {}",
                format.shown(),
                other.shown()
            ))
        })
    }

    fn is_plausible(&self, instant: Timestamp) -> bool {
        instant.timestamp() >= EARLIEST_SECONDS && instant - self.now <= MAX_AHEAD
    }

    /// Returns whether a cell is a plausible time in this format.
    fn plausible(&self, format: &TimeFormat, cell: &str) -> bool {
        match format.parse(cell) {
            Some(CellTime::Instant(instant)) => self.is_plausible(instant),
            Some(CellTime::Local(local)) => {
                self.is_plausible(local.and_utc()) && !format.has_short_year(cell)
            }
            Some(CellTime::Never) | None => false,
        }
    }

    /// Returns an error if a time is before 2000 or more than a day ahead. `is` begins the reason.
    fn judge(&self, cell: &str, instant: Timestamp, is: &str) -> Result<(), String> {
        if self.is_plausible(instant) {
            return Ok(());
        }
        let what = if instant < self.now {
            format!("{is} before the year 2000")
        } else {
            let now = rfc3339(self.now);
            format!("{is} more than a day after now ({now})")
        };
        let mend = match fitting_number(cell, |instant| self.is_plausible(instant)) {
            Some(name) => format!("it fits --time-format {name}"),
            None if instant < self.now => {
                "correct it in the export, or name it with --empty if it stands for no time".into()
            }
            None => "correct it in the export, or the clock or time zone behind it".to_owned(),
        };
        Err(format!("{what}: {mend}"))
    }

    fn without_format(&self, cell: &str) -> String {
        let mend = self.number(cell).unwrap_or_else(|| {
            "name its format, as --time-format '%d.%m.%Y %H:%M', and its zone, as --time-zone \
             Europe/Berlin"
                .to_owned()
        });
        format!("is not RFC 3339, as 2026-11-24T12:00:00Z: {mend}")
    }

    fn in_other_format(&self, cell: &str, format: &TimeFormat) -> String {
        let mend = self.number(cell).or_else(|| {
            let mut others = format.alternatives().into_iter();
            let other = others.find(|other| self.plausible(other, cell))?;
            Some(format!("it fits {}", other.shown()))
        });
        let mend = mend.map_or(String::new(), |mend| format!(": {mend}"));
        format!("is neither RFC 3339 nor in --time-format {}{mend}", format.shown())
    }

    /// Returns advice if the cell is a number, or the word of a language that stands for no time.
    fn number(&self, cell: &str) -> Option<String> {
        if let Some(name) = fitting_number(cell, |instant| self.is_plausible(instant)) {
            return Some(format!("it fits --time-format {name}"));
        }
        let mantissa = cell.split_once(['E', 'e']).filter(|(_, exponent)| {
            exponent.trim_start_matches('+').bytes().all(|byte| byte.is_ascii_digit())
        });
        if mantissa.is_some_and(|(digits, _)| digits.replace(',', ".").parse::<f64>().is_ok()) {
            let why = "a spreadsheet has rounded this number: export the column as text";
            return Some(why.to_owned());
        }
        let is_word = !cell.bytes().any(|byte| byte.is_ascii_digit());
        is_word.then(|| "if it stands for no time, name it with --empty".to_owned())
    }
}

/// Formats an instant as in the API. A leap second becomes the second before it.
fn whole_seconds(instant: Timestamp) -> String {
    rfc3339(instant.with_nanosecond(0).unwrap_or(instant))
}

/// Returns whether RFC 3339 text is in the form that every reader accepts. chrono also accepts a
/// blank or a small letter in place of `T`, a minus sign that is not ASCII, and leap seconds.
fn is_plain_rfc3339(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_digit() || b"-T:.Z+".contains(&byte);
    text.bytes().all(is_allowed) && text.get(10..11) == Some("T") && text.get(17..19) != Some("60")
}

/// Returns whether a cell stands for no time: a word such as `never`, or a time of which all digits
/// are zero, such as `0000-00-00 00:00:00` from MySQL.
fn is_no_time(cell: &str) -> bool {
    let mut digits = cell.bytes().filter(u8::is_ascii_digit).peekable();
    let is_zero = digits.peek().is_some()
        && digits.all(|digit| digit == b'0')
        && !cell.bytes().any(|byte| byte.is_ascii_alphabetic());
    is_zero || NO_TIME.contains(&cell.to_lowercase().as_str())
}

fn is_zero_date(time: NaiveDateTime) -> bool {
    let mut zeros = ZERO_DATES.iter().filter_map(|(year, month, day)| {
        Some(NaiveDate::from_ymd_opt(*year, *month, *day)?.and_time(NaiveTime::MIN))
    });
    zeros.any(|zero| (time - zero).abs() <= MAX_OFFSET)
}

/// Converts a local time in a time zone to an instant. If the local time occurs twice, returns the
/// earlier instant; if it is skipped, returns `None`.
fn instant(local: NaiveDateTime, zone: &Zone) -> Option<Timestamp> {
    let assumed = local.and_utc();
    // The UTC offset depends on the instant, which is not known yet. Every UTC offset is less than
    // 26 hours, so try the offsets that apply 26 hours before, at and 26 hours after `assumed`.
    let near = [-26, 0, 26].into_iter().filter_map(|hours| {
        let near = assumed.checked_add_signed(TimeDelta::hours(hours))?;
        let offset = TimeDelta::seconds(zone.offset_seconds(near).into());
        assumed.checked_sub_signed(offset)
    });
    near.filter(|candidate| zone.local(*candidate) == local).min()
}

#[cfg(test)]
mod tests {
    use super::super::time_format::time_format;
    use super::*;

    fn at_noon() -> Times {
        let now = "2026-11-24T12:00:00Z".parse().expect("an instant");
        Times { format: None, zone: None, now }
    }

    fn times(format: &str, zone: &str) -> Times {
        let format = Some(time_format(format).expect("a form"));
        Times { format, zone: Zone::named(zone), ..at_noon() }
    }

    fn read(times: &Times, cell: &str) -> String {
        times.read(cell).expect(cell).unwrap_or_else(|| "none".to_owned())
    }

    #[test]
    fn rfc_3339_stays_as_it_is() {
        for cell in ["2026-11-22T08:15:00Z", "2026-11-22T08:15:00.123+01:00"] {
            assert_eq!(read(&at_noon(), cell), cell);
            assert_eq!(read(&times("%d.%m.%Y", "UTC"), cell), cell);
        }
    }

    #[test]
    fn rfc_3339_that_some_readers_refuse_is_written_anew() {
        for (cell, wanted) in [
            ("2026-11-22 08:15:00Z", "2026-11-22T08:15:00Z"),
            ("2026-11-22t08:15:00z", "2026-11-22T08:15:00Z"),
            ("2026-11-22T08:15:00\u{2212}01:00", "2026-11-22T09:15:00Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
        ] {
            assert_eq!(read(&at_noon(), cell), wanted);
        }
        let leap = times("%Y-%m-%d %H:%M:%S", "UTC");
        assert_eq!(read(&leap, "2016-12-31 23:59:60"), "2016-12-31T23:59:59Z");
    }

    #[test]
    fn other_forms_are_read_as_told() {
        for (format, zone, cell, wanted) in [
            ("%Y-%m-%d %H:%M:%S", "UTC", "2026-11-22 08:15:00", "2026-11-22T08:15:00Z"),
            ("%d.%m.%Y %H:%M", "Europe/Berlin", "22.11.2026 08:15", "2026-11-22T07:15:00Z"),
            ("%d.%m.%y %H:%M", "Europe/Berlin", "22.11.26 08:15", "2026-11-22T07:15:00Z"),
            ("%m/%d/%Y %I:%M %p", "America/New_York", "11/22/2026 8:15 AM", "2026-11-22T13:15:00Z"),
            ("%d.%m.%Y", "Europe/Berlin", "22.11.2026", "2026-11-21T23:00:00Z"),
            ("%Y-%m-%d %H:%M %z", "", "2026-11-22 08:15 +0100", "2026-11-22T07:15:00Z"),
            ("%s", "UTC", "1795335300", "2026-11-22T08:15:00Z"),
            ("unix", "", "1795335300", "2026-11-22T08:15:00Z"),
            ("unix-ms", "", "1795335300123", "2026-11-22T08:15:00Z"),
            ("excel", "Europe/Berlin", "46348.34375", "2026-11-22T07:15:00Z"),
            ("filetime", "", "134398089000000000", "2026-11-22T08:15:00Z"),
            // This local time occurs twice because daylight saving time ends; the earlier instant
            // is expected.
            ("%d.%m.%Y %H:%M", "Europe/Berlin", "25.10.2026 02:30", "2026-10-25T00:30:00Z"),
            ("%d.%m.%Y %H:%M", "Pacific/Apia", "31.12.2011 00:30", "2011-12-30T10:30:00Z"),
            ("%d.%m.%Y", "UTC", "01.01.2000", "2000-01-01T00:00:00Z"),
            ("%d.%m.%Y %H:%M", "UTC", "25.11.2026 12:00", "2026-11-25T12:00:00Z"),
        ] {
            assert_eq!(read(&times(format, zone), cell), wanted, "{cell}");
        }
    }

    #[test]
    fn what_stands_for_no_time_is_none() {
        let german = times("%d.%m.%Y %H:%M", "Europe/Berlin");
        for cell in ["Never", "N/A", "-", "unknown", "0", "0000-00-00 00:00:00", "00.00.0000"] {
            assert_eq!(read(&at_noon(), cell), "none", "{cell}");
            assert_eq!(read(&german, cell), "none", "{cell}");
        }
        for cell in ["0001-01-01T00:00:00Z", "1601-01-01T00:00:00Z", "1970-01-01T00:00:00+00:00"] {
            assert_eq!(read(&at_noon(), cell), "none", "{cell}");
        }
        for cell in ["01.01.0001 00:00", "01.01.1601 01:00", "31.12.1969 16:00"] {
            assert_eq!(read(&german, cell), "none", "{cell}");
        }
        for (format, cell) in [("%s", "0"), ("filetime", "0"), ("filetime", "9223372036854775807")]
        {
            assert_eq!(read(&times(format, ""), cell), "none", "{format} {cell}");
        }
        assert_eq!(read(&times("%m/%d/%Y", ""), "1/1/1601"), "none", "no zone is needed");
    }

    #[test]
    fn nothing_is_guessed() {
        let german = |zone| times("%d.%m.%Y %H:%M", zone);
        for (times, cell, wanted) in [
            (at_noon(), "2026-11-22 08:15:00", "--time-format '"),
            (at_noon(), "nie", "--empty"),
            (at_noon(), "1795335300", "fits --time-format unix"),
            (at_noon(), "1,79534E+12", "rounded"),
            (german(""), "22.11.2026 08:15", "--time-zone"),
            (german("UTC"), "11/22/2026 08:15", "neither RFC 3339 nor"),
            (german("UTC"), "22.11.2026", "neither RFC 3339 nor"),
            (german("UTC"), "11.22.2026 08:15", "fits '%m.%d.%Y %H:%M'"),
            (german("UTC"), "22.11.26 08:15", "write %y in place of %Y"),
            (times("%d.%m.%y", "UTC"), "22.11.2026", "fits '%d.%m.%Y'"),
            (german("UTC"), "46348.34375", "fits --time-format excel"),
            (german("UTC"), "22.11.0026 08:15", "before the year 2000"),
            (german("UTC"), "31.12.1999 23:59", "before the year 2000"),
            (german("UTC"), "25.11.2026 12:01", "more than a day after now"),
            (at_noon(), "2099-11-28T00:00:00Z", "more than a day after now"),
            (at_noon(), "9999-12-31T23:59:59Z", "more than a day after now"),
            (at_noon(), "1994-11-28T00:00:00Z", "before the year 2000"),
            (times("%s", ""), "1795335300123", "fits --time-format unix-ms"),
            (times("unix", ""), "1795335300123", "fits --time-format unix-ms"),
            (times("unix-ms", ""), "1795335300", "fits --time-format unix"),
            (times("filetime", ""), "1795335300", "fits --time-format unix"),
            (times("filetime", ""), "639000000000000000", "more than a day after now"),
            (times("%s", ""), "-1", "neither RFC 3339 nor"),
            (times("%s", ""), "1", "before the year 2000"),
            (times("excel", ""), "46348.34375", "--time-zone"),
            (german("Europe/Berlin"), "29.03.2026 02:30", "never showed"),
            (german("Pacific/Apia"), "30.12.2011 12:00", "never showed"),
        ] {
            let said = times.read(cell).expect_err(cell);
            assert!(said.contains(wanted), "{cell}: {said}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_cell_is_read_or_refused(
            cell in "[-+0-9.,:/ TZeAPM]{0,24}|[+-]?[0-9]{1,20}|[+-]26214[0-9]-(01-01|12-31)|\\PC{0,12}",
            at in 0..7_usize,
            zone in 0..3_usize,
        ) {
            let format =
                ["%Y-%m-%d", "%d.%m.%y %H:%M", "%s", "unix", "unix-ms", "excel", "filetime"][at];
            let zone = ["Pacific/Kiritimati", "America/Adak", ""][zone];
            if let Ok(Some(time)) = times(format, zone).read(&cell) {
                let time = DateTime::parse_from_rfc3339(&time).expect("RFC 3339").to_utc();
                proptest::prop_assert!(at_noon().is_plausible(time), "{format} {cell}: {time}");
            }
        }
    }

    #[test]
    fn the_order_of_day_and_month_is_that_of_all_cells() {
        let order =
            |cells: &[&str]| times("%d/%m/%Y", "UTC").check_order((2..).zip(cells.iter().copied()));
        assert!(order(&["03/04/2026", "05/06/2026", "never"]).is_ok(), "no cell shows it");
        assert!(order(&["03/04/2026", "11/22/2026", "22/11/2026"]).is_ok(), "one bad row");
        let said = order(&["03/04/2026", "11/22/2026"]).expect_err("the other way round");
        assert!(
            said.contains("\"11/22/2026\" in line 3") && said.contains("write '%m/%d/%Y'"),
            "{said}"
        );
        assert!(times("unix", "").check_order([(2, "11/22/2026")].into_iter()).is_ok());
    }
}
