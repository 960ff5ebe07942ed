//! Converts a difference between plans to sentences and tables for a user. Makes no decisions, and
//! does not depend on the output format.

use crate::api::Kind;
use crate::cli::colors::state_tone;
use crate::cli::terminal::table::{Tone, first_address};
use crate::cli::terminal::times::TimeFormatter;
use crate::plan::diff::{
    ChangedClient, ChangedObject, Counts, Decision, Difference, Effect, FleetDifference,
    ObjectChange, StayingOut, Transition, When,
};
use crate::values::{Timestamp, Zone, rfc3339};

/// Maximum number of reasons that are shown for a fleet if the output is not wide.
const MAX_REASONS: usize = 2;

/// A report for a user: the sentences and tables to print.
pub(super) struct Report {
    /// Line with the namespaces, the instant, and the number of changed clients.
    pub(super) heading: String,
    /// Sentence with the most important counts.
    pub(super) summary: String,
    /// Changed clients, counted by transition.
    pub(super) transitions: ReportTable,
    /// Warnings, which are shown before the tables in `sheets`.
    pub(super) warnings: Vec<String>,
    /// Tables of changed clients, of clients without an offer, of fleets, and of changed objects.
    pub(super) sheets: Vec<ReportTable>,
}

/// A table with a title.
#[derive(Default)]
pub(super) struct ReportTable {
    pub(super) title: &'static str,
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Entry>>,
    /// Number of rows that are not shown.
    pub(super) left_out: usize,
}

/// A cell of a table.
pub(super) struct Entry {
    pub(super) text: String,
    pub(super) tone: Tone,
    pub(super) is_number: bool,
}

fn text(text: impl Into<String>) -> Entry {
    Entry { text: text.into(), tone: Tone::Plain, is_number: false }
}

fn maybe(found: Option<impl ToString>) -> Entry {
    text(found.map(|found| found.to_string()).unwrap_or_default())
}

fn number(number: usize) -> Entry {
    Entry { text: number.to_string(), tone: Tone::Plain, is_number: true }
}

impl Entry {
    fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// Formats a number of clients: `1 client`, `2 clients`.
pub(super) fn clients(count: usize) -> String {
    format!("{count} {}", if count == 1 { "client" } else { "clients" })
}

/// The options of a report: its time formatter, and the size of its tables.
pub(super) struct ReportOptions<'a> {
    /// Time formatter for the user who reads the report. `None` if the report has several readers,
    /// for example as a comment on a pull request.
    pub(super) reader: Option<&'a TimeFormatter>,
    /// True if the tables have the additional columns of `-o wide`.
    pub(super) is_wide: bool,
    /// Maximum number of rows in a table.
    pub(super) limit: usize,
    /// True if the difference is between stored statuses and a plan of the same objects.
    pub(super) is_stored: bool,
}

/// Returns the report for a difference between plans.
pub(super) fn report(difference: &Difference, asked: &ReportOptions) -> Report {
    let nobody = TimeFormatter { now: difference.at, zone: None };
    let view = ReportView {
        reader: asked.reader.unwrap_or(&nobody),
        is_for_all: asked.reader.is_none(),
        is_wide: asked.is_wide,
        limit: asked.limit,
        has_several: difference.namespaces.len() > 1,
    };
    let mut sheets = Vec::new();
    if !difference.is_empty() {
        sheets.push(view.clients(&difference.clients));
        sheets.push(view.staying_out(&difference.staying_out));
        sheets.push(view.fleets(&difference.fleets));
        sheets.push(view.objects(&difference.objects));
    }
    sheets.retain(|sheet| !sheet.rows.is_empty());
    let warnings = difference.warnings.iter().map(|warning| {
        let kind = if warning.kind == Kind::ClientFleet.name() { "fleet" } else { "policy" };
        let name = view.in_namespace(&warning.namespace, &warning.name);
        format!("{kind} {name}: {}", warning.message)
    });
    Report {
        heading: heading(difference),
        summary: summary(difference, asked.is_stored),
        transitions: view.transitions(&difference.transitions),
        warnings: warnings.collect(),
        sheets,
    }
}

fn heading(difference: &Difference) -> String {
    let names = difference.namespaces.join(", ");
    let place = match difference.namespaces.len() {
        0 => "No namespace".to_owned(),
        1 => format!("Namespace {names}"),
        _ => format!("Namespaces {names}"),
    };
    let counts = difference.summary;
    let verb = if counts.changed == 1 { "changes" } else { "change" };
    let changed = format!("{} of {} {verb}", counts.changed, clients(counts.clients));
    format!("{place} at {}: {changed}", rfc3339(difference.at))
}

