//! Computes the next openings of a policy, and whether distribution is open at each time of the
//! next seven days.
//!
//! Uses only the policy, the zones and an instant; does no I/O and formats no text.

use chrono::{NaiveDate, TimeDelta};
use serde::{Serialize, Serializer};

use super::days::{self, ClockChange, LocalDay, LocalTime};
use super::others::PrecedingPolicy;
use super::zones::ZoneCount;
use crate::api::policy::Mode;
use crate::plan::policy::Policy;
use crate::values::{Exclusion, Openings, Phase, TimeRange, Timestamp, Zone};

/// Maximum length of an opening for which clock changes are listed. Longer openings are described
/// by start and end only.
const MAX_LENGTH_WITH_CLOCK_CHANGES: TimeDelta = TimeDelta::days(7);
const DAYS_PER_WEEK: usize = 7;

/// The openings of a policy, and all other data that `windows` prints about the policy.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Calendar {
    /// Namespace of the policy.
    pub namespace: String,
    /// Name of the policy.
    pub policy: String,
    /// Start of the period for which openings are listed.
    pub at: Timestamp,
    /// Length of the period for which openings are listed, in calendar days of each shown time
    /// zone.
    pub days: u16,
    /// Reasons why the policy distributes nothing, regardless of its windows. Empty if there are
    /// none.
    pub off: Vec<Off>,
    /// Start of the effective period. The policy governs no clients before this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Timestamp>,
    /// End of the effective period. The policy governs no clients from this time on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_until: Option<Timestamp>,
    /// Time before which the policy distributes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// Time after which the policy distributes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// True if the policy has no windows, so that distribution is allowed at any hour except on
    /// excluded dates.
    pub any_hour: bool,
    /// Exclusions (ranges of local dates without distribution) that have not ended yet in at least
    /// one time zone.
    pub exclusions: Vec<Excluded>,
    /// Policies that take precedence over this policy during a part of the listed period, and may
    /// take over its clients.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub comes_before: Vec<PrecedingPolicy>,
    /// Openings by zone. If the openings are the same in every zone, there is one entry without a
    /// zone.
    pub zones: Vec<InZone>,
    /// Zones that are not shown although the policy governs clients in them, with the number of
    /// these clients.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more_zones: Vec<ZoneCount>,
    /// Number of governed clients without a known zone.
    pub without_zone: u32,
    /// Names of up to five governed clients without a known zone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without_zone_names: Vec<String>,
    /// Time zone of the user, if it is known.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "zone_name")]
    pub reader: Option<Zone>,
}

/// A reason why a policy distributes nothing, regardless of its windows.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all_fields = "camelCase", tag = "reason")]
pub(super) enum Off {
    NoUpgrade,
    Suspended,
    Invalid { problems: Vec<String> },
    BeingDeleted,
    NotEffectiveYet { from: Timestamp },
    NotEffectiveAnyMore { until: Timestamp },
}

/// A range of dates without distribution, both ends included. Each client uses the dates of its own
/// time zone, or of the policy's time zone if the policy specifies one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Excluded {
    pub name: String,
    pub start_date: NaiveDate,
    pub end_date: NaiveDate,
    /// True if the exclusion recurs in every year. The dates are then those of its current or next
    /// occurrence.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub yearly: bool,
}

/// The openings of a policy in one zone, and the reason why the zone is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InZone {
    /// The zone; `None` if the openings are the same in every zone.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "zone_name")]
    pub zone: Option<Zone>,
    /// Reason why the zone is shown.
    pub shown_as: Role,
    /// Number of governed clients in the zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<u32>,
    /// True if an opening is in progress at the start of the listed period.
    pub is_open: bool,
    /// Openings that begin in the listed period. An opening in progress counts as beginning at the
    /// start of the period.
    pub openings: Vec<Opening>,
    /// First opening after the listed period, if no opening begins in the period.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub later: Option<Opening>,
    /// Seven days, starting with the first day of the listed period.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub week: Vec<Day>,
}

/// The reason why a zone is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Role {
    /// The openings are the same in every zone, so no particular zone is shown.
    Everywhere,
    /// The policy specifies this zone for all its clients.
    Policy,
    /// The policy governs clients in the zone.
    Clients,
    /// The user requested the zone.
    AskedFor,
    /// The policy has no zone and governs no client with a known zone. In this case the user's zone
    /// is shown, or UTC if the user's zone is unknown.
    StandIn,
}

