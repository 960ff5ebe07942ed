//! Formats the obstacles that keep a client from moving to another version, with their remedies.
//! The `plan` module finds the obstacles and the remedies.

use super::headline::seen;
use crate::cli::terminal::table::printable;
use crate::cli::terminal::times::TimeFormatter;
use crate::plan::explanation::{Choice, Destination, Explanation, Obstacle, Remedy};
use crate::plan::rule_input::InputValue;

/// Formats the obstacles that keep a client from moving, one per line, each with its remedies.
/// Returns an empty text if there are no obstacles.
pub(super) fn advice(explanation: &Explanation, reader: &TimeFormatter) -> String {
    if explanation.would_move.is_empty() {
        return String::new();
    }
    let is_there = explanation.decision.state == "UpToDate";
    let title = if is_there { "What would move it on" } else { "What would make it move" };
    let mut text = format!("{title}\n");
    for (place, obstacle) in explanation.would_move.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|before| explanation.would_move.get(before));
        text += &one(obstacle, &lead(before), reader);
    }
    text
}

/// Returns the text before an obstacle. If the previous obstacle has several remedies, the text
/// names the remedy that is assumed to be applied, such as `then, by the first, `.
fn lead(before: Option<&Obstacle>) -> String {
    const PLACES: [&str; 4] = ["first", "second", "third", "fourth"];
    let Some(before) = before else { return "  ".to_owned() };
    let followed = before.assumed.filter(|_| before.ways.len() > 1);
    let followed = followed.and_then(|place| PLACES.get(place));
    followed.map_or_else(|| "  then ".to_owned(), |place| format!("  then, by the {place}, "))
}

fn one(obstacle: &Obstacle, lead: &str, reader: &TimeFormatter) -> String {
    let label = format!("{lead}{}: ", obstacle.reason);
    let indent = " ".repeat(label.len());
    let choice = |Choice { remedy, leads_to }: &Choice| {
        let end =
            leads_to.as_ref().map(|end| format!(": then it is {}", is(end, obstacle, reader)));
        format!("{}{}", in_words(remedy, reader), end.unwrap_or_default())
    };
    let ways: Vec<String> = obstacle.ways.iter().map(choice).collect();
    format!("{label}{}\n", ways.join(&format!("\n{indent}or ")))
}

/// Describes the state that a client reaches after a remedy is applied.
fn is(end: &Destination, obstacle: &Obstacle, reader: &TimeFormatter) -> String {
    let target = printable(end.target_version.as_deref().unwrap_or_default());
    let policy = end.policy.as_deref().filter(|_| end.policy != obstacle.policy);
    let policy = policy.map(|policy| format!(" by policy {}", printable(policy)));
    let policy = policy.unwrap_or_default();
    match end.state {
        "Distributing" => format!("Distributing {target}{policy}"),
        "UpToDate" => format!("UpToDate, running {target}{policy}"),
        state => {
            let still = if state == obstacle.state { "still " } else { "" };
            let until = end.next_transition_time.map(|t| format!(" until {}", reader.moment(t)));
            format!("{still}{state} ({}){policy}{}", end.reason, until.unwrap_or_default())
        }
    }
}

fn in_words(remedy: &Remedy, reader: &TimeFormatter) -> String {
    match remedy {
        Remedy::WaitUntil { instant } => {
            let when = reader.moment(*instant);
            format!("wait until {when} ({})", from_now(*instant, reader))
        }
        Remedy::CheckIn => "it is seen again (reported.lastSeen)".to_owned(),
        Remedy::Restart { version } => format!("it restarts and runs {}", printable(version)),
        Remedy::ClearStaged { version } => {
            format!("{} is taken off it before it restarts", printable(version))
        }
        Remedy::ClearError { version } => {
            format!("it no longer reports an error with {}", printable(version))
        }
        Remedy::Report { field, from: InputValue::Absent } => format!("it reports its {field}"),
        Remedy::Report { field, from } => {
            let reported = match from {
                InputValue::Text(text) => format!("\"{}\"", printable(text)),
                other => seen(other, reader),
            };
            format!("it reports its {field} so that it can be read, not {reported}")
        }
        Remedy::ChangeField { kind, name, field, from, to, governed_clients } => {
            let object = format!("{kind} {}", printable(name));
            change_in_words(&object, &field_of(field), from, to.as_ref(), *governed_clients)
        }
        Remedy::RemoveField { kind, name, field, value } => {
            let object = format!("{kind} {}", printable(name));
            let (field, value) = (field_of(field), seen(value, reader));
            if field.ends_with("Versions") {
                format!("remove {value} from {field} of {object}")
            } else {
                format!("remove {field} of {object} ({value})")
            }
        }
        Remedy::AddEntry { kind, name, field, value } => format!(
            "add {} to {} of {kind} {}, if the server can distribute it",
            seen(value, reader),
            field_of(field),
            printable(name)
        ),
        Remedy::Resume { namespace } => format!(
            "clientfleet resume -n {}, which releases the emergency brake for all of the namespace",
            printable(namespace)
        ),
        Remedy::MendPolicy { name, problems } => {
            let problems: Vec<_> = problems.iter().map(|problem| printable(problem)).collect();
            format!("mend UpgradePolicy {}: {}", printable(name), problems.join("; "))
        }
        Remedy::LeaveScope { name } => {
            format!(
                "keep it out of the scope of UpgradePolicy {}, or end that policy",
                printable(name)
            )
        }
        Remedy::RemoveElsewhere { client, fleets } => {
            let fleets: Vec<_> = fleets.iter().map(|fleet| printable(fleet)).collect();
            let kind = if fleets.len() == 1 { "ClientFleet" } else { "ClientFleets" };
            let client = printable(client);
            format!("remove {client} from spec.clients of {kind} {}", fleets.join(", "))
        }
        Remedy::AddPolicy { priority_above: None } => {
            "an UpgradePolicy takes it into its scope".to_owned()
        }
        Remedy::AddPolicy { priority_above: Some(priority) } => {
            format!("an UpgradePolicy with a priority above {priority} takes it into its scope")
        }
    }
}

/// Describes the change of a field to a new value. If `to` is `None`, the user must choose the new
/// value.
fn change_in_words(
    object: &str,
    field: &str,
    from: &InputValue,
    to: Option<&InputValue>,
    governed_clients: Option<u32>,
) -> String {
    let now = match from {
        InputValue::Count(_) => String::new(),
        from => format!(" (now {})", value(from)),
    };
    match to {
        Some(to) => {
            let all = governed_clients.filter(|governed| *governed > 1);
            let all = all.map(|n| format!(", for all {n} clients that it governs"));
            format!("set {field} of {object} to {}{now}{}", value(to), all.unwrap_or_default())
        }
        None if *from == InputValue::Absent => format!("set {field} of {object}"),
        None => format!("change {field} of {object}{now}"),
    }
}

fn field_of(field: &str) -> String {
    printable(field).into_owned()
}

fn value(to: &InputValue) -> String {
    match to {
        InputValue::Flag(flag) => flag.to_string(),
        InputValue::Text(text) => printable(text).into_owned(),
        InputValue::Absent => "nothing".to_owned(),
        InputValue::Count(count) => count.to_string(),
        InputValue::Instant(instant) => crate::values::rfc3339(*instant),
        InputValue::Local(local) => local.to_string(),
    }
}

fn from_now(instant: crate::values::Timestamp, reader: &TimeFormatter) -> String {
    let seconds = instant.signed_duration_since(reader.now).num_seconds();
    format!("in {}", crate::cli::terminal::times::span(seconds.max(0)))
}
