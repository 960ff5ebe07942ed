//! Renders a report for a terminal.

use super::report::{Report, ReportTable};
use crate::cli::terminal::table::{Cell, Table, printable};

/// Renders the sentences and the tables of a report, with the title of each table above the table.
pub(super) fn render(report: &Report, in_color: bool) -> String {
    let mut parts =
        vec![format!("{}\n{}\n", printable(&report.heading), printable(&report.summary))];
    if !report.transitions.rows.is_empty() {
        parts.push(table(&report.transitions, in_color));
    }
    if !report.warnings.is_empty() {
        let lines = report.warnings.iter().map(|line| format!("  {}\n", printable(line)));
        parts.push(format!("To look at:\n{}", lines.collect::<String>()));
    }
    for sheet in &report.sheets {
        parts.push(format!("{}\n{}", sheet.title, table(sheet, in_color)));
    }
    parts.join("\n")
}

fn table(sheet: &ReportTable, in_color: bool) -> String {
    let mut table = Table::new(sheet.columns.iter().copied());
    for row in &sheet.rows {
        let cell = |entry: &super::report::Entry| {
            let cell = if entry.is_number {
                Cell::number(&entry.text)
            } else {
                Cell::text(Some(&entry.text))
            };
            cell.toned(entry.tone)
        };
        table.push(row.iter().map(cell).collect());
    }
    let mut text = table.render(in_color);
    if sheet.left_out > 0 {
        text += &format!("… and {} more: --limit 0 shows all\n", sheet.left_out);
    }
    text
}
