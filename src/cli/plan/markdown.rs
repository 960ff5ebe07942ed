//! Renders a report as a comment on a pull request, in GitHub's Markdown. Escapes all text, so that
//! names cannot add markup or links, or mention users.

use super::report::{Entry, Report, ReportTable};
use crate::cli::terminal::table::printable;

/// Markdown characters to escape with a backslash.
const MARKUP: &str = "\\`*_[]|~#!";

/// Renders the report. The summary, the transitions and the warnings are always visible; each other
/// table is a collapsed section.
pub(super) fn render(report: &Report) -> String {
    let (heading, summary) = (shown(&report.heading), shown(&report.summary));
    let mut text = format!("### clientfleet plan\n\n**{heading}**\n\n{summary}\n");
    if !report.transitions.rows.is_empty() {
        text += &format!("\n{}", table(&report.transitions));
    }
    if !report.warnings.is_empty() {
        let lines = report.warnings.iter().map(|line| format!("- {}\n", shown(line)));
        text += &format!("\n**To look at**\n\n{}", lines.collect::<String>());
    }
    for sheet in &report.sheets {
        let title = sheet.title;
        let table = table(sheet);
        text += &format!("\n<details>\n<summary>{title}</summary>\n\n{table}\n</details>\n");
    }
    text
}

fn table(sheet: &ReportTable) -> String {
    let is_number = |column: usize| {
        sheet.rows.first().and_then(|row| row.get(column)).is_some_and(|entry| entry.is_number)
    };
    let rules = (0..sheet.columns.len()).map(|at| if is_number(at) { "---:" } else { "---" });
    let mut text = line(sheet.columns.iter().map(|title| (*title).to_owned()));
    text += &line(rules.map(ToOwned::to_owned));
    for row in &sheet.rows {
        text += &line(row.iter().map(cell));
    }
    if sheet.left_out > 0 {
        text += &format!("\n… and {} more\n", sheet.left_out);
    }
    text
}

fn line(cells: impl Iterator<Item = String>) -> String {
    format!("| {} |\n", cells.collect::<Vec<_>>().join(" | "))
}

fn cell(entry: &Entry) -> String {
    if entry.text.is_empty() { "-".to_owned() } else { shown(&entry.text) }
}

fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in printable(text).chars() {
        match character {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            '@' => shown.push_str("&#64;"),
            markup if MARKUP.contains(markup) => shown.extend(['\\', markup]),
            plain => shown.push(plain),
        }
    }
    // GitHub turns `://` and `www.` into links even without markup, so escape them as well.
    shown.replace("://", "&#58;//").replace("www.", "www&#46;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_given_is_obeyed() {
        assert_eq!(
            shown("CORP\\jd|<b>*x*</b> & `y`"),
            "CORP\\\\jd\\|&lt;b&gt;\\*x\\*&lt;/b&gt; &amp; \\`y\\`"
        );
        assert_eq!(
            shown("@all [a](http://b) #1 ~~c~~"),
            "&#64;all \\[a\\](http&#58;//b) \\#1 \\~\\~c\\~\\~"
        );
        assert_eq!(shown("a\nb"), "a\\\\nb");
    }
}
