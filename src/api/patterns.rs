//! Defines the accepted characters and formats as regular expressions, each with a message that
//! begins with "must" and says what to write instead.
//!
//! The expressions avoid `\d`, `\s` and `\w`, which match only ASCII in the API server's RE2 but
//! Unicode in the `regex` crate.

use std::sync::LazyLock;

use regex::Regex;

/// A regular expression and the message for values that do not match it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    /// Anchored regular expression that matches accepted values.
    pub regex: String,
    /// Message that begins with "must" and describes an accepted value.
    pub must: String,
}

impl Pattern {
    fn new(regex: impl Into<String>, must: impl Into<String>) -> Self {
        Self { regex: regex.into(), must: must.into() }
    }
}

/// Regular expression for any character that takes at most four bytes in etcd.
///
/// Control characters, `<`, `>`, `&` and the Unicode line and paragraph separators are excluded,
/// because Go's JSON encoder escapes each of them to six bytes in etcd.
pub(super) const ANY: &str = r"[^\p{Cc}\p{Zl}\p{Zp}<>&]";
/// Regular expression for the ASCII characters of [`ANY`]. Each takes one byte in etcd, but `"` and
/// `\` take two.
pub(super) const ASCII: &str = r"[ -%\x27-;=?-~]";
/// Regular expression for the ASCII characters of [`ANY`] without `"` and `\`. Each of those two
/// takes four bytes in a field name in `managedFields`, which is JSON inside JSON.
const PLAIN_ASCII: &str = r"[ !#-%\x27-;=?-\[\]-~]";

/// Returns the regular expression for the characters of [`ANY`] that are not invisible.
fn visible() -> String {
    ANY.replace(']', &format!("{}]", super::invisible::class()))
}

/// End of the message for patterns with [`ANY`]: the excluded characters.
const NEVER: &str = "without control characters and without <, > and &";

/// Returns the pattern that a reported value must match: up to `max` ASCII characters, or up to
/// `wide` characters that [`ANY`] matches.
///
/// A non-ASCII character takes up to four bytes, so only both limits together keep the values of
/// one client from using the space of other values in the same fleet.
pub fn report(min: usize, max: usize, wide: usize) -> Pattern {
    Pattern::new(
        format!("^({ASCII}{{{min},{max}}}|{ANY}{{{min},{wide}}})$"),
        format!(
            "must have at most {max} characters, or {wide} when one of them is not ASCII, {NEVER}"
        ),
    )
}

/// Returns the pattern that reported addresses must match: up to `max` bytes in etcd.
///
/// Addresses are plain ASCII. The pattern accepts fewer characters of any other kind instead of
/// none, because one client that reports nonsense must not keep the others from reporting.
pub fn addresses(max: usize) -> Pattern {
    let (quoted, wide, escaped) = (max / 2, max / 4, max / 6);
    Pattern::new(
        format!(
            "^({PLAIN_ASCII}{{0,{max}}}|{ASCII}{{0,{quoted}}}|{ANY}{{0,{wide}}}\
             |[^\\p{{Cc}}\\p{{Zl}}\\p{{Zp}}]{{0,{escaped}}})$"
        ),
        format!(
            "must have at most {max} characters, or {quoted} when one of them is a quotation mark \
             or a backslash, {wide} when one is not ASCII, or {escaped} when one is <, > or &, \
             without control characters"
        ),
    )
}

/// Returns whether the pattern of reported addresses accepts `text`.
pub(crate) fn addresses_accept(text: &str) -> bool {
    static REGEX: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(&addresses(super::bounds::IP).regex).ok());
    REGEX.as_ref().is_some_and(|regex| regex.is_match(text))
}

/// Returns the pattern that a client's name must match. The limit `wide` also applies to ASCII
/// names that contain `"` or `\`, because each of these characters takes four bytes in
/// `managedFields`. Invisible characters are excluded, because two names that look the same would
/// be two clients.
pub fn client_name(max: usize, wide: usize) -> Pattern {
    Pattern::new(
        format!("^({PLAIN_ASCII}{{1,{max}}}|{}{{1,{wide}}})$", visible()),
        format!(
            "must have 1 to {max} characters, or {wide} when one of them is not ASCII, a quotation \
             mark or a backslash, without invisible and control characters and without <, > and &"
        ),
    )
}

/// Returns whether a text can be the name of a client.
pub(crate) fn is_client_name(text: &str) -> bool {
    static REGEX: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(&client_name(super::bounds::NAME, super::bounds::WIDE_NAME).regex).ok()
    });
    REGEX.as_ref().is_some_and(|regex| regex.is_match(text))
}

/// Returns whether a text can be the value of a label.
pub(crate) fn is_label_value(text: &str) -> bool {
    static REGEX: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(&label_value().regex).ok());
    text.len() <= super::bounds::LABEL && REGEX.as_ref().is_some_and(|regex| regex.is_match(text))
}

