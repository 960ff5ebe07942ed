//! Renders the output of `status` as text. Makes no decisions.

use std::fmt::Write as _;

use chrono::TimeDelta;

use super::duplicates::DuplicateNames;
use super::halted_messages;
use super::needs::{AddressUnknown, Needs, Sample};
use super::overview::{Next, OffBecause, Overview, PolicyLine, What};
use crate::api::Summary;
use crate::api::policy::Mode;
use crate::cli::colors::distribution_tone;
use crate::cli::halt::NAME;
use crate::cli::terminal::table::{Cell, Table, Tone, printable};
use crate::cli::terminal::times::TimeFormatter;
use crate::plan::duplicates::in_fleets;

/// Width of a progress bar, in characters, if the width of the terminal is unknown.
const BAR_WIDTH: usize = 20;
/// Minimum width of a progress bar, in characters.
const MIN_COLUMN_WIDTH: usize = 8;
/// Maximum width of a progress bar, in characters.
const MAX_COLUMN_WIDTH: usize = 40;
/// Approximate width of the policy table without its progress bars, in characters.
const MIN_WIDTH_FOR_TWO_COLUMNS: usize = 92;
const MAX_PACKAGES: usize = 3;
/// Maximum number of changed settings to list.
const MAX_CHANGES: usize = 5;
/// Maximum age of a changed setting to list.
const MAX_AGE_OF_CHANGE: TimeDelta = TimeDelta::days(7);
/// Maximum number of unmatched scope entries to list for one policy.
const MAX_ENTRIES: usize = 3;

/// The display options of `status`.
pub(super) struct DisplayOptions {
    pub reader: TimeFormatter,
    pub in_color: bool,
    /// Width of the terminal, in characters; `None` if the output is not a terminal.
    pub width: Option<usize>,
    /// True if the output covers all namespaces.
    pub is_everywhere: bool,
    /// True if the table has column titles.
    pub has_titles: bool,
}

/// Renders the whole output of `status`.
pub(super) fn screen(overview: &Overview, look: &DisplayOptions) -> String {
    let mut text = head(overview, look);
    if !overview.policies.is_empty() {
        let table = policies(overview, look).render(look.in_color);
        let titles = if look.has_titles { None } else { table.split_once('\n') };
        text = text + "\n" + titles.map_or(table.as_str(), |(_, rows)| rows);
        text += "  # done   > on its way   . waiting   ! failed or blocked   the rest: held\n";
        text += &changes(overview, look);
    }
    text.push('\n');
    let needs = needs(&overview.needs, look.is_everywhere);
    if needs.is_empty() {
        text + "Nothing needs you.\n"
    } else {
        text + "What needs somebody:\n" + &needs
    }
}

fn head(overview: &Overview, look: &DisplayOptions) -> String {
    let namespaces: Vec<&str> = overview.namespaces.iter().map(String::as_str).collect();
    let place = match namespaces[..] {
        [] => "No fleets and no policies".to_owned(),
        [only] => format!("Namespace {}", printable(only)),
        _ => many(namespaces.len() as u64, "namespace"),
    };
    if namespaces.is_empty() {
        return place + "\n";
    }
    let packages = overview.packages.iter().take(MAX_PACKAGES);
    let alone = overview.packages.len() == 1;
    let packages = packages.map(|package| {
        let version = printable(&package.version);
        if alone { version.into_owned() } else { format!("{version} ({})", package.clients) }
    });
    let packages: Vec<String> = packages.collect();
    let more = overview.packages.len().saturating_sub(MAX_PACKAGES);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let word = if overview.packages.len() == 1 { "package" } else { "packages" };
    let packages = if packages.is_empty() {
        String::new()
    } else {
        format!(", {word} {}{more}", packages.join(", "))
    };
    let mut text = format!(
        "{place}: {}, {}{packages}\n",
        many(overview.fleets.into(), "fleet"),
        many(overview.clients.total.into(), "client")
    );
    let states = states(&overview.clients);
    if !states.is_empty() {
        let _ = writeln!(text, "{}", states.join(", "));
    }
    for halted in &overview.halted {
        text += &halted_messages::lines(halted, &look.reader);
    }
    text
}

