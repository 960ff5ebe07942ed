//! Summarizes an explanation in one line: the client's state, the reason, and the next change. The
//! `plan` module computes the explanation.

use crate::cli::terminal::table::printable;
use crate::cli::terminal::times::TimeFormatter;
use crate::plan::Reason;
use crate::plan::explanation::{Doubt, ExplainedChain, ExplainedPolicy, Explanation, Verdict};
use crate::plan::rule_input::InputValue;

/// Formats the summary, such as
/// `ber-fi-001 (BER-FI-001) is Waiting: outside its windows; opens in 9h (22:00)`.
pub(super) fn headline(explanation: &Explanation, reader: &TimeFormatter) -> String {
    let computer =
        explanation.client.reported.as_ref().and_then(|reported| reported.computer.as_deref());
    let computer = computer.filter(|computer| !computer.is_empty());
    let computer = computer.map(|computer| format!(" ({})", printable(computer)));
    let name = printable(&explanation.client.name);
    let when = next(explanation, reader).map(|next| format!("; {next}")).unwrap_or_default();
    let state = explanation.decision.state;
    format!("{name}{} is {state}: {}{when}", computer.unwrap_or_default(), why(explanation, reader))
}

/// Parses the name of a reason as it appears in a status.
pub(super) fn reason(word: &str) -> Option<Reason> {
    Reason::ALL.iter().copied().find(|reason| reason.as_str() == word)
}

fn why(explanation: &Explanation, reader: &TimeFormatter) -> String {
    let decision = &explanation.decision;
    let policy = printable(decision.policy.as_deref().unwrap_or_default());
    let target = printable(decision.target_version.as_deref().unwrap_or_default());
    let Some(reason) = reason(decision.reason) else { return decision.reason.to_owned() };
    let reported = explanation.client.reported.as_ref();
    let runs = reported.and_then(|r| r.version.as_deref()).filter(|version| !version.is_empty());
    match reason {
        Reason::ReportedElsewhere | Reason::DuplicateClient => several_fleets(explanation),
        Reason::NoMatchingPolicy => "no policy governs it, so nothing is distributed to it".into(),
        Reason::PolicyInvalid => format!("its policy {policy} is invalid"),
        Reason::OtherVersionStaged => {
            let staged = reported.and_then(|r| r.staged_version.as_deref()).unwrap_or_default();
            let staged = printable(staged);
            format!("its next restart brings {staged}, and policy {policy} does not ask for that")
        }
        Reason::NoUpgrade => format!("policy {policy} asks for no upgrade"),
        Reason::ClientVersionUnreadable => match runs {
            Some(version) => format!("\"{}\", which it reports, is no version", printable(version)),
            None => "it reports no version".into(),
        },
        Reason::PackageUnknown => "its fleet's package is not known".into(),
        Reason::PackageWithdrawn => format!("its target {target} is withdrawn"),
        Reason::AtTarget => format!("it runs its target {target}"),
        Reason::DowngradeNotAllowed => {
            let runs = printable(runs.unwrap_or_default());
            format!("it runs {runs}, newer than its target {target}, and no downgrade is allowed")
        }
        Reason::NotSeen => explanation.client.last_seen.map_or_else(
            || "not seen for long".into(),
            |seen| format!("last seen {}", reader.ago(seen)),
        ),
        Reason::TargetsInCircle => {
            let chain = explanation.target_chain.as_ref();
            let chain = chain.map(in_circle).unwrap_or_default();
            format!("its policies send it round in a circle{chain}")
        }
        Reason::RestartPending => format!("its next restart brings its target {target}"),
        Reason::AddressUnknown => {
            let ip = reported.and_then(|r| r.ip.as_deref()).filter(|ip| !ip.is_empty());
            let address = match ip {
                Some(ip) => {
                    format!("\"{}\", the address it reports, cannot be read", printable(ip))
                }
                None => "it reports no address".to_owned(),
            };
            format!("{address}, and policy {} goes by addresses", in_doubt(explanation))
        }
        Reason::PackageUnavailable => {
            format!("its target {target} is neither its server's package nor retained there")
        }
        Reason::InstallFailed => failed(explanation, &target),
        Reason::PolicySuspended => format!("policy {policy} is suspended"),
        Reason::TimeZoneUnknown => match &explanation.client.time_zone.name {
            Some(name) => format!("its time zone \"{}\" is not known", printable(name)),
            None => "nobody names its time zone, and its policy needs one".into(),
        },
        Reason::DistributionEnded => format!("distribution by policy {policy} has ended"),
        Reason::NotStarted => format!("distribution by policy {policy} has not begun"),
        Reason::Excluded => {
            let exclusion = explanation.ahead.exclusion.as_deref().unwrap_or_default();
            format!("its local date is excluded by \"{}\"", printable(exclusion))
        }
        Reason::OutsideWindow => "outside its windows".into(),
        Reason::UpgradeOffered => format!("it is offered {target}"),
        Reason::DowngradeOffered => format!("it is offered {target}, a downgrade"),
    }
}

