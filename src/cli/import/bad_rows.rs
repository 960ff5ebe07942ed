//! Formats the problems in the rows of an export: one message for all rows with the same problem.

use super::messages::MAX_PRINTED_PROBLEMS;
use super::rows::{Bad, Inventory};
use crate::cli::terminal::table::printable;

/// Maximum number of lines to print for one problem.
const MAX_LINES: usize = 10;
const MAX_CELL_CHARS: usize = 60;

/// Rows with the same problem.
struct Cause<'a> {
    /// The row on the first line.
    first: &'a Bad,
    /// Lines on which the rows begin.
    lines: Vec<usize>,
}

/// Adds a message for each problem in the bad rows, up to `MAX_PRINTED_PROBLEMS`, and a summary of
/// all bad rows.
pub(super) fn bad_rows(remarks: &mut String, file: &str, inventory: &Inventory, skip: bool) {
    let word = if skip { "warning" } else { "error" };
    let causes = causes(&inventory.bad);
    for cause in causes.iter().take(MAX_PRINTED_PROBLEMS) {
        *remarks += &format!("{word}: {file}: {}\n", cause.sentence(inventory.rows));
    }
    let more = causes.len().saturating_sub(MAX_PRINTED_PROBLEMS);
    if more > 0 {
        *remarks += &format!("{word}: {file}: and {more} more\n");
    }
    let mut lines: Vec<usize> = inventory.bad.iter().map(|bad| bad.line).collect();
    lines.sort_unstable();
    lines.dedup();
    if lines.is_empty() {
        return;
    }
    let (bad, rows) = (lines.len(), inventory.rows);
    let (are, them) = if bad == 1 { ("is", "it") } else { ("are", "them") };
    let number = match bad {
        bad if bad == rows && bad > 1 => format!("all {rows} rows"),
        bad => format!("{bad} of {rows} rows"),
    };
    *remarks += &if skip {
        format!("warning: {file}: {number} {are} left out\n")
    } else if bad == rows {
        format!("error: {file}: {number} {are} bad, so nothing is imported: mend {them}\n")
    } else {
        format!(
            "error: {file}: {number} {are} bad, so nothing is imported: mend {them}, or leave {them} \
             out with --skip-invalid\n"
        )
    };
}

/// Groups the problems by their cause, in the order of their first lines.
fn causes(bad: &[Bad]) -> Vec<Cause<'_>> {
    let mut places = std::collections::HashMap::new();
    let mut causes: Vec<Cause> = Vec::new();
    for bad in bad {
        let column = bad.cell.as_ref().map(|(title, cell)| (title, cell.is_empty()));
        let place = *places.entry((column, without_details(&bad.reason))).or_insert_with(|| {
            causes.push(Cause { first: bad, lines: Vec::new() });
            causes.len() - 1
        });
        let lines = &mut causes[place].lines;
        if lines.last() != Some(&bad.line) {
            lines.push(bad.line);
        }
    }
    causes
}

/// Returns a reason without its numbers, such as those of other lines, and without escaped
/// characters, which differ from row to row. Numbers in quotation marks are part of an option's value, and stay.
fn without_details(reason: &str) -> String {
    let parts = reason.split('\'').enumerate().map(|(index, part)| {
        if index % 2 == 1 {
            return part.to_owned();
        }
        let mut pieces = part.split("\\u{");
        let mut text = pieces.next().unwrap_or_default().to_owned();
        for piece in pieces {
            text += piece.split_once('}').map_or(piece, |(_, rest)| rest);
        }
        text.retain(|c| !c.is_ascii_digit());
        text
    });
    parts.collect::<Vec<_>>().join("'")
}

impl Cause<'_> {
    fn sentence(&self, rows: usize) -> String {
        let first = self.first;
        let column = match &first.cell {
            None => String::new(),
            Some((title, _)) => format!(", column `{title}`"),
        };
        let shown = match &first.cell {
            None => first.reason.clone(),
            Some((_, cell)) if cell.is_empty() => first.reason.clone(),
            Some((_, cell)) => {
                let shown: String = cell.chars().take(MAX_CELL_CHARS).collect();
                let cut = if shown.len() < cell.len() { "…" } else { "" };
                format!("\"{shown}{cut}\" {}", first.reason)
            }
        };
        let text = match self.lines.len() {
            0 | 1 => format!("line {}{column}: {shown}", first.line),
            number if number == rows => {
                format!("all {number} rows{column}, as line {}: {shown}", first.line)
            }
            number => {
                let listed: Vec<String> =
                    self.lines.iter().take(MAX_LINES).map(ToString::to_string).collect();
                let more = match number.saturating_sub(MAX_LINES) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let lines = listed.join(", ");
                format!(
                    "{number} rows (lines {lines}{more}){column}, as line {}: {shown}",
                    first.line
                )
            }
        };
        printable(&text).into_owned()
    }
}
