//! Parses delimited text into a header and records, and finds the line on which each record begins.
//! Does not interpret the cells.

use std::collections::BTreeSet;
use std::io::Read;

use csv::{ReaderBuilder, StringRecord};

use super::text::line_ends;

/// Separators that can be detected in a header.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];
/// Prefix of the line that specifies the separator. Spreadsheet programs write this line above the
/// header.
const SEPARATOR_LINE_PREFIX: &str = "sep=";
/// Text that is appended to an export to detect an unclosed quotation mark. It contains a NUL
/// character, which does not occur in exports.
const END_MARKER: &str = "\n\0";

/// The header and the records of an export.
#[derive(Debug)]
pub(super) struct CsvTable {
    /// Column titles without surrounding blanks.
    pub header: Vec<String>,
    pub records: Vec<Record>,
}

/// One record of an export.
#[derive(Debug)]
pub(super) struct Record {
    /// Line on which the record begins, counted from 1.
    pub line: usize,
    cells: StringRecord,
}

impl Record {
    /// Returns the text of a cell without surrounding blanks, or an empty text if the record is too
    /// short.
    pub fn cell(&self, column: usize) -> &str {
        self.cells.get(column).unwrap_or_default().trim()
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
        self.cells.iter().all(|cell| cell.trim().is_empty())
    }
}

/// Parses a text into a header and records. Skips empty records, which spreadsheet programs often
/// write.
///
/// # Errors
///
/// Returns a message if there is no header, the separator is unclear, or a quotation mark is not
/// closed.
pub(super) fn read(text: &str, separator: Option<u8>) -> Result<CsvTable, String> {
    let (named, body) = named_separator(text);
    let separator = match separator.or(named) {
        Some(separator) => separator,
        None => detect(body)?,
    };
    let first_line = 1 + line_ends(&text[..text.len() - body.len()]);
    let mut records = records(body, separator, first_line)?.into_iter();
    let Some(header) = records.next() else {
        return Err("this holds no line with content: the first must name the columns".to_owned());
    };
    let mut titles: Vec<String> =
        (0..header.cells.len()).map(|column| header.cell(column).to_owned()).collect();
    while titles.last().is_some_and(String::is_empty) {
        titles.pop();
    }
    Ok(CsvTable { header: titles, records: records.collect() })
}

fn records(body: &str, separator: u8, first_line: usize) -> Result<Vec<Record>, String> {
    let mut reader = ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(body.as_bytes().chain(END_MARKER.as_bytes()));
    let mut records: Vec<Record> = Vec::new();
    let (mut line, mut counted) = (first_line, 0);
    for cells in reader.records() {
        let cells = cells.map_err(|error| format!("this is not CSV: {error}"))?;
        let byte = cells.position().map_or(counted, |place| byte(place.byte(), body));
        // Skip the blank lines before a record, which the CSV reader counts as part of the record.
        // Otherwise, error messages would show the wrong line.
        let blank = body[byte..].bytes().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        let begin = byte + blank;
        line += line_ends(&body[counted..begin]);
        counted = begin;
        records.push(Record { line, cells });
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

/// Returns the separator if the first line specifies one, and the text after that line. Otherwise
/// returns `None` and the whole text.
fn named_separator(text: &str) -> (Option<u8>, &str) {
    let line = text.lines().next().unwrap_or_default();
    let is_named = line
        .get(..SEPARATOR_LINE_PREFIX.len())
        .is_some_and(|sep| sep.eq_ignore_ascii_case(SEPARATOR_LINE_PREFIX));
    match line.as_bytes().get(SEPARATOR_LINE_PREFIX.len()..) {
        Some(&[separator]) if is_named && separator.is_ascii() => {
            (Some(separator), text.split_once('\n').map_or("", |(_, body)| body))
        }
        _ => (None, text),
    }
}

/// Returns the separator that occurs most often in the header, outside of quotation marks.
fn detect(body: &str) -> Result<u8, String> {
    let header = body.trim_start_matches(['\r', '\n']);
    let mut quoted = false;
    let mut counts = [0_usize; SEPARATORS.len()];
    for byte in header.bytes() {
        match byte {
            b'"' => quoted = !quoted,
            b'\r' | b'\n' if !quoted => break,
            _ if quoted => {}
            _ => {
                if let Some(index) = SEPARATORS.iter().position(|separator| *separator == byte) {
                    counts[index] += 1;
                }
            }
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let distinct: BTreeSet<usize> =
        (0..SEPARATORS.len()).filter(|index| counts[*index] == most).collect();
    match distinct.first() {
        // A header with a single column contains no separator, so any separator gives the same
        // result.
        Some(&index) if distinct.len() == 1 || most == 0 => Ok(SEPARATORS[index]),
        _ => Err("the first line has as many of one separator as of another: name the one that \
                  counts, as `--separator ';'`"
            .to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
