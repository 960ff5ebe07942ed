//! Reads the test cases for refused objects from the files `*_cases.yaml`.

use clientfleet::api::Kind;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Two objects that differ in one field: admission must refuse the first and accept the second.
#[derive(Debug)]
pub struct Case {
    pub name: String,
    pub kind: Kind,
    pub bad: Value,
    pub good: Value,
    pub field: String,
    pub by: By,
    pub says: String,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// A CEL rule, for which `api::admission` and the API server return the same message.
    Rule,
    /// The schema, for which `api::admission` and the API server return different messages.
    Schema,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    case: String,
    /// Path of the field that is set to `bad` or `good`.
    at: String,
    /// Path of the refused field, if it differs from `at`.
    field: Option<String>,
    /// Value that must be refused; `null` removes the field.
    bad: Value,
    good: Value,
    by: By,
    says: String,
}

pub fn base(kind: Kind) -> Value {
    let text = match kind {
        Kind::ClientFleet => include_str!("fleet.yaml"),
        Kind::UpgradePolicy => include_str!("policy.yaml"),
    };
    serde_saphyr::from_str(text).expect("an object")
}

pub fn all() -> Vec<Case> {
    let tables = [
        (Kind::ClientFleet, include_str!("fleet_cases.yaml")),
        (Kind::UpgradePolicy, include_str!("policy_cases.yaml")),
        (Kind::UpgradePolicy, include_str!("recurring_cases.yaml")),
        (Kind::UpgradePolicy, include_str!("scope_cases.yaml")),
    ];
    tables.into_iter().flat_map(|(kind, table)| read(kind, table)).collect()
}

fn read(kind: Kind, table: &str) -> Vec<Case> {
    let rows: Vec<Row> = serde_saphyr::from_str(table).expect("a table of cases");
    let base = base(kind);
    let case = |row: Row| Case {
        kind,
        bad: changed(&base, &row.at, expand(row.bad)),
        good: changed(&base, &row.at, expand(row.good)),
        field: row.field.unwrap_or(row.at),
        name: row.case,
        by: row.by,
        says: row.says,
    };
    rows.into_iter().map(case).collect()
}

/// Expands the short notations for long values in the files `*_cases.yaml`.
///
/// `{times: 64, of: a, after: b}` expands to an optional `b` and 64 repetitions of `a`, `{list: 17,
/// of: …}` to a list of 17 entries in which the index of the entry replaces `#`, and `{labels: 9}`
/// to a map of 9 labels.
fn expand(value: Value) -> Value {
    let number = |name: &str| value.get(name).and_then(Value::as_u64);
    if let Some(times) = number("times") {
        let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
        let times = usize::try_from(times).expect("a number of characters");
        return (text("after").to_owned() + &text("of").repeat(times)).into();
    }
    if let Some(entries) = number("list") {
        return (0..entries).map(|entry| numbered(&value["of"], entry)).collect();
    }
    if let Some(labels) = number("labels") {
        return (0..labels).map(|label| (format!("l{label}"), Value::from(""))).collect();
    }
    match value {
        Value::Array(entries) => entries.into_iter().map(expand).collect(),
        Value::Object(fields) => fields.into_iter().map(|(k, v)| (k, expand(v))).collect(),
        other => other,
    }
}

fn numbered(value: &Value, number: u64) -> Value {
    match value {
        Value::String(text) => text.replace('#', &number.to_string()).into(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(k, v)| (k.clone(), numbered(v, number)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

fn changed(base: &Value, at: &str, value: Value) -> Value {
    let mut object = base.clone();
    let mut steps: Vec<&str> = at.split(['.', '[', ']']).filter(|step| !step.is_empty()).collect();
    let last = steps.pop().expect("a field");
    let parent = steps.into_iter().fold(&mut object, |parent, step| match parent {
        Value::Array(entries) => &mut entries[step.parse::<usize>().expect("an index")],
        fields => &mut fields[step],
    });
    match parent {
        Value::Array(entries) => entries[last.parse::<usize>().expect("an index")] = value,
        Value::Object(fields) if value.is_null() => {
            fields.remove(last);
        }
        fields => fields[last] = value,
    }
    object
}
