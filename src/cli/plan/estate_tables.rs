//! Formats a plan as tables for a user: policies, fleets, and the status of every client. The
//! `plan` module computes the plan.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::local::PlannedNamespace;
use crate::api::fleet::ClientStatus;
use crate::api::policy::Mode;
use crate::api::{ClientFleetStatus, Condition, Summary, Text, UpgradePolicyStatus};
use crate::cli::colors::{distribution_tone, state_tone};
use crate::cli::terminal::table::{Cell, Table, Tone, printable};
use crate::plan::Plan;
use crate::plan::diff::address_unknown;
use crate::plan::package_source::is_wait_for_package;
use crate::values::{Timestamp, rfc3339};

/// Formats the plan, with one section for each namespace.
pub(super) fn print(
    namespaces: &BTreeMap<String, PlannedNamespace>,
    at: Timestamp,
    in_color: bool,
) -> String {
    let sections = namespaces.iter().map(|(name, planned)| section(name, planned, at, in_color));
    sections.collect::<Vec<_>>().join("\n")
}

fn section(namespace: &str, planned: &PlannedNamespace, at: Timestamp, in_color: bool) -> String {
    let plan = &planned.plan;
    let until = plan.until.map(|until| format!(", the same until {}", rfc3339(until)));
    let until = until.unwrap_or_default();
    let mut text = vec![format!("Namespace {} at {}{until}\n", printable(namespace), rfc3339(at))];
    if !plan.policies.is_empty() {
        text.push(policies(planned).render(in_color));
    }
    if !plan.fleets.is_empty() {
        text.push(fleets(plan).render(in_color));
    }
    let notes = notes(planned);
    if !notes.is_empty() {
        text.push(format!("To look at:\n{notes}"));
    }
    for (name, status) in &plan.fleets {
        if status.clients.as_ref().is_some_and(|clients| !clients.is_empty()) {
            text.push(format!(
                "Clients of {}\n{}",
                printable(name),
                clients(status).render(in_color)
            ));
        }
    }
    text.join("\n")
}

fn policies(namespace: &PlannedNamespace) -> Table {
    let PlannedNamespace { policies, plan, ahead_on_withdrawn, .. } = namespace;
    let mut table = Table::new([
        "POLICY",
        "PRIORITY",
        "MODE",
        "TARGET",
        "DISTRIBUTION",
        "IN SCOPE",
        "GOVERNED",
        "DONE",
        "NEXT",
    ]);
    for (name, status) in &plan.policies {
        // Read the priority, the mode and the version from the spec, because the plan does not
        // contain them.
        let policy = policies.iter().find(|policy| policy.name() == name.as_str());
        let spec = policy.and_then(|policy| policy.spec.as_ref().ok());
        let upgrade = spec.map(|spec| spec.upgrade.clone()).unwrap_or_default();
        let target = match upgrade.mode {
            Mode::AutoUpgrade => Some("package"),
            _ => upgrade.version.as_deref(),
        };
        let state = status.distribution_state.as_deref();
        let summary = status.summary.unwrap_or_default();
        table.push(vec![
            Cell::text(Some(name)),
            Cell::number(spec.map_or(0, |spec| spec.priority)),
            Cell::text(Some(upgrade.mode.as_str())),
            Cell::text(target),
            Cell::text(state).toned(state.map_or(Tone::Plain, distribution_tone)),
            Cell::number(status.matched_clients.unwrap_or(0)),
            Cell::number(status.governed_clients.unwrap_or(0)),
            Cell::number(done(&summary, ahead_on_withdrawn.get(name).copied().unwrap_or(0))),
            time(status.next_transition_time),
        ]);
    }
    table
}

/// Formats the number of clients that need no further change, as `DONE/TOTAL`. Counts the same
/// clients as the condition `Complete`.
fn done(summary: &Summary, ahead_on_withdrawn: u32) -> String {
    let Summary { up_to_date, ahead, offline, total, .. } = summary;
    format!("{}/{total}", up_to_date + ahead.saturating_sub(ahead_on_withdrawn) + offline)
}