fn summary(difference: &Difference, is_stored: bool) -> String {
    let counts = difference.summary;
    if difference.is_empty() && is_stored {
        return format!(
            "clientfleet {} decides what the statuses in the cluster say.",
            env!("CARGO_PKG_VERSION")
        );
    }
    if difference.is_empty() {
        return "Nothing changes: every object stays as it is.".to_owned();
    }
    if counts.changed == 0 {
        return "The objects change, and nothing else is decided for any client.".to_owned();
    }
    // Show the first three counts even if they are 0, because users need to know that no client
    // moves or stops.
    let parts = [
        (counts.moving_now, "moves now", "move now"),
        (counts.moving_later, "moves later", "move later"),
        (counts.stopping, "stops", "stop"),
        (counts.moving_at_another_time, "moves at another time", "move at another time"),
        (counts.no_longer_moving, "no longer moves later", "no longer move later"),
        (counts.come, "comes", "come"),
        (counts.gone, "goes", "go"),
    ];
    let parts = parts.into_iter().enumerate().filter(|(index, part)| *index < 3 || part.0 > 0);
    let parts = parts.map(|(_, (count, one, many))| match count {
        0 => format!("none {one}"),
        1 => format!("1 {one}"),
        count => format!("{count} {many}"),
    });
    let mut text = parts.collect::<Vec<_>>().join(", ");
    if counts.staged > 0 {
        let verb = if counts.staged == 1 { "has" } else { "have" };
        text += &format!(
            "; {} {verb} a version staged that a restart will still install",
            counts.staged
        );
    }
    // Capitalize the first letter, because the text starts with the lower-case `none` if the first
    // count is 0.
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or(text) + "."
}

/// A column of the fleets table: the title, the function that reads the count, and a flag that
/// hides the column if all counts are 0.
type EffectColumn = (&'static str, fn(&Counts) -> usize, bool);

const EFFECTS: [EffectColumn; 5] = [
    ("MOVE NOW", |counts| counts.moving_now, false),
    ("LATER", |counts| counts.moving_later, false),
    ("OTHER TIME", |counts| counts.moving_at_another_time, true),
    ("STOP", |counts| counts.stopping, false),
    ("NO LONGER", |counts| counts.no_longer_moving, true),
];

struct ReportView<'a> {
    reader: &'a TimeFormatter,
    is_for_all: bool,
    is_wide: bool,
    limit: usize,
    has_several: bool,
}

