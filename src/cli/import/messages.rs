//! Formats the messages of an import: refusals, remarks and the summary. Other modules decide the
//! outcome, and [`bad_rows`](super::bad_rows) formats the problems in rows.

use std::path::Path;

use super::applying::ApplyOutcome;
use super::columns::Field;
use super::facts::Fact;
use super::outcome::{FleetChange, ImportOptions, ImportOutcome, ImportRefusal, Limit};
use super::rows::Inventory;
use super::times::Times;
use crate::api::{Text, bounds};
use crate::cli::gitops::DryRun;
use crate::cli::terminal::table::printable;
use crate::cli::{FAILURE, Failure};

pub(super) const MAX_PRINTED_PROBLEMS: usize = 50;
/// Name that messages use for standard input (`-`).
pub(super) const STANDARD_INPUT: &str = "standard input";
pub(super) const MAX_NAMES: usize = 10;
/// Maximum number of clients to name that leave their fleets or lose their version.
const MAX_LEAVING_NAMES: usize = 50;

/// Remark to print for a local import without `--previous`.
pub(super) const NO_PREVIOUS: &str = "no earlier fleets are known, so every client is placed anew: next time name these with \
     --previous, and each stays where it is\n";

/// Formats the name of the export file for messages.
pub(super) fn file(path: &Path) -> String {
    if path.as_os_str() == "-" {
        return STANDARD_INPUT.to_owned();
    }
    printable(&path.display().to_string()).into_owned()
}

/// Adds a remark about the columns that the import does not use.
pub(super) fn unused(remarks: &mut String, titles: &[String]) {
    if !titles.is_empty() {
        let (columns, are) = if titles.len() == 1 { ("column", "is") } else { ("columns", "are") };
        let titles = super::columns::titles(titles);
        *remarks += &format!("{columns} {titles} {are} not used\n");
    }
}

/// Adds a remark if `--time-format` is given for an export without times, or `--time-zone` for times
/// that need no time zone.
pub(super) fn unused_times(remarks: &mut String, inventory: &Inventory, times: &Times) {
    let Some(format) = &times.format else { return };
    let fields = [Field::LastSeen, Field::ErrorTime].map(Fact::Field);
    if !fields.iter().any(|field| inventory.given.contains(field)) {
        *remarks += "--time-format is not used: no column gives lastSeen or lastError.time\n";
    } else if times.zone.is_some() && !format.needs_zone() {
        let format = format.shown();
        let format = printable(&format);
        *remarks += &format!(
            "--time-zone is not used: times in --time-format {format} are in UTC, or have an offset\n"
        );
    }
}

/// Formats the reasons why the import writes nothing.
pub(super) fn refused(refusals: &[ImportRefusal], limit: Limit) -> Failure {
    let (mut messages, mut facts) = (Vec::new(), Vec::new());
    for refusal in refusals {
        match refusal {
            ImportRefusal::Gone { gone, of } => {
                let number = gone.len();
                messages.push(format!(
                    "{number} of {of} clients are gone from the export, more than --max-removals \
                     {limit} allows, so nothing is written: {}. Is the export complete? If it is, \
                     allow it with --max-removals {number}",
                    names(gone, MAX_NAMES)
                ));
            }
            ImportRefusal::FactNotProvided { fact, clients } => facts.push((fact, *clients)),
            ImportRefusal::Unversioned { clients, of } => {
                let number = clients.len();
                messages.push(format!(
                    "{number} of {of} clients that had a version would lose it to an empty cell, more \
                     than --max-removals {limit} allows, so nothing is written: {}. Is the export \
                     complete? If it is, allow it with --max-removals {number}",
                    names(clients, MAX_NAMES)
                ));
            }
        }
    }
    messages.extend(match facts[..] {
        [] => None,
        [(fact, clients)] => Some(ungiven(fact, clients)),
        _ => Some(several_ungiven(&facts)),
    });
    Failure { messages, code: FAILURE }
}

/// Formats the error for several facts that the export no longer provides.
fn several_ungiven(facts: &[(&Fact, usize)]) -> String {
    let lost = facts.iter().map(|(fact, number)| format!("`{fact}` ({})", clients(*number)));
    let columns = facts.iter().map(|(fact, _)| match fact {
        Fact::Field(_) => format!("--column {fact}='TITLE'"),
        Fact::Label(key) => format!("--group-by 'TITLE={}'", printable(key)),
    });
    let drops = facts.iter().map(|(fact, _)| format!("--drop {fact}"));
    let list = |texts: &mut dyn Iterator<Item = String>, separator| {
        texts.collect::<Vec<_>>().join(separator)
    };
    format!(
        "no column of the export gives what clients have from an earlier one and would lose, so \
         nothing is written: {}. Name the columns with `{}`, or let all of it go with `{}`",
        list(&mut { lost }, ", "),
        list(&mut { columns }, " "),
        list(&mut { drops }, " ")
    )
}