/// A column that shows a client count: title, color, and the function that reads the count from a
/// summary.
type StateColumn = (&'static str, Tone, fn(&Summary) -> u32);

/// A column for every client state, ordered from states that need no action to states that need a
/// user's action.
const COUNTS: [StateColumn; 10] = [
    ("UP TO DATE", Tone::Plain, |summary| summary.up_to_date),
    ("AHEAD", Tone::Plain, |summary| summary.ahead),
    ("OFFLINE", Tone::Plain, |summary| summary.offline),
    ("DISTRIBUTING", Tone::Moving, |summary| summary.distributing),
    ("RESTART", Tone::Moving, |summary| summary.restart_required),
    ("WAITING", Tone::Waiting, |summary| summary.waiting),
    ("HELD", Tone::Plain, |summary| summary.held),
    ("UNMANAGED", Tone::Plain, |summary| summary.unmanaged),
    ("FAILED", Tone::Alarm, |summary| summary.failed),
    ("BLOCKED", Tone::Alarm, |summary| summary.blocked),
];

fn fleets(plan: &Plan) -> Table {
    let occurs = |count: &&StateColumn| {
        plan.fleets
            .iter()
            .any(|(_, status)| status.summary.as_ref().is_some_and(|summary| count.2(summary) > 0))
    };
    let counts: Vec<&StateColumn> = COUNTS.iter().filter(occurs).collect();
    let titles = counts.iter().map(|count| count.0);
    let mut table =
        Table::new(["FLEET", "PACKAGE", "CLIENTS"].into_iter().chain(titles).chain(["NEXT"]));
    for (name, status) in &plan.fleets {
        let summary = status.summary.unwrap_or_default();
        let mut row = vec![
            Cell::text(Some(name)),
            Cell::text(status.package_version.as_deref()),
            Cell::number(summary.total),
        ];
        row.extend(counts.iter().map(|(_, tone, count)| match count(&summary) {
            0 => Cell::number(0),
            some => Cell::number(some).toned(*tone),
        }));
        row.push(time(status.next_transition_time));
        table.push(row);
    }
    table
}

fn clients(status: &ClientFleetStatus) -> Table {
    let mut table = Table::new([
        "COMPUTER",
        "IP ADDRESS",
        "CURRENT VERSION",
        "UPGRADE STATUS",
        "TARGET",
        "WHY",
        "NEXT",
    ]);
    for client in status.clients.iter().flatten() {
        table.push(vec![
            Cell::text(Some(
                client.computer.as_ref().filter(|name| !name.is_empty()).unwrap_or(&client.name),
            )),
            Cell::addresses(client.ip.as_deref()),
            Cell::text(client.version.as_deref()),
            Cell::text(Some(&client.state)).toned(state_tone(&client.state)),
            Cell::text(client.target_version.as_deref()),
            Cell::text(Some(&why(client))),
            time(client.next_transition_time),
        ]);
    }
    table
}

fn why(client: &ClientStatus) -> String {
    match &client.policy {
        Some(policy) => format!("{} ({policy})", client.reason),
        None => client.reason.to_string(),
    }
}

/// Formats the problems that require the user's attention and that the tables do not show.
fn notes(PlannedNamespace { plan, duplicates, circles, .. }: &PlannedNamespace) -> String {
    let mut notes = String::new();
    for group in duplicates {
        let _ = writeln!(notes, "  {}", printable(&group.to_string()));
    }
    for circle in circles {
        let _ = writeln!(notes, "  {}", printable(circle));
    }
    for (name, status) in &plan.fleets {
        note_stalled(&mut notes, "fleet", name, &status.conditions);
    }
    for (name, status) in &plan.policies {
        note_stalled(&mut notes, "policy", name, &status.conditions);
        note_unmatched(&mut notes, name, status);
        note_address_unknown(&mut notes, name, status);
    }
    notes
}

fn note_stalled(notes: &mut String, kind: &str, name: &Text, conditions: &[Condition]) {
    let is_stalled =
        |c: &&Condition| c.r#type == "Stalled" && c.status == "True" || is_wait_for_package(c);
    for condition in conditions.iter().filter(is_stalled) {
        let message = printable(&condition.message);
        // Ignore the result, because writing to a string cannot fail.
        let _ = writeln!(notes, "  {kind} {}: {}: {message}", printable(name), condition.reason);
    }
}

fn note_unmatched(notes: &mut String, name: &Text, status: &UpgradePolicyStatus) {
    for entry in &status.unmatched {
        let _ =
            writeln!(notes, "  policy {}: {} matches no client", printable(name), printable(entry));
    }
}

fn note_address_unknown(notes: &mut String, name: &Text, status: &UpgradePolicyStatus) {
    if let Some(message) = address_unknown(name, status) {
        let _ = writeln!(notes, "  policy {}: {}", printable(name), printable(&message));
    }
}

fn time(instant: Option<Timestamp>) -> Cell {
    Cell::text(instant.map(rfc3339).as_deref())
}
