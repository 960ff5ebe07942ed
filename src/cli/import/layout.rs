//! Finds the table in the text of an export: the line of the column titles, and the lines around
//! the table that are no rows, such as titles of a report and byte order marks.

use std::borrow::Cow;
use std::collections::BTreeSet;

use csv::ReaderBuilder;

use super::text::line_ends;

/// Separators that can be detected in a header.
const SEPARATORS: [u8; 3] = [b',', b';', b'\t'];
/// Prefix of the line that specifies the separator. Spreadsheet programs write this line above the
/// header.
const SEPARATOR_LINE_PREFIX: &str = "sep=";
/// Prefix of the line with which PowerShell names the type of the exported objects.
const TYPE_LINE_PREFIX: &str = "#TYPE ";
/// Byte order marks: as it is, and as UTF-8 that was decoded as windows-1252.
const MARKS: [&str; 2] = ["\u{feff}", "ï»¿"];
/// Maximum number of lines above the header, without blank lines.
const MAX_LINES_ABOVE: usize = 30;
/// Maximum size of the text in which the header is searched, in bytes.
const MAX_SEARCHED_BYTES: usize = 64 * 1024;

/// A number of lines and the first of them, counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    pub count: usize,
    pub first: usize,
}

impl Lines {
    pub fn add(&mut self, line: usize) {
        if self.count == 0 {
            self.first = line;
        }
        self.count += 1;
    }
}

/// Lines of an export that are no rows of the table.
#[derive(Debug, Default)]
pub(super) struct SkippedLines {
    /// Lines that began with a byte order mark, other than the first line.
    pub marks: Lines,
    /// Lines in which PowerShell names a type.
    pub types: Lines,
    /// Lines above the header.
    pub above: Lines,
    /// Rows that repeat the header.
    pub headers: Lines,
    /// Rows at the end that the user excludes.
    pub footer: Lines,
}

impl SkippedLines {
    /// Formats a remark for each kind of skipped lines.
    pub fn remarks(&self, file: &str) -> String {
        let mut text = String::new();
        let mut remark = |lines: Lines, one: &str, many: &str, rest: &str| {
            let Lines { count, first } = lines;
            match count {
                0 => {}
                1 => text += &format!("{file}: line {first} {one}{rest}\n"),
                _ => {
                    text +=
                        &format!("{file}: {count} lines {many}{rest}, the first is line {first}\n");
                }
            }
        };
        let mark = " with a byte order mark, which is removed";
        remark(self.marks, "begins", "begin", mark);
        remark(self.types, "names a type, and is skipped", "name types, and are skipped", "");
        remark(
            self.above,
            "is above the column titles, and is skipped",
            "are above the column titles, and are skipped",
            "",
        );
        remark(
            self.headers,
            "repeats the header, and is skipped",
            "repeat the header, and are skipped",
            "",
        );
        remark(self.footer, "is left out by --skip-footer", "are left out by --skip-footer", "");
        text
    }
}

/// Removes the byte order marks at the beginnings of lines, which joined files contain.
pub(super) fn without_marks(text: &str) -> (Cow<'_, str>, Lines) {
    let mut marks = Lines::default();
    if !MARKS.iter().any(|mark| text.contains(mark)) {
        return (Cow::Borrowed(text), marks);
    }
    let mut kept = String::with_capacity(text.len());
    let (mut line, mut rest) = (1, text);
    while !rest.is_empty() {
        let end = rest.find(['\r', '\n']).map_or(rest.len(), |end| end + 1);
        let (current, after) = rest.split_at(end);
        let content = unmarked(current);
        if content.len() < current.len() {
            marks.add(line);
        }
        // The mark can be in the quotation marks of the first cell.
        let quoted = content.strip_prefix('"').map(unmarked);
        match quoted.filter(|quoted| quoted.len() + 1 < content.len()) {
            Some(quoted) => {
                marks.add(line);
                kept.push('"');
                kept.push_str(quoted);
            }
            None => kept.push_str(content),
        }
        line += usize::from(!(current.ends_with('\r') && after.starts_with('\n')));
        rest = after;
    }
    (Cow::Owned(kept), marks)
}

fn unmarked(mut line: &str) -> &str {
    while let Some(rest) = MARKS.iter().find_map(|mark| line.strip_prefix(mark)) {
        line = rest;
    }
    line
}

/// Where the table begins, and how its cells are separated.
#[derive(Debug)]
pub(super) struct TableStart {
    /// Offset of the header in the text, in bytes.
    pub offset: usize,
    /// Line of the header, counted from 1.
    pub line: usize,
    pub separator: u8,
}

/// Options and knowledge with which the header is found.
pub(super) struct HeaderSearch<'a> {
    /// Separator that the user specifies.
    pub separator: Option<u8>,
    /// Line of the header that the user specifies, counted from 1.
    pub header_line: Option<usize>,
    /// Returns the number of fields for which a row of titles has a column, or 0 if none of them is
    /// the name.
    pub recognised: &'a dyn Fn(&[String]) -> usize,
}

