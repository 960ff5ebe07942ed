//! Lets the options that say where to look stand before the command, as kubectl's do: `clientfleet
//! -n clients status`.
//!
//! The options move behind the command before clap parses the line. Each command then judges them
//! as its own, so that one that the command does not have is an error.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Args, Command};

use super::cluster::NamespaceArgs;
use crate::cluster::connection::Connection;

/// Adds the options that may stand before the command, for the help and for completion.
pub(super) fn with_options(program: Command) -> Command {
    let about = program.get_about().cloned().unwrap_or_default();
    // The groups of options would replace the description of the program by their own.
    Connection::augment_args(NamespaceArgs::augment_args(program)).about(about).long_about(None)
}

/// Moves the options before the command behind it. A line that clap refuses or answers with the
/// help stays as it is.
pub(super) fn behind_the_command(program: &Command, mut line: Vec<OsString>) -> Vec<OsString> {
    if let Some(at) = place_of_command(program, &line)
        && line.get(at).is_some_and(|word| program.find_subcommand(word.as_os_str()).is_some())
    {
        // The command moves before the options, which is the same.
        line[1..=at].rotate_right(1);
    }
    line
}

/// Returns an unfinished line in a form that clap_complete can read: it takes the value of an option
/// for the command if a command has that name, such as `-n clients`.
pub(super) fn without_leading_options(program: &Command, mut line: Vec<OsString>) -> Vec<OsString> {
    match place_of_command(program, &line) {
        Some(at) if at + 1 == line.len() => {
            line.drain(1..at);
            line
        }
        _ => behind_the_command(program, line),
    }
}

/// Returns the index of the first word that is neither an option that may stand before the command
/// nor its value; `None` if another option comes first.
fn place_of_command(program: &Command, line: &[OsString]) -> Option<usize> {
    let mut at = 1;
    while let Some(word) = line.get(at) {
        let word = word.to_string_lossy();
        let values = match word.strip_prefix("--") {
            Some("") => None,
            Some(long) => values_of_long(program, long),
            None => match word.strip_prefix('-') {
                Some(shorts) if !shorts.is_empty() => values_of_shorts(program, shorts),
                _ => break,
            },
        };
        at += 1 + values?;
    }
    Some(at).filter(|at| *at < line.len())
}

/// Returns the options that `program` has in a line of any command, with their values.
pub(super) fn options_in(
    program: &Command,
    mut line: impl Iterator<Item = OsString>,
) -> Vec<OsString> {
    let mut options = Vec::new();
    while let Some(word) = line.next() {
        let values = values_of(program, &word.to_string_lossy());
        if let Some(values) = values {
            options.push(word);
            options.extend(line.by_ref().take(values));
        }
    }
    options
}

/// Returns how many words after an option are its value, or `None` if the word is no option of the
/// program.
fn values_of(program: &Command, word: &str) -> Option<usize> {
    match word.strip_prefix("--") {
        Some(long) => values_of_long(program, long),
        None => {
            let shorts = word.strip_prefix('-').filter(|shorts| !shorts.is_empty())?;
            values_of_shorts(program, shorts)
        }
    }
}

/// Returns how many words after a long option are its value, or `None` if there is no such option.
fn values_of_long(program: &Command, text: &str) -> Option<usize> {
    let (name, has_value) = text.split_once('=').map_or((text, false), |(name, _)| (name, true));
    let option = program.get_arguments().find(|option| option.get_long() == Some(name))?;
    Some(usize::from(takes_value(option) && !has_value))
}

/// Returns how many words after short options, such as `-An`, are their value.
fn values_of_shorts(program: &Command, text: &str) -> Option<usize> {
    let mut rest = text.chars();
    while let Some(short) = rest.next() {
        let option = program.get_arguments().find(|option| option.get_short() == Some(short))?;
        if takes_value(option) {
            return Some(usize::from(rest.as_str().is_empty()));
        }
    }
    Some(0)
}

/// Returns whether the next word is the option's value.
fn takes_value(option: &Arg) -> bool {
    let takes_value = matches!(option.get_action(), ArgAction::Set | ArgAction::Append);
    takes_value && !option.is_require_equals_set()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::arguments::described;

    #[test]
    fn options_move_behind_the_command() {
        for (line, expected) in [
            ("x -n berlin clients", "x clients -n berlin"),
            ("x -nberlin --context=prod status -w", "x status -nberlin --context=prod -w"),
            (
                "x -A --insecure-skip-tls-verify clients a",
                "x clients -A --insecure-skip-tls-verify a",
            ),
            ("x -An berlin clients", "x clients -An berlin"),
            (
                "x --now 2026-11-24T12:00:00Z -n clients crds",
                "x crds --now 2026-11-24T12:00:00Z -n clients",
            ),
            ("x -n clients clients -n berlin", "x clients -n clients -n berlin"),
        ] {
            assert_eq!(moved(line), expected);
        }
    }

    #[test]
    fn other_lines_stay_as_they_are() {
        for line in [
            "x",
            "x clients -n berlin",
            "x -n",
            "x -n clients",
            "x -n clients nonsense",
            "x -n clients --help",
            "x -o json clients",
            "x --output json clients",
            "x -- clients",
            "x --help",
        ] {
            assert_eq!(moved(line), line);
        }
    }

    fn moved(line: &str) -> String {
        let line = line.split(' ').map(OsString::from).collect();
        let moved = behind_the_command(&described(), line);
        moved.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
    }
}
