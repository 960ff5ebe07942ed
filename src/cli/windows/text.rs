//! Formats the openings of a policy as text: a drawing of a week, and a list of openings.
//!
//! Lines have at most 80 columns, and output without color contains the same information.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use chrono::{NaiveDate, NaiveTime, TimeDelta, Timelike};

use super::calendar::{Calendar, Day, InZone, Off, Opening, Role, SpanState};
use super::days::{self, ClockChange, ClockShift, LocalTime};
use crate::cli::terminal::table::{Cell, Table, Tone, printable};
use crate::values::{Timestamp, Zone};

const MINUTES_PER_MARK: i64 = 30;
const MARKS_PER_DAY: i64 = 24 * 60 / MINUTES_PER_MARK;
/// Number of hours below which a duration is printed without days.
const MAX_HOURS: i64 = 100;
/// Distance from today, in days, below which a date is printed without the year.
const MAX_DAYS_WITHOUT_YEAR: i64 = 300;
/// Maximum number of zones named in the footer, which lists the zones whose openings are not shown.
const MAX_NAMED_ZONES: usize = 12;

/// Formats the output of the `windows` command.
pub(super) fn page(calendar: &Calendar, in_color: bool) -> String {
    let mut text = head(calendar);
    for zone in &calendar.zones {
        text.push('\n');
        text += &in_zone(calendar, zone, in_color);
    }
    let foot = foot(calendar);
    if !foot.is_empty() {
        text = text + "\n" + &foot;
    }
    text
}

fn head(calendar: &Calendar) -> String {
    let now = moment(calendar, calendar.at);
    let name = format!("{}/{}", printable(&calendar.namespace), printable(&calendar.policy));
    let mut lines = vec![format!("UpgradePolicy {name} on {now}")];
    lines.extend(calendar.off.iter().map(|off| self::off(calendar, off)));
    let sentence = |what: &str, field: &str, at: Option<Timestamp>| {
        at.map(|at| format!("{what} {} ({field}).", moment(calendar, at)))
    };
    let is_to_come = |at: &Timestamp| *at > calendar.at;
    let effective_until = calendar.effective_until.filter(is_to_come);
    if calendar.zones.is_empty() {
        lines.extend(sentence("It governs until", "effectiveUntil", effective_until));
        return lines.join("\n") + "\n";
    }
    let is_of_its_time =
        |off: &Off| matches!(off, Off::NotEffectiveYet { .. } | Off::NotEffectiveAnyMore { .. });
    if !calendar.off.iter().all(is_of_its_time) {
        lines.push("Without that it would be open as follows.".to_owned());
    }
    if calendar.any_hour {
        let but = if calendar.exclusions.is_empty() { "" } else { ", but for excluded days" };
        lines.push(format!("It has no windows: it is open at any hour{but}."));
    }
    lines.extend(sentence("It governs until", "effectiveUntil", effective_until));
    lines.extend(sentence(
        "It distributes nothing before",
        "notBefore",
        calendar.not_before.filter(is_to_come),
    ));
    lines.extend(sentence("It distributes nothing from", "notAfter", calendar.not_after));
    for exclusion in &calendar.exclusions {
        let (start, end) = (exclusion.start_date, exclusion.end_date);
        let until = if start == end { String::new() } else { format!(" – {}", full_date(end)) };
        let yearly = if exclusion.yearly { ", every year" } else { "" };
        lines.push(format!(
            "Excluded: {}{until}{yearly}, {}",
            full_date(start),
            printable(&exclusion.name)
        ));
    }
    for other in &calendar.comes_before {
        let (name, mode) = (printable(&other.policy), other.mode.as_str());
        lines.push(format!("Policy {name} ({mode}) may come before it for its clients,"));
        let until = other.until.map(|until| format!("  until {}", moment(calendar, until)));
        let from = other.from.map(|from| format!("  from {}", moment(calendar, from)));
        lines.extend(from.into_iter().chain(until));
    }
    lines.join("\n") + "\n"
}

fn off(calendar: &Calendar, off: &Off) -> String {
    match off {
        Off::NoUpgrade => "Off: its mode is NoUpgrade, it distributes nothing.".to_owned(),
        Off::Suspended => "Off: it is suspended.".to_owned(),
        Off::BeingDeleted => "Off: it is being deleted.".to_owned(),
        Off::Invalid { problems } => {
            let problems = problems.iter().map(|problem| format!("\n  {}", printable(problem)));
            format!("Off: it is invalid.{}", problems.collect::<String>())
        }
        Off::NotEffectiveYet { from } => {
            format!("Off: it governs from {} on (effectiveFrom).", moment(calendar, *from))
        }
        Off::NotEffectiveAnyMore { until } => {
            format!("Off: it governed until {} (effectiveUntil).", moment(calendar, *until))
        }
    }
}

