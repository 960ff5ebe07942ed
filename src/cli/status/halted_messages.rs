//! Formats the messages about a halt in the output of `status`: its effect, its exceptions, and the
//! next steps. Makes no decisions.

use std::fmt::Write as _;

use super::halted::Halted;
use crate::cli::halt::{Gap, NAME, by};
use crate::cli::terminal::table::printable;
use crate::cli::terminal::times::TimeFormatter;

/// Returns the lines that describe a halt.
pub(super) fn lines(halted: &Halted, reader: &TimeFormatter) -> String {
    let namespace = printable(&halted.namespace);
    let by = by(&halted.change, halted.generation, reader);
    let since = halted.since.map(|since| format!(" since {}{by}", reader.moment(since)));
    let since = since.unwrap_or_default();
    let reason = halted.reason.as_deref().map(|reason| format!(" ({})", printable(reason)));
    let reason = reason.unwrap_or_default();
    let back = if halted.is_ours {
        format!("`clientfleet resume -n {namespace}`")
    } else {
        format!("somebody deletes policy {NAME}")
    };
    let mut text = if !halted.holds_somebody() {
        format!(
            "NOT HALTED: namespace {namespace} has a policy {NAME}{reason}, but it holds nobody"
        )
    } else if !halted.in_force {
        format!(
            "HALTED{since}{reason} in namespace {namespace}, BUT NOT CARRIED OUT YET: see whether the \
             controller runs"
        )
    } else if !halted.holds_everybody {
        format!("HALTED{since}{reason} in namespace {namespace}, BUT NOT FOR EVERYBODY")
    } else if let Some(ends) = halted.ends {
        format!(
            "HALTED{since}{reason}: nothing new is distributed in namespace {namespace} until {}, \
             when it ends by itself, or {back}",
            reader.moment(ends)
        )
    } else {
        format!(
            "HALTED{since}{reason}: nothing new is distributed in namespace {namespace} until {back}"
        )
    };
    text.push('\n');
    text + &but(halted, reader)
}

/// Returns the lines about the exceptions to a halt, such as policies that take precedence over the
/// halt.
fn but(halted: &Halted, reader: &TimeFormatter) -> String {
    let mut text = String::new();
    let namespace = printable(&halted.namespace);
    let mut line = |line: String| {
        let _ = writeln!(text, "  {line}");
    };
    if halted.is_being_deleted {
        line(format!("{NAME} is being deleted, and not gone yet"));
    }
    for gap in &halted.gaps {
        match (gap, halted.begins, halted.ends) {
            (Gap::NotYet, Some(begins), _) => {
                line(format!("{NAME} is not effective until {}", reader.moment(begins)));
            }
            (Gap::Over, _, Some(ends)) => {
                line(format!("{NAME} is not effective since {}", reader.moment(ends)));
            }
            (Gap::Ends, _, Some(_)) if halted.holds_everybody && halted.in_force => {}
            (Gap::Ends, _, Some(ends)) => {
                line(format!("{NAME} ends by itself at {}", reader.moment(ends)));
            }
            _ => line(format!("{NAME} {}", gap.description())),
        }
    }
    if !halted.is_ours {
        line(format!(
            "`clientfleet halt` did not make this {NAME}: `clientfleet resume` leaves it alone"
        ));
    } else if !halted.gaps.is_empty() && !halted.is_being_deleted {
        line(format!("`clientfleet halt -n {namespace}` makes it whole again"));
    }
    text
}
