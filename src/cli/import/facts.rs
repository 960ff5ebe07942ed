//! Determines the facts (fields and labels) that an export provides for clients, and the facts that
//! clients would lose in an import.
//!
//! The import must detect lost facts, because otherwise a renamed column in the export would erase
//! the values from earlier imports.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::columns::{ColumnMap, Field};
use crate::api::Text;
use crate::api::fleet::Client;
use crate::cli::terminal::table::printable;

/// Prefix that distinguishes a label key from a field name in `--drop`. A label key that itself
/// begins with `labels.` also requires the prefix.
const LABEL_PREFIX: &str = "labels.";

/// A field or a label of a client that an import can provide.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    Field(Field),
    Label(String),
}

impl fmt::Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(field) => f.write_str(field.name()),
            Self::Label(key) => {
                let is_plain = !key.starts_with(LABEL_PREFIX) && field(key).is_none();
                write!(f, "{}{}", if is_plain { "" } else { LABEL_PREFIX }, printable(key))
            }
        }
    }
}

fn field(name: &str) -> Option<Field> {
    Field::all().find(|field| field.name() == name)
}

/// Parses the value of `--drop`: the name of a field, or the key of a label.
///
/// # Errors
///
/// Returns a message if the text is empty, or if it is `name`, because every client needs a name.
pub(super) fn fact(text: &str) -> Result<Fact, String> {
    if let Some(key) = text.strip_prefix(LABEL_PREFIX) {
        return Ok(Fact::Label(key.to_owned()));
    }
    match field(text) {
        Some(Field::Name) => Err("a client without a name is none".to_owned()),
        Some(field) => Ok(Fact::Field(field)),
        None if text.is_empty() => Err("write a field, as version, or a label's key".to_owned()),
        None => Ok(Fact::Label(text.to_owned())),
    }
}

/// Returns the facts for which the export has a column.
pub(super) fn provided(columns: &ColumnMap) -> BTreeSet<Fact> {
    let fields = columns.fields.iter().map(|(field, _)| Fact::Field(*field));
    fields.chain(columns.labels.iter().map(|(key, _)| Fact::Label(key.clone()))).collect()
}

/// Returns the facts that a client would lose: those in `before` that are not in `after` and that
/// no other field manager owns.
pub(super) fn lost(before: &Client, after: &Client, others: Option<&Client>) -> Vec<Fact> {
    let has = |client: &Client, field| value(client, field).is_some();
    let fields = Field::all().filter(|field| {
        has(before, *field)
            && !has(after, *field)
            && !others.is_some_and(|others| has(others, *field))
    });
    let labels = before.labels.iter().map(|(key, _)| key).filter(|key| {
        after.labels.get(key).is_none()
            && others.is_none_or(|others| others.labels.get(key).is_none())
    });
    fields.map(Fact::Field).chain(labels.map(|key| Fact::Label(key.to_owned()))).collect()
}

/// Returns whether a client reports a version.
pub(super) fn has_version(client: &Client) -> bool {
    value(client, Field::Version).is_some()
}

fn value(client: &Client, field: Field) -> Option<&Text> {
    let reported = client.reported.as_ref();
    let error = || reported?.last_error.as_ref();
    match field {
        Field::Name => Some(&client.name),
        Field::TimeZone => client.time_zone.as_ref(),
        Field::Computer => reported?.computer.as_ref(),
        Field::Ip => reported?.ip.as_ref(),
        Field::LastUser => reported?.last_user.as_ref(),
        Field::Version => reported?.version.as_ref(),
        Field::StagedVersion => reported?.staged_version.as_ref(),
        Field::LastSeen => reported?.last_seen.as_ref(),
        Field::ErrorVersion => error()?.version.as_ref(),
        Field::ErrorMessage => error()?.message.as_ref(),
        Field::ErrorTime => error()?.time.as_ref(),
    }
}

/// The facts that clients would lose in an import, and the number of clients that lose each fact.
#[derive(Debug, Default)]
pub(super) struct Losses {
    /// Facts that clients lose because the export no longer has a column for them, each with the
    /// number of affected clients.
    pub not_provided: BTreeMap<Fact, usize>,
    /// Names of the clients that lose their version because their version cell in the export is
    /// empty.
    pub unversioned: Vec<Text>,
    /// Number of clients in the export that had a version before the import.
    pub versioned: usize,
}

impl Losses {
    /// Adds the facts that one client in the export would lose.
    pub fn add(
        &mut self,
        before: &Client,
        after: &Client,
        others: Option<&Client>,
        given: &BTreeSet<Fact>,
    ) {
        self.versioned += usize::from(has_version(before));
        for fact in lost(before, after, others) {
            if !given.contains(&fact) {
                *self.not_provided.entry(fact).or_default() += 1;
            } else if fact == Fact::Field(Field::Version) {
                self.unversioned.push(before.name.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn client(value: Value) -> Client {
        serde_json::from_value(value).expect("a client")
    }

    #[test]
    fn what_neither_the_export_nor_others_give_is_lost() {
        let before = client(json!({"name": "A", "labels": {"site": "x", "version": "y"},
            "timeZone": "Asia/Tokyo", "reported": {"computer": "C", "ip": "10.0.0.1",
            "lastUser": "U", "version": "1", "stagedVersion": "2", "lastSeen": "t",
            "lastError": {"version": "2", "message": "m", "time": "t"}}}));
        let losses_of = |after: Value, others: Option<Value>| {
            let others = others.map(client);
            let facts = lost(&before, &client(after), others.as_ref());
            facts.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(
            losses_of(json!({"name": "A"}), None),
            "computer ip lastUser version stagedVersion lastSeen timeZone lastError.version \
             lastError.message lastError.time site labels.version"
        );
        assert_eq!(losses_of(json!(before), None), "");
        let others = json!({"name": "A", "labels": {"site": "x"}, "timeZone": "Asia/Tokyo",
            "reported": {"version": "1", "ip": "10.0.0.1", "lastUser": "U", "lastSeen": "t"}});
        let after = json!({"name": "A", "reported": {"computer": "D", "stagedVersion": "3",
            "lastError": {"version": "2"}}});
        assert_eq!(
            losses_of(after, Some(others)),
            "lastError.message lastError.time labels.version"
        );
    }

    #[test]
    fn what_is_told_is_what_is_read() {
        for field in Field::all().filter(|field| *field != Field::Name) {
            assert_eq!(fact(field.name()), Ok(Fact::Field(field)));
        }
        for key in ["site", "version", "labels.x", "last-user", "name", "example.com/v"] {
            let label = Fact::Label(key.to_owned());
            assert_eq!(fact(&label.to_string()), Ok(label));
        }
        assert!(fact("name").is_err() && fact("").is_err());
    }
}