fn in_zone(calendar: &Calendar, shown: &InZone, in_color: bool) -> String {
    let today = shown.zone.as_ref().map_or_else(
        || moment_in(calendar.reader.as_ref(), calendar.at).date_naive(),
        |zone| days::date(zone, calendar.at),
    );
    let mut text = format!("{}: {}\n", title(shown), state(calendar, shown, today));
    text += &week(shown, today, in_color);
    if !shown.openings.is_empty() && shown.zone.is_some() {
        text.push('\n');
        text += &list(calendar, shown, today);
    }
    text
}

fn title(shown: &InZone) -> String {
    let Some(zone) = &shown.zone else { return "In every zone".to_owned() };
    let clients = match shown.clients {
        Some(0) => ", no clients".to_owned(),
        Some(1) => ", 1 client".to_owned(),
        Some(clients) => format!(", {clients} clients"),
        None => String::new(),
    };
    let because = match shown.shown_as {
        Role::Policy => ", the policy's own zone",
        Role::StandIn => ", in place of its clients' zones (it governs none with a known one)",
        Role::Everywhere | Role::Clients | Role::AskedFor => "",
    };
    format!("{zone}{clients}{because}")
}

/// Describes whether distribution is open now, and when distribution opens or closes next.
fn state(calendar: &Calendar, shown: &InZone, today: NaiveDate) -> String {
    let next = shown.openings.first().or(shown.later.as_ref());
    let zone = shown.zone.as_ref().or(calendar.reader.as_ref());
    match next {
        None => "closed, and opens no more".to_owned(),
        Some(opening) if shown.is_open => match opening.closes {
            None => "open, and does not close".to_owned(),
            Some(closes) => format!("open until {}", short(zone, closes, today)),
        },
        Some(opening) => {
            let opens = short(zone, opening.opens, today);
            let late = if shown.openings.is_empty() {
                format!("; nothing opens within {} days", calendar.days)
            } else {
                String::new()
            };
            let closes = match opening.closes {
                None if shown.zone.is_none() => ", and does not close then",
                _ => "",
            };
            format!("closed, opens {opens}{closes}{late}")
        }
    }
}

/// The mark for one half hour in the drawing of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum HalfHour {
    Open,
    Partly,
    Closed,
    Excluded,
    Skipped,
}

impl HalfHour {
    const ALL: [Self; 5] = [Self::Open, Self::Partly, Self::Closed, Self::Excluded, Self::Skipped];

    const fn sign(self) -> char {
        match self {
            Self::Open => '#',
            Self::Partly => '+',
            Self::Closed => '-',
            Self::Excluded => 'x',
            Self::Skipped => '/',
        }
    }

    const fn meaning(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Partly => "open in part",
            Self::Closed => "closed",
            Self::Excluded => "excluded",
            Self::Skipped => "skipped by the clock",
        }
    }

    const fn tone(self) -> Tone {
        match self {
            Self::Open | Self::Partly => Tone::Moving,
            Self::Excluded => Tone::Waiting,
            Self::Closed | Self::Skipped => Tone::Plain,
        }
    }
}

fn marks(day: &Day) -> Vec<HalfHour> {
    (0..MARKS_PER_DAY).map(|place| mark(day, place * MINUTES_PER_MARK * 60)).collect()
}

/// Returns the mark for the half hour that begins `start` seconds after midnight, in local time.
fn mark(day: &Day, start: i64) -> HalfHour {
    let midnight = day.date.and_time(NaiveTime::MIN);
    let end = start + MINUTES_PER_MARK * 60;
    let since_midnight = |t: LocalTime| (t.naive_local() - midnight).num_seconds();
    let (mut all, mut open, mut excluded) = (0, 0, 0);
    for span in &day.spans {
        let overlap = since_midnight(span.until).min(end) - since_midnight(span.from).max(start);
        let overlap = overlap.max(0);
        all += overlap;
        match span.state {
            SpanState::Open => open += overlap,
            SpanState::Excluded => excluded += overlap,
            SpanState::Closed => {}
        }
    }
    match (all, open) {
        (0, _) => HalfHour::Skipped,
        (_, 0) if excluded > 0 => HalfHour::Excluded,
        (_, 0) => HalfHour::Closed,
        (all, open) if all == open => HalfHour::Open,
        _ => HalfHour::Partly,
    }
}