impl ReportView<'_> {
    fn sheet<T>(
        &self,
        title: &'static str,
        columns: impl IntoIterator<Item = &'static str>,
        found: impl IntoIterator<Item = T>,
        row: impl Fn(T) -> Vec<Entry>,
    ) -> ReportTable {
        let mut found = found.into_iter();
        let rows = found.by_ref().take(self.limit).map(row).collect();
        ReportTable { title, columns: columns.into_iter().collect(), rows, left_out: found.count() }
    }

    /// Returns a copy without the row limit, for tables with few rows.
    fn whole(&self) -> ReportView<'_> {
        ReportView { limit: usize::MAX, ..*self }
    }

    fn transitions(&self, transitions: &[Transition]) -> ReportTable {
        let columns = ["CLIENTS", "FROM", "TO", "VERSION", "WHEN"];
        let row = |transition: &Transition| {
            let Transition { clients, from, to, version, effect, when, was } = transition;
            vec![
                number(*clients),
                text(from.as_deref().unwrap_or("new")),
                to.as_deref().map_or(text("gone"), state),
                maybe(version.as_ref()),
                text(moves(*effect, when, was.as_ref(), "first ", |time, zone| {
                    self.there(time, zone)
                })),
            ]
        };
        self.whole().sheet("", columns, transitions, row)
    }

    fn clients(&self, clients: &[ChangedClient]) -> ReportTable {
        let has_namespace = self.has_several || self.is_wide;
        let mut columns = if has_namespace { vec!["NAMESPACE"] } else { Vec::new() };
        columns.extend(["FLEET", "COMPUTER", "IP ADDRESS", "CURRENT VERSION", "FROM", "TO"]);
        columns.extend(["TARGET", "WHY", "NEXT"]);
        columns.extend(match self.is_wide {
            true => &["NAME", "WHY BEFORE", "TARGET BEFORE", "NEXT BEFORE"][..],
            false => &["WAS"],
        });
        self.sheet("Clients that change", columns, clients, |client| {
            let mut row = if has_namespace { vec![text(&client.namespace)] } else { Vec::new() };
            row.extend(self.client(client));
            if self.is_wide {
                let before = client.before.as_ref();
                row.push(text(client.name.as_str()));
                row.push(maybe(before.map(why)));
                row.push(maybe(before.and_then(|before| before.target_version.as_ref())));
                row.push(maybe(client.was.as_ref().and_then(|was| self.from(was))));
            } else {
                row.push(text(self.was(client)));
            }
            row
        })
    }

    fn client(&self, client: &ChangedClient) -> Vec<Entry> {
        let (before, after) = (client.before.as_ref(), client.after.as_ref());
        vec![
            text(client.fleet.as_str()),
            text(client.computer.as_ref().unwrap_or(&client.name).as_str()),
            maybe(client.ip.as_deref().map(first_address)),
            maybe(client.version.as_ref()),
            text(before.map_or("new", |before| &before.state)),
            after.map_or(text("gone"), |after| state(&after.state)),
            maybe(after.and_then(|after| after.target_version.as_ref())),
            maybe(after.map(why)),
            text(match client.effect {
                // Omit the earlier time, because the column `WAS` (in wide output `NEXT BEFORE`)
                // shows it.
                Effect::NoLongerMoves => "no longer".to_owned(),
                effect => moves(effect, &client.when, None, "", |time, zone| self.next(time, zone)),
            }),
        ]
    }

    /// Formats the `WAS` column: the parts of a client's previous decision that differ from the new
    /// decision. Omits the state, because the column `FROM` shows it.
    fn was(&self, client: &ChangedClient) -> String {
        let Some(before) = &client.before else { return String::new() };
        let after = client.after.as_ref();
        let mut parts = Vec::new();
        let target = before.target_version.as_ref();
        let is_same = after.is_some_and(|after| before.has_same_target_as(after));
        parts.extend(target.filter(|_| !is_same).map(ToString::to_string));
        if client.was.as_ref() != Some(&client.when) {
            parts.extend(client.was.as_ref().and_then(|was| self.from(was)));
        }
        let Some(after) = after else { return parts.join(" ") };
        if after.policy != before.policy {
            parts.extend(before.policy.as_ref().map(|policy| format!("({policy})")));
        }
        if parts.is_empty() && after.state == before.state && after.reason != before.reason {
            parts.push(before.reason.to_string());
        }
        parts.join(" ")
    }

    /// Formats the future time at which an offer begins, or returns `None` if there is no such
    /// time.
    fn from(&self, when: &When) -> Option<String> {
        match when {
            When::From { time, time_zone } => Some(self.next(*time, time_zone.as_deref())),
            When::Now | When::AtRestart | When::Never => None,
        }
    }

    fn staying_out(&self, out: &[StayingOut]) -> ReportTable {
        let columns = ["CLIENTS", "CHANGED", "STATE", "REASON", "POLICY", "NEXT"];
        self.whole().sheet("Staying out, and why", columns, out, |out| {
            let policy = out.policy.as_ref().map(|name| self.in_namespace(&out.namespace, name));
            vec![
                number(out.clients),
                number(out.changed),
                state(&out.state),
                text(&*out.reason),
                maybe(policy),
                maybe(out.next_transition_time.map(|time| self.next(time, None))),
            ]
        })
    }

    /// Returns the table of fleets, without the columns of rare effects that do not occur.
    fn fleets(&self, fleets: &[FleetDifference]) -> ReportTable {
        let occurs =
            |effect: &&EffectColumn| fleets.iter().any(|fleet| effect.1(&fleet.summary) > 0);
        let effects: Vec<&EffectColumn> =
            EFFECTS.iter().filter(|effect| !effect.2 || occurs(effect)).collect();
        let columns = ["FLEET", "CLIENTS", "CHANGE"].into_iter();
        let columns = columns.chain(effects.iter().map(|effect| effect.0));
        let found = fleets
            .iter()
            .filter(|fleet| fleet.summary.changed > 0 || !fleet.staying_out.is_empty());
        self.sheet("Fleets", columns.chain(["STAY OUT", "WHY"]), found, |fleet| {
            let counts = &fleet.summary;
            let mut row = vec![
                text(self.in_namespace(&fleet.namespace, &fleet.name)),
                number(counts.clients),
                number(counts.changed),
            ];
            row.extend(effects.iter().map(|effect| number(effect.1(counts))));
            row.push(number(fleet.staying_out.iter().map(|out| out.clients).sum()));
            row.push(text(self.reasons(&fleet.staying_out)));
            row
        })
    }

    /// Returns the most frequent reasons why clients do not move, or all reasons if the output is
    /// wide.
    fn reasons(&self, out: &[StayingOut]) -> String {
        let shown = if self.is_wide { out.len() } else { out.len().min(MAX_REASONS) };
        let mut reasons: Vec<String> = out.iter().take(shown).map(reason).collect();
        let others: usize = out.iter().skip(shown).map(|out| out.clients).sum();
        if others > 0 {
            reasons.push(format!("{others} for other reasons"));
        }
        reasons.join(", ")
    }

    fn objects(&self, objects: &[ChangedObject]) -> ReportTable {
        let columns = ["KIND", "NAME", "CHANGE", "FIELDS"];
        self.sheet("Objects", columns, objects, |object| {
            let change = match object.change {
                ObjectChange::Created => "created",
                ObjectChange::Changed => "changed",
                ObjectChange::Deleted => "deleted",
            };
            vec![
                text(object.kind),
                text(self.in_namespace(&object.namespace, &object.name)),
                text(change),
                text(object.fields.join(", ")),
            ]
        })
    }

    fn in_namespace(&self, namespace: &str, name: &str) -> String {
        if self.has_several { format!("{namespace}/{name}") } else { name.to_owned() }
    }

    /// Formats a future instant in the user's time zone. If the report is for several readers, uses
    /// the clients' time zone.
    fn next(&self, time: Timestamp, zone: Option<&str>) -> String {
        if self.is_for_all { self.there(time, zone) } else { self.reader.next(time) }
    }

    /// Formats an instant in the clients' time zone. If the report is for several readers, includes
    /// the date.
    fn there(&self, time: Timestamp, zone: Option<&str>) -> String {
        let there = TimeFormatter { now: self.reader.now, zone: zone.and_then(Zone::named) };
        let shown = if self.is_for_all { dated(time, &there) } else { there.shortly(time) };
        format!("{shown} {}", there.zone_name())
    }
}

