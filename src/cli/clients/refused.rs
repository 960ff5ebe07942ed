//! Refuses options that no client can meet, whatever the cluster contains: the empty list would look
//! like an answer. Does no I/O.

use super::ClientsArgs;
use crate::cli::Failure;
use crate::cli::terminal::table::printable;
use crate::plan::rules::RULES;
use crate::plan::{Reason, State};
use crate::values::VersionRequirement;
use crate::values::selector::Requirement;
use crate::values::selector_text::{contradiction, parse_selector};
use crate::values::version_requirement::RequirementError;

/// Returns an error if the names of fleets or policies contain characters that no name contains.
pub(super) fn names(option: &str, kind: &str, names: &[String]) -> Result<(), Failure> {
    for name in names {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        let Some(wrong) = name.chars().find(|c| !is_plain(*c)) else {
            if name.is_empty() {
                return Err(Failure::input(format!("{option}: a name is empty: leave it out")));
            }
            continue;
        };
        let mend = match wrong {
            '*' | '?' => "it is no wildcard: write whole names, separated by commas".to_owned(),
            '/' => "write the name alone, and its namespace with -n".to_owned(),
            c if c.is_whitespace() => "leave the blank out".to_owned(),
            c => format!("leave {} out", c.escape_unicode()),
        };
        return Err(Failure::input(format!(
            "{option}: \"{}\" cannot be the name of {kind}, because it contains \"{}\": {mend}",
            printable(name),
            wrong.escape_debug()
        )));
    }
    Ok(())
}

/// Returns an error if no rule gives one of `reasons` in one of `states`, or if none of the clients
/// with them has a policy although the user selects clients by their policies.
pub(super) fn states(
    args: &ClientsArgs,
    states: &[String],
    reasons: &[String],
) -> Result<(), Failure> {
    let is_any =
        |wanted: &[String], word: &str| wanted.is_empty() || wanted.iter().any(|w| w == word);
    let has_reason = |state: State, reason: Reason| {
        is_any(states, state.as_str()) && is_any(reasons, reason.as_str())
    };
    let mut outcomes = RULES.iter().map(|rule| (rule.says.state, rule.says.reason));
    if !outcomes.clone().any(|(state, reason)| has_reason(state, reason)) {
        let of_reason = RULES.iter().filter(|rule| is_any(reasons, rule.says.reason.as_str()));
        let mut found: Vec<&str> = of_reason.map(|rule| rule.says.state.as_str()).collect();
        found.sort_unstable();
        found.dedup();
        return Err(Failure::input(format!(
            "--state {} with --reason {} selects no client: clients with that reason are {}",
            states.join(","),
            reasons.join(","),
            found.join(" or ")
        )));
    }
    let is_unmanaged =
        outcomes.all(|(state, reason)| !has_reason(state, reason) || state == State::Unmanaged);
    if is_unmanaged && !args.policy.is_empty() {
        return Err(Failure::input(
            "--policy selects no client that is Unmanaged, because no policy governs it: leave one \
             of the two out",
        ));
    }
    Ok(())
}

/// Returns an error if the text is no version requirement and no client can report it, or if the
/// requirement excludes every version.
pub(super) fn version(
    text: &str,
    read: &Result<VersionRequirement, RequirementError>,
) -> Result<(), Failure> {
    match read {
        Ok(requirement) if requirement.can_hold() => Ok(()),
        Ok(_) => Err(Failure::input(format!(
            "--version: no version meets \"{}\", because its limits leave none between them",
            printable(text)
        ))),
        Err(_) if text.trim().is_empty() => {
            Err(Failure::input("--version: a version is empty: write one, as 3.58.110"))
        }
        Err(_) if text.starts_with(['<', '>', '=', '!', '~', '^']) => Err(Failure::input(format!(
            "--version: \"{}\" is neither a version nor one or two comparisons with <, <=, > or >=: \
             write, for example, 3.59.127, \"<3.59\" or \">=3.50 <3.59.127\", without a blank after \
             the operator",
            printable(text)
        ))),
        Err(_) if text.contains(char::is_control) => Err(Failure::input(format!(
            "--version: \"{}\" contains a control character, which no client reports: leave it out",
            printable(text)
        ))),
        Err(_) => Ok(()),
    }
}

/// Returns an error if a keyword contains a character that occurs in no client.
pub(super) fn keywords(text: &str) -> Result<(), Failure> {
    let wrong = text.split_whitespace().find(|word| word.contains(char::is_control));
    wrong.map_or(Ok(()), |word| {
        Err(Failure::input(format!(
            "KEYWORDS: \"{}\" contains a control character, which no client has: leave it out",
            printable(word)
        )))
    })
}

/// Parses the selector of clients. Returns an error for a selector that selects no client.
pub(super) fn client_selector(text: &str) -> Result<Vec<Requirement>, Failure> {
    let option = "--client-selector";
    let requirements = parse_selector(text)
        .map_err(|error| Failure::input(format!("{option}: \"{}\", {error}", printable(text))))?;
    can_hold(option, text, requirements)
}

/// Parses the selector of fleets. Returns an error for a selector that selects no fleet. The API
/// server judges a text that this program cannot parse, and supports more operators.
pub(super) fn fleet_selector(text: &str) -> Result<Vec<Requirement>, Failure> {
    can_hold("--selector", text, parse_selector(text).unwrap_or_default())
}

fn can_hold(
    option: &str,
    text: &str,
    requirements: Vec<Requirement>,
) -> Result<Vec<Requirement>, Failure> {
    match contradiction(&requirements) {
        None => Ok(requirements),
        Some(key) => Err(Failure::input(format!(
            "{option}: no value of the label {key} meets all of \"{}\"; to select several values, \
             write \"{key} in (a,b)\"",
            printable(text)
        ))),
    }
}
