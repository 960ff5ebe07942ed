//! A policy's coming openings as data: the list, and a week of days. A pure function of the policy,
//! the zones and an instant. Knows no files, no cluster and no wording.

use chrono::{NaiveDate, TimeDelta};
use serde::{Serialize, Serializer};

use super::days::{self, ClockChange, LocalDay, LocalTime};
use super::zones::ZoneCount;
use crate::api::policy::Mode;
use crate::plan::policy::Policy;
use crate::values::{Openings, Phase, TimeRange, Timestamp, Zone};

/// Of a longer opening it is not told what the clock does meanwhile: its ends say enough.
const LONGEST_TOLD: TimeDelta = TimeDelta::days(7);
/// The days that are drawn.
const WEEK: usize = 7;

/// What there is to know of a policy's openings.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Calendar {
    /// Where the policy is.
    pub namespace: String,
    /// Its name.
    pub policy: String,
    /// The moment from which on openings are told.
    pub at: Timestamp,
    /// For how many local days they are told.
    pub days: u16,
    /// Why it distributes nothing, whatever the hour; empty where it may.
    pub off: Vec<Off>,
    /// Before this it governs nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_from: Option<Timestamp>,
    /// From this on it governs nobody.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub effective_until: Option<Timestamp>,
    /// Before this it distributes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// From this on it distributes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Whether it has no windows, so that every hour of a day that is not excluded is open.
    pub any_hour: bool,
    /// The local dates on which nothing is distributed, those past left out.
    pub exclusions: Vec<Excluded>,
    /// Where it is open when. Without a zone: everywhere the same.
    pub zones: Vec<InZone>,
    /// Zones of governed clients that are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub more_zones: Vec<ZoneCount>,
    /// How many of the governed clients have no known zone, and some of their names.
    pub without_zone: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without_zone_names: Vec<String>,
    /// The reader's zone.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "zone_name")]
    pub reader: Option<Zone>,
}

/// A reason for distributing nothing, whatever the hour.
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

/// Local dates on which nothing is distributed, both included.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Excluded {
    pub name: String,
    pub start_date: NaiveDate,
    pub end_date: NaiveDate,
}

/// The openings in one zone.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InZone {
    /// `None` where the zone does not matter.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "zone_name")]
    pub zone: Option<Zone>,
    /// How it comes to be shown.
    pub shown_as: Role,
    /// How many clients are governed in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clients: Option<u32>,
    /// Whether it is open now.
    pub is_open: bool,
    /// Those that begin on the days asked for; one that has begun begins now.
    pub openings: Vec<Opening>,
    /// The first opening after those days, where none begins on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub later: Option<Opening>,
    /// A week from today on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub week: Vec<Day>,
}

/// How a zone comes to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Role {
    /// It does not matter.
    Everywhere,
    /// The policy names it: it holds for every client.
    Policy,
    /// Clients that the policy governs are in it.
    Clients,
    /// It was asked for.
    AskedFor,
    /// The policy neither names a zone nor governs a client with one: it is the reader's.
    StandIn,
}

/// A time in which distribution is open.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opening {
    pub opens: LocalTime,
    /// `None`: it never closes.
    pub closes: Option<LocalTime>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds: Option<i64>,
    /// What the clock does while it is open.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clock_changes: Vec<ClockChange>,
}

/// One local day.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Day {
    pub date: NaiveDate,
    /// What the clock does on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clock_changes: Vec<ClockChange>,
    /// How long it lasts.
    pub seconds: i64,
    pub spans: Vec<Span>,
}

/// A part of a day in which one thing holds and the clock is not set.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Span {
    pub from: LocalTime,
    pub until: LocalTime,
    pub state: Shade,
}

/// What holds in a part of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum Shade {
    Open,
    Closed,
    Excluded,
}

fn zone_name<S: Serializer>(zone: &Option<Zone>, serializer: S) -> Result<S::Ok, S::Error> {
    zone.as_ref().map(Zone::name).serialize(serializer)
}

/// The zones to show, and what is known of them.
#[derive(Debug, Default)]
pub(super) struct Zones {
    pub shown: Vec<(Zone, Role, Option<u32>)>,
    pub more: Vec<ZoneCount>,
    pub without_zone: u32,
    pub without_zone_names: Vec<String>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) struct Question {
    pub at: Timestamp,
    pub days: u16,
    pub reader: Option<Zone>,
}

/// Works out the openings of a policy.
pub(super) fn calendar(
    namespace: &str,
    policy: &Policy,
    zones: Zones,
    question: &Question,
) -> Calendar {
    let range = while_effective(policy);
    let at = question.at;
    let shown = if policy.is_invalid() {
        Vec::new()
    } else if range.needs_zone() {
        let in_zone = |(zone, role, clients)| in_zone(&range, zone, role, clients, question);
        zones.shown.into_iter().map(in_zone).collect()
    } else if policy.mode == Mode::NoUpgrade {
        // Neither what it distributes nor when: there is nothing to tell.
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
        zones: shown,
        more_zones: zones.more,
        without_zone: zones.without_zone,
        without_zone_names: zones.without_zone_names,
        reader: question.reader.clone(),
    }
}

/// The policy's range as far as the policy is effective.
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

/// Those that are not past everywhere.
fn coming_exclusions(range: &TimeRange, at: Timestamp) -> Vec<Excluded> {
    let yesterday = at.date_naive() - TimeDelta::days(1);
    let mut coming: Vec<Excluded> = range
        .exclusions()
        .iter()
        .filter(|exclusion| exclusion.end >= yesterday)
        .map(|exclusion| Excluded {
            name: exclusion.name.clone(),
            start_date: exclusion.start,
            end_date: exclusion.end,
        })
        .collect();
    coming.sort_by(|a, b| (a.start_date, &a.name).cmp(&(b.start_date, &b.name)));
    coming
}

/// A range that is the same in every zone: one opening at most, told in the reader's.
fn everywhere(range: &TimeRange, question: &Question) -> InZone {
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
    question: &Question,
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
    let week = today.iter_days().take(WEEK).map(|date| Day::of(date, &zone, openings)).collect();
    let is_open = openings.phase_at(question.at) == Phase::Open;
    InZone { shown_as, clients, is_open, openings: listed, later, week, zone: Some(zone) }
}

impl Opening {
    fn new(opens: Timestamp, closes: Option<Timestamp>, zone: &Zone) -> Self {
        let changes = closes
            .filter(|&closes| closes - opens <= LONGEST_TOLD)
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

/// What holds from one instant to another, both of one offset.
fn add_spans(spans: &mut Vec<Span>, openings: Openings<'_>, from: LocalTime, until: LocalTime) {
    let first = spans.len();
    let mut at = from;
    while at < until {
        let state = match openings.phase_at(at.to_utc()) {
            Phase::Open => Shade::Open,
            Phase::Excluded => Shade::Excluded,
            Phase::NotStarted | Phase::OutsideWindow | Phase::Ended => Shade::Closed,
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