/// Formats the error for a fact that earlier imports provided and that the export no longer
/// provides.
fn ungiven(fact: &Fact, number: usize) -> String {
    let lose = of(
        number,
        "has it from an earlier one and would lose it",
        "have it from an earlier one and would lose it",
    );
    let (what, mend) = match fact {
        Fact::Field(_) => (
            format!("no column of the export gives `{fact}`"),
            format!("name its column with `--column {fact}='TITLE'`"),
        ),
        Fact::Label(key) => (
            format!("no --group-by gives the label `{}`", printable(key)),
            format!("name its column with `--group-by 'TITLE={}'`", printable(key)),
        ),
    };
    format!("{what}, but {lose}, so nothing is written: {mend}, or let it go with `--drop {fact}`")
}

/// Formats the first names, up to `most`, and the number of the others.
pub(super) fn names<'a>(
    names: impl IntoIterator<Item = &'a Text, IntoIter: ExactSizeIterator>,
    most: usize,
) -> String {
    let names = names.into_iter();
    let more = names.len().saturating_sub(most);
    let shown: Vec<_> = names.take(most).map(|name| printable(name)).collect();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &more
}

/// Adds the remarks about the outcome of an import.
pub(super) fn remarks(
    text: &mut String,
    outcome: &ImportOutcome,
    inventory: &Inventory,
    wish: &ImportOptions,
) {
    let mut remark = |remark: String| {
        text.push_str(&remark);
        text.push('\n');
    };
    if outcome.kept > 0 {
        let stay = of(
            outcome.kept,
            "stays as it is, because its row is bad",
            "stay as they are, because their rows are bad",
        );
        remark(stay);
    }
    if outcome.in_doubt > 0 {
        let stay = of(
            outcome.in_doubt,
            "is not in the export, but stays",
            "are not in the export, but stay",
        );
        let why = match inventory.unidentified {
            1 => "one bad row does not tell whose it is".to_owned(),
            rows => format!("{rows} bad rows do not tell whose they are"),
        };
        remark(format!("warning: {stay}: {why}"));
    }
    older(text, outcome);
    let mut remark = |remark: String| {
        text.push_str(&remark);
        text.push('\n');
    };
    for fact in &wish.drops {
        let number = outcome.dropped.get(fact).copied().unwrap_or_default();
        remark(match number {
            0 => format!("--drop {fact}: no client has it of this import"),
            number => of(number, &format!("loses `{fact}`"), &format!("lose `{fact}`")),
        });
    }
    if !outcome.held_by_others.is_empty() {
        let number = outcome.held_by_others.len();
        remark(format!(
            "warning: {}, because other field managers list what the import does not any more: {}",
            of(
                number,
                "is gone from the export and stays in its fleet",
                "are gone from the export and stay in their fleets"
            ),
            names(&outcome.held_by_others, MAX_NAMES)
        ));
    }
    leaving(text, outcome);
    unreadable(text, inventory);
}

/// Adds the remarks about clients that stay as they are because the export is older than they are.
fn older(text: &mut String, outcome: &ImportOutcome) {
    let mut left = |clients: &[Text], one: &str, many: &str| {
        let names = names(clients, MAX_NAMES);
        *text += &match clients.len() {
            0 => return,
            1 => format!(
                "warning: 1 row {one}: its client stays as it is: {names}; --allow-older takes it\n"
            ),
            number => format!(
                "warning: {number} rows {many}: their clients stay as they are: {names}; --allow-older \
                 takes them\n"
            ),
        };
    };
    let than = "older than what is known (lastSeen)";
    left(&outcome.older, &format!("is {than}"), &format!("are {than}"));
    let known = "no lastSeen, although one is known";
    left(&outcome.undated, &format!("has {known}"), &format!("have {known}"));
    let moved = &outcome.older_than_moved;
    if !moved.is_empty() {
        let rows = match moved.len() {
            1 => "1 row is".to_owned(),
            number => format!("{number} rows are"),
        };
        *text += &format!(
            "warning: {rows} older than what the old fleet knows (lastSeen), or without a lastSeen: \
             what the old fleet knows moves along: {}; --allow-older takes the export's\n",
            names(moved, MAX_NAMES)
        );
    }
    let missing = &outcome.missing_in_older;
    if !missing.is_empty() {
        let stay = of(missing.len(), "is not in it, but stays", "are not in it, but stay");
        *text += &format!(
            "warning: the export as a whole is older than what is known, as no row is newer: {stay}: \
             {}; with --allow-older {}\n",
            names(missing, MAX_NAMES),
            if missing.len() == 1 { "it leaves" } else { "they leave" }
        );
    }
}

