//! Converts the rows of an export to clients, and reports the problems in bad rows. Does not assign
//! the clients to fleets.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::addresses;
use super::admissible;
use super::cell_guards;
use super::columns::{ColumnMap, Field};
use super::csv_table::{CsvTable, Record};
use super::facts::{self, Fact};
use super::identities::{self, Derived, Deriving, Lookalikes};
use super::times::Times;
use super::windows_zones::zone;
use crate::api::fleet::{Client, LastError, Reported};
use crate::api::reported_text::{self, TextBound};
use crate::api::{Labels, Text};
use crate::values::Version;
use crate::values::selector::read_addresses;

/// Maximum number of bad rows that admission also checks for further problems. Only bad rows that
/// identify their client count toward the limit.
const MAX_FURTHER_CHECKS: usize = 200;

/// Options that control how the cells of an export are parsed.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    pub times: Times,
    /// Texts that count as empty cells, such as `N/A`.
    pub empty: Vec<String>,
    /// True if `lastError` messages that the API does not accept are shortened.
    pub shorten_messages: bool,
    /// True if identities that cannot be the name of a client become slugs.
    pub derive_names: bool,
    /// True if cells that are missing at the end of a row count as empty.
    pub fill_short_rows: bool,
}

/// A problem in a row of the export.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bad {
    /// Line on which the row begins, counted from 1.
    pub line: usize,
    /// Column title and content of the cell; `None` if the problem concerns the whole row.
    pub cell: Option<(String, String)>,
    /// Description of the problem. In a message, it follows the content of the cell.
    pub reason: String,
}

/// The clients that an export lists, and the problems in its bad rows.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// Valid clients by name.
    pub clients: BTreeMap<Text, Client>,
    /// Facts for which the export has a column.
    pub given: BTreeSet<Fact>,
    /// Number of rows, including bad rows.
    pub rows: usize,
    /// Problems in bad rows, ordered by line.
    pub bad: Vec<Bad>,
    /// Names of the clients that bad rows identify.
    pub bad_names: BTreeSet<Text>,
    /// Number of bad rows that do not identify their client.
    pub unidentified: usize,
    /// Number of clients with a version or a staged version that cannot be parsed.
    pub unreadable_versions: usize,
    /// Number of clients with an IP address that cannot be parsed. The address of such a client is
    /// unknown to the networks of a policy.
    pub unreadable_ips: usize,
    /// Number of clients with a computer or user name that the API does not accept as it is in the
    /// export, and that was shortened.
    pub shortened_names: usize,
    /// Number of clients with more IP addresses than the API accepts.
    pub shortened_ips: usize,
    /// Number of clients with a time that stands for no time, such as `never`.
    pub missing_times: usize,
    /// Line of each client, also of clients with several rows.
    pub lines: HashMap<Text, usize>,
    /// Client names and label values that were made of other texts.
    pub derived: Derived,
    /// Clients whose names differ only in case.
    pub lookalikes: Lookalikes,
    /// Lines with invisible characters at the ends of cells, where they were left out.
    pub trimmed: BTreeSet<usize>,
}

/// Reads all rows of an export.
pub(super) fn read(sheet: &CsvTable, columns: &ColumnMap, reading: &Reading) -> Inventory {
    let zones = RefCell::default();
    let rows = Rows {
        sheet,
        columns,
        reading,
        zones,
        shortened: RefCell::default(),
        timeless: RefCell::default(),
        deriving: Deriving::new(reading.derive_names),
        trimmed: RefCell::default(),
    };
    let mut inventory = Inventory {
        rows: sheet.records.len(),
        given: facts::provided(columns),
        ..Inventory::default()
    };
    let mut read: Vec<(&Record, Client)> = Vec::new();
    let mut aside: Vec<&Record> = Vec::new();
    for record in &sheet.records {
        match rows.client(record) {
            (Some(client), bad) if bad.is_empty() => read.push((record, client)),
            (client, bad) => {
                rows.set_aside(&mut inventory, record, client, bad);
                aside.push(record);
            }
        }
    }
    rows.judge(&mut inventory, read, &aside);
    inventory.bad.sort();
    let lines = inventory.lines.iter().map(|(name, line)| (name, *line));
    inventory.lookalikes = identities::lookalikes(lines);
    for client in inventory.clients.values() {
        inventory.missing_times += usize::from(rows.timeless.borrow().contains(&client.name));
        let Some(reported) = &client.reported else { continue };
        let versions = [&reported.version, &reported.staged_version];
        let is_unreadable = |text: &&Text| Version::parse(text).is_err();
        inventory.unreadable_versions +=
            usize::from(versions.into_iter().flatten().any(|text| is_unreadable(&text)));
        inventory.shortened_names += usize::from(rows.shortened.borrow().contains(&client.name));
        let Some(ip) = reported.ip.as_deref() else { continue };
        let is_shortened = addresses::is_shortened(ip);
        let is_unreadable = !is_shortened && !read_addresses(ip, &mut Vec::new());
        inventory.shortened_ips += usize::from(is_shortened);
        inventory.unreadable_ips += usize::from(is_unreadable);
    }
    inventory.trimmed = rows.trimmed.into_inner();
    let clients = &inventory.clients;
    inventory.derived = rows.deriving.finish(|name| clients.contains_key(name));
    inventory
}