fn states(clients: &Summary) -> Vec<String> {
    let counts = [
        (clients.up_to_date, "up to date"),
        (clients.distributing, "distributing"),
        (clients.restart_required, "to restart"),
        (clients.waiting, "waiting"),
        (clients.held, "held"),
        (clients.ahead, "ahead"),
        (clients.offline, "offline"),
        (clients.unmanaged, "unmanaged"),
        (clients.failed, "failed"),
        (clients.blocked, "blocked"),
    ];
    let occur = counts.into_iter().filter(|(count, _)| *count > 0);
    occur.map(|(count, word)| format!("{count} {word}")).collect()
}

fn policies(overview: &Overview, look: &DisplayOptions) -> Table {
    let titles = ["POLICY", "TARGET", "DISTRIBUTION", "PROGRESS", "DONE", "NEXT"];
    let place = look.is_everywhere.then_some("NAMESPACE");
    let mut table = Table::new(place.into_iter().chain(titles));
    let names = overview.policies.iter().map(|policy| policy.name.len()).max().unwrap_or(0);
    let bar_width = match look.width {
        Some(width) => width
            .saturating_sub(MIN_WIDTH_FOR_TWO_COLUMNS + names / 2)
            .clamp(MIN_COLUMN_WIDTH, MAX_COLUMN_WIDTH),
        None => BAR_WIDTH,
    };
    for policy in &overview.policies {
        let (distribution, tone) = distribution(policy);
        let mut row: Vec<Cell> =
            place.iter().map(|_| Cell::text(Some(&policy.namespace))).collect();
        row.extend([
            Cell::text(Some(&policy.name)),
            Cell::text(Some(&target(policy))),
            Cell::text(Some(&distribution)).toned(tone),
            Cell::text(bar(&policy.governed, done(policy), bar_width).as_deref()),
            Cell::number(format!("{}/{}", done(policy), policy.governed.total)),
            Cell::text(policy.next.map(|next| self::next(next, &look.reader)).as_deref()),
        ]);
        table.push(row);
    }
    table
}

/// Renders who set the policies with this program, the latest change first. Leaves out old changes,
/// and halts, which [`head`] shows.
fn changes(overview: &Overview, look: &DisplayOptions) -> String {
    let is_recent = |policy: &&PolicyLine| {
        let oldest = overview.at - MAX_AGE_OF_CHANGE;
        policy.change.changed_at.is_some_and(|at| at > oldest)
            && !(policy.name == NAME
                && overview.halted.iter().any(|h| h.namespace == policy.namespace))
    };
    let mut policies: Vec<&PolicyLine> = overview.policies.iter().filter(is_recent).collect();
    policies.sort_by_key(|policy| std::cmp::Reverse(policy.change.changed_at));
    let mut text = String::new();
    for policy in policies.iter().take(MAX_CHANGES) {
        let name = match look.is_everywhere {
            true => format!("{}/{}", policy.namespace, policy.name),
            false => policy.name.clone(),
        };
        let set = policy.change.shown(&look.reader).unwrap_or_default();
        let _ = writeln!(text, "Policy {} was {set}.", printable(&name));
    }
    if let more @ 1.. = policies.len().saturating_sub(MAX_CHANGES) {
        let _ = writeln!(text, "So were {more} more within {} days.", MAX_AGE_OF_CHANGE.num_days());
    }
    text
}

fn target(policy: &PolicyLine) -> String {
    match (policy.mode, &policy.version) {
        (None, _) => "?".to_owned(),
        (Some(Mode::NoUpgrade), _) => "none".to_owned(),
        (Some(Mode::AutoUpgrade), _) => "package".to_owned(),
        (Some(Mode::OnlyUpgradeTo), version) => {
            version.as_ref().map_or_else(|| "?".to_owned(), ToString::to_string)
        }
    }
}

