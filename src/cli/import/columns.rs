//! Finds the column for each field of a client: the column that the user specifies, or a column
//! with a known title. Reads only the header of the export, not the rows.

use std::collections::BTreeSet;

pub(super) use super::fields::Field;
use super::fields::{FIELDS, plain};
use super::presets::Preset;
use crate::cli::terminal::table::printable;

/// A field and the column title that the user specifies for it. An empty title means that the field
/// is not imported.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    field: Field,
    title: String,
}

/// Parses a value of `--column`, in the format `FIELD=TITLE`.
///
/// # Errors
///
/// Returns a message if the text contains no `=`, or if the field is unknown.
pub(super) fn mapping(text: &str) -> Result<Mapping, String> {
    let (name, title) = text.split_once('=').ok_or("write FIELD=COLUMN, as name='Asset ID'")?;
    let field = Field::named(name).ok_or_else(|| {
        let known: Vec<&str> = FIELDS.iter().map(|(_, name, _)| *name).collect();
        format!("there is no field `{}`: there are {}", printable(name), known.join(", "))
    })?;
    Ok(Mapping { field, title: title.trim().to_owned() })
}

/// The columns of an export, and the field or label that each one provides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ColumnMap {
    /// Fields that have a column, each with the index of its column.
    pub fields: Vec<(Field, usize)>,
    /// Label keys, each with the index of the column that contains the label's values.
    pub labels: Vec<(String, usize)>,
    /// Titles of the columns that are not used.
    pub unused: Vec<String>,
}

impl ColumnMap {
    /// Returns the index of the column that provides a field.
    pub fn column(&self, field: Field) -> Option<usize> {
        self.fields.iter().find(|(known, _)| *known == field).map(|(_, column)| *column)
    }
}

/// Returns the number of fields for which a row of titles has a column, or 0 if none of them is the
/// name of the client. Determines whether a line of an export is its header.
pub(super) fn recognised_fields(
    titles: &[String],
    mappings: &[Mapping],
    preset: Option<Preset>,
) -> usize {
    let titles: BTreeSet<String> = titles.iter().map(|title| plain(title)).collect();
    let is_provided = |(field, _, known): &(Field, &str, &[&str])| {
        if let Some(mapping) = mappings.iter().find(|mapping| mapping.field == *field) {
            return !mapping.title.is_empty() && titles.contains(&plain(&mapping.title));
        }
        match preset {
            Some(preset) => {
                preset.titles(*field).iter().any(|title| titles.contains(&plain(title)))
            }
            None => known.iter().any(|title| titles.contains(*title)),
        }
    };
    let mut provided = FIELDS.iter().filter(|entry| is_provided(entry));
    // The name is the first of the fields.
    match provided.next() {
        Some((Field::Name, ..)) => 1 + provided.count(),
        _ => 0,
    }
}

/// Finds the column of each field and label. Each entry of `groups` has the format `COLUMN` or
/// `COLUMN=key`. With a preset, recognises only the titles of the preset.
///
/// # Errors
///
/// Returns a message for each missing, unknown or ambiguous column.
pub(super) fn find(
    header: &[String],
    mappings: &[Mapping],
    groups: &[String],
    preset: Option<Preset>,
) -> Result<ColumnMap, Vec<String>> {
    let mut search = ColumnSearch { header, problems: Vec::new(), needs_titles: false };
    let mapped = search.mapped(mappings);
    let mut fields = match preset {
        Some(preset) => search.of_preset(&mapped, preset),
        None => search.recognised(&mapped),
    };
    fields.sort_unstable();
    let labels = search.labels(groups);
    if !fields.iter().any(|(field, _)| *field == Field::Name) && search.problems.is_empty() {
        let missing = preset.map(Preset::missing);
        search.unknown(missing.unwrap_or_else(|| {
            "no column holds the names of the clients: name the one that stays the same \
             for the life of the device, as `--column name='Asset ID'`"
                .to_owned()
        }));
    }
    if search.needs_titles {
        search.problems.push(format!("the columns are {}", titles(header)));
    }
    if !search.problems.is_empty() {
        return Err(search.problems);
    }
    let used: BTreeSet<usize> = fields
        .iter()
        .map(|(_, index)| *index)
        .chain(labels.iter().map(|(_, index)| *index))
        .collect();
    let unused =
        (0..header.len()).filter(|index| !used.contains(index) && !header[*index].is_empty());
    let unused = unused.map(|index| header[index].clone()).collect();
    Ok(ColumnMap { fields, labels, unused })
}

/// Returns a warning for an export without a column for the version, unless the user confirms it
/// with `--column version=`.
pub(super) fn version_warning(mappings: &[Mapping], preset: Option<Preset>) -> Option<String> {
    if mappings.iter().any(|mapping| mapping.field == Field::Version) {
        return None;
    }
    let hint = preset.map(|preset| format!(" ({})", preset.versions())).unwrap_or_default();
    Some(format!(
        "warning: no column gives `version`, and nothing is offered to a client without a version: \
         name its column with `--column version='TITLE'`{hint}, or confirm with `--column \
         version=`\n"
    ))
}

