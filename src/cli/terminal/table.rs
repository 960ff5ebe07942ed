//! Formats text for a terminal: aligns tables, adds optional colors, and escapes control
//! characters. Does not depend on the meaning of the cells.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

pub(crate) use crate::api::invisible::printable;

/// Number of spaces between two columns, as in kubectl's tables.
const COLUMN_GAP: usize = 3;
const EMPTY_CELL: &str = "-";

/// Color of a cell, used only if the output is colored. The text conveys the same information
/// without color.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Default color of the terminal.
    #[default]
    Plain,
    /// Green, for a state that is in progress or open, such as `Distributing`.
    Moving,
    /// Yellow, for a state that ends without user action, such as `Waiting`.
    Waiting,
    /// Red, for a state that needs the attention of a user, such as `Failed`.
    Alarm,
}

impl Tone {
    const fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Moving => "32",
            Self::Waiting => "33",
            Self::Alarm => "31",
        }
    }

    /// Returns the text in this color if `in_color` is true; otherwise returns the text unchanged.
    #[must_use]
    pub(crate) fn paint(self, text: &str, in_color: bool) -> String {
        match self.code() {
            code if in_color && !code.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

/// One cell of a table.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
    is_number: bool,
}

impl Cell {
    /// Creates a cell with a text, or with `-` if `text` is `None` or empty.
    #[must_use]
    pub fn text(text: Option<&str>) -> Self {
        let text = text.filter(|text| !text.is_empty()).unwrap_or(EMPTY_CELL);
        Self { text: printable(text).into_owned(), ..Self::default() }
    }

    /// Creates a cell with the first of several addresses and the number of the others, such as
    /// `10.20.1.5 +2`.
    #[must_use]
    pub(crate) fn addresses(text: Option<&str>) -> Self {
        Self::text(text.map(first_address).as_deref())
    }

    /// Creates a right-aligned cell with a number.
    #[must_use]
    pub fn number(number: impl ToString) -> Self {
        Self { text: number.to_string(), is_number: true, ..Self::default() }
    }

    /// Returns the cell with the color `tone`.
    #[must_use]
    pub(crate) fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// Shortens several addresses to the first and the number of the others, such as `10.20.1.5 +2`.
#[must_use]
pub(crate) fn first_address(text: &str) -> Cow<'_, str> {
    let mut addresses = text.split([',', ' ']).filter(|address| !address.is_empty());
    match (addresses.next(), addresses.count()) {
        (Some(first), others @ 1..) => Cow::Owned(format!("{first} +{others}")),
        _ => Cow::Borrowed(text),
    }
}

/// A table: a header and rows.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// Creates a table without rows.
    #[must_use]
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row, which has one cell per column.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// Renders the header and all rows as lines, aligned by display width and without trailing
    /// spaces.
    #[must_use]
    pub(crate) fn render(&self, in_color: bool) -> String {
        let mut columns = ColumnWidths::new(self.header.clone());
        for row in &self.rows {
            columns.fit(row);
        }
        let rows = self.rows.iter().map(|row| columns.line(row, in_color));
        std::iter::once(columns.titles()).chain(rows).collect()
    }
}

/// Titles and widths of table columns, for tables that are printed row by row because their rows
/// are not all in memory.
#[derive(Clone, Debug)]
pub struct ColumnWidths {
    titles: Vec<Cell>,
    widths: Vec<usize>,
}

impl ColumnWidths {
    /// Creates columns that are as wide as their titles.
    #[must_use]
    pub fn new<S: Into<String>>(titles: impl IntoIterator<Item = S>) -> Self {
        let titles: Vec<Cell> =
            titles.into_iter().map(|text| Cell { text: text.into(), ..Cell::default() }).collect();
        let widths = titles.iter().map(|title| title.text.width()).collect();
        Self { titles, widths }
    }

    /// Widens the columns to fit a row. Right-aligns the titles of columns with numbers.
    pub fn fit(&mut self, row: &[Cell]) {
        for ((cell, width), title) in row.iter().zip(&mut self.widths).zip(&mut self.titles) {
            *width = (*width).max(cell.text.width());
            title.is_number |= cell.is_number;
        }
    }

    /// Returns the line with the column titles.
    #[must_use]
    pub fn titles(&self) -> String {
        self.line(&self.titles, false)
    }

    /// Returns a row as a line of text, aligned by display width and without trailing spaces.
    #[must_use]
    pub fn line(&self, row: &[Cell], in_color: bool) -> String {
        let mut text = String::new();
        line(&mut text, row, &self.widths, in_color);
        text
    }
}

fn line(text: &mut String, row: &[Cell], widths: &[usize], in_color: bool) {
    let start = text.len();
    for (cell, width) in row.iter().zip(widths) {
        let padding = width.saturating_sub(cell.text.width());
        let (before, after) = if cell.is_number { (padding, 0) } else { (0, padding) };
        let code = cell.tone.code();
        // Writing to a string cannot fail.
        let _ = if in_color && !code.is_empty() {
            write!(
                text,
                "{:before$}\x1b[{code}m{}\x1b[0m{:after$}{:COLUMN_GAP$}",
                "", cell.text, "", ""
            )
        } else {
            write!(text, "{:before$}{}{:after$}{:COLUMN_GAP$}", "", cell.text, "", "")
        };
    }
    let end = text[start..].trim_end_matches(' ').len();
    text.truncate(start + end);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_several_addresses_is_shown() {
        for (text, shown) in [
            ("10.0.0.1", "10.0.0.1"),
            ("10.0.0.1, fd00::1", "10.0.0.1 +1"),
            (" 10.0.0.1,fd00::1 ...", "10.0.0.1 +2"),
            (" , ", " , "),
        ] {
            assert_eq!(first_address(text), shown, "{text}");
        }
    }

    #[test]
    fn columns_are_aligned_by_display_width() {
        let mut table = Table::new(["USER", "CLIENTS", "STATE"]);
        table.push(vec![
            Cell::text(Some("佐藤")),
            Cell::number(7),
            Cell::text(Some("Waiting")).toned(Tone::Waiting),
        ]);
        table.push(vec![Cell::text(Some("müller")), Cell::number(120), Cell::text(None)]);
        assert_eq!(
            table.render(false),
            "USER     CLIENTS   STATE\n\
             佐藤           7   Waiting\n\
             müller       120   -\n"
        );
        assert!(table.render(true).contains("\x1b[33mWaiting\x1b[0m"));
    }

    #[test]
    fn a_terminal_is_given_no_orders() {
        assert_eq!(printable("a\x1b[2Jb\u{202e}c\n"), "a\\u{1b}[2Jb\\u{202e}c\\n");
        assert_eq!(printable("Łódź 佐藤"), "Łódź 佐藤");
    }

    #[test]
    fn invisible_characters_are_shown() {
        for (text, shown) in [
            ("\u{feff}LT-1", "\\u{feff}LT-1"),
            ("LT\u{ad}-1", "LT\\u{ad}-1"),
            ("LT\u{a0}1", "LT\\u{a0}1"),
            ("LT\u{2060}-\u{e0041}", "LT\\u{2060}-\\u{e0041}"),
            ("LT\u{fe0f}\u{3164}", "LT\\u{fe0f}\\u{3164}"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }
}