fn week(shown: &InZone, today: NaiveDate, in_color: bool) -> String {
    if shown.week.is_empty() {
        return String::new();
    }
    let mut text = format!("  {:10}  ", "");
    for hour in (0..=24).step_by(3) {
        // Pad each label to six characters, the width of the six half-hour marks between two
        // labels.
        let _ = write!(text, "{hour:02}    ");
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    let mut used: BTreeSet<HalfHour> = BTreeSet::new();
    let mut changes: Vec<&ClockChange> = Vec::new();
    for day in &shown.week {
        let marks = marks(day);
        used.extend(&marks);
        changes.extend(&day.clock_changes);
        let drawn = draw(&marks, in_color);
        let note = note(day, today);
        let _ = writeln!(text, "  {} |{drawn}|{note}", day.date.format("%a %e %b"));
    }
    let legend = HalfHour::ALL.into_iter().filter(|mark| used.contains(mark));
    let legend = legend.map(|mark| format!("{} {}", mark.sign(), mark.meaning()));
    let _ = writeln!(text, "  {}", legend.collect::<Vec<_>>().join("   "));
    for change in changes {
        let _ = writeln!(text, "  {}", clock_change(change));
    }
    text
}

/// Returns the marks as text, with one color escape sequence for each run of equal marks.
fn draw(marks: &[HalfHour], in_color: bool) -> String {
    let runs = marks.chunk_by(|a, b| a == b);
    runs.map(|run| {
        let signs: String = run.iter().map(|mark| mark.sign()).collect();
        run.first().map_or(signs.clone(), |mark| mark.tone().paint(&signs, in_color))
    })
    .collect()
}

/// Returns the note after the marks of a day: `today` for the current day, and the length of a day
/// on which the clock changes.
fn note(day: &Day, today: NaiveDate) -> String {
    let hours = TimeDelta::seconds(day.seconds);
    let length = (!day.clock_changes.is_empty()).then(|| duration(hours.num_seconds()));
    let today = (day.date == today).then(|| "today".to_owned());
    let notes: Vec<String> = today.into_iter().chain(length).collect();
    if notes.is_empty() { String::new() } else { format!(" {}", notes.join(", ")) }
}

fn clock_change(change: &ClockChange) -> String {
    let from = change.from.format("%H:%M");
    let until = if change.until == NaiveTime::MIN {
        "24:00".to_owned()
    } else {
        change.until.format("%H:%M").to_string()
    };
    let date = change.date.format("%a %-d %b");
    match change.change {
        ClockShift::Skipped => {
            format!("{date}: the clock skips {from}–{until}; it opens nothing then")
        }
        ClockShift::Twice => format!("{date}: {from}–{until} comes twice, and counts both times"),
    }
}

fn list(calendar: &Calendar, shown: &InZone, today: NaiveDate) -> String {
    let reader = calendar.reader.as_ref().filter(|zone| shown.zone.as_ref() != Some(zone));
    let mut header = vec!["  OPENS", "CLOSES", "LASTS"];
    header.extend(reader.map(|_| "YOUR TIME"));
    let mut table = Table::new(header);
    let mut changes: Vec<&ClockChange> = Vec::new();
    for opening in &shown.openings {
        let has_begun = opening.opens.to_utc() == calendar.at && shown.is_open;
        let opens = if has_begun {
            "now".to_owned()
        } else {
            short(shown.zone.as_ref(), opening.opens, today)
        };
        let closes = opening.closes.map(|closes| short(shown.zone.as_ref(), closes, today));
        let lasts = opening.seconds.map_or_else(|| "for ever".to_owned(), duration);
        let star = if opening.clock_changes.is_empty() { "" } else { " *" };
        changes.extend(
            opening
                .clock_changes
                .iter()
                .filter(|change| !changes.contains(change))
                .collect::<Vec<_>>(),
        );
        let mut row = vec![
            Cell::text(Some(&format!("  {opens}"))),
            Cell::text(closes.as_deref()),
            Cell::text(Some(&format!("{lasts}{star}"))),
        ];
        row.extend(
            reader.map(|zone| Cell::text(Some(&yours(opening, has_begun, zone, calendar.at)))),
        );
        table.push(row);
    }
    let mut text = table.render(false);
    for change in changes {
        let _ = writeln!(text, "  * {}", clock_change(change));
    }
    text
}

/// Formats an opening in the time zone of the user.
fn yours(opening: &Opening, has_begun: bool, zone: &Zone, now: Timestamp) -> String {
    let today = days::date(zone, now);
    let opens = days::local(zone, opening.opens.to_utc());
    let start = if has_begun { "now".to_owned() } else { short(Some(zone), opens, today) };
    let Some(closes) = opening.closes.map(|closes| days::local(zone, closes.to_utc())) else {
        return start;
    };
    let apart = closes.date_naive() - opens.date_naive();
    let end = match apart.num_days() {
        0 => time_in(Some(zone), closes),
        1..7 => format!("{} {}", closes.format("%a"), time_in(Some(zone), closes)),
        _ => short(Some(zone), closes, today),
    };
    format!("{start} – {end}")
}

fn foot(calendar: &Calendar) -> String {
    let mut text = String::new();
    if !calendar.more_zones.is_empty() {
        let zones = calendar.more_zones.iter().take(MAX_NAMED_ZONES);
        let named = zones.map(|zone| format!("{} ({})", zone.zone, zone.clients));
        let named: Vec<String> = named.collect();
        let more = calendar.more_zones.len().saturating_sub(MAX_NAMED_ZONES);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let _ = writeln!(text, "Clients in other zones, shown by --zone NAME:");
        let _ = writeln!(text, "  {}{more}", named.join(", "));
    }
    if calendar.without_zone > 0 {
        let names = calendar.without_zone_names.iter().map(|name| printable(name));
        let names = names.collect::<Vec<_>>().join(", ");
        let more = calendar.without_zone as usize - calendar.without_zone_names.len();
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let count = calendar.without_zone;
        let _ = if calendar.any_hour && calendar.exclusions.is_empty() {
            writeln!(text, "Governed clients without a known time zone: {count}: {names}{more}.")
        } else {
            writeln!(
                text,
                "For {count} of its clients no time zone is known, so that it is never open: \
                 {names}{more}.\nName it in the client's or the fleet's timeZone."
            )
        };
    }
    let has_other_zone = |reader: &Zone| {
        let zones = || calendar.zones.iter().filter(|shown| !shown.openings.is_empty());
        zones().any(|shown| shown.zone.as_ref().is_some_and(|zone| zone != reader))
    };
    if let Some(reader) = calendar.reader.as_ref().filter(|reader| has_other_zone(reader)) {
        let _ = writeln!(text, "Your time is that of {reader}.");
    }
    text
}

/// Formats a local time: `Tue 24 Nov 22:00`, with the year if the date is `MAX_DAYS_WITHOUT_YEAR`
/// days or more from today.
fn short(zone: Option<&Zone>, at: LocalTime, today: NaiveDate) -> String {
    let date = at.date_naive();
    let is_near = (date - today).num_days().abs() < MAX_DAYS_WITHOUT_YEAR;
    let year = if is_near { "" } else { " %Y" };
    format!("{} {}", date.format(&format!("%a %-d %b{year}")), time_in(zone, at))
}

fn full_date(date: NaiveDate) -> String {
    date.format("%a %-d %b %Y").to_string()
}

fn time(at: LocalTime) -> String {
    let form = if at.second() == 0 { "%H:%M" } else { "%H:%M:%S" };
    at.format(form).to_string()
}

/// Formats the time of day. Includes the UTC offset if the time occurs twice on that date.
fn time_in(zone: Option<&Zone>, at: LocalTime) -> String {
    if zone.is_some_and(|zone| days::comes_twice(zone, at)) {
        format!("{}{}", time(at), at.format("%:z"))
    } else {
        time(at)
    }
}

/// Formats an instant in the time zone of the user, or in UTC if the zone is unknown.
fn moment(calendar: &Calendar, at: Timestamp) -> String {
    let zone = calendar.reader.as_ref().map_or("UTC", Zone::name);
    let local = moment_in(calendar.reader.as_ref(), at);
    format!("{} {} ({zone})", full_date(local.date_naive()), time(local))
}

fn moment_in(zone: Option<&Zone>, at: Timestamp) -> LocalTime {
    zone.map_or_else(|| at.fixed_offset(), |zone| days::local(zone, at))
}

/// Formats a duration, for example `7h`, `7h 30m` or `5d 3h`.
fn duration(seconds: i64) -> String {
    let (hours, minutes, rest) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let parts = if hours >= MAX_HOURS {
        [(hours / 24, "d"), (hours % 24, "h"), (minutes, "m"), (rest, "s")]
    } else {
        [(0, "d"), (hours, "h"), (minutes, "m"), (rest, "s")]
    };
    let parts = parts.iter().filter(|(number, _)| *number > 0);
    let parts: Vec<String> = parts.map(|(number, unit)| format!("{number}{unit}")).collect();
    parts.join(" ")
}