struct ColumnSearch<'a> {
    header: &'a [String],
    problems: Vec<String>,
    /// True if the error message must list the existing columns, because a column is missing or
    /// unknown.
    needs_titles: bool,
}

impl ColumnSearch<'_> {
    fn unknown(&mut self, problem: String) {
        self.problems.push(problem);
        self.needs_titles = true;
    }

    /// Returns the fields that the user specifies, each with the index of its column. The index is
    /// `None` if the field is not imported or its column is not found.
    fn mapped(&mut self, mappings: &[Mapping]) -> Vec<(Field, Option<usize>)> {
        let mut mapped: Vec<(Field, Option<usize>)> = Vec::new();
        for Mapping { field, title } in mappings {
            let name = field.name();
            if mapped.iter().any(|(known, _)| known == field) {
                let problem =
                    format!("`--column {name}=…` is given twice: leave one of the two out");
                self.problems.push(problem);
            } else if title.is_empty() {
                mapped.push((*field, None));
            } else {
                let column = self.column(title, &format!("--column {name}="));
                mapped.push((*field, column));
            }
        }
        mapped
    }

    /// Returns the index of the column with this title. If no title matches exactly, compares the
    /// titles again without case, blanks and punctuation.
    fn column(&mut self, title: &str, flag: &str) -> Option<usize> {
        let index = |matches: &dyn Fn(&String) -> bool| -> Vec<usize> {
            (0..self.header.len()).filter(|index| matches(&self.header[*index])).collect()
        };
        let exact = index(&|known| known == title);
        let found =
            if exact.is_empty() { index(&|known| plain(known) == plain(title)) } else { exact };
        match found[..] {
            [column] => return Some(column),
            [] => self.unknown(format!("`{flag}{}`: there is no such column", printable(title))),
            _ => self.problems.push(format!(
                "`{flag}{}`: {} columns have this title: rename all but one",
                printable(title),
                found.len()
            )),
        }
        None
    }

    /// Returns all fields that have a column, each with the index of its column. For a field that
    /// the user does not map, finds the column by its title.
    fn recognised(&mut self, mapped: &[(Field, Option<usize>)]) -> Vec<(Field, usize)> {
        let taken: BTreeSet<usize> = mapped.iter().filter_map(|(_, column)| *column).collect();
        let mut fields: Vec<(Field, usize)> =
            mapped.iter().filter_map(|(field, column)| Some((*field, (*column)?))).collect();
        for (field, name, known) in FIELDS {
            if mapped.iter().any(|(mapped, _)| *mapped == field) {
                continue;
            }
            let is_one = |index: &usize| {
                !taken.contains(index) && known.contains(&plain(&self.header[*index]).as_str())
            };
            let found: Vec<usize> = (0..self.header.len()).filter(is_one).collect();
            match found[..] {
                [] => {}
                [column] => fields.push((field, column)),
                _ => {
                    let found: Vec<String> =
                        found.iter().map(|index| self.header[*index].clone()).collect();
                    let none = match field {
                        Field::Name => String::new(),
                        _ => format!(", or none with `--column {name}=`"),
                    };
                    self.problems.push(format!(
                        "{} can each be the column of `{name}`: name the one that is, as `--column \
                         {name}='{}'`{none}",
                        titles(&found),
                        found.first().map_or("", String::as_str)
                    ));
                }
            }
        }
        fields
    }

    /// Returns the fields that the user maps, and those for which the export has a title of the
    /// preset, each with the index of its column.
    fn of_preset(
        &mut self,
        mapped: &[(Field, Option<usize>)],
        preset: Preset,
    ) -> Vec<(Field, usize)> {
        let mut fields: Vec<(Field, usize)> =
            mapped.iter().filter_map(|(field, column)| Some((*field, (*column)?))).collect();
        for field in Field::all() {
            if mapped.iter().any(|(mapped, _)| *mapped == field) {
                continue;
            }
            let is_in_header =
                |title: &&&str| self.header.iter().any(|known| plain(known) == plain(title));
            if let Some(title) = preset.titles(field).iter().find(is_in_header) {
                let column = self.column(title, &format!("--preset {}: ", preset.name()));
                fields.extend(column.map(|column| (field, column)));
            }
        }
        fields
    }

    fn labels(&mut self, groups: &[String]) -> Vec<(String, usize)> {
        let mut labels: Vec<(String, usize)> = Vec::new();
        for group in groups {
            let (title, key) = match group.rsplit_once('=') {
                Some((title, key)) if !self.header.contains(group) => (title, key.to_owned()),
                _ => (group.as_str(), key_of(group)),
            };
            let Some(column) = self.column(title.trim(), "--group-by ") else { continue };
            if key.is_empty() {
                self.problems.push(format!(
                    "`--group-by {0}`: no label can be named after it: name its key, as \
                     `--group-by '{0}=site'`",
                    printable(title)
                ));
            } else if labels.iter().any(|(known, _)| *known == key) {
                self.problems.push(format!(
                    "two columns would be the label `{}`: name another key for one of them, as \
                     `--group-by '{}=site'`",
                    printable(&key),
                    printable(title)
                ));
            } else {
                labels.push((key, column));
            }
        }
        labels.sort();
        labels
    }
}

