//! Defines the formats of times in an export, and parses a cell in one of these formats. Does not
//! judge whether the time is plausible.

use std::fmt::Write as _;

use chrono::format::{Fixed, Item, Numeric, Parsed, StrftimeItems, parse};
use chrono::{DateTime, FixedOffset, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use crate::values::Timestamp;

/// 100 ns intervals from 1601-01-01, when Windows file times begin, to 1970-01-01.
const FILE_TIME_OF_1970: i64 = 116_444_736_000_000_000;
/// Windows file time that stands for "never".
const FILE_TIME_NEVER: i64 = i64::MAX;
const SECONDS_PER_DAY: f64 = 86_400.0;
/// Example of a format, for messages.
const EXAMPLE: &str = "write a format as '%d.%m.%Y %H:%M', or unix, unix-ms, excel or filetime";

/// Format of times in an export: the value of `--time-format`.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TimeFormat {
    /// A format in the strftime syntax of chrono, as written and as parsed.
    Strftime(String, Vec<Item<'static>>),
    /// Seconds since 1970-01-01T00:00:00Z.
    Unix,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    UnixMillis,
    /// Days since 1899-12-30 in local time, as spreadsheet programs store times.
    Excel,
    /// 100 ns intervals since 1601-01-01T00:00:00Z, as Active Directory stores times.
    FileTime,
}

/// A time in a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum CellTime {
    Instant(Timestamp),
    /// A time without a UTC offset.
    Local(NaiveDateTime),
    /// The number that stands for "never" in its format.
    Never,
}

/// Formats of which a value is a single number.
const NUMBERS: [(&str, TimeFormat); 4] = [
    ("unix", TimeFormat::Unix),
    ("unix-ms", TimeFormat::UnixMillis),
    ("excel", TimeFormat::Excel),
    ("filetime", TimeFormat::FileTime),
];

/// Parses the value of `--time-format`.
///
/// # Errors
///
/// Returns a message if the format contains an unknown specifier, or if a time in this format
/// has no complete date, or only a part of the time of day.
pub(super) fn time_format(text: &str) -> Result<TimeFormat, String> {
    if let Some((_, format)) = NUMBERS.into_iter().find(|(name, _)| *name == text) {
        return Ok(format);
    }
    let items = StrftimeItems::new(text).parse_to_owned();
    let Ok(items) = items else {
        return Err(format!("this contains a `%…` that does not exist: {EXAMPLE}"));
    };
    if items.contains(&Item::Fixed(Fixed::TimezoneName)) {
        return Err("%Z cannot be read, because an abbreviation such as EST stands for several \
                    time zones: export UTC offsets and write %z, or write the abbreviation in \
                    place of %Z if it is the same in all rows, and name its zone with --time-zone"
            .to_owned());
    }
    if !items.iter().any(|item| matches!(item, Item::Numeric(..) | Item::Fixed(_))) {
        return Err(format!("this contains no part of a time: {EXAMPLE}"));
    }
    let has_hour_12 = items.iter().any(|item| is_numeric(item, &[Numeric::Hour12]));
    if sample(&items).is_some() {
        return Ok(TimeFormat::Strftime(text.to_owned(), items));
    }
    Err(if has_hour_12 {
        "%I is an hour from 1 to 12, which needs %p (AM or PM) and the minutes: write \
         '%m/%d/%Y %I:%M %p', or %H for hours from 0 to 23"
            .to_owned()
    } else {
        "a time in this format has no complete date, or an incomplete time of day: write year, \
         month and day, as '%d.%m.%Y', and hours with minutes, as '%d.%m.%Y %H:%M', or none"
            .to_owned()
    })
}

impl TimeFormat {
    /// Returns the format as the user writes it after `--time-format`.
    pub fn shown(&self) -> String {
        match self {
            Self::Strftime(text, _) => format!("'{text}'"),
            number => {
                let known = NUMBERS.iter().find(|(_, format)| format == number);
                known.map_or("", |(name, _)| name).to_owned()
            }
        }
    }

    /// Returns whether a time in this format is a single number.
    pub fn is_number(&self) -> bool {
        match self {
            Self::Strftime(_, items) => {
                items.iter().any(|item| is_numeric(item, &[Numeric::Timestamp]))
            }
            _ => true,
        }
    }