/// Adds the remarks about clients that leave their fleets, and about clients that lose their version
/// to an empty cell.
fn leaving(text: &mut String, outcome: &ImportOutcome) {
    let stays = |name: &&Text| outcome.held_by_others.contains(name);
    let leaving: Vec<Text> = outcome.gone.iter().filter(|name| !stays(name)).cloned().collect();
    if !leaving.is_empty() {
        let leave = of(
            leaving.len(),
            "is gone from the export and leaves its fleet",
            "are gone from the export and leave their fleets",
        );
        *text += &format!("{leave}: {}\n", names(&leaving, MAX_LEAVING_NAMES));
    }
    let unversioned = &outcome.unversioned;
    if !unversioned.is_empty() {
        let lose = of(
            unversioned.len(),
            "loses its version to an empty cell",
            "lose their version to an empty cell",
        );
        *text += &format!("{lose}: {}\n", names(unversioned, MAX_LEAVING_NAMES));
    }
}

/// Adds the remarks about reported values that cannot be parsed or are shortened.
fn unreadable(text: &mut String, inventory: &Inventory) {
    let mut remark = |remark: String| {
        text.push_str(&remark);
        text.push('\n');
    };
    if inventory.shortened_names > 0 {
        let why = "a computer or user name that is too long or contains control or invisible \
                   characters; the name was shortened";
        remark(of(inventory.shortened_names, &format!("has {why}"), &format!("have {why}")));
    }
    if inventory.missing_times > 0 {
        let what = "a time that stands for none, as never, 0 or 1601-01-01; it is left out";
        remark(of(inventory.missing_times, &format!("has {what}"), &format!("have {what}")));
    }
    if inventory.unreadable_versions > 0 {
        remark(of(
            inventory.unreadable_versions,
            "reports a version that cannot be read",
            "report a version that cannot be read",
        ));
    }
    if inventory.unreadable_ips > 0 {
        let reports = of(inventory.unreadable_ips, "reports", "report");
        remark(format!(
            "{reports} an address that cannot be read: whether it is in a network of a policy is \
             unknown"
        ));
    }
    if inventory.shortened_ips > 0 {
        let report = of(inventory.shortened_ips, "reports", "report");
        let most = bounds::IP;
        remark(format!(
            "{report} addresses of more than {most} characters: the last ones are left out, and \
             whether they are in a network of a policy is unknown"
        ));
    }
}

/// Adds the remarks about fleets without clients.
pub(super) fn empty_fleets(
    text: &mut String,
    outcome: &ImportOutcome,
    wish: &ImportOptions,
    applies: bool,
) {
    let pruned = empty(outcome, true);
    if !pruned.is_empty() && !applies {
        let (fleets, are, them) =
            if pruned.len() == 1 { ("fleet", "is", "it") } else { ("fleets", "are", "them") };
        let (number, names) = (pruned.len(), names(&pruned, MAX_NAMES));
        *text += &format!(
            "{number} {fleets} without clients {are} not printed: {names}; this removes nothing from \
             a cluster, --apply removes {them}\n"
        );
    }
    let empty = empty(outcome, false);
    if !empty.is_empty() && !wish.prune {
        let (fleets, them) =
            if empty.len() == 1 { ("fleet has", "it") } else { ("fleets have", "them") };
        let (number, names) = (empty.len(), names(&empty, MAX_NAMES));
        *text += &format!("{number} {fleets} no clients left: {names}; --prune removes {them}\n");
    }
}

/// Returns the names of the fleets without clients: the pruned fleets if `pruned` is true,
/// otherwise the fleets that stay.
fn empty(outcome: &ImportOutcome, pruned: bool) -> Vec<Text> {
    let empty = outcome.fleets.iter().filter(|fleet| fleet.is_empty);
    let empty = empty.filter(|fleet| (fleet.change == FleetChange::Pruned) == pruned);
    empty.map(|fleet| Text::from(&fleet.manifest.metadata.name)).collect()
}

