//! Validates a value against its compiled schema and describes each problem in a sentence. Parts of
//! a value that the schema does not describe are not validated.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::nearest::nearest;
use super::schema::{Node, Shape, StringRules, Unique};
use super::{Problems, cel};

const MAX_QUOTED_CHARS: usize = 80;

/// Validates `value`, and returns whether its structure (type, maximum length and required fields)
/// is valid.
///
/// As on the API server, rules are evaluated only for values with a valid structure.
pub fn walk(node: &Node, value: &Value, path: &str, problems: &mut Problems) -> bool {
    if problems.is_full() {
        return false;
    }
    let sound = match (&node.shape, value) {
        (Shape::Anything, _) | (Shape::Flag, Value::Bool(_)) => true,
        (Shape::Text(text), Value::String(string)) => walk_text(text, string, path, problems),
        (Shape::Whole { least, most }, Value::Number(number)) => {
            walk_number((*least, *most), number, path, problems)
        }
        (Shape::List { items, most, unique }, Value::Array(entries)) => {
            walk_list(items, *most, unique, entries, path, problems)
        }
        (Shape::Map { values, most }, Value::Object(fields)) => {
            walk_map(values, *most, fields, path, problems)
        }
        (Shape::Fields { properties, required }, Value::Object(fields)) => {
            let known = walk_known(properties, required, fields, path, problems);
            let names: Vec<&str> = properties.keys().map(String::as_str).collect();
            walk_unknown(&names, fields, path, problems);
            known
        }
        (shape, other) => {
            problems.add(path, wrong_type(shape, other));
            false
        }
    };
    if sound {
        cel::judge(&node.rules, value, path, problems);
    }
    sound
}

fn walk_text(text: &StringRules, string: &str, path: &str, problems: &mut Problems) -> bool {
    // Count characters instead of bytes, as OpenAPI does. Use `nth`, which stops at the limit,
    // because a value may be very large.
    if let Some(most) = text.most
        && string.chars().nth(most).is_some()
    {
        let has = string.chars().count();
        problems.add(path, format!("must have at most {most} characters, has {has}"));
        return false;
    }
    if text.least > 0 && string.is_empty() {
        problems.add(path, "must not be empty");
        return true;
    }
    if !text.choices.is_empty() && !text.choices.iter().any(|choice| choice == string) {
        let choices: Vec<&str> = text.choices.iter().map(String::as_str).collect();
        let hint = did_you_mean(string, &choices);
        let choices = choices.join(", ");
        problems.add(path, format!("{} must be one of {choices}{hint}", quoted(string)));
    }
    if let Some((_, must)) = text.patterns.iter().find(|(regex, _)| !regex.is_match(string)) {
        problems.add(path, format!("{} {must}", quoted(string)));
    }
    // The API server accepts these characters in a stored object, only not in a server-side apply.
    if !problems.is_stored
        && let Some(message) = unreadable_character(string)
    {
        problems.add(path, message);
    }
    true
}

/// Returns a message if the text contains an invisible character that the API server's YAML reader
/// refuses. That reader also reads the JSON of a server-side apply.
pub(super) fn unreadable_character(text: &str) -> Option<String> {
    let is_unreadable = |c: &char| {
        let is_space = matches!(c, '\t' | '\n' | '\r' | '\u{85}');
        (*c >= '\u{7f}' && c.is_control() && !is_space) || matches!(c, '\u{fffe}' | '\u{ffff}')
    };
    let found = text.chars().find(is_unreadable)?;
    Some(format!(
        "must not contain the invisible character U+{:04X}: delete it; server-side apply refuses it",
        u32::from(found)
    ))
}

fn walk_number(
    (least, most): (f64, f64),
    number: &serde_json::Number,
    path: &str,
    problems: &mut Problems,
) -> bool {
    if number.is_f64() {
        problems.add(path, format!("must be a whole number, is {number}"));
        return false;
    }
    let float = number.as_f64().unwrap_or(f64::NAN);
    if !(float >= least && float <= most) {
        problems.add(path, format!("must be from {least} to {most}, is {number}"));
    }
    true
}