/// Derives a label key from the title of a column: `cost-center` for `Cost Center`.
fn key_of(title: &str) -> String {
    let lower = title.to_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.'));
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join("-").trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

/// Formats titles for a message, each in backticks.
pub(super) fn titles(titles: &[String]) -> String {
    let quoted: Vec<String> = titles.iter().map(|t| format!("`{}`", printable(t))).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(
        header: &[&str],
        mappings: &[&str],
        groups: &[&str],
    ) -> Result<ColumnMap, Vec<String>> {
        let header: Vec<String> = header.iter().map(ToString::to_string).collect();
        let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
        let mappings: Vec<Mapping> =
            mappings.iter().map(|text| mapping(text).expect("a mapping")).collect();
        find(&header, &mappings, &groups, None)
    }

    #[test]
    fn no_title_stands_for_two_fields() {
        let mut seen = BTreeSet::new();
        for (field, name, titles) in FIELDS {
            assert_eq!(Field::named(name), Some(field));
            for title in titles {
                assert_eq!(plain(title), *title);
                assert!(seen.insert(*title), "{title}");
            }
        }
    }

    #[test]
    fn titles_of_inventory_tools_are_recognised_in_any_order() {
        let columns = found(
            &[
                "Last logged-in user",
                "IP Address",
                "Serial",
                "Agent_Version",
                "COMPUTER NAME",
                "Rack",
                "Last Contact",
                "Time Zone",
                "last error version",
            ],
            &[],
            &["Rack"],
        )
        .expect("all are known");
        assert_eq!(
            columns.fields,
            [
                (Field::Name, 2),
                (Field::Computer, 4),
                (Field::Ip, 1),
                (Field::LastUser, 0),
                (Field::Version, 3),
                (Field::LastSeen, 6),
                (Field::TimeZone, 7),
                (Field::ErrorVersion, 8),
            ]
        );
        assert_eq!(columns.labels, [("rack".to_owned(), 5)]);
        assert!(columns.unused.is_empty());
    }

    #[test]
    fn what_the_user_says_comes_first() {
        let columns = found(
            &["Device ID", "Asset", "Version", "Build", "Cost Center (€)"],
            &["name=asset", "version=Build", "lastSeen="],
            &["Cost Center (€)", "Version=example.com/v"],
        )
        .expect("all are known");
        assert_eq!(columns.fields, [(Field::Name, 1), (Field::Version, 3)]);
        assert_eq!(
            columns.labels,
            [("cost-center".to_owned(), 4), ("example.com/v".to_owned(), 2)]
        );
        assert_eq!(columns.unused, ["Device ID"]);
    }

    #[test]
    fn nothing_is_guessed() {
        let said = |header: &[&str], mappings: &[&str], groups: &[&str]| {
            found(header, mappings, groups).expect_err("it cannot be told").join("\n")
        };
        insta::assert_snapshot!(said(&["Serial", "Asset Tag", "Version"], &[], &[]), @"`Serial`, `Asset Tag` can each be the column of `name`: name the one that is, as `--column name='Serial'`");
        insta::assert_snapshot!(said(&["Name", "User", "Current User"], &[], &[]), @"`User`, `Current User` can each be the column of `lastUser`: name the one that is, as `--column lastUser='User'`, or none with `--column lastUser=`");
        insta::assert_snapshot!(said(&["Site", "Version"], &[], &[]), @r"
        no column holds the names of the clients: name the one that stays the same for the life of the device, as `--column name='Asset ID'`
        the columns are `Site`, `Version`
        ");
        let twice = ["version=Bild", "name=Name", "name=Site"];
        insta::assert_snapshot!(said(&["Name", "Site"], &twice, &[]), @r"
        `--column version=Bild`: there is no such column
        `--column name=…` is given twice: leave one of the two out
        the columns are `Name`, `Site`
        ");
        let groups = ["SITE", "!", "Floor", "Name=x", "Site=x"];
        insta::assert_snapshot!(said(&["Name", "Site", "site", "!"], &[], &groups), @r"
        `--group-by SITE`: 2 columns have this title: rename all but one
        `--group-by !`: no label can be named after it: name its key, as `--group-by '!=site'`
        `--group-by Floor`: there is no such column
        two columns would be the label `x`: name another key for one of them, as `--group-by 'Site=site'`
        the columns are `Name`, `Site`, `site`, `!`
        ");
        assert!(mapping("nmae=x").is_err() && mapping("name").is_err());
    }
}