/// Returns the pattern that each name in a client selector must match.
pub fn selected(max: usize, wide: usize) -> Pattern {
    let Pattern { regex, must } = report(1, max, wide);
    Pattern::new(regex, must.replacen("at most", "1 to", 1))
}

/// Returns the pattern that the name of an exclusion must match.
pub(crate) fn exclusion_name(max: usize) -> Pattern {
    Pattern::new(format!("^{ANY}{{1,{max}}}$"), format!("must have 1 to {max} characters, {NEVER}"))
}

/// Returns a pattern that the field `search` of a selector must match. The field needs at least one
/// character that is not white space.
pub fn search() -> Pattern {
    Pattern::new(
        r"^[^\p{Cc}\p{Zl}\p{Zp}]*[^\p{Cc}\p{Z}][^\p{Cc}\p{Zl}\p{Zp}]*$",
        "must have at least one keyword, without control characters; leave it out to search for \
         nothing",
    )
}

/// Returns the pattern that a version must match. The pattern accepts the versions that the module
/// `values` can parse.
pub fn version() -> Pattern {
    Pattern::new(
        crate::values::version::PATTERN,
        "must be a version: one to six numbers of at most 18 digits separated by dots, then \
         perhaps a pre-release and build metadata, as 3.59.127.0 or 3.60.0-rc.1+b7",
    )
}

/// Returns the pattern that a version requirement in a client selector must match. The pattern
/// accepts the requirements that the module `values` can parse.
pub(crate) fn version_requirement() -> Pattern {
    Pattern::new(
        crate::values::version_requirement::pattern(),
        "must be a version, or one or two comparisons with <, <=, > or >= and a blank between them, \
         as 3.59.127, <3.59.127 or >=3.50 <3.59.127; write 3.5 in place of =3.5, and <3.5 in place of \
         < 3.5",
    )
}

/// Regular expression for a calendar date in the years 2000 to 2199. The year 2000 is a leap year,
/// but 2100 is not.
const DATE: &str = concat!(
    "(2[01][0-9]{2}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)",
    "|02-(0[1-9]|1[0-9]|2[0-8]))",
    "|(20([02468][048]|[13579][26])|21(0[48]|[2468][048]|[13579][26]))-02-29)",
);

/// Returns the pattern that a date must match. The schema does not use `format: date`, because that
/// format would change the type of the value in CEL.
pub fn date() -> Pattern {
    Pattern::new(
        format!("^{DATE}$"),
        "must be a date of the years 2000 to 2199 that the calendar has, as 2026-12-24",
    )
}

/// Returns the pattern that an RFC 3339 instant in whole seconds must match. The schema does not
/// use `format: date-time`, because that format accepts instants that chrono refuses.
pub fn instant() -> Pattern {
    Pattern::new(
        format!(
            "^{DATE}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
        ),
        "must be an RFC 3339 instant in whole seconds of the years 2000 to 2199, as \
         2026-12-24T22:00:00Z or 2026-12-24T22:00:00+01:00",
    )
}

/// Returns the pattern that the time of day at which a window opens must match.
pub fn start() -> Pattern {
    Pattern::new(
        crate::values::START_PATTERN,
        "must be a local time from 00:00 to 23:59 in quotes, as \"22:00\"",
    )
}

/// Returns the pattern that the time of day at which a window closes must match.
pub fn end() -> Pattern {
    Pattern::new(
        crate::values::END_PATTERN,
        "must be a local time from 00:00 to 24:00 in quotes, as \"05:30\"",
    )
}

/// Returns the pattern that the name of an IANA time zone must match. The pattern cannot check that
/// the zone exists, which requires the time-zone database.
pub fn time_zone() -> Pattern {
    Pattern::new(
        "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*$",
        "must be the name of an IANA time zone, as Europe/Berlin",
    )
}

/// Returns the pattern that the name of a Kubernetes object must match (RFC 1123 subdomain).
pub(crate) fn object_name() -> Pattern {
    Pattern::new(
        r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        "must be the name of an object: lower case letters, digits, hyphens and dots, beginning \
         and ending with a letter or digit, as emea-server-1",
    )
}

/// Returns the pattern that the name of a namespace must match (RFC 1123 label).
pub fn namespace() -> Pattern {
    Pattern::new(
        "^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$",
        "must be the name of a namespace: at most 63 lower case letters, digits and hyphens, \
         beginning and ending with a letter or digit, as clients-emea",
    )
}

/// Returns the pattern that a label key must match. Kubernetes requires the same format.
pub(crate) fn label_key() -> Pattern {
    Pattern::new(
        concat!(
            r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?",
            r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$",
        ),
        "must be a label's key: letters, digits, hyphens, underscores and dots, beginning and \
         ending with a letter or digit, perhaps after a domain and a slash, as site or \
         example.com/site",
    )
}