fn distribution(policy: &PolicyLine) -> (String, Tone) {
    let state = policy.distribution_state.as_deref().unwrap_or("?");
    let because = match policy.off_because {
        None => return (state.to_owned(), distribution_tone(state)),
        Some(OffBecause::Suspended) => "suspended",
        Some(OffBecause::NotEffectiveYet) => "not yet",
        Some(OffBecause::NotEffectiveAnyMore) => "over",
        Some(OffBecause::Invalid) => "invalid",
        Some(OffBecause::BeingDeleted) => "leaving",
    };
    let tone = match policy.off_because {
        Some(OffBecause::Invalid) => Tone::Alarm,
        _ => Tone::Plain,
    };
    (format!("{state}, {because}"), tone)
}

/// Returns the number of clients that need no further change. Counts the same clients as the
/// condition `Complete`.
fn done(policy: &PolicyLine) -> u32 {
    let Summary { up_to_date, ahead, offline, .. } = policy.governed;
    up_to_date + ahead.saturating_sub(policy.ahead_on_withdrawn) + offline
}

/// Renders a progress bar with a different character for each group of states. Every group with
/// clients gets at least one character. `done` is the number of clients that need no further change.
fn bar(summary: &Summary, done: u32, width: usize) -> Option<String> {
    if summary.total == 0 {
        return None;
    }
    let all_done = summary.up_to_date + summary.ahead + summary.offline;
    let parts = [
        ('#', done),
        ('>', summary.distributing + summary.restart_required),
        ('.', summary.waiting),
        ('!', summary.failed + summary.blocked),
        (' ', summary.held + summary.unmanaged + all_done.saturating_sub(done)),
    ];
    let mut bar = String::with_capacity(width + 2);
    bar.push('[');
    for (sign, cells) in parts.iter().map(|part| part.0).zip(cells(parts.map(|part| part.1), width))
    {
        bar.extend(std::iter::repeat_n(sign, cells));
    }
    bar.push(']');
    Some(bar)
}

/// Divides the `width` characters of a progress bar in proportion to `parts`. Each part that is not
/// 0 gets at least one character.
fn cells(parts: [u32; 5], width: usize) -> [usize; 5] {
    let total: u64 = parts.iter().map(|&part| u64::from(part)).sum();
    let exact = |part: u32| u64::from(part) * width as u64;
    let mut cells = parts.map(|part| {
        let share = exact(part).checked_div(total).unwrap_or(0);
        usize::try_from(share).unwrap_or(0).max(usize::from(part > 0))
    });
    loop {
        let used: usize = cells.iter().sum();
        let error = |place: usize| {
            i128::from(exact(parts[place])) - i128::from(total) * cells[place] as i128
        };
        let places = 0..cells.len();
        let place = if used < width {
            places.filter(|&place| parts[place] > 0).max_by_key(|&place| (error(place), place))
        } else if used > width {
            places.filter(|&place| cells[place] > 1).min_by_key(|&place| (error(place), place))
        } else {
            None
        };
        let Some(place) = place else { return cells };
        if used < width {
            cells[place] += 1;
        } else {
            cells[place] -= 1;
        }
    }
}

fn next(next: Next, reader: &TimeFormatter) -> String {
    if next.at < reader.now {
        // For an overdue change, print only the time: the outdated status does not show whether the
        // change happened.
        return reader.next(next.at);
    }
    let what = match next.what {
        What::Begins => "begins",
        What::Ends => "ends",
        What::Opens => "opens",
        What::Changes => "changes",
    };
    format!("{what} {}", reader.next(next.at))
}

