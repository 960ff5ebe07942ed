//! Text for a terminal: aligned tables, colours where they are wanted, and nothing that a terminal
//! would obey. Knows nothing of what the cells mean.

use std::borrow::Cow;
use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

/// What stands between two columns, as in kubectl's tables.
const GAP: usize = 3;
/// What stands in a cell without a value.
const NOTHING: &str = "-";

/// How a cell is set off where colours are wanted. The words say the same without them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// As the rest.
    #[default]
    Plain,
    /// In motion.
    Moving,
    /// It comes to rest by itself.
    Waiting,
    /// A person has to look.
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

    /// A text set off, where colours are wanted.
    #[must_use]
    pub fn paint(self, text: &str, in_colour: bool) -> String {
        match self.code() {
            code if in_colour && !code.is_empty() => format!("\x1b[{code}m{text}\x1b[0m"),
            _ => text.to_owned(),
        }
    }
}

/// One cell.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    tone: Tone,
    is_number: bool,
}

impl Cell {
    /// A text; `-` where there is none.
    #[must_use]
    pub fn text(text: Option<&str>) -> Self {
        let text = text.filter(|text| !text.is_empty()).unwrap_or(NOTHING);
        Self { text: printable(text).into_owned(), ..Self::default() }
    }

    /// A number, set to the right.
    #[must_use]
    pub fn number(number: impl ToString) -> Self {
        Self { text: number.to_string(), is_number: true, ..Self::default() }
    }

    /// The same cell, set off.
    #[must_use]
    pub fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }
}

/// Rows below a header.
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Self {
        Self { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    /// Adds a row, with a cell for each column.
    pub fn push(&mut self, row: Vec<Cell>) {
        self.rows.push(row);
    }

    /// The lines, aligned by what a terminal shows, without blanks at their ends.
    #[must_use]
    pub fn render(&self, in_colour: bool) -> String {
        let mut columns = Columns::new(self.header.clone());
        for row in &self.rows {
            columns.fit(row);
        }
        let rows = self.rows.iter().map(|row| columns.line(row, in_colour));
        std::iter::once(columns.titles()).chain(rows).collect()
    }
}

/// How wide the columns of a table are, where its rows are not held all at once.
#[derive(Clone, Debug)]
pub struct Columns {
    titles: Vec<Cell>,
    widths: Vec<usize>,
}

impl Columns {
    /// As wide as their titles.
    #[must_use]
    pub fn new<S: Into<String>>(titles: impl IntoIterator<Item = S>) -> Self {
        let titles: Vec<Cell> =
            titles.into_iter().map(|text| Cell { text: text.into(), ..Cell::default() }).collect();
        let widths = titles.iter().map(|title| title.text.width()).collect();
        Self { titles, widths }
    }

    /// Makes room for a row. A title is set to the right above numbers.
    pub fn fit(&mut self, row: &[Cell]) {
        for ((cell, width), title) in row.iter().zip(&mut self.widths).zip(&mut self.titles) {
            *width = (*width).max(cell.text.width());
            title.is_number |= cell.is_number;
        }
    }

    /// The line of titles.
    #[must_use]
    pub fn titles(&self) -> String {
        self.line(&self.titles, false)
    }

    /// A row's line, aligned by what a terminal shows, without blanks at its end.
    #[must_use]
    pub fn line(&self, row: &[Cell], in_colour: bool) -> String {
        let mut text = String::new();
        line(&mut text, row, &self.widths, in_colour);
        text
    }
}

fn line(text: &mut String, row: &[Cell], widths: &[usize], in_colour: bool) {
    let start = text.len();
    for (cell, width) in row.iter().zip(widths) {
        let padding = width.saturating_sub(cell.text.width());
        let (before, after) = if cell.is_number { (padding, 0) } else { (0, padding) };
        let code = cell.tone.code();
        // Writing to a string does not fail.
        let _ = if in_colour && !code.is_empty() {
            write!(text, "{:before$}\x1b[{code}m{}\x1b[0m{:after$}{:GAP$}", "", cell.text, "", "")
        } else {
            write!(text, "{:before$}{}{:after$}{:GAP$}", "", cell.text, "", "")
        };
    }
    let end = text[start..].trim_end_matches(' ').len();
    text.truncate(start + end);
    text.push('\n');
}

/// A text as it may be printed: control characters, and those that turn the direction of writing,
/// are spelled out, because a terminal would obey them.
#[must_use]
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_obeyed) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_obeyed(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    Cow::Owned(shown)
}

fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
