//! Formats the reports of `halt` and `resume` as text. Does not read or change any objects.

use std::fmt::Write as _;

use super::policy::{NAME, by};
use super::report::{
    HaltCounts, HaltReport, HaltResult, HaltedNamespace, ResumeReport, ResumeResult,
    ResumedNamespace,
};
use crate::cli::terminal::table::{Cell, Table, printable};
use crate::cli::terminal::times::TimeFormatter;

/// Formats the report of `halt`: one line per namespace, and the effects of the halt.
pub(super) fn pulled(report: &HaltReport, reader: &TimeFormatter) -> String {
    let done: Vec<&HaltedNamespace> =
        report.namespaces.iter().filter(|n| n.result != HaltResult::Failed).collect();
    if report.namespaces.is_empty() {
        return "There is nothing to halt: no namespace has fleets or policies.\n".to_owned();
    }
    if done.is_empty() {
        return String::new();
    }
    let mut table =
        Table::new(["NAMESPACE", "HALT", "CLIENTS", "OFFERS STOPPED", "STAGED", "REASON"]);
    for namespace in &report.namespaces {
        let number = |count: fn(&HaltCounts) -> u32| match &namespace.counts {
            _ if namespace.result == HaltResult::Failed => Cell::number("-"),
            Some(counts) => Cell::number(count(counts)),
            None => Cell::number("?"),
        };
        table.push(vec![
            Cell::text(Some(&namespace.namespace)),
            Cell::text(Some(&halt(namespace, report, reader))),
            number(|counts| counts.clients),
            number(|counts| counts.offers_stopped),
            number(|counts| counts.staged),
            Cell::text(namespace.reason.as_deref()),
        ]);
    }
    table.render(false) + "\n" + &what_follows(report, &done)
}

fn halt(namespace: &HaltedNamespace, report: &HaltReport, reader: &TimeFormatter) -> String {
    let word = match namespace.result {
        HaltResult::HaltedBefore => match namespace.since {
            Some(since) => {
                let by = by(&namespace.change, namespace.generation, reader);
                return format!("since {}{by}", reader.moment(since));
            }
            None => "before",
        },
        HaltResult::Halted => "now",
        HaltResult::Changed => "changed",
        HaltResult::Mended => "mended",
        HaltResult::Failed => return "FAILED".to_owned(),
    };
    format!("{word}{}", report.dry_run.note())
}

fn what_follows(report: &HaltReport, done: &[&HaltedNamespace]) -> String {
    let is_in_force = done.iter().all(|namespace| namespace.in_force == Some(true));
    let is_late = done.iter().any(|namespace| namespace.in_force == Some(false));
    let mut text = String::new();
    let counts: Vec<&HaltCounts> = done.iter().filter_map(|n| n.counts.as_ref()).collect();
    if counts.len() == done.len() {
        let offers: u32 = counts.iter().map(|counts| counts.offers_stopped).sum();
        let staged: u32 = counts.iter().map(|counts| counts.staged).sum();
        let stop = match (offers, report.dry_run.is_real(), is_late) {
            (_, false, _) => "would stop",
            (1, _, true) => "is to stop",
            (_, _, true) => "are to stop",
            _ if !is_in_force => "will stop once the controller has seen it",
            (1, ..) => "stops",
            _ => "stop",
        };
        let _ = match offers {
            0 => writeln!(text, "No offer stood that it would stop."),
            _ => writeln!(text, "{} {stop}.", many(offers, "offer")),
        };
        if staged > 0 {
            let (have, their) = if staged == 1 { ("has", "its") } else { ("have", "their") };
            let _ = writeln!(
                text,
                "{} {have} another version staged: {their} next restart installs it all the same.",
                many(staged, "client")
            );
        }
    }
    if is_in_force {
        text.push_str(if done.len() < report.namespaces.len() {
            "The controller carries it out, but NOT EVERY NAMESPACE IS HALTED.\n"
        } else {
            "The controller carries it out: it is in force.\n"
        });
    }
    if report.dry_run.is_real() {
        let place = match done {
            [only] => format!("-n {}", printable(&only.namespace)),
            _ => "-A".to_owned(),
        };
        let _ = writeln!(text, "`clientfleet resume {place}` takes it back.");
    }
    text
}