impl HeaderSearch<'_> {
    /// Finds the header, and records the lines above it.
    ///
    /// # Errors
    ///
    /// Returns a message if the separator is unclear, or the specified line does not exist.
    pub fn find(&self, text: &str, skipped: &mut SkippedLines) -> Result<TableStart, String> {
        let (named, top) = Self::top(text, skipped);
        let separator = self.separator.or(named);
        if let Some(line) = self.header_line {
            let Some(offset) = offset_of(text, line) else {
                return Err(format!("--header-line {line}: the file has fewer lines"));
            };
            let separator = separator.map_or_else(|| detect(&text[offset..]), Ok)?;
            add_contents(&mut skipped.above, &text[top.min(offset)..offset], line_at(text, top));
            return Ok(TableStart { offset, line, separator });
        }
        let starts = record_starts(text, top);
        if let Some((index, separator)) = self.header(text, &starts, separator) {
            let offset = starts[index].offset;
            add_contents(&mut skipped.above, &text[top..offset], line_at(text, top));
            return Ok(TableStart { offset, line: line_at(text, offset), separator });
        }
        let separator = separator.map_or_else(|| detect(&text[top..]), Ok)?;
        Ok(TableStart { offset: top, line: line_at(text, top), separator })
    }

    /// Reads the lines that programs write above a header. Returns the separator that one of them
    /// specifies, and the offset of the first other line.
    fn top(text: &str, skipped: &mut SkippedLines) -> (Option<u8>, usize) {
        let (mut named, mut offset) = (None, 0);
        loop {
            let rest = &text[offset..];
            let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
            if let Some(separator) = named_separator(&rest[..end]).filter(|_| named.is_none()) {
                named = Some(separator);
            } else if is_type_line(&rest[..end]) {
                skipped.types.add(line_at(text, offset));
            } else {
                return (named, offset);
            }
            offset += next_line(rest, end);
        }
    }

    /// Returns the index of the record that is the header, and its separator; `None` if no record
    /// has known titles. A record below others must have more titles than the others have cells,
    /// or follow a blank line.
    fn header(
        &self,
        text: &str,
        starts: &[RecordStart],
        separator: Option<u8>,
    ) -> Option<(usize, u8)> {
        starts.iter().enumerate().find_map(|(index, start)| {
            let separator = separator.or_else(|| detect(&text[start.offset..]).ok())?;
            let titles = cells(&text[start.offset..], separator);
            let recognised = (self.recognised)(&titles);
            let width = |cells: &[String]| cells.iter().filter(|cell| !cell.is_empty()).count();
            let widest = starts[..index].iter();
            let widest = widest.map(|above| width(&cells(&text[above.offset..], separator))).max();
            let is_header = match widest {
                None => recognised > 0,
                Some(1) => recognised > 0 && width(&titles) > 1,
                Some(widest) => recognised > 1 && (widest < width(&titles) || start.after_blank),
            };
            is_header.then_some((index, separator))
        })
    }
}

/// The beginning of a record near the beginning of a text.
struct RecordStart {
    offset: usize,
    after_blank: bool,
}

/// Returns where the first records from an offset begin. A line that begins within quotation marks
/// begins no record.
fn record_starts(text: &str, from: usize) -> Vec<RecordStart> {
    let (mut starts, mut offset, mut quoted, mut after_blank) = (Vec::new(), from, false, false);
    while offset < text.len()
        && starts.len() <= MAX_LINES_ABOVE
        && offset - from < MAX_SEARCHED_BYTES
    {
        let rest = &text[offset..];
        let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        let is_blank = rest[..end].chars().all(|c| c.is_whitespace() || matches!(c, ',' | ';'));
        if !quoted && !is_blank {
            starts.push(RecordStart { offset, after_blank });
        }
        after_blank = is_blank && !quoted;
        quoted ^= rest[..end].matches('"').count() % 2 == 1;
        offset += next_line(rest, end);
    }
    starts
}

/// Returns the cells of the first record of a text.
fn cells(text: &str, separator: u8) -> Vec<String> {
    let mut end = text.len().min(MAX_SEARCHED_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut reader = ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(&text.as_bytes()[..end]);
    let record = reader.records().next().and_then(Result::ok).unwrap_or_default();
    record.iter().map(|cell| super::cell_guards::content(cell).to_owned()).collect()
}

/// Counts the lines of a text that are not blank.
fn add_contents(lines: &mut Lines, text: &str, first: usize) {
    let (mut line, mut rest) = (first, text);
    while !rest.is_empty() {
        let end = rest.find(['\r', '\n']).unwrap_or(rest.len());
        if !rest[..end].trim().is_empty() {
            lines.add(line);
        }
        line += 1;
        rest = &rest[next_line(rest, end)..];
    }
}

/// Returns the offset of the line after the line that ends at `end`.
fn next_line(text: &str, end: usize) -> usize {
    match &text.as_bytes()[end..] {
        [b'\r', b'\n', ..] => end + 2,
        [] => end,
        _ => end + 1,
    }
}

fn offset_of(text: &str, line: usize) -> Option<usize> {
    let mut offset = 0;
    for _ in 1..line {
        let rest = &text[offset..];
        offset += next_line(rest, rest.find(['\r', '\n'])?);
    }
    (offset < text.len()).then_some(offset)
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + line_ends(&text[..offset])
}

/// Returns whether a line names the type of the objects that PowerShell exports.
pub(super) fn is_type_line(line: &str) -> bool {
    line.strip_prefix('"').unwrap_or(line).starts_with(TYPE_LINE_PREFIX)
}

/// Returns the separator that a line specifies, such as `sep=;`.
pub(super) fn named_separator(line: &str) -> Option<u8> {
    let quoted = line.strip_prefix('"').and_then(|line| line.strip_suffix('"'));
    let line = quoted.unwrap_or(line);
    let prefix = line.get(..SEPARATOR_LINE_PREFIX.len())?;
    let is_named = prefix.eq_ignore_ascii_case(SEPARATOR_LINE_PREFIX);
    match line.as_bytes()[SEPARATOR_LINE_PREFIX.len()..] {
        [separator] if is_named && separator.is_ascii() && separator != b'"' => Some(separator),
        _ => None,
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