/// Returns the cells of all columns that contain times, each with the line of its row.
pub(super) fn time_cells<'a>(
    sheet: &'a CsvTable,
    columns: &'a ColumnMap,
) -> impl Iterator<Item = (usize, &'a str)> {
    let is_time = |field: &Field| matches!(field, Field::LastSeen | Field::ErrorTime);
    let times = columns.fields.iter().filter(move |(field, _)| is_time(field));
    times.flat_map(|(_, column)| {
        sheet.records.iter().map(|record| (record.line, record.cell(*column)))
    })
}

struct Rows<'a> {
    sheet: &'a CsvTable,
    columns: &'a ColumnMap,
    reading: &'a Reading,
    /// Cache of time zones by name, because an export has few zone names but many rows.
    zones: RefCell<HashMap<String, Result<Text, String>>>,
    /// Names of the clients with a shortened computer or user name.
    shortened: RefCell<BTreeSet<Text>>,
    /// Names of the clients with a time that stands for no time.
    timeless: RefCell<BTreeSet<Text>>,
    deriving: Deriving,
    /// Lines with invisible characters at the ends of cells.
    trimmed: RefCell<BTreeSet<usize>>,
}

impl Rows<'_> {
    /// Parses a row into a client and the problems found in the row. Skips cells that cannot be
    /// parsed; the client is `None` if the row has the wrong number of cells.
    fn client(&self, record: &Record) -> (Option<Client>, Vec<Bad>) {
        if let Some(reason) = self.sheet.doubtful.get(&record.line) {
            return (None, vec![Bad { line: record.line, cell: None, reason: reason.clone() }]);
        }
        let expected = self.sheet.header.len();
        let cells = record.len(expected);
        if cells > expected || (cells < expected && !self.reading.fill_short_rows) {
            let short = match cells < expected {
                true => {
                    "; if the exporter leaves out empty cells at the end, add --fill-short-rows"
                }
                false => "",
            };
            let reason = format!(
                "the row has {cells} cells, the header {expected}: a separator, a line break or a \
                 quotation mark inside a cell needs quotation marks around it{short}"
            );
            return (None, vec![Bad { line: record.line, cell: None, reason }]);
        }
        let mut bad = Vec::new();
        let mut client = Client::default();
        let mut reported = Reported::default();
        let mut error = LastError::default();
        for (field, column) in &self.columns.fields {
            let cell = self.cell(record, *column);
            let value = match self.value(*field, record, cell) {
                Ok(value) => value,
                Err(reason) => {
                    bad.push(self.bad(record, *column, reason));
                    continue;
                }
            };
            match field {
                Field::Name => client.name = value.unwrap_or_default(),
                Field::TimeZone => client.time_zone = value,
                Field::Computer => reported.computer = value,
                Field::Ip => reported.ip = value,
                Field::LastUser => reported.last_user = value,
                Field::Version => reported.version = value,
                Field::StagedVersion => reported.staged_version = value,
                Field::LastSeen => reported.last_seen = value,
                Field::ErrorVersion => error.version = value,
                Field::ErrorMessage => error.message = value,
                Field::ErrorTime => error.time = value,
            }
        }
        self.keep_identity(record, &client.name, &mut reported.computer);
        reported.last_error = (error != LastError::default()).then(|| Box::new(error));
        client.reported = (reported != Reported::default()).then_some(reported);
        client.labels = self.labels(record, &mut bad);
        (Some(client), bad)
    }

    /// Makes the identity of a client the client's computer name, if the name was made of the
    /// identity and the export gives no other computer name.
    fn keep_identity(&self, record: &Record, name: &Text, computer: &mut Option<Text>) {
        let identity = self.cell(record, self.name_column());
        if name.is_empty() || name.as_str() == identity {
            return;
        }
        let is_kept = computer.is_none() || computer.as_deref() == Some(identity);
        if computer.is_none() {
            *computer = self.fitted(reported_text::COMPUTER, identity, record);
        }
        self.deriving.record(name, identity, is_kept);
    }

    fn cell<'r>(&self, record: &'r Record, column: usize) -> &'r str {
        let full = record.cell(column);
        let cell = identities::trim(full);
        if cell.len() < full.len() {
            self.trimmed.borrow_mut().insert(record.line);
        }
        if self.reading.empty.iter().any(|empty| empty == cell) { "" } else { cell }
    }

    fn value(&self, field: Field, record: &Record, cell: &str) -> Result<Option<Text>, String> {
        if cell.is_empty() {
            return match field {
                Field::Name => Err("the name of the client is missing".to_owned()),
                _ => Ok(None),
            };
        }
        if field != Field::ErrorMessage && cell_guards::is_formula(cell) {
            return Err("is a formula: export values instead".to_owned());
        }
        Ok(Some(match field {
            Field::Name => match identities::invisible(cell) {
                Some(character) => {
                    return Err(format!(
                        "holds the invisible character {}: write the name without it",
                        character.escape_default()
                    ));
                }
                None => self.deriving.name(cell),
            },
            Field::TimeZone => self.zone(cell)?,
            Field::LastSeen | Field::ErrorTime => return self.time(cell, record),
            Field::Ip => addresses::addresses(cell).into(),
            Field::ErrorMessage if self.reading.shorten_messages => {
                reported_text::MESSAGE.fit(cell, "…").into()
            }
            Field::Computer => return Ok(self.fitted(reported_text::COMPUTER, cell, record)),
            Field::LastUser => return Ok(self.fitted(reported_text::USER, cell, record)),
            _ => cell.into(),
        }))
    }

    /// Returns the name of a computer or user, shortened if the API does not accept it, and records
    /// the client of the row if so. A name never refuses a row, because it identifies no client.
    fn fitted(&self, bound: TextBound, cell: &str, record: &Record) -> Option<Text> {
        let visible = identities::visible(cell);
        let fitted = bound.fit(&visible, "...");
        if fitted != cell {
            self.shortened.borrow_mut().insert(self.name(record));
        }
        Some(Text::from(fitted)).filter(|fitted| !fitted.is_empty())
    }

    /// Returns the time in a cell, and records the client of the row if the cell stands for no time.
    fn time(&self, cell: &str, record: &Record) -> Result<Option<Text>, String> {
        let time = self.reading.times.read(cell)?;
        if time.is_none() {
            self.timeless.borrow_mut().insert(self.name(record));
        }
        Ok(time.map(Text::from))
    }

    fn zone(&self, cell: &str) -> Result<Text, String> {
        if let Some(known) = self.zones.borrow().get(cell) {
            return known.clone();
        }
        let found = zone(cell).map(|zone| zone.name().into());
        self.zones.borrow_mut().insert(cell.to_owned(), found.clone());
        found
    }

    fn labels(&self, record: &Record, bad: &mut Vec<Bad>) -> Labels {
        let mut labels: Vec<(&str, Text)> = Vec::new();
        for (key, column) in &self.columns.labels {
            let cell = self.cell(record, *column);
            if cell.is_empty() {
                continue;
            }
            match self.deriving.label(key, cell) {
                Ok(value) => labels.push((key, value)),
                Err(reason) => bad.push(self.bad(record, *column, reason)),
            }
        }
        labels.into_iter().collect()
    }

    /// Returns the name of the row's client, or an empty text if the row has none.
    fn name(&self, record: &Record) -> Text {
        self.deriving.name(self.cell(record, self.name_column()))
    }

    fn bad(&self, record: &Record, column: usize, reason: String) -> Bad {
        let title = self.sheet.header.get(column).cloned().unwrap_or_default();
        Bad { line: record.line, cell: Some((title, self.cell(record, column).to_owned())), reason }
    }

    fn name_column(&self) -> usize {
        self.columns.column(Field::Name).unwrap_or_default()
    }

    /// Records the problems of a bad row, and the name of its client if the row identifies the
    /// client.
    fn set_aside(
        &self,
        inventory: &mut Inventory,
        record: &Record,
        client: Option<Client>,
        mut bad: Vec<Bad>,
    ) {
        let client = client.filter(|client| !client.name.is_empty());
        let is_asked = inventory.bad_names.len() < MAX_FURTHER_CHECKS;
        let further = client.as_ref().filter(|_| is_asked).map(std::slice::from_ref);
        let refused = admissible::refused(further.unwrap_or_default());
        let refused: Vec<_> = refused.into_values().flatten().collect();
        bad.extend(refused.iter().map(|problem| self.refused(record, problem)));
        match client {
            Some(client) if is_named(&refused) => drop(inventory.bad_names.insert(client.name)),
            _ => inventory.unidentified += 1,
        }
        inventory.bad.extend(bad);
    }

    /// Adds the clients that admission accepts and whose name is unique in the export. Records the
    /// problems of all other clients. `aside` are the bad rows.
    fn judge<'r>(
        &self,
        inventory: &mut Inventory,
        read: Vec<(&'r Record, Client)>,
        aside: &[&'r Record],
    ) {
        let column = self.name_column();
        let mut same: HashMap<Text, SameName<'r>> = HashMap::new();
        for (record, client) in &read {
            let same = same.entry(client.name.clone()).or_default();
            same.add(record.line, self.cell(record, column));
        }
        // Also count names in bad rows, because a bad row may be the one with the correct data for
        // the client.
        for record in aside {
            if let Some(known) = same.get_mut(&self.name(record)) {
                known.add(record.line, self.cell(record, column));
            }
        }
        let (once, twice): (Vec<_>, Vec<_>) =
            read.into_iter().partition(|(_, client)| same[&client.name].lines.len() == 1);
        for (record, client) in twice {
            let identity = self.cell(record, column);
            let reason = same[&client.name].repeated(record.line, identity, &client.name);
            inventory.bad.push(self.bad(record, column, reason));
            inventory.bad_names.insert(client.name);
        }
        let first = |(name, rows): (Text, SameName)| Some((name, *rows.lines.first()?));
        inventory.lines = same.into_iter().filter_map(first).collect();
        let (records, clients): (Vec<&Record>, Vec<Client>) = once.into_iter().unzip();
        let refused = admissible::refused(&clients);
        for ((at, client), record) in clients.into_iter().enumerate().zip(records) {
            match refused.get(&at) {
                None => {
                    inventory.clients.insert(client.name.clone(), client);
                }
                Some(problems) => {
                    if is_named(problems) {
                        inventory.bad_names.insert(client.name);
                    } else {
                        inventory.unidentified += 1;
                    }
                    let bad = problems.iter().map(|problem| self.refused(record, problem));
                    inventory.bad.extend(bad);
                }
            }
        }
    }

    /// Converts an admission problem to a problem of the row, and finds the column with the invalid
    /// value.
    fn refused(&self, record: &Record, problem: &admissible::Refused) -> Bad {
        let fields = self.columns.fields.iter();
        let of_field =
            |(field, column): &(Field, usize)| (field.path() == problem.field).then_some(*column);
        let labels = self.columns.labels.iter();
        let of_label = |(key, column): &(String, usize)| {
            (format!("labels[{key}]") == problem.field).then_some(*column)
        };
        let column = fields.filter_map(of_field).chain(labels.filter_map(of_label)).next();
        let hint = match problem.field.as_str() {
            "reported.lastError.message" => "; --shorten-messages makes one line of it and cuts it",
            "name" if !self.deriving.derives_names => "; --derive-names makes a name of it",
            _ => "",
        };
        let reason = format!("{}{hint}", problem.reason);
        match column {
            Some(column) => self.bad(record, column, reason),
            None => {
                let reason = format!("{} {reason}", problem.field);
                Bad { line: record.line, cell: None, reason }
            }
        }
    }
}