/// Formats the errors and warnings of `halt`.
pub(super) fn remarks_on_pulling(report: &HaltReport, reader: &TimeFormatter) -> String {
    let mut text = String::new();
    for why in &report.not_known {
        let _ = writeln!(text, "warning: {why}");
    }
    if let Some(why) = &report.not_recorded {
        let _ = writeln!(text, "warning: the halt does not record who made it: {why}");
    }
    for namespace in &report.namespaces {
        if let Some(error) = &namespace.error {
            let _ = writeln!(text, "error: {error}");
            continue;
        }
        text += &kept_reason(namespace, reader);
        text += &mended(namespace, report);
        text += &unreadable(namespace);
        text += &not_in_force(namespace, reader);
        if let Some(owner) = &namespace.kept_in_git_by {
            let _ = writeln!(
                text,
                "warning: {NAME} in namespace {} carries the mark of {}, which may delete it or \
                 change it back: suspend that for as long",
                printable(&namespace.namespace),
                owner.shown()
            );
        }
    }
    text
}

/// Returns the warning that a halt keeps its first reason. Does not advise to resume first, because
/// the clients would be offered versions in between.
fn kept_reason(namespace: &HaltedNamespace, reader: &TimeFormatter) -> String {
    let (Some(_), Some(first)) = (&namespace.reason_not_stored, &namespace.reason) else {
        return String::new();
    };
    let place = printable(&namespace.namespace);
    let since = namespace.since.map(|since| format!(" since {}", reader.moment(since)));
    format!(
        "warning: namespace {place} is halted{}{} with the reason \"{}\": it is kept, and this one \
         is not stored; to replace it: kubectl annotate upol {NAME} -n {place} --overwrite \
         clientfleet.dev/reason=TEXT\n",
        since.unwrap_or_default(),
        by(&namespace.change, namespace.generation, reader),
        printable(first)
    )
}

fn mended(namespace: &HaltedNamespace, report: &HaltReport) -> String {
    if namespace.result != HaltResult::Mended {
        return String::new();
    }
    let gaps: Vec<&str> = namespace.mended.iter().map(|gap| gap.description()).collect();
    let gaps = if gaps.is_empty() {
        String::new()
    } else {
        format!(", so that it {}", gaps.join(", and "))
    };
    let is_made = if report.dry_run.is_real() { "is made" } else { "would be made" };
    format!(
        "warning: somebody had changed {NAME} in namespace {}{gaps}: it {is_made} whole again\n",
        printable(&namespace.namespace)
    )
}

fn unreadable(namespace: &HaltedNamespace) -> String {
    let place = printable(&namespace.namespace);
    let mut text = String::new();
    for name in &namespace.comes_after_unreadable {
        let _ = writeln!(
            text,
            "warning: policy {} in namespace {place} cannot be read; until it is mended it comes \
             before {NAME} and blocks every client by itself",
            printable(name)
        );
    }
    text
}

fn not_in_force(namespace: &HaltedNamespace, reader: &TimeFormatter) -> String {
    let place = printable(&namespace.namespace);
    if let Some(why) = &namespace.not_waited {
        return format!(
            "warning: whether it is in force in namespace {place} is not known: {why}; ask later \
             with `kubectl wait --for=condition=Ready upol/{NAME} -n {place}`\n"
        );
    }
    if namespace.in_force != Some(false) {
        return String::new();
    }
    let stand = match &namespace.counts {
        Some(HaltCounts { offers_stopped: 0, .. }) => {
            "No offer stands by the last statuses".to_owned()
        }
        Some(HaltCounts { offers_end: Some(end), offers_stopped, .. }) => format!(
            "{} still stand until they end by themselves, the last at {}",
            many(*offers_stopped, "offer"),
            reader.moment(*end)
        ),
        Some(HaltCounts { offers_stopped, .. }) => format!(
            "{} still stand, and not all of them end by themselves",
            many(*offers_stopped, "offer")
        ),
        None => "Offers stand until their nextTransitionTime".to_owned(),
    };
    format!(
        "error: NOBODY HAS CARRIED OUT THE HALT of namespace {place} yet. {stand}. See whether the \
         controller runs; once it does, the halt is carried out\n"
    )
}

