//! Prints clients as a table, as JSON or YAML, or as names for other commands. This module neither
//! selects nor sorts the clients.

use std::collections::HashSet;
use std::io::{self, Write};

use serde::Serialize;

use super::row::{Decided, Row};
use super::{ClientsArgs, csv_rows};
use crate::cli::colors::state_tone;
use crate::cli::terminal;
use crate::cli::terminal::table::{Cell, ColumnWidths};
use crate::cli::terminal::times::TimeFormatter;
use crate::cli::{Context, Failure, Output, data};
use crate::plan::State;
use crate::values::Timestamp;

/// Prints clients in one output format.
pub(super) struct Printer {
    output: Output,
    with_titles: bool,
    with_namespace: bool,
    /// True if the table shows the fleets: the output is wide, or a name repeats.
    with_fleet: bool,
    in_color: bool,
    reader: TimeFormatter,
    columns: ColumnWidths,
}

#[derive(Serialize)]
struct ClientsDocument<'a> {
    clients: &'a [Row],
}

/// A changed client, as printed in JSON or YAML. `gone` is true if the client was removed from its
/// fleet, or if its fleet was deleted.
#[derive(Serialize)]
struct Gone<'a> {
    #[serde(flatten)]
    row: &'a Row,
    gone: bool,
}

impl Printer {
    pub fn new(args: &ClientsArgs, cx: &Context, with_namespace: bool) -> Self {
        let mut printer = Self {
            output: args.output,
            with_titles: !args.no_headers,
            with_namespace,
            with_fleet: args.output == Output::Wide,
            in_color: cx.in_color,
            reader: cx.reader(),
            columns: ColumnWidths::new([""; 0]),
        };
        printer.columns = ColumnWidths::new(printer.titles());
        printer
    }