    /// Parses a cell. Returns `None` if the cell is not in this format.
    pub fn parse(&self, cell: &str) -> Option<CellTime> {
        match self {
            // Programs of recent years write a narrow blank before AM and PM, and marks of the
            // writing direction around numbers.
            Self::Strftime(_, items) if !cell.is_ascii() => {
                let cell = cell.replace(['\u{200e}', '\u{200f}'], "");
                strftime(&cell.replace(['\u{a0}', '\u{202f}'], " "), items)
            }
            Self::Strftime(_, items) => strftime(cell, items),
            Self::Unix => {
                let whole = integer_part(cell)?;
                Some(never_if(whole == 0, DateTime::from_timestamp(whole, 0)?))
            }
            Self::UnixMillis => {
                let whole = integer_part(cell)?;
                Some(never_if(whole == 0, DateTime::from_timestamp_millis(whole)?))
            }
            Self::FileTime => {
                let ticks: i64 = digits(cell)?.parse().ok()?;
                let micros = (ticks - FILE_TIME_OF_1970).div_euclid(10);
                let instant = DateTime::from_timestamp_micros(micros)?;
                Some(never_if(ticks == 0 || ticks == FILE_TIME_NEVER, instant))
            }
            Self::Excel => {
                integer_part(cell)?;
                let days: f64 = cell.replace(',', ".").parse().ok()?;
                let seconds =
                    TimeDelta::try_milliseconds(millis((days * SECONDS_PER_DAY).round())?);
                let zero = NaiveDate::from_ymd_opt(1899, 12, 30)?.and_time(NaiveTime::MIN);
                let local = zero.checked_add_signed(seconds?)?;
                Some(if local == zero { CellTime::Never } else { CellTime::Local(local) })
            }
        }
    }

    /// Returns whether the cell has a year of two digits, which the format reads as a year of the
    /// first century.
    pub fn has_short_year(&self, cell: &str) -> bool {
        let Self::Strftime(_, items) = self else { return false };
        let mut parsed = Parsed::new();
        if parse(&mut parsed, cell, items.iter()).is_err() {
            return false;
        }
        let year = parsed.year().or(parsed.isoyear());
        year.is_some_and(|year| (0..1000).contains(&year) && !cell.contains(&format!("{year:04}")))
    }

    /// Returns this format with a change that reads what people often mean instead: day and month
    /// in the other order, or a year with four digits instead of two, and the reverse.
    pub fn alternatives(&self) -> Vec<Self> {
        let Self::Strftime(text, _) = self else { return Vec::new() };
        let other_year = |letter| match letter {
            'y' => 'Y',
            'Y' => 'y',
            other => other,
        };
        let texts = [replaced(text, other_order), replaced(text, other_year)];
        let other = texts.into_iter().filter(|other| other != text);
        other.filter_map(|other| time_format(&other).ok()).collect()
    }

    /// Returns this format with day and month in the other order, if it has both.
    pub fn in_other_order(&self) -> Option<Self> {
        let Self::Strftime(text, items) = self else { return None };
        let has = |numeric: &[Numeric]| items.iter().any(|item| is_numeric(item, numeric));
        let has_both = has(&[Numeric::Day]) && has(&[Numeric::Month]);
        time_format(&replaced(text, other_order)).ok().filter(|other| has_both && other != self)
    }

    /// Returns whether times in this format are local times.
    pub fn needs_zone(&self) -> bool {
        match self {
            Self::Strftime(_, items) => matches!(sample(items), Some(CellTime::Local(_))),
            Self::Excel => true,
            Self::Unix | Self::UnixMillis | Self::FileTime => false,
        }
    }
}

/// The sample is 2026-11-22T20:15:42+01:00, in seconds since 1970.
const SAMPLE_SECONDS: i64 = 1_795_374_942;

/// Formats an instant and parses the result. Returns `None` if the format cannot be parsed, because
/// it has no complete date or an incomplete time of day.
fn sample(items: &[Item<'static>]) -> Option<CellTime> {
    let offset = FixedOffset::east_opt(3600)?;
    let instant = DateTime::from_timestamp(SAMPLE_SECONDS, 0)?.with_timezone(&offset);
    let mut text = String::new();
    write!(text, "{}", instant.format_with_items(items.iter())).ok()?;
    let read = strftime(&text, items)?;
    let is_same = match read {
        CellTime::Instant(read) => (instant.to_utc() - read).abs() < TimeDelta::days(1),
        CellTime::Local(read) => read.date() == instant.date_naive(),
        CellTime::Never => false,
    };
    is_same.then_some(read)
}

/// Returns the name of the format that reads a number as an instant that `is_plausible` accepts.
pub(super) fn fitting_number(
    cell: &str,
    is_plausible: impl Fn(Timestamp) -> bool,
) -> Option<&'static str> {
    let fits = |format: &TimeFormat| match format.parse(cell) {
        Some(CellTime::Instant(instant)) => is_plausible(instant),
        Some(CellTime::Local(local)) => is_plausible(local.and_utc()),
        Some(CellTime::Never) | None => false,
    };
    NUMBERS.iter().find(|(_, format)| fits(format)).map(|(name, _)| *name)
}

