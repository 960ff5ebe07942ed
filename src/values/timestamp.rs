//! Formats and parses instants in the form of the API: RFC 3339, in whole seconds.

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};

/// An instant in UTC, in whole seconds. The program drops fractions of a second.
pub type Timestamp = DateTime<Utc>;

/// Formats an instant as in the API: RFC 3339 in UTC, with whole seconds.
#[must_use]
pub fn rfc3339(at: Timestamp) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// Parses an RFC 3339 instant and drops fractions of a second.
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
    plain_instant(text.as_bytes()).or_else(|| {
        let instant = DateTime::parse_from_rfc3339(text).ok()?;
        DateTime::from_timestamp(instant.timestamp(), 0)
    })
}

/// Parses the most common form of an instant, `2026-11-20T08:15:00Z`, several times faster than the
/// general RFC 3339 parser. Returns `None` for any other form.
fn plain_instant(text: &[u8]) -> Option<Timestamp> {
    let [
        y1,
        y2,
        y3,
        y4,
        b'-',
        m1,
        m2,
        b'-',
        d1,
        d2,
        b'T',
        h1,
        h2,
        b':',
        n1,
        n2,
        b':',
        s1,
        s2,
        b'Z',
    ] = *text
    else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |number: u32, digit| {
            digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0'))
        })
    };
    let year = i32::try_from(number(&[y1, y2, y3, y4])?).ok()?;
    let date = NaiveDate::from_ymd_opt(year, number(&[m1, m2])?, number(&[d1, d2])?)?;
    let time = date.and_hms_opt(number(&[h1, h2])?, number(&[n1, n2])?, number(&[s1, s2])?)?;
    Some(time.and_utc())
}
