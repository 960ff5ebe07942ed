//! Parses delimited text into a header and records, and finds the line on which each record begins.
//! Skips repeated headers, and marks rows at the end that look like the sums of a report. Does not
//! interpret the cells otherwise.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use csv::{ReaderBuilder, StringRecord};

use super::cell_guards;
use super::columns::ColumnMap;
use super::fields::{self, Field, plain};
use super::layout::{self, HeaderSearch, SkippedLines, TableStart};
use super::text::line_ends;
use crate::cli::terminal::table::printable;

/// Text that is appended to an export to detect an unclosed quotation mark. It contains a NUL
/// character, which does not occur in exports.
const END_MARKER: &str = "\n\0";
/// Maximum number of rows after a blank line that look like the end of a report. More rows look
/// like a second list of clients.
const MAX_FOOTER_ROWS: usize = 10;
/// Words with which reports begin the row of their sums, in lower case.
const SUM_WORDS: [&str; 15] = [
    "total",
    "totals",
    "grand total",
    "sum",
    "count",
    "row count",
    "record count",
    "total records",
    "total rows",
    "total devices",
    "total computers",
    "rows affected",
    "gesamt",
    "summe",
    "anzahl",
];

/// The header and the records of an export.
#[derive(Debug)]
pub(super) struct CsvTable {
    /// Column titles without surrounding blanks.
    pub header: Vec<String>,
    pub records: Vec<Record>,
    /// Lines that are no rows.
    pub skipped: SkippedLines,
    /// Lines of the rows that may not be rows of the table, and the reasons.
    pub doubtful: BTreeMap<usize, String>,
}

impl CsvTable {
    /// Returns an error message if the header has a single title, but the rows have more cells. Then
    /// the header is probably the title of a report.
    pub fn header_problem(&self) -> Option<String> {
        let is_wider = self.records.iter().any(|record| record.len(1) > 1);
        (self.header.len() == 1 && is_wider).then(|| {
            "the rows have more cells than this line: if the column titles are in another line, \
             name it with `--header-line`"
                .to_owned()
        })
    }

    /// Returns an error if a row looks like the header of an export with other columns, because the
    /// rows below it would be misread: its name is the title of the column, or its cells are titles
    /// of other columns where no client has a title.
    pub fn check_names(&self, columns: &ColumnMap) -> Result<(), String> {
        let column = columns.column(Field::Name).unwrap_or_default();
        let own = plain(self.header.get(column).map_or("", String::as_str));
        // A client can be named `Host`, but it has no version `Version`.
        let never = [Field::Ip, Field::Version, Field::LastSeen, Field::TimeZone];
        let never: Vec<usize> = never.iter().filter_map(|field| columns.column(*field)).collect();
        let is_header = |record: &&Record| {
            let name = plain(record.cell(column));
            let is_own = !own.is_empty() && name == own;
            let is_title = |column: &usize| fields::is_title(record.cell(*column));
            is_own || is_title(&column) && never.iter().any(is_title)
        };
        self.records.iter().find(is_header).map_or(Ok(()), |record| {
            Err(format!(
                "line {}: `{}` is the title of a column, so the row looks like the header of another \
                 export: import each export by itself",
                record.line,
                printable(record.cell(column))
            ))
        })
    }
}

/// One record of an export.
#[derive(Debug)]
pub(super) struct Record {
    /// Line on which the record begins, counted from 1.
    pub line: usize,
    cells: StringRecord,
    /// True if a blank line or an empty record precedes the record.
    after_blank: bool,
}

impl Record {
    /// Returns the text of a cell without surrounding blanks and guards against spreadsheet
    /// programs, or an empty text if the record is too short.
    pub fn cell(&self, column: usize) -> &str {
        cell_guards::content(self.cells.get(column).unwrap_or_default())
    }

    /// Returns the number of cells, without trailing empty cells beyond the `expected` number of
    /// columns.
    pub fn len(&self, expected: usize) -> usize {
        let mut len = self.cells.len();
        while len > expected && self.cell(len - 1).is_empty() {
            len -= 1;
        }
        len
    }

    fn is_empty(&self) -> bool {
        self.contents().next().is_none()
    }