/// Says why the client's entries in several fleets keep it from an offer.
fn several_fleets(explanation: &Explanation) -> String {
    let others = explanation.entries.iter().filter(|e| e.entry.fleet != explanation.fleet);
    let others: Vec<_> = others.map(|e| printable(&e.entry.fleet)).collect();
    let decides = explanation.entries.iter().find(|entry| entry.decides);
    if let Some(decides) = decides {
        return format!("fleet {} decides for it", printable(&decides.entry.fleet));
    }
    let others = others.join(", ");
    let is_deleted = explanation.decision.reason == Reason::ReportedElsewhere.as_str();
    if is_deleted {
        return format!("its fleet is being deleted, and {others} lists it too");
    }
    let word = if explanation.entries.len() == 2 { "lists" } else { "list" };
    let unseen = explanation.entries.iter().find(|entry| entry.entry.last_seen.is_none());
    let why = match unseen {
        Some(unseen) => format!("fleet {} never saw it", printable(&unseen.entry.fleet)),
        None => "no fleet saw it 7 days after all others".to_owned(),
    };
    format!("{others} {word} it too, and {why}, so no entry decides")
}

fn in_circle(chain: &ExplainedChain) -> String {
    let first = chain.first_in_circle.as_deref().unwrap_or_default();
    format!(": {}; only clients that {} governs move", printable(&chain.text()), printable(first))
}

/// Returns the name of the policy whose scope depends on the unknown address of the client.
fn in_doubt(explanation: &Explanation) -> String {
    let is_in_doubt = |policy: &&ExplainedPolicy| {
        matches!(policy.verdict, Verdict::Governs | Verdict::AddressUnknown)
            && matches!(policy.in_doubt, Some(Doubt::MayHold | Doubt::MayExclude))
    };
    let policy = explanation.policies.iter().find(is_in_doubt);
    policy.map(|policy| printable(&policy.name).into_owned()).unwrap_or_default()
}

fn failed(explanation: &Explanation, target: &str) -> String {
    let error =
        explanation.client.reported.as_ref().and_then(|reported| reported.last_error.as_deref());
    let message = error.and_then(|error| error.message.as_deref()).filter(|m| !m.is_empty());
    let message = message.map(|message| format!(" ({})", printable(message.trim_end_matches('.'))));
    format!("{target} could not be installed{}", message.unwrap_or_default())
}

fn next(explanation: &Explanation, reader: &TimeFormatter) -> Option<String> {
    let reason = reason(explanation.decision.reason)?;
    let Some(next) = explanation.decision.next_transition_time.map(|next| reader.next(next)) else {
        return match reason {
            Reason::NotSeen => Some("it is judged again when it checks in".to_owned()),
            _ => None,
        };
    };
    Some(match reason {
        Reason::UpgradeOffered | Reason::DowngradeOffered => format!("the offer ends {next}"),
        Reason::NotStarted | Reason::Excluded | Reason::OutsideWindow => format!("opens {next}"),
        Reason::InstallFailed => format!("it is offered again {next}"),
        _ => format!("it is offered a version {next}"),
    })
}

/// Formats an input value of a rule as short text, such as `none`, `yes` or a time.
pub(super) fn seen(value: &InputValue, reader: &TimeFormatter) -> String {
    match value {
        InputValue::Absent => "none".to_owned(),
        InputValue::Flag(true) => "yes".to_owned(),
        InputValue::Flag(false) => "no".to_owned(),
        InputValue::Count(count) => count.to_string(),
        InputValue::Instant(instant) => reader.moment(*instant),
        InputValue::Local(local) => local.format("%a %H:%M").to_string(),
        InputValue::Text(text) => printable(text).into_owned(),
    }
}