/// A period in which distribution is open.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opening {
    pub opens: LocalTime,
    /// Time when distribution closes; `None` if the opening never ends.
    pub closes: Option<LocalTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
    /// Clock changes during the opening; empty if the opening is longer than 7 days or never ends.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clock_changes: Vec<ClockChange>,
}

/// A calendar day in one time zone, divided into spans.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Day {
    pub date: NaiveDate,
    /// Clock changes on the day.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clock_changes: Vec<ClockChange>,
    /// Length of the day, in seconds.
    pub seconds: i64,
    pub spans: Vec<Span>,
}

/// A part of a day during which the state and the UTC offset stay the same.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span {
    pub from: LocalTime,
    pub until: LocalTime,
    pub state: SpanState,
}

/// The state of a part of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum SpanState {
    Open,
    Closed,
    Excluded,
}

fn zone_name<S: Serializer>(zone: &Option<Zone>, serializer: S) -> Result<S::Ok, S::Error> {
    zone.as_ref().map(Zone::name).serialize(serializer)
}

/// The zones to show, and the numbers of clients in other zones or without a known zone.
#[derive(Debug, Default)]
pub(super) struct Zones {
    pub shown: Vec<(Zone, Role, Option<u32>)>,
    pub more: Vec<ZoneCount>,
    pub without_zone: u32,
    pub without_zone_names: Vec<String>,
}

/// The period to list, and the time zone of the user who reads the list.
#[derive(Clone, Debug)]
pub(super) struct CalendarRequest {
    pub at: Timestamp,
    pub days: u16,
    pub reader: Option<Zone>,
}

/// Returns the calendar of a policy: its openings, and the reasons why the policy distributes
/// nothing.
pub(super) fn calendar(
    namespace: &str,
    policy: &Policy,
    zones: Zones,
    comes_before: Vec<PrecedingPolicy>,
    question: &CalendarRequest,
) -> Calendar {
    let range = while_effective(policy);
    let at = question.at;
    let shown = if policy.is_invalid() {
        Vec::new()
    } else if range.needs_zone() {
        let in_zone = |(zone, role, clients)| in_zone(&range, zone, role, clients, question);
        zones.shown.into_iter().map(in_zone).collect()
    } else if policy.mode == Mode::NoUpgrade {
        // Show no openings: the policy distributes nothing, and it has no windows or exclusions
        // that could be shown.
        Vec::new()
    } else {
        vec![everywhere(&range, question)]
    };
    Calendar {
        namespace: namespace.to_owned(),
        policy: policy.name.to_string(),
        at,
        days: question.days,
        off: reasons_to_be_off(policy, at),
        effective_from: policy.effective_from,
        effective_until: policy.effective_until,
        not_before: policy.range.not_before(),
        not_after: policy.range.not_after(),
        any_hour: range.windows().is_empty(),
        exclusions: coming_exclusions(&range, at),
        comes_before,
        zones: shown,
        more_zones: zones.more,
        without_zone: zones.without_zone,
        without_zone_names: zones.without_zone_names,
        reader: question.reader.clone(),
    }
}

/// Returns the time range of the policy, limited to the period in which the policy is effective.
fn while_effective(policy: &Policy) -> TimeRange {
    let range = &policy.range;
    let starts = [range.not_before(), policy.effective_from];
    let ends = [range.not_after(), policy.effective_until];
    TimeRange::new(
        starts.into_iter().flatten().max(),
        ends.into_iter().flatten().min(),
        range.windows().to_vec(),
        range.exclusions().to_vec(),
    )
}

fn reasons_to_be_off(policy: &Policy, at: Timestamp) -> Vec<Off> {
    let mut off = Vec::new();
    if policy.is_invalid() {
        off.push(Off::Invalid { problems: policy.problems.clone() });
    }
    if policy.deleting {
        off.push(Off::BeingDeleted);
    }
    if policy.mode == Mode::NoUpgrade && !policy.unreadable {
        off.push(Off::NoUpgrade);
    }
    if policy.suspended {
        off.push(Off::Suspended);
    }
    if let Some(from) = policy.effective_from.filter(|&from| at < from) {
        off.push(Off::NotEffectiveYet { from });
    }
    if let Some(until) = policy.effective_until.filter(|&until| until <= at) {
        off.push(Off::NotEffectiveAnyMore { until });
    }
    off
}