    /// Returns the cells with content.
    fn contents(&self) -> impl Iterator<Item = &str> {
        (0..self.cells.len()).map(|column| self.cell(column)).filter(|cell| !cell.is_empty())
    }
}

/// Parses a text into a header and records. Skips empty records, which spreadsheet programs often
/// write. `skip_footer` is the number of rows to skip at the end; if it is `None`, rows at the end
/// that look like sums are doubtful.
///
/// # Errors
///
/// Returns a message if there is no header, the separator is unclear, a quotation mark is not
/// closed, or the titles are repeated in another order.
pub(super) fn read(
    text: &str,
    search: &HeaderSearch,
    skip_footer: Option<usize>,
) -> Result<CsvTable, String> {
    let (text, marks) = layout::without_marks(text);
    let mut skipped = SkippedLines { marks, ..SkippedLines::default() };
    let start = search.find(&text, &mut skipped)?;
    let mut records = records(&text[start.offset..], &start)?.into_iter();
    let Some(header) = records.next() else {
        return Err("this holds no line with content: the first must name the columns".to_owned());
    };
    let mut titles: Vec<String> =
        (0..header.cells.len()).map(|column| header.cell(column).to_owned()).collect();
    while titles.last().is_some_and(String::is_empty) {
        titles.pop();
    }
    let first_blank = records.as_slice().first().is_some_and(|record| record.after_blank);
    let mut records = without_headers(records, &titles, header.line, &mut skipped)?;
    let mut doubtful = BTreeMap::new();
    match skip_footer {
        Some(rows) => {
            let left = records.len().saturating_sub(rows);
            records.drain(left..).for_each(|record| skipped.footer.add(record.line));
        }
        None => doubtful = footer(&records, titles.len(), first_blank),
    }
    Ok(CsvTable { header: titles, records, skipped, doubtful })
}

/// Removes the rows that repeat the header, and the lines that programs write above a header.
fn without_headers(
    records: impl Iterator<Item = Record>,
    titles: &[String],
    header_line: usize,
    skipped: &mut SkippedLines,
) -> Result<Vec<Record>, String> {
    let plain_titles: Vec<String> = titles.iter().map(|title| plain(title)).collect();
    let known = plain_titles.iter().map(String::as_str).filter(|title| !title.is_empty());
    let known: BTreeSet<&str> = known.collect();
    let mut kept = Vec::new();
    let mut follows_header = false;
    for mut record in records {
        let first = record.cell(0);
        if layout::is_type_line(first) {
            skipped.types.add(record.line);
            continue;
        }
        let is_title = |cell: &str| known.contains(plain(cell).as_str());
        let is_header = match titles {
            [title] => record.len(1) == 1 && record.cell(0) == title,
            _ => {
                record.len(titles.len()) == titles.len()
                    && (0..titles.len()).all(|at| plain(record.cell(at)) == plain_titles[at])
            }
        };
        let is_separator_line = first.eq_ignore_ascii_case("sep=")
            || layout::named_separator(first).is_some() && record.contents().count() == 1;
        if is_header || is_separator_line {
            skipped.headers.add(record.line);
            follows_header = true;
            continue;
        }
        if record.contents().count() > 1 && record.contents().all(is_title) {
            let cells: Vec<String> =
                record.contents().map(|cell| format!("`{}`", printable(cell))).collect();
            return Err(format!(
                "line {}: the titles of line {header_line} in another order: {}; import each \
                 export by itself",
                record.line,
                cells.join(", ")
            ));
        }
        record.after_blank &= !follows_header;
        follows_header = false;
        kept.push(record);
    }
    Ok(kept)
}