/// Formats the report of `resume`: the halts that ended, and the policies that govern the clients
/// afterward.
pub(super) fn released(report: &ResumeReport, reader: &TimeFormatter) -> String {
    let mut text = String::new();
    let would = if report.dry_run.is_real() { "" } else { "would be " };
    for namespace in report.namespaces.iter().filter(|n| n.result == ResumeResult::NotHalted) {
        let _ = writeln!(text, "Namespace {} is not halted.", printable(&namespace.namespace));
    }
    if report.namespaces.is_empty() {
        text.push_str("No namespace is halted.\n");
    }
    let done: Vec<&ResumedNamespace> =
        report.namespaces.iter().filter(|n| n.result == ResumeResult::Released).collect();
    for namespace in &done {
        let by = by(&namespace.change, namespace.generation, reader);
        let since = namespace.since.map(|since| format!(" since {}{by}", reader.moment(since)));
        let reason = namespace.reason.as_deref().map(|reason| format!(": {}", printable(reason)));
        let _ = writeln!(
            text,
            "Namespace {} {would}released{}; it was halted{}{}",
            printable(&namespace.namespace),
            report.dry_run.note(),
            since.unwrap_or_default(),
            reason.unwrap_or_default()
        );
    }
    if done.is_empty() || !report.not_known.is_empty() {
        return text;
    }
    text.push('\n');
    text += &going_back(&done, reader).render(false);
    let offered = done.iter().flat_map(|n| &n.policies).map(|back| back.offered).sum::<u32>();
    let _ = match (offered, report.dry_run.is_real()) {
        (0, _) => writeln!(text, "\nNothing is open now: no offer begins at once."),
        (1, true) => writeln!(text, "\n1 offer begins as soon as the controller has seen it."),
        (_, true) => {
            writeln!(text, "\n{offered} offers begin as soon as the controller has seen it.")
        }
        (_, false) => writeln!(text, "\n{} would begin at once.", many(offered, "offer")),
    };
    text
}

fn going_back(done: &[&ResumedNamespace], reader: &TimeFormatter) -> Table {
    let mut table = Table::new(["NAMESPACE", "POLICY", "CLIENTS", "OFFERED AT ONCE", "NEXT"]);
    for namespace in done {
        let place = || Cell::text(Some(&namespace.namespace));
        for back in &namespace.policies {
            let next = back.next_transition_time.map(|next| reader.next(next));
            table.push(vec![
                place(),
                Cell::text(Some(&back.policy)),
                Cell::number(back.clients),
                Cell::number(back.offered),
                Cell::text(next.as_deref()),
            ]);
        }
        if namespace.unmanaged > 0 || namespace.policies.is_empty() {
            table.push(vec![
                place(),
                Cell::text(Some("(none)")),
                Cell::number(namespace.unmanaged),
                Cell::number(0),
                Cell::text(None),
            ]);
        }
    }
    table
}

/// Formats the errors and warnings of `resume`.
pub(super) fn remarks_on_releasing(report: &ResumeReport) -> String {
    let mut text = String::new();
    for why in &report.not_known {
        let _ = writeln!(text, "warning: who goes back under which policy is not known: {why}");
    }
    if let Some(why) = &report.not_recorded {
        let _ = writeln!(text, "warning: who resumed is not recorded: {why}");
    }
    for namespace in &report.namespaces {
        if let Some(error) = &namespace.error {
            let _ = writeln!(text, "error: {error}");
        }
        if let Some(owner) = &namespace.kept_in_git_by {
            let _ = writeln!(
                text,
                "warning: {NAME} in namespace {} carried the mark of {}, which may make it anew: \
                 take it out of Git too",
                printable(&namespace.namespace),
                owner.shown()
            );
        }
    }
    text
}

fn many(count: u32, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