/// Returns the pattern that a label value must match. Kubernetes requires the same format.
pub(crate) fn label_value() -> Pattern {
    Pattern::new(
        "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$",
        "must be a label's value: letters, digits, hyphens, underscores and dots, beginning and \
         ending with a letter or digit, as berlin-2",
    )
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, NaiveDate, Utc};
    use proptest::prelude::*;

    use super::*;
    use crate::values::{Version, VersionRequirement, WallTime};

    fn accepts(pattern: &Pattern) -> impl Fn(&str) -> bool + use<> {
        let regex = Regex::new(&pattern.regex).expect("it is an expression");
        move |text| regex.is_match(text)
    }

    #[test]
    fn the_dates_are_those_of_the_calendar() {
        let accepts = accepts(&date());
        for year in 1998..=2201 {
            for month in 0..=13 {
                for day in 0..=32 {
                    let text = format!("{year:04}-{month:02}-{day:02}");
                    let exists = NaiveDate::from_ymd_opt(year, month, day).is_some();
                    let wanted = exists && (2000..=2199).contains(&year);
                    assert_eq!(accepts(&text), wanted, "{text}");
                    assert!(!wanted || text.parse::<NaiveDate>().is_ok(), "{text}");
                }
            }
        }
    }

    #[test]
    fn every_instant_is_read() {
        let accepts = accepts(&instant());
        let offsets = (0..=24)
            .flat_map(|hour| ["00", "30", "59", "60"].map(|minute| (format!("{hour:02}"), minute)));
        let offsets =
            offsets.flat_map(|(hour, minute)| ["+", "-"].map(|s| format!("{s}{hour}:{minute}")));
        let offsets: Vec<String> =
            offsets.chain(["Z", "z", "", "+0100"].map(String::from)).collect();
        let times =
            ["00:00:00", "23:59:59", "24:00:00", "23:60:00", "23:59:60", "12:00", "12:00:00.5"];
        let mut read = 0;
        for date in ["2000-01-01", "2100-02-28", "2100-02-29", "2199-12-31"] {
            for time in times {
                for offset in &offsets {
                    let text = format!("{date}T{time}{offset}");
                    if accepts(&text) {
                        assert!(text.parse::<DateTime<Utc>>().is_ok(), "{text}");
                        let json = serde_json::Value::String(text.clone());
                        assert!(serde_json::from_value::<DateTime<Utc>>(json).is_ok(), "{text}");
                        read += 1;
                    }
                }
            }
        }
        // The expected number of instants is 3 dates x 2 times x the number of offsets. The offsets
        // are `Z` and 24 hours x 3 minutes x 2 signs.
        assert_eq!(read, 3 * 2 * (24 * 3 * 2 + 1));
    }

    #[test]
    fn the_times_of_day_are_those_that_are_read() {
        let (start, end) = (accepts(&start()), accepts(&end()));
        for hour in 0..=30 {
            for minute in 0..=70 {
                let text = format!("{hour:02}:{minute:02}");
                assert_eq!(start(&text), WallTime::parse_start(&text).is_ok(), "{text}");
                assert_eq!(end(&text), WallTime::parse_end(&text).is_ok(), "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn the_versions_are_those_that_are_read(text in "v?[0-9.]{0,24}[-+]?[0-9A-Za-z.+-]{0,12}") {
            let accepted = accepts(&version())(&text);
            prop_assert_eq!(accepted, Version::parse(&text).is_ok());
        }

        #[test]
        fn the_version_requirements_are_those_that_are_read(
            text in "([<>=]{0,2} ?v?[0-9][0-9.]{0,3}(-[0-9a-z.]{0,3})?[ \t]{0,2}){0,3}",
        ) {
            let accepted = accepts(&version_requirement())(&text);
            prop_assert_eq!(accepted, VersionRequirement::parse(&text).is_ok());
        }

        #[test]
        fn a_search_is_accepted_when_it_has_a_keyword(
            text in r"[ a\u{85}\u{A0}\u{1680}\u{2000}\u{2028}\u{3000}\u{200B}<]{0,4}",
        ) {
            let forbidden = |c: char| c.is_control() || "\u{2028}\u{2029}".contains(c);
            let forbidden = text.contains(forbidden);
            let wanted = !forbidden && text.split_whitespace().next().is_some();
            prop_assert_eq!(accepts(&search())(&text), wanted);
        }

        #[test]
        fn addresses_are_bounded_in_bytes(text in r#"[1."<é漢🦀]{0,22}|[1"]{0,70}|[1]{0,130}"#) {
            let bytes = |c: char| match c {
                '<' => 6,
                '"' => 2,
                other => other.len_utf8(),
            };
            if addresses_accept(&text) {
                prop_assert!(text.chars().map(bytes).sum::<usize>() <= 128);
            }
        }

        #[test]
        fn a_report_is_bounded_in_bytes(text in r#"["\\aé漢🦀]{0,70}"#) {
            if accepts(&report(0, 64, 32))(&text) {
                let written = serde_json::to_string(&text).expect("a text can be written");
                prop_assert!(written.len() <= 128 + 2);
            }
        }
    }
}
