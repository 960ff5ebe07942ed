//! What would make a client move, in words. Knows the ways, not why they are ways.

use super::headline::seen;
use crate::cli::terminal::table::printable;
use crate::cli::terminal::times::Reader;
use crate::plan::evidence::Seen;
use crate::plan::explanation::{Explanation, Obstacle, Way};

/// The obstacles, one below the other, each with its ways; empty where nothing is in the way.
pub(super) fn advice(told: &Explanation, reader: &Reader) -> String {
    if told.would_move.is_empty() {
        return String::new();
    }
    let is_there = told.decision.state == "UpToDate";
    let title = if is_there { "What would move it on" } else { "What would make it move" };
    let mut text = format!("{title}\n");
    for (place, obstacle) in told.would_move.iter().enumerate() {
        text += &one(obstacle, place > 0, reader);
    }
    if let Some(end) = &told.leads_to {
        let target = end.target_version.as_deref().map(|target| format!(" {}", printable(target)));
        let state = match (end.state, target) {
            ("UpToDate", Some(target)) => format!("UpToDate, running{target}"),
            (state, target) => format!("{state}{}", target.unwrap_or_default()),
        };
        let policy = end.policy.as_deref().filter(|_| end.policy != told.decision.policy);
        let policy = policy.map(|policy| format!(" by policy {}", printable(policy)));
        text += &format!("  then it is {state}{}\n", policy.unwrap_or_default());
    }
    text
}

fn one(obstacle: &Obstacle, is_further: bool, reader: &Reader) -> String {
    let lead = if is_further { "  then " } else { "  " };
    let label = format!("{lead}{}: ", obstacle.reason);
    let indent = " ".repeat(label.len());
    let ways: Vec<String> = obstacle.ways.iter().map(|way| in_words(way, reader)).collect();
    format!("{label}{}\n", ways.join(&format!("\n{indent}or ")))
}

fn in_words(way: &Way, reader: &Reader) -> String {
    match way {
        Way::WaitUntil { instant } => {
            let when = reader.moment(*instant);
            format!("wait until {when} ({})", from_now(*instant, reader))
        }
        Way::CheckIn => "it is seen again (reported.lastSeen)".to_owned(),
        Way::Restart { version } => format!("it restarts and runs {}", printable(version)),
        Way::ClearStaged { version } => {
            format!("{} is taken off it before it restarts", printable(version))
        }
        Way::ClearError { version } => {
            format!("it no longer reports an error with {}", printable(version))
        }
        Way::Report { field, from: Seen::Absent } => format!("it reports its {field}"),
        Way::Report { field, from } => {
            format!("it reports its {field} so that it can be read, not {}", seen(from, reader))
        }
        Way::ChangeField { kind, name, field, from, to } => {
            let object = format!("{kind} {}", printable(name));
            let now = match from {
                Seen::Count(_) => String::new(),
                from => format!(" (now {})", value(from)),
            };
            match to {
                Some(to) => format!("set {} of {object} to {}{now}", field_of(field), value(to)),
                None if *from == Seen::Absent => format!("set {} of {object}", field_of(field)),
                None => format!("change {} of {object}{now}", field_of(field)),
            }
        }
        Way::RemoveField { kind, name, field, value } => {
            let object = format!("{kind} {}", printable(name));
            let (field, value) = (field_of(field), seen(value, reader));
            if field.ends_with("Versions") {
                format!("remove {value} from {field} of {object}")
            } else {
                format!("remove {field} of {object} ({value})")
            }
        }
        Way::AddEntry { kind, name, field, value } => format!(
            "add {} to {} of {kind} {}, if the server can distribute it",
            seen(value, reader),
            field_of(field),
            printable(name)
        ),
        Way::MendPolicy { name, problems } => {
            let problems: Vec<_> = problems.iter().map(|problem| printable(problem)).collect();
            format!("mend UpgradePolicy {}: {}", printable(name), problems.join("; "))
        }
        Way::LeaveScope { name } => {
            format!("take it out of the scope of UpgradePolicy {}, or end that", printable(name))
        }
        Way::AddPolicy { priority_above: None } => {
            "an UpgradePolicy takes it into its scope".to_owned()
        }
        Way::AddPolicy { priority_above: Some(priority) } => {
            format!("an UpgradePolicy with a priority above {priority} takes it into its scope")
        }
    }
}

fn field_of(field: &str) -> String {
    printable(field).into_owned()
}

/// A value as it is written into a field.
fn value(to: &Seen) -> String {
    match to {
        Seen::Flag(flag) => flag.to_string(),
        Seen::Text(text) => printable(text).into_owned(),
        Seen::Absent => "nothing".to_owned(),
        Seen::Count(count) => count.to_string(),
        Seen::Instant(instant) => crate::cli::terminal::times::exact(*instant),
        Seen::Local(local) => local.to_string(),
    }
}

fn from_now(instant: crate::values::Timestamp, reader: &Reader) -> String {
    let seconds = instant.signed_duration_since(reader.now).num_seconds();
    format!("in {}", crate::cli::terminal::times::span(seconds.max(0)))
}