/// Returns the lines about clients that run a withdrawn version.
fn withdrawn(needs: &Needs, place: &str) -> Vec<String> {
    let text = |(version, sample): (&String, &Sample)| {
        let run = if sample.count == 1 { "runs" } else { "run" };
        let version = printable(version);
        format!("{} {run} {version}, which is withdrawn: {}", clients(sample), named(sample))
    };
    let mut lines: Vec<String> = needs.withdrawn.iter().map(text).collect();
    if !lines.is_empty() {
        let versions: Vec<&str> = needs.withdrawn.keys().map(String::as_str).collect();
        let versions = versions.join(",");
        let versions = printable(&versions);
        lines.push(format!("  `clientfleet clients{place} --version {versions}` lists them all"));
    }
    lines
}

fn needs(needs: &Needs, is_everywhere: bool) -> String {
    let mut text = String::new();
    let place = if is_everywhere { " -A" } else { "" };
    let mut line = |line: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {line}");
    };
    outdated(needs).into_iter().for_each(&mut line);
    for stalled in &needs.stalled {
        let object = printable(&stalled.object);
        line(format!("{object}: {}: {}", stalled.reason, printable(&stalled.message)));
    }
    if needs.more_stalled > 0 {
        line(format!("{} more policies and fleets are stalled too", needs.more_stalled));
    }
    for (version, sample) in &needs.failed {
        let version = printable(version);
        line(format!("{} failed to install {version}: {}", clients(sample), named(sample)));
    }
    for (reason, sample) in &needs.blocked {
        line(format!("{} blocked, {}: {}", clients(sample), printable(reason), named(sample)));
    }
    withdrawn(needs, place).into_iter().for_each(&mut line);
    duplicates(needs).into_iter().for_each(&mut line);
    if needs.restart_overdue.count > 0 {
        let sample = &needs.restart_overdue;
        line(format!("{} to restart for over a week: {}", clients(sample), named(sample)));
        let options = "--state restartrequired --older-than 7d";
        line(format!("  `clientfleet clients{place} {options}` lists them all"));
    }
    slow(needs).into_iter().for_each(&mut line);
    for unmatched in &needs.unmatched {
        let entries: Vec<_> = unmatched.entries.iter().map(|entry| printable(entry)).collect();
        let more = more(entries.len().saturating_sub(MAX_ENTRIES));
        let entries = entries[..entries.len().min(MAX_ENTRIES)].join(", ");
        let matches = if unmatched.entries.len() == 1 { "matches" } else { "match" };
        let policy = printable(&unmatched.policy);
        line(format!("policy {policy}: {entries}{more} {matches} no client"));
    }
    address_unknown(needs).into_iter().for_each(&mut line);
    for policy in &needs.governs_nobody {
        let why = match policy.in_scope {
            0 => "its scope holds no client".to_owned(),
            1 => "the client in its scope is governed by another policy".to_owned(),
            all => format!("the {all} clients in its scope are governed by other policies"),
        };
        line(format!("policy {} governs nobody: {why}", printable(&policy.policy)));
    }
    if !needs.failed.is_empty() || !needs.blocked.is_empty() {
        line(format!("  `clientfleet clients{place} --state failed,blocked` lists them all"));
    }
    text
}

/// Formats a line for each policy whose scope some clients may belong to, as their address is unknown.
fn address_unknown(needs: &Needs) -> Vec<String> {
    let text = |unknown: &AddressUnknown| {
        let policy = printable(&unknown.policy);
        let clients = many(unknown.clients.into(), "client");
        let report = if unknown.clients == 1 { "reports" } else { "report" };
        format!(
            "policy {policy}: {clients} {report} no address that can be read, and may belong to \
             its scope"
        )
    };
    needs.address_unknown.iter().map(text).collect()
}

/// Formats the lines about clients in several fleets, and about computers under several names.
fn duplicates(needs: &Needs) -> Vec<String> {
    let in_fleets = |names: &DuplicateNames| {
        let count = many(names.clients.count.into(), "name");
        let fleets = in_fleets(&names.fleets);
        format!("{count} in {}: {}", printable(&fleets), named(&names.clients))
    };
    let mut lines: Vec<String> = needs.duplicate_names.iter().map(in_fleets).collect();
    if !lines.is_empty() {
        let hint =
            "  `clientfleet explain NAME` shows which fleet decides; remove it from the others";
        lines.push(hint.to_owned());
    }
    let shared = &needs.shared_computers;
    if shared.count > 0 {
        let is = if shared.count == 1 { "is" } else { "are" };
        let computers = many(shared.count.into(), "computer");
        lines.push(format!("{computers} {is} reported under several names: {}", named(shared)));
    }
    lines
}