fn walk_list(
    items: &Node,
    most: usize,
    unique: &Unique,
    entries: &[Value],
    path: &str,
    problems: &mut Problems,
) -> bool {
    if entries.len() > most {
        problems.add(path, format!("must have at most {most} entries, has {}", entries.len()));
        return false;
    }
    let mut sound = true;
    for (index, entry) in entries.iter().enumerate() {
        sound &= walk(items, entry, &format!("{path}[{index}]"), problems);
    }
    walk_duplicates(unique, entries, path, problems);
    sound
}

fn walk_duplicates(unique: &Unique, entries: &[Value], path: &str, problems: &mut Problems) {
    let identity = |entry: &Value| match unique {
        Unique::No => None,
        Unique::Whole => Some(entry.to_string()),
        Unique::Keys(keys) => {
            let values: Option<Vec<String>> =
                keys.iter().map(|key| Some(entry.get(key)?.to_string())).collect();
            values.map(|values| values.join(" "))
        }
    };
    let mut seen = HashSet::new();
    for (index, entry) in entries.iter().enumerate() {
        let Some(identity) = identity(entry) else { continue };
        if seen.contains(&identity) {
            let key = match unique {
                Unique::Keys(keys) => format!("the {} {identity}", keys.join(" and ")),
                _ => identity,
            };
            let message =
                format!("{key} comes twice in this list: remove or rename one of the two");
            problems.add(format!("{path}[{index}]"), message);
        } else {
            seen.insert(identity);
        }
    }
}

fn walk_map(
    values: &Node,
    most: usize,
    fields: &Map<String, Value>,
    path: &str,
    problems: &mut Problems,
) -> bool {
    if fields.len() > most {
        problems.add(path, format!("must have at most {most} entries, has {}", fields.len()));
        return false;
    }
    let mut sound = true;
    for (key, value) in fields {
        sound &= walk(values, value, &format!("{path}[{}]", shortened(key)), problems);
    }
    sound
}

fn walk_known(
    properties: &std::collections::BTreeMap<String, Node>,
    required: &[String],
    fields: &Map<String, Value>,
    path: &str,
    problems: &mut Problems,
) -> bool {
    let mut sound = true;
    for (name, node) in properties {
        match fields.get(name) {
            Some(value) => sound &= walk(node, value, &join(path, name), problems),
            None if required.contains(name) => {
                problems.add(join(path, name), format!("must be set: {}", node.about));
                sound = false;
            }
            None => {}
        }
    }
    sound
}

/// Reports fields that the API does not define. These fields do not make the structure invalid,
/// because the API server drops them unless validation is strict.
pub(crate) fn walk_unknown(
    known: &[&str],
    fields: &Map<String, Value>,
    path: &str,
    problems: &mut Problems,
) {
    for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
        let hint = did_you_mean(name, known);
        let hint = if hint.is_empty() { format!(": there are {}", known.join(", ")) } else { hint };
        problems.add(join(path, &shortened(name)), format!("is not a field of this API{hint}"));
        if problems.is_full() {
            return;
        }
    }
}

fn wrong_type(shape: &Shape, value: &Value) -> String {
    let is = match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    };
    let wanted = match (shape, value) {
        (Shape::Text(_), Value::Bool(_) | Value::Number(_)) => {
            // Omit the value from the message, because the YAML parser may have changed it, such as
            // 3.10 to 3.1 or `no` to false.
            return format!("must be text, is {is}: write it in quotes");
        }
        (Shape::Text(_), _) => "text",
        (Shape::Whole { .. }, _) => "a whole number",
        (Shape::Flag, _) => "true or false, without quotes",
        (Shape::List { .. }, _) => "a list",
        (Shape::Fields { .. } | Shape::Map { .. }, _) => "a mapping of names to values",
        (Shape::Anything, _) => "anything",
    };
    format!("must be {wanted}, is {is}")
}

fn did_you_mean(written: &str, known: &[&str]) -> String {
    nearest(written, known).map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}

/// Returns the path `path.name`, or only `name` if `path` is empty.
pub fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// Quotes a text. Control characters are escaped, and a long text is shortened.
pub fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

/// Returns a text without what exceeds the length that a message quotes.
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
