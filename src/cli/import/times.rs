//! Parses the times in an export as instants. A time that is not RFC 3339 is parsed only with the
//! format and the time zone that the user specifies, never by guessing.

use chrono::format::{Item, Numeric, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};

use crate::cli::terminal::times::exact;
use crate::values::{Timestamp, Zone};

/// Format and time zone of times that are not RFC 3339.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    /// Format in the strftime syntax of chrono.
    pub format: Option<String>,
    /// Time zone of times without a UTC offset.
    pub zone: Option<Zone>,
}

/// Validates the value of `--time-format`.
///
/// # Errors
///
/// Returns a message if the format contains an unknown specifier, or no specifier for a date or a
/// time.
pub(super) fn format(text: &str) -> Result<String, String> {
    let items: Vec<Item> = StrftimeItems::new(text).collect();
    if items.contains(&Item::Error) {
        return Err("this holds a `%…` that there is not: write a form as '%d.%m.%Y %H:%M'".into());
    }
    let has_content = items.iter().any(|item| matches!(item, Item::Numeric(..) | Item::Fixed(_)));
    if has_content {
        Ok(text.to_owned())
    } else {
        Err("this holds no part of a time: write a form as '%d.%m.%Y %H:%M'".to_owned())
    }
}

impl Times {
    /// Parses the time in a cell, and returns it as RFC 3339 text. Text that is already RFC 3339 is
    /// returned unchanged.
    ///
    /// # Errors
    ///
    /// Returns the reason why the time is invalid, as a phrase that a message appends to the text
    /// of the cell.
    pub fn read(&self, cell: &str) -> Result<String, String> {
        if DateTime::parse_from_rfc3339(cell).is_ok() {
            return Ok(cell.to_owned());
        }
        let Some(format) = &self.format else {
            return Err("is not RFC 3339, as 2026-11-24T12:00:00Z: tell how it is written, as \
                        --time-format '%d.%m.%Y %H:%M', and in which zone, as --time-zone \
                        Europe/Berlin"
                .to_owned());
        };
        if let Ok(instant) = DateTime::parse_from_str(cell, format) {
            return Ok(exact(instant.to_utc()));
        }
        let local = local(cell, format).ok_or_else(|| {
            format!("is neither RFC 3339 nor written as --time-format '{format}' says")
        })?;
        let zone = self.zone.as_ref().ok_or_else(|| {
            "tells no offset from UTC: name its zone, as --time-zone Europe/Berlin".to_owned()
        })?;
        let instant = instant(local, zone).ok_or_else(|| {
            format!("is a time that the clocks of {zone} never showed: they were put forward")
        })?;
        Ok(exact(instant))
    }
}

/// Parses a local time. If the format has no time of day, returns the start of the day.
fn local(cell: &str, format: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(cell, format).ok().or_else(|| {
        let has_hours = StrftimeItems::new(format).any(|item| {
            matches!(item, Item::Numeric(Numeric::Hour | Numeric::Hour12 | Numeric::Timestamp, _))
        });
        let date = NaiveDate::parse_from_str(cell, format).ok().filter(|_| !has_hours);
        date.map(|date| date.and_time(NaiveTime::MIN))
    })
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
    use super::*;

    fn times(format: &str, zone: &str) -> Times {
        Times { format: Some(super::format(format).expect("a form")), zone: Zone::named(zone) }
    }

    #[test]
    fn rfc_3339_stays_as_it_is() {
        for cell in ["2026-11-22T08:15:00Z", "2026-11-22T08:15:00.123+01:00"] {
            assert_eq!(Times::default().read(cell).as_deref(), Ok(cell));
            assert_eq!(times("%d.%m.%Y", "UTC").read(cell).as_deref(), Ok(cell));
        }
    }

    #[test]
    fn other_forms_are_read_as_told() {
        for (format, zone, cell, wanted) in [
            ("%Y-%m-%d %H:%M:%S", "UTC", "2026-11-22 08:15:00", "2026-11-22T08:15:00Z"),
            ("%d.%m.%Y %H:%M", "Europe/Berlin", "22.11.2026 08:15", "2026-11-22T07:15:00Z"),
            ("%m/%d/%Y %I:%M %p", "America/New_York", "11/22/2026 8:15 AM", "2026-11-22T13:15:00Z"),
            ("%d.%m.%Y", "Europe/Berlin", "22.11.2026", "2026-11-21T23:00:00Z"),
            ("%Y-%m-%d %H:%M %z", "", "2026-11-22 08:15 +0100", "2026-11-22T07:15:00Z"),
            ("%s", "UTC", "1795335300", "2026-11-22T08:15:00Z"),
            // This local time occurs twice because daylight saving time ends; the earlier instant
            // is expected.
            ("%d.%m.%Y %H:%M", "Europe/Berlin", "25.10.2026 02:30", "2026-10-25T00:30:00Z"),
            ("%d.%m.%Y %H:%M", "Pacific/Apia", "31.12.2011 00:30", "2011-12-30T10:30:00Z"),
        ] {
            assert_eq!(times(format, zone).read(cell).as_deref(), Ok(wanted), "{cell}");
        }
    }

    #[test]
    fn nothing_is_guessed() {
        for (times, cell, wanted) in [
            (Times::default(), "2026-11-22 08:15:00", "--time-format"),
            (Times::default(), "never", "--time-format"),
            (times("%d.%m.%Y %H:%M", ""), "22.11.2026 08:15", "--time-zone"),
            (times("%d.%m.%Y %H:%M", "UTC"), "11/22/2026 08:15", "neither RFC 3339 nor"),
            (times("%d.%m.%Y %H:%M", "UTC"), "22.11.2026", "neither RFC 3339 nor"),
            (times("%d.%m.%Y %H:%M", "Europe/Berlin"), "29.03.2026 02:30", "never showed"),
            (times("%d.%m.%Y %H:%M", "Pacific/Apia"), "30.12.2011 12:00", "never showed"),
        ] {
            let said = times.read(cell).expect_err(cell);
            assert!(said.contains(wanted), "{cell}: {said}");
        }
        assert!(format("%Q").is_err() && format("tomorrow").is_err() && format("").is_err());
    }
}