/// Returns the lines about statuses that the controller has not updated.
fn outdated(needs: &Needs) -> Vec<String> {
    let (behind, overdue) = (&needs.status_behind, &needs.status_overdue);
    let kinds =
        [(behind, "behind its spec", "behind their specs"), (overdue, "overdue", "overdue")];
    let kinds = kinds.into_iter().filter(|(sample, ..)| sample.count > 0);
    let mut lines: Vec<String> = kinds
        .map(|(sample, one, several)| sample_message(sample, one, several, "status"))
        .collect();
    if !lines.is_empty() {
        lines.push("  Is the controller running? Until it is, none of their offers counts.".into());
    }
    lines
}

/// Returns the lines about clients that do not upgrade although they could.
fn slow(needs: &Needs) -> Vec<String> {
    let kinds = [
        (&needs.offered_long, "offered the same version for over 7 days, without an error"),
        (&needs.waiting_long, "did not upgrade in any window for over 14 days, but reported since"),
    ];
    let kinds = kinds.into_iter().filter(|(sample, _)| sample.count > 0);
    kinds.map(|(sample, what)| format!("{} {what}: {}", clients(sample), named(sample))).collect()
}

/// Formats a line about outdated statuses: their number, the problem, and the names of the objects.
fn sample_message(sample: &Sample, one: &str, several: &str, what: &str) -> String {
    match sample.count {
        1 => format!("1 {what} is {one}: {}", named(sample)),
        count => format!("{count} {what}es are {several}: {}", named(sample)),
    }
}

fn clients(sample: &Sample) -> String {
    many(sample.count.into(), "client")
}

fn named(sample: &Sample) -> String {
    let names: Vec<_> = sample.names.iter().map(|name| printable(name)).collect();
    let more = more((sample.count as usize).saturating_sub(names.len()));
    format!("{}{more}", names.join(", "))
}

fn more(count: usize) -> String {
    if count > 0 { format!(" and {count} more") } else { String::new() }
}

fn many(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(parts: [u32; 5], width: usize) -> String {
        let [up_to_date, distributing, waiting, failed, held] = parts;
        let total = parts.iter().sum();
        let summary = Summary {
            total,
            held,
            up_to_date,
            failed,
            waiting,
            distributing,
            ..Summary::default()
        };
        bar(&summary, up_to_date, width).unwrap_or_default()
    }

    #[test]
    fn bars_are_full_and_show_what_occurs() {
        assert_eq!(shown([0; 5], 10), "");
        assert_eq!(shown([10, 0, 0, 0, 0], 10), "[##########]");
        assert_eq!(shown([5, 5, 0, 0, 0], 10), "[#####>>>>>]");
        assert_eq!(shown([99_999, 0, 0, 1, 0], 10), "[#########!]");
        assert_eq!(shown([1, 1, 1, 1, 1], 8).len(), 10);
        assert_eq!(shown([u32::MAX / 2, 0, u32::MAX / 2, 1, 0], 8).len(), 10);
        assert_eq!(shown([0, 0, 0, 0, 3], 8), "[        ]");
        for parts in [[1, 2, 3, 4, 5], [1000, 1, 1, 1, 1], [0, 1, 0, 999, 0], [7, 0, 7, 0, 7]] {
            for width in MIN_COLUMN_WIDTH..=MAX_COLUMN_WIDTH {
                let bar = shown(parts, width);
                assert_eq!(bar.len(), width + 2, "{parts:?}");
                for (part, sign) in parts.iter().zip("#>.! ".chars()) {
                    assert_eq!(*part > 0, bar.contains(sign), "{bar}");
                }
            }
        }
    }
}