    fn titles(&self) -> Vec<&'static str> {
        let mut titles = if self.with_namespace { vec!["NAMESPACE"] } else { Vec::new() };
        if self.with_fleet {
            titles.push("FLEET");
        }
        titles.extend(["COMPUTER", "IP ADDRESS", "CURRENT VERSION", "UPGRADE STATUS", "TARGET"]);
        titles.extend(["WHY", "NEXT", "LAST SEEN"]);
        if self.output == Output::Wide {
            titles.extend(["LAST USER", "POLICY", "LAST OFFER", "ZONE"]);
        }
        titles
    }

    /// Prints a complete list of clients.
    pub fn all(&mut self, rows: &[Row]) -> Result<(), Failure> {
        finish(terminal::stream(|output| match self.output {
            Output::Table | Output::Wide => self.table(rows, output),
            Output::Name => rows.iter().try_for_each(|row| writeln!(output, "{}", self.name(row))),
            Output::Json => data::write_json(&ClientsDocument { clients: rows }, output),
            Output::Yaml => data::write_yaml(&ClientsDocument { clients: rows }, output),
            Output::Csv => csv_rows::write(rows, self.with_titles, output),
        }))
    }

    fn table(&mut self, rows: &[Row], output: &mut dyn Write) -> io::Result<()> {
        if !self.with_fleet && has_repeated_name(rows) {
            self.with_fleet = true;
            self.columns = ColumnWidths::new(self.titles());
        }
        for row in rows {
            let cells = self.cells(row, false);
            self.columns.fit(&cells);
        }
        if self.with_titles {
            output.write_all(self.columns.titles().as_bytes())?;
        }
        rows.iter().try_for_each(|row| {
            let cells = self.cells(row, false);
            output.write_all(self.columns.line(&cells, self.in_color).as_bytes())
        })
    }

    /// Prints the list with which `clients -w` starts. In JSON and YAML, each client is a separate
    /// document.
    pub fn first(&mut self, rows: &[Row]) -> Result<(), Failure> {
        match self.output {
            Output::Table | Output::Wide | Output::Csv | Output::Name => self.all(rows),
            Output::Json | Output::Yaml => rows.iter().try_for_each(|row| self.change(row, false)),
        }
    }

    /// Sets the current time, which advances while the command watches for changes.
    pub(crate) fn set_now(&mut self, now: Timestamp) {
        self.reader.now = now;
    }

    /// Prints one changed client as an additional row, document or name.
    pub fn change(&mut self, row: &Row, is_gone: bool) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::new(error.to_string());
        let text = match self.output {
            Output::Table | Output::Wide => {
                let cells = self.cells(row, is_gone);
                self.columns.fit(&cells);
                self.columns.line(&cells, self.in_color)
            }
            // The options refuse CSV with `-w`.
            Output::Name | Output::Csv => self.name(row) + "\n",
            Output::Json => {
                serde_json::to_string(&Gone { row, gone: is_gone })
                    .map_err(|error| failed(error.into()))?
                    + "\n"
            }
            Output::Yaml => {
                format!("---\n{}", data::yaml(&Gone { row, gone: is_gone })?)
            }
        };
        finish(terminal::out(&text))
    }

    /// Returns the name of a client in the form that `explain` accepts.
    fn name(&self, row: &Row) -> String {
        let within = format!("{}/{}", row.fleet.name, row.name);
        if self.with_namespace { format!("{}/{within}", row.fleet.namespace) } else { within }
    }

    fn cells(&self, row: &Row, is_gone: bool) -> Vec<Cell> {
        let text = |text: Option<&str>| Cell::text(text);
        let decided = row.decided.as_deref();
        let state = if is_gone { Some("Gone") } else { decided.map(|d| d.state.as_ref()) };
        let mut cells = Vec::with_capacity(14);
        if self.with_namespace {
            cells.push(text(Some(&row.fleet.namespace)));
        }
        if self.with_fleet {
            cells.push(text(Some(&row.fleet.name)));
        }
        let seen = row.last_seen.map(|seen| self.reader.ago(seen));
        cells.extend([
            text(Some(row.computer())),
            match self.output {
                Output::Wide => text(row.ip.as_deref()),
                _ => Cell::addresses(row.ip.as_deref()),
            },
            text(row.version.as_deref()),
            text(state).toned(state_tone(state.unwrap_or_default())),
            text(decided.and_then(|d| d.target_version.as_deref())),
            text(decided.map(|d| d.reason.as_ref())),
            text(self.next(row).as_deref()),
            text(seen.as_deref()),
        ]);
        if self.output == Output::Wide {
            cells.extend([
                text(row.last_user.as_deref()),
                text(decided.and_then(|d| d.policy.as_deref())),
                text(decided.and_then(|d| self.last_offer(d)).as_deref()),
                text(row.time_zone.as_deref()),
            ]);
        }
        cells
    }

    /// Returns a description of when the client's state changes next: a time, or the event that
    /// causes the change.
    fn next(&self, row: &Row) -> Option<String> {
        let decided = row.decided.as_deref()?;
        if !row.fleet.is_current {
            // The decision was made from an older spec, so its times are not valid.
            return Some("status is behind".to_owned());
        }
        if row.is_in(State::RestartRequired) {
            return Some("at restart".to_owned());
        }
        match decided.next_transition_time {
            Some(t) => Some(self.reader.next(t)),
            None if row.is_in(State::Offline) => Some("at check-in".to_owned()),
            None => None,
        }
    }

    fn last_offer(&self, decided: &Decided) -> Option<String> {
        let offer = decided.last_offer.as_ref()?;
        let time: Timestamp = offer.time;
        Some(format!("{} by {}, {}", offer.version, offer.policy, self.reader.ago(time)))
    }
}

/// Returns an error if printing failed. Exits the process with code 0 if the program that reads the
/// output, such as `head`, has closed the pipe.
fn finish(written: io::Result<bool>) -> Result<(), Failure> {
    match written {
        Ok(true) => Ok(()),
        Ok(false) => std::process::exit(0),
        Err(error) => Err(Failure::unwritten(&error)),
    }
}

/// Returns whether two rows of a namespace show the same computer or have the same client name, so
/// that only the fleet distinguishes them.
fn has_repeated_name(rows: &[Row]) -> bool {
    let mut names = HashSet::new();
    rows.iter().any(|row| {
        let namespace = row.fleet.namespace.as_str();
        let is_new = names.insert((namespace, row.computer()));
        let has_other_name = row.computer() != row.name.as_str();
        !is_new || has_other_name && !names.insert((namespace, row.name.as_str()))
    })
}