/// Formats an instant as a date and time in the time zone of the formatter: `2026-11-24 22:00`.
fn dated(time: Timestamp, there: &TimeFormatter) -> String {
    let local = there.zone.as_ref().map_or_else(|| time.naive_utc(), |zone| zone.local(time));
    local.format("%Y-%m-%d %H:%M").to_string()
}

/// Describes when clients move, and includes the previous time if the time changes.
///
/// The prefix `first` is empty unless the row covers several clients and shows only their earliest
/// time.
fn moves(
    effect: Effect,
    when: &When,
    was: Option<&When>,
    first: &str,
    at: impl Fn(Timestamp, Option<&str>) -> String,
) -> String {
    let from = |when: &When| match when {
        When::From { time, time_zone } => Some(at(*time, time_zone.as_deref())),
        When::Now | When::AtRestart | When::Never => None,
    };
    match (effect, when, from(when), was.and_then(from)) {
        (Effect::MovesNow, ..) => "NOW".to_owned(),
        (Effect::Stops, _, Some(again), _) => format!("stops, again {again}"),
        (Effect::Stops, ..) => "stops".to_owned(),
        (Effect::NoLongerMoves, _, _, Some(was)) => format!("no longer, was {was}"),
        (Effect::NoLongerMoves, ..) => "no longer".to_owned(),
        (Effect::MovesAtAnotherTime, _, Some(now), Some(was)) => format!("{first}{now}, was {was}"),
        (Effect::Other, _, Some(now), Some(_)) => format!("as before, {first}{now}"),
        (_, _, Some(now), _) => format!("{first}{now}"),
        (_, When::Now, ..) => "goes on".to_owned(),
        (_, When::AtRestart, ..) => "at restart".to_owned(),
        (_, When::Never | When::From { .. }, None, _) => String::new(),
    }
}

fn state(state: &str) -> Entry {
    text(state).toned(state_tone(state))
}

fn why(decision: &Decision) -> String {
    match &decision.policy {
        Some(policy) => format!("{} ({policy})", decision.reason),
        None => decision.reason.to_string(),
    }
}

fn reason(out: &StayingOut) -> String {
    match &out.policy {
        Some(policy) => format!("{} {} ({policy})", out.clients, out.reason),
        None => format!("{} {}", out.clients, out.reason),
    }
}