fn is_numeric(item: &Item, wanted: &[Numeric]) -> bool {
    matches!(item, Item::Numeric(numeric, _) if wanted.contains(numeric))
}

fn is_time_of_day(item: &Item) -> bool {
    const PARTS: [Numeric; 5] =
        [Numeric::Hour, Numeric::Hour12, Numeric::Minute, Numeric::Second, Numeric::Nanosecond];
    let is_half = matches!(item, Item::Fixed(Fixed::LowerAmPm | Fixed::UpperAmPm));
    is_half || is_numeric(item, &PARTS)
}

/// Parses a cell in a strftime format. Without a time of day, returns the start of the day.
fn strftime(cell: &str, items: &[Item<'static>]) -> Option<CellTime> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, cell, items.iter()).ok()?;
    if let Ok(instant) = parsed.to_datetime() {
        let is_never = parsed.timestamp() == Some(0);
        return Some(never_if(is_never, instant.to_utc()));
    }
    let local = if items.iter().any(is_time_of_day) {
        parsed.to_naive_datetime_with_offset(0).ok()?
    } else {
        parsed.to_naive_date().ok()?.and_time(NaiveTime::MIN)
    };
    let Some(offset) = parsed.offset() else { return Some(CellTime::Local(local)) };
    let instant = local.and_utc().checked_sub_signed(TimeDelta::seconds(offset.into()));
    instant.map(CellTime::Instant)
}

fn never_if(is_never: bool, instant: Timestamp) -> CellTime {
    if is_never { CellTime::Never } else { CellTime::Instant(instant) }
}

fn digits(text: &str) -> Option<&str> {
    let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(text)
}

/// Returns the integer part of a number such as `46348.34` or `46348,34`.
fn integer_part(cell: &str) -> Option<i64> {
    let (whole, fraction) = cell.split_once(['.', ',']).unwrap_or((cell, "0"));
    digits(fraction)?;
    digits(whole)?.parse().ok()
}

/// Converts seconds to milliseconds, if they are less than about 300,000 years.
#[expect(clippy::cast_possible_truncation, reason = "the bound is far below that of an i64")]
fn millis(seconds: f64) -> Option<i64> {
    (seconds.abs() < 1e13).then(|| seconds as i64 * 1000)
}

fn other_order(letter: char) -> char {
    match letter {
        'd' | 'e' => 'm',
        'm' => 'd',
        other => other,
    }
}

/// Returns a strftime format with other letters after `%` and its padding flag.
fn replaced(format: &str, letter: impl Fn(char) -> char) -> String {
    let mut is_specifier = false;
    let replace = |c: char| match c {
        '%' => {
            is_specifier = !is_specifier;
            c
        }
        '-' | '_' | '0' if is_specifier => c,
        _ if is_specifier => {
            is_specifier = false;
            letter(c)
        }
        _ => c,
    };
    format.chars().map(replace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(format: &str, cell: &str) -> String {
        match time_format(format).expect(format).parse(cell) {
            Some(CellTime::Instant(instant)) => format!("{instant:?}"),
            Some(CellTime::Local(local)) => format!("{local:?}"),
            Some(CellTime::Never) => "never".to_owned(),
            None => "-".to_owned(),
        }
    }

    #[test]
    fn numbers_are_instants() {
        for (format, cell, wanted) in [
            ("unix", "1795335300", "2026-11-22T08:15:00Z"),
            ("unix", "1795335300.75", "2026-11-22T08:15:00Z"),
            ("unix", "0", "never"),
            ("unix", "-1", "-"),
            ("unix", "1e9", "-"),
            ("unix", "99999999999999999999", "-"),
            ("%s", "1795335300", "2026-11-22T08:15:00Z"),
            ("%s", "1795335300.5", "-"),
            ("%s", "0", "never"),
            ("unix-ms", "1795335300123", "2026-11-22T08:15:00.123Z"),
            ("unix-ms", "0", "never"),
            ("excel", "46348.34375", "2026-11-22T08:15:00"),
            ("excel", "46348,34375", "2026-11-22T08:15:00"),
            ("excel", "46348", "2026-11-22T00:00:00"),
            ("excel", "0", "never"),
            ("excel", "1.5.2026", "-"),
            ("excel", "inf", "-"),
            ("excel", "9999999999999999", "-"),
            ("filetime", "134398089000000000", "2026-11-22T08:15:00Z"),
            ("filetime", "0", "never"),
            ("filetime", "9223372036854775807", "never"),
            ("filetime", "9223372036854775808", "-"),
        ] {
            assert_eq!(read(format, cell), wanted, "{format} {cell}");
        }
        let fitting = |cell| fitting_number(cell, |at| at.timestamp() == 1_795_335_300);
        for (cell, wanted) in [
            ("1795335300", Some("unix")),
            ("1795335300000", Some("unix-ms")),
            ("46348.34375", Some("excel")),
            ("134398089000000000", Some("filetime")),
            ("22.11.2026", None),
        ] {
            assert_eq!(fitting(cell), wanted, "{cell}");
        }
    }

    #[test]
    fn an_offset_beside_a_date_counts() {
        assert_eq!(read("%Y-%m-%d %z", "2026-11-22 +0100"), "2026-11-21T23:00:00Z");
        assert_eq!(read("%Y-%m-%d", "2026-11-22"), "2026-11-22T00:00:00");
        let narrow = "11/22/2026 8:15:00\u{202f}AM";
        assert_eq!(read("%m/%d/%Y %I:%M:%S %p", narrow), "2026-11-22T08:15:00");
        let marked = "\u{200e}11\u{200e}/\u{200e}22\u{200e}/\u{200e}2026";
        assert_eq!(read("%m/%d/%Y", marked), "2026-11-22T00:00:00");
        for (format, wanted) in [("%Y-%m-%d", true), ("%Y-%m-%d %z", false), ("%s", false)] {
            assert_eq!(time_format(format).expect(format).needs_zone(), wanted, "{format}");
        }
    }

    #[test]
    fn a_format_must_tell_a_whole_time() {
        for sound in [
            "%d.%m.%Y %H:%M",
            "%d.%m.%y",
            "%m/%d/%Y %I:%M %p",
            "%m/%d/%Y %l:%M:%S %P",
            "%s",
            "%+",
            "%c",
            "%D %T",
            "%F %R",
            "%Y-%j",
            "%G-W%V-%u",
            "%a %b %e %H:%M:%S EST %Y",
            "%Y-%m-%dT%H:%M:%S%.f%:z",
            "%Y-%m-%d %z",
            "%d.%m.%Y 100%%",
        ] {
            time_format(sound).expect(sound);
        }
        for (wrong, wanted) in [
            ("%Q", "does not exist"),
            ("%", "does not exist"),
            ("tomorrow", "no part of a time"),
            ("", "no part of a time"),
            ("Unix", "no part of a time"),
            ("%a %b %d %H:%M:%S %Z %Y", "%z"),
            ("%H:%M", "no complete date"),
            ("%d.%m. %H:%M", "no complete date"),
            ("%m/%Y", "no complete date"),
            ("%d.%m.%Y %H", "incomplete time"),
            ("%d.%m.%Y %M", "incomplete time"),
            ("%m/%d/%Y %I:%M", "needs %p"),
        ] {
            let said = time_format(wrong).expect_err(wrong);
            assert!(said.contains(wanted), "{wrong}: {said}");
        }
    }

    #[test]
    fn years_of_two_digits_are_seen() {
        for (format, cell, wanted) in [
            ("%d.%m.%Y %H:%M", "22.11.26 08:15", true),
            ("%d.%m.%Y", "01.01.01", true),
            ("%d.%m.%Y", "01.01.0001", false),
            ("%d.%m.%Y", "22.11.2026", false),
            ("%d.%m.%y", "22.11.26", false),
            ("unix", "26", false),
        ] {
            assert_eq!(time_format(format).expect(format).has_short_year(cell), wanted, "{cell}");
        }
    }

    #[test]
    fn alternatives_change_one_thing() {
        let shown = |format: &str| {
            let alternatives = time_format(format).expect(format).alternatives();
            alternatives.iter().map(TimeFormat::shown).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(shown("%d/%m/%Y"), "'%m/%d/%Y' '%d/%m/%y'");
        assert_eq!(shown("%-m/%-d/%y %%d"), "'%-d/%-m/%y %%d' '%-m/%-d/%Y %%d'");
        assert_eq!(shown("excel"), "");
        let ordered = |format: &str| time_format(format).expect(format).in_other_order();
        assert!(ordered("%d/%m/%Y").is_some() && ordered("%Y-%j").is_none());
    }
}