/// Finds the rows at the end that look like the end of a report: sums, single cells, and rows after
/// the only blank line. `first_blank` is true if a blank line follows the header, which makes blank
/// lines mean nothing. Returns the lines and the reasons why they are doubtful.
fn footer(records: &[Record], columns: usize, first_blank: bool) -> BTreeMap<usize, String> {
    let end = records.len();
    let blanks: Vec<usize> = (0..end).filter(|index| records[*index].after_blank).collect();
    let block = match blanks[..] {
        [first] if first > 0 && !first_blank && end - first <= MAX_FOOTER_ROWS => first,
        _ => end,
    };
    let is_sum = |record: &Record| record.contents().next().is_some_and(is_sum_word);
    let is_lone = |record: &Record| record.cells.len() < columns && record.contents().count() == 1;
    // Rows among these that have too few cells belong to the end of the report, too.
    let tail = records.iter().rev().take(MAX_FOOTER_ROWS);
    let tail = tail.take_while(|record| is_sum(record) || record.len(columns) != columns).count();
    let sums = (end - tail..end).find(|at| is_sum(&records[*at]) || is_lone(&records[*at]));
    let sums = sums.unwrap_or(end);
    let rows = end - block.min(sums);
    let mend = format!(
        "leave the end of a report out with `--skip-footer {rows}`, or import it as a client with \
         `--skip-footer 0`"
    );
    let reason = |index: usize| {
        if is_sum(&records[index]) {
            Some(format!("the row looks like the sum of a report: {mend}"))
        } else if index >= block {
            Some(format!("the row follows a blank line: {mend}"))
        } else if is_lone(&records[index]) {
            Some(format!("the row has a single cell, the header {columns}: {mend}"))
        } else {
            None
        }
    };
    let doubtful = (block.min(sums)..end).filter_map(|at| Some((records[at].line, reason(at)?)));
    doubtful.collect()
}

/// Returns whether a cell is a word for a sum, with or without a number.
fn is_sum_word(cell: &str) -> bool {
    let words = cell.split(|c: char| !c.is_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty() && !word.bytes().all(|byte| byte.is_ascii_digit()))
        .map(str::to_lowercase)
        .collect();
    SUM_WORDS.contains(&words.join(" ").as_str())
}

fn records(body: &str, start: &TableStart) -> Result<Vec<Record>, String> {
    let mut reader = ReaderBuilder::new()
        .delimiter(start.separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(body.as_bytes().chain(END_MARKER.as_bytes()));
    let mut records: Vec<Record> = Vec::new();
    let (mut line, mut counted, mut follows_blank) = (start.line, 0, false);
    for cells in reader.records() {
        let cells = cells.map_err(|error| format!("this is not CSV: {error}"))?;
        let byte = cells.position().map_or(counted, |place| byte(place.byte(), body));
        // Skip the blank lines before a record, which the CSV reader counts as part of the record.
        // Otherwise, error messages would show the wrong line.
        let blank = body[byte..].bytes().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let begin = byte + blank;
        line += line_ends(&body[counted..begin]);
        counted = begin;
        // The line feed of the previous record's line end does not make a blank line.
        let is_rest = body[..byte].ends_with('\r') && body[byte..].starts_with('\n');
        let after_blank = follows_blank || blank > usize::from(is_rest);
        let record = Record { line, cells, after_blank };
        follows_blank = record.is_empty();
        records.push(record);
    }
    let end = records.pop();
    if let Some(open) = end.filter(|end| end.cells.iter().ne(["\0"])) {
        return Err(format!(
            "line {}: a quotation mark of the row that begins here is never closed, and all that \
             follows would count as one cell: close it, or write \"\" for one inside a cell",
            open.line
        ));
    }
    records.retain(|record| !record.is_empty());
    Ok(records)
}

fn byte(position: u64, body: &str) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX).min(body.len())
}

#[cfg(test)]
mod tests {
    use super::super::columns;
    use super::*;

    fn read(text: &str, separator: Option<u8>) -> Result<CsvTable, String> {
        let recognised = |titles: &[String]| columns::recognised_fields(titles, &[], None);
        let search = HeaderSearch { separator, header_line: None, recognised: &recognised };
        super::read(text, &search, None)
    }

    fn rows(text: &str) -> Vec<(usize, Vec<String>)> {
        let sheet = read(text, None).expect("it is CSV");
        let cells = |record: &Record| {
            (0..sheet.header.len()).map(|column| record.cell(column).to_owned()).collect()
        };
        let mut rows = vec![(0, sheet.header.clone())];
        rows.extend(sheet.records.iter().map(|record| (record.line, cells(record))));
        rows
    }

    fn row(line: usize, cells: [&str; 2]) -> (usize, Vec<String>) {
        (line, cells.map(ToOwned::to_owned).to_vec())
    }

