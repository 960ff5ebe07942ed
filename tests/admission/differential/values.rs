//! Lists odd values for a field, by the type and the bounds in its schema.

use clientfleet::api::Kind;
use serde_json::{Value, json};

use super::edits::entries;

/// Texts that some field accepts, and texts that are nearly accepted.
const TEXTS: [&str; 40] = [
    "",
    " ",
    "a",
    "A b",
    "a\nb",
    "a\u{0}",
    "\u{7f}",
    "a\u{80}",
    "\u{feff}a",
    "a\u{ffff}",
    "\u{200b}",
    "\u{2028}",
    "<a>",
    "a\"b\\",
    "é",
    "漢字",
    "1",
    "1.",
    "v3.59",
    "3.59-rc.1+b",
    "3.59-",
    ">=3.50 <3.59",
    "22:00",
    "24:00",
    "2:00",
    "2026-06-01",
    "2026-06-31",
    "1999-12-31",
    "2026-06-01T00:00:00Z",
    "2026-06-01T00:00:00.5+01:00",
    "2026-06-01 00:00:00Z",
    "10.0.0.0/8",
    "10.0.0.1/8",
    "::/0",
    "Europe/Berlin",
    "AutoUpgrade",
    "Monday",
    "In",
    "true",
    "null",
];

/// Returns the schema of a kind as JSON.
pub fn schema(kind: Kind) -> Value {
    let crd = serde_json::to_value(kind.crd()).expect("a definition is JSON");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Returns odd values for a field; `None` stands for an absent field. `value` is the field's value
/// in the base.
pub fn odd(schema: &Value, value: Option<&Value>) -> Vec<Option<Value>> {
    let mut odd = vec![None];
    odd.extend(of_any_type().into_iter().map(Some));
    let more = match schema["type"].as_str() {
        Some("string") => texts(schema),
        Some("integer") => numbers(schema),
        Some("array") => lists(schema, value),
        Some("object") => mappings(schema),
        _ => Vec::new(),
    };
    odd.extend(more.into_iter().map(Some));
    odd
}

fn of_any_type() -> Vec<Value> {
    vec![
        Value::Null,
        json!(""),
        json!("a"),
        json!(1),
        json!(1.5),
        json!(true),
        json!([]),
        json!(["a"]),
        json!([null]),
        json!({}),
        json!({"a": "b"}),
    ]
}

fn texts(schema: &Value) -> Vec<Value> {
    let mut texts: Vec<String> = TEXTS.iter().map(|text| (*text).to_owned()).collect();
    if let Some(most) = schema["maxLength"].as_u64() {
        let most = usize::try_from(most).expect("a number of characters");
        texts.extend([most, most + 1].map(|count| "a".repeat(count)));
        texts.extend([most, most / 2].map(|count| "é".repeat(count)));
        texts.push("&".repeat(most));
    }
    texts.into_iter().map(Value::from).collect()
}

fn numbers(schema: &Value) -> Vec<Value> {
    let bound = |name: &str, fallback: i64| schema[name].as_f64().map_or(fallback, whole);
    let (least, most) = (bound("minimum", i64::MIN + 1), bound("maximum", i64::MAX - 1));
    let mut numbers = [0, -1, least - 1, least, most, most + 1].map(Value::from).to_vec();
    numbers.extend([json!(1.0), json!(-0.0), json!(1e300), json!(u64::MAX), json!("1")]);
    numbers
}

#[allow(clippy::cast_possible_truncation, reason = "the bounds are whole numbers")]
fn whole(bound: f64) -> i64 {
    bound as i64
}

fn lists(schema: &Value, value: Option<&Value>) -> Vec<Value> {
    let mut lists = vec![json!([[]]), json!([{}]), json!([1]), json!([""]), json!({"0": "a"})];
    let Some(item) = value.and_then(|value| value.get(0)) else { return lists };
    lists.push(json!([item, item]));
    lists.push(json!([item, null]));
    if let Some(most) = schema["maxItems"].as_u64() {
        let numbered = |count: u64| (0..count).map(|number| numbered(item, number)).collect();
        lists.extend([most, most + 1].map(numbered));
    }
    lists
}

/// Returns an item with the number in its identity, for lists of unique items.
fn numbered(item: &Value, number: u64) -> Value {
    match item {
        Value::String(text) => format!("{text}{number}").into(),
        Value::Object(fields) if fields.contains_key("name") => {
            let mut item = item.clone();
            item["name"] = format!("n{number}").into();
            item
        }
        other => other.clone(),
    }
}

fn mappings(schema: &Value) -> Vec<Value> {
    if schema["additionalProperties"].is_null() {
        return vec![json!({"": 1}), json!("{}")];
    }
    let most = usize::try_from(schema["maxProperties"].as_u64().expect("a map has a bound"))
        .expect("a number of entries");
    let mut mappings: Vec<Value> = ["", "a/b", "a/b/c", "-a", "é", "A_b.c", "a b", "Ä/b"]
        .iter()
        .map(|key| json!({*key: "b"}))
        .collect();
    mappings.extend([63, 64].map(|count| json!({"a".repeat(count): "b"})));
    mappings.extend([json!({"a": null}), json!({"a": 1}), json!({"a": {}}), json!({"a": ""})]);
    mappings.extend([most, most + 1].map(entries));
    mappings
}