/// Formats a number of clients with the singular or plural text: `1 client stays`, `2 clients
/// stay`.
fn of(number: usize, one: &str, many: &str) -> String {
    format!("{} {}", clients(number), if number == 1 { one } else { many })
}

/// Formats a number of clients: `1 client`, `2 clients`.
pub(super) fn clients(number: usize) -> String {
    if number == 1 { "1 client".to_owned() } else { format!("{number} clients") }
}

fn count(outcome: &ImportOutcome, change: FleetChange) -> usize {
    outcome.fleets.iter().filter(|fleet| fleet.change == change).count()
}

fn of_clients(outcome: &ImportOutcome) -> String {
    let older = match outcome.older.len() + outcome.undated.len() {
        0 => String::new(),
        1 => ", 1 older left as it is".to_owned(),
        older => format!(", {older} older left as they are"),
    };
    let moved = match outcome.moved {
        0 => String::new(),
        moved => format!(" {moved} moved,"),
    };
    format!(
        "{} new,{moved} {} changed, {} unchanged, {} gone{older}",
        clients(outcome.new),
        outcome.changed,
        outcome.unchanged,
        outcome.gone.len()
    )
}

/// Formats the summary of an import that prints the fleets instead of writing them to the cluster.
pub(super) fn printed(outcome: &ImportOutcome) -> String {
    let count = |change| count(outcome, change);
    let pruned = match count(FleetChange::Pruned) {
        0 => String::new(),
        pruned => format!("would prune {pruned}, "),
    };
    format!(
        "new {}, changed {}, {pruned}unchanged {} fleets; {}\n",
        count(FleetChange::Created),
        count(FleetChange::Changed),
        count(FleetChange::Unchanged),
        of_clients(outcome)
    )
}

/// Returns the message about fleets that were not written; empty if all were.
fn unwritten(applied: &ApplyOutcome) -> String {
    let were = |number: usize| match number {
        1 => "1 fleet was not".to_owned(),
        number => format!("{number} fleets were not"),
    };
    let mended = if applied.is_interrupted { "" } else { " once this is mended" };
    let again = format!("import again{mended}, and what is missing is written");
    match (applied.failed, applied.untried) {
        (0, 0) => String::new(),
        (0, untried) => format!("error: interrupted: {} tried; {again}\n", were(untried)),
        (failed, 0) => format!("error: {} written: {again}\n", were(failed)),
        (failed, untried) => format!(
            "error: {} written, and {} tried any more: {again}\n",
            were(failed),
            were(untried)
        ),
    }
}

/// Formats the result of an import that writes the fleets to the cluster. Returns the list of
/// written fleets for standard output, and the failures and the summary for standard error.
pub(super) fn applied(
    applied: &ApplyOutcome,
    outcome: &ImportOutcome,
    dry_run: DryRun,
) -> (String, String) {
    let mode = dry_run.note();
    let mut output = String::new();
    let mut remarks = String::new();
    for (name, change) in &applied.done {
        let done = match change {
            FleetChange::Created => "created",
            FleetChange::Changed => "configured",
            FleetChange::Unchanged => "unchanged",
            FleetChange::Pruned => "pruned",
        };
        output += &format!("clientfleet.clientfleet.dev/{name} {done}{mode}\n");
    }
    for failure in applied.failures.iter().take(MAX_PRINTED_PROBLEMS) {
        remarks += &format!("error: {failure}\n");
    }
    let more = applied.failures.len().saturating_sub(MAX_PRINTED_PROBLEMS);
    if more > 0 {
        remarks += &format!("error: and {more} more\n");
    }
    remarks += &unwritten(applied);
    let of = |change| applied.done.iter().filter(|(_, done)| *done == change).count();
    let pruned = match of(FleetChange::Pruned) {
        0 => String::new(),
        pruned => format!("pruned {pruned}, "),
    };
    remarks += &format!(
        "created {}, changed {}, {pruned}unchanged {} fleets{}{}\n",
        of(FleetChange::Created),
        of(FleetChange::Changed),
        count(outcome, FleetChange::Unchanged),
        // Omit the client counts after a failure, because they include clients of fleets that were
        // not written.
        if applied.failed + applied.untried == 0 {
            format!("; {}", of_clients(outcome))
        } else {
            String::new()
        },
        if dry_run.is_real() { "" } else { " (dry run: nothing was written)" }
    );
    (output, remarks)
}