    #[test]
    fn every_dialect_is_the_same_sheet() {
        let wanted = [row(0, ["name", "user"]), row(2, ["LT-1", "a"]), row(3, ["LT-2", "b;c,d"])];
        for text in [
            "name,user\nLT-1,a\nLT-2,\"b;c,d\"\n",
            "name;user\r\nLT-1;a\r\nLT-2;\"b;c,d\"",
            "name\tuser\nLT-1\ta\nLT-2\tb;c,d\n",
            "\"name\";\"user\"\r\n\"LT-1\";\"a\"\r\n\"LT-2\";\"b;c,d\"\r\n\r\n",
            " name , user \n LT-1,a \nLT-2 ,\"b;c,d\"\n,\n",
        ] {
            assert_eq!(rows(text), wanted, "{text:?}");
        }
        assert_eq!(rows("sep=;\r\nname;user\r\nLT-1;a\r\n")[1], row(3, ["LT-1", "a"]));
        assert_eq!(rows("SEP=|\nname|user\nLT-1|a\n")[1], row(3, ["LT-1", "a"]));
    }

    #[test]
    fn lines_are_those_of_the_file() {
        let text = "\n\nname,user\n\n\nLT-1,\"two\nlines\r\n\"\"quoted\"\"\"\n\r\n\r\nLT-2,b\n";
        assert_eq!(
            rows(text)[1..],
            [row(6, ["LT-1", "two\nlines\r\n\"quoted\""]), row(11, ["LT-2", "b"])]
        );
        assert_eq!(rows("name,user\rLT-1,a\r\rLT-2,b")[2], row(4, ["LT-2", "b"]));
    }

    #[test]
    fn an_open_quotation_mark_swallows_nothing() {
        for text in ["name,user\nLT-1,\"a\nLT-2,b\n", "name,user\nLT-1,\"a", "name,user\nLT-1,\""] {
            let said = read(text, None).expect_err(text);
            assert!(said.starts_with("line 2: a quotation mark"), "{said}");
        }
        assert_eq!(rows("name,user\nLT-1,5\" disk\nLT-2,b\n").len(), 3, "one inside a cell");
    }

    #[test]
    fn a_separator_is_not_guessed() {
        assert!(read("a,b;c\n1,2;3\n", None).is_err_and(|said| said.contains("--separator")));
        assert_eq!(read("a,b;c\n1,2;3\n", Some(b';')).expect("told").header, ["a,b", "c"]);
        assert_eq!(read("name\nLT-1\n", None).expect("one column").header, ["name"]);
        assert!(read("", None).is_err() && read("\n \n", None).is_err());
    }

    #[test]
    fn empty_cells_at_the_end_do_not_count() {
        let sheet = read("a,b,,\n1,2,,\n1,2,3\n1\n", None).expect("it is CSV");
        assert_eq!(sheet.header, ["a", "b"]);
        let lens: Vec<usize> = sheet.records.iter().map(|record| record.len(2)).collect();
        assert_eq!(lens, [2, 3, 1]);
    }

    #[test]
    fn the_end_of_a_report_is_doubtful() {
        for (text, lines) in [
            ("a,b\n1,2\nTotal,1\n", &[3][..]),
            ("a,b\n1,2\nGrand Total: 1,\nPage 1\n", &[3, 4]),
            ("a,b\n1,2\nGenerated by x\n", &[3]),
            ("a,b\n1,2\n\nx,y\nz,\n", &[4, 5]),
            ("a,b\r\n1,2\r\nx,y\r\n", &[]),
            ("a,b\n\n1,2\n\nx,y\n", &[]),
            ("a,b\n\n1,2\n\nTotal,1\n", &[5]),
            ("a,b\n1,2\n\n3,4\n\n5,6\n", &[]),
            ("a,b\nTotal,1\n1,2\n", &[]),
            ("a,b\n1,2\ntotal1,3\n", &[]),
            ("a\n1\n2\n(2 rows affected)\n", &[4]),
        ] {
            let table = read(text, None).expect(text);
            assert_eq!(table.doubtful.into_keys().collect::<Vec<_>>(), lines, "{text:?}");
        }
    }
}