/// The rows whose clients have the same name.
#[derive(Default)]
struct SameName<'a> {
    lines: Vec<usize>,
    /// Line and identity of the first row, and of the first row with another identity.
    first: Option<(usize, &'a str)>,
    other: Option<(usize, &'a str)>,
}

impl<'a> SameName<'a> {
    fn add(&mut self, line: usize, identity: &'a str) {
        self.lines.push(line);
        let (_, first) = *self.first.get_or_insert((line, identity));
        if first != identity {
            self.other = self.other.or(Some((line, identity)));
        }
    }

    /// Returns the problem of a row whose client has the same name as the clients of other rows.
    fn repeated(&self, line: usize, identity: &str, name: &Text) -> String {
        let mut known = [self.first, self.other].into_iter().flatten();
        if let Some((other, text)) = known.find(|(_, other)| *other != identity) {
            return format!(
                "would have the name `{name}`, as \"{text}\" in line {other} does: write one of the two \
                 otherwise"
            );
        }
        let others = self.lines.iter().filter(|other| **other != line).take(3);
        let others: Vec<String> = others.map(ToString::to_string).collect();
        format!(
            "stands in line {} too: a client has one row, and a name that no other has",
            others.join(", ")
        )
    }
}

/// Returns whether a bad row identifies its client, which requires that admission accepts the
/// client's name.
fn is_named(refused: &[admissible::Refused]) -> bool {
    refused.iter().all(|problem| problem.field != "name")
}