/// Returns the exclusions that have not ended yet in at least one time zone. Of a yearly exclusion,
/// returns the first occurrence that has not ended yet.
fn coming_exclusions(range: &TimeRange, at: Timestamp) -> Vec<Excluded> {
    let yesterday = at.date_naive() - TimeDelta::days(1);
    let coming = |exclusion: &Exclusion| {
        let (start_date, end_date) = exclusion.coming(yesterday)?;
        let (name, yearly) = (exclusion.name.clone(), exclusion.yearly);
        Some(Excluded { name, start_date, end_date, yearly })
    };
    let mut coming: Vec<Excluded> = range.exclusions().iter().filter_map(coming).collect();
    coming.sort_by(|a, b| (a.start_date, &a.name).cmp(&(b.start_date, &b.name)));
    coming
}

/// Returns the opening of a time range without windows and exclusions, with its times in the user's
/// time zone. Such a range has at most one opening, which is the same in every time zone.
fn everywhere(range: &TimeRange, question: &CalendarRequest) -> InZone {
    let openings = range.in_zone(None);
    let local = |t: Timestamp| match &question.reader {
        Some(zone) => days::local(zone, t),
        None => t.fixed_offset(),
    };
    let opening = |(opens, closes): (Timestamp, Option<Timestamp>)| Opening {
        opens: local(opens),
        closes: closes.map(local),
        seconds: closes.map(|closes| (closes - opens).num_seconds()),
        clock_changes: Vec::new(),
    };
    InZone {
        zone: None,
        shown_as: Role::Everywhere,
        clients: None,
        is_open: openings.phase_at(question.at) == Phase::Open,
        openings: openings.openings_from(question.at).map(opening).collect(),
        later: None,
        week: Vec::new(),
    }
}

fn in_zone(
    range: &TimeRange,
    zone: Zone,
    shown_as: Role,
    clients: Option<u32>,
    question: &CalendarRequest,
) -> InZone {
    let openings = range.in_zone(Some(&zone));
    let today = days::date(&zone, question.at);
    let end = today + TimeDelta::days(question.days.into());
    let is_asked_for = |opens: Timestamp| days::date(&zone, opens) < end;
    let mut listed = Vec::new();
    let mut later = None;
    for (opens, closes) in openings.openings_from(question.at) {
        let opening = Opening::new(opens, closes, &zone);
        if is_asked_for(opens) {
            listed.push(opening);
        } else {
            later = Some(opening).filter(|_| listed.is_empty());
            break;
        }
    }
    let week =
        today.iter_days().take(DAYS_PER_WEEK).map(|date| Day::of(date, &zone, openings)).collect();
    let is_open = openings.phase_at(question.at) == Phase::Open;
    InZone { shown_as, clients, is_open, openings: listed, later, week, zone: Some(zone) }
}

impl Opening {
    fn new(opens: Timestamp, closes: Option<Timestamp>, zone: &Zone) -> Self {
        let changes = closes
            .filter(|&closes| closes - opens <= MAX_LENGTH_WITH_CLOCK_CHANGES)
            .map(|closes| days::clock_changes(zone, opens, closes));
        Self {
            opens: days::local(zone, opens),
            closes: closes.map(|closes| days::local(zone, closes)),
            seconds: closes.map(|closes| (closes - opens).num_seconds()),
            clock_changes: changes.unwrap_or_default(),
        }
    }
}

impl Day {
    fn of(date: NaiveDate, zone: &Zone, openings: Openings<'_>) -> Self {
        let day = LocalDay::of(date, zone);
        let mut spans = Vec::new();
        for &(from, until) in &day.stretches {
            add_spans(&mut spans, openings, from, until);
        }
        Self { date, seconds: day.length().num_seconds(), clock_changes: day.changes, spans }
    }
}

/// Adds the spans of the period from `from` to `until`. The UTC offset must not change in this
/// period.
fn add_spans(spans: &mut Vec<Span>, openings: Openings<'_>, from: LocalTime, until: LocalTime) {
    let first = spans.len();
    let mut at = from;
    while at < until {
        let state = match openings.phase_at(at.to_utc()) {
            Phase::Open => SpanState::Open,
            Phase::Excluded => SpanState::Excluded,
            Phase::NotStarted | Phase::OutsideWindow | Phase::Ended => SpanState::Closed,
        };
        let ends = openings.phase_ends(at.to_utc()).map(|ends| ends.with_timezone(at.offset()));
        let end = ends.filter(|&ends| ends < until).unwrap_or(until);
        match spans[first..].last_mut() {
            Some(last) if last.state == state => last.until = end,
            _ => spans.push(Span { from: at, until: end, state }),
        }
        at = end;
    }
}
