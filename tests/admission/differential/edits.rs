//! Generates edits of a valid document: each field absent, null, empty, of a wrong type, beyond its
//! bound, or beside an unknown field.

use std::fmt;

use serde_json::{Map, Value, json};

use super::values;
use crate::generated::Dice;

/// A change of one field of a document.
#[derive(Clone, Debug)]
pub struct Edit {
    /// JSON pointer to the field.
    pub at: String,
    /// New value of the field; `None` to remove the field.
    pub value: Option<Value>,
}

impl fmt::Display for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.as_ref().map_or_else(|| "absent".to_owned(), Value::to_string);
        let short: String = value.chars().take(100).collect();
        write!(f, "{}: {short}", self.at)
    }
}

impl Edit {
    pub fn new(at: &str, value: Option<Value>) -> Self {
        Self { at: at.to_owned(), value }
    }

    /// Returns the edited document; `None` if the parent of the field does not exist, or if the
    /// edit changes nothing.
    pub fn apply(&self, base: &Value) -> Option<Value> {
        let (parent, last) = self.at.rsplit_once('/')?;
        let last = last.replace("~1", "/").replace("~0", "~");
        let mut object = base.clone();
        match (object.pointer_mut(parent)?, &self.value) {
            (Value::Object(fields), Some(value)) => drop(fields.insert(last, value.clone())),
            (Value::Object(fields), None) => drop(fields.remove(&last)?),
            (Value::Array(items), Some(value)) => {
                *items.get_mut(last.parse::<usize>().ok()?)? = value.clone();
            }
            (Value::Array(items), None) => {
                let index = last.parse::<usize>().ok().filter(|index| *index < items.len())?;
                items.remove(index);
            }
            _ => return None,
        }
        (object != *base).then_some(object)
    }
}

/// Returns the edits of all fields below the top level that the schema describes.
pub fn of(schema: &Value, base: &Value) -> Vec<Edit> {
    let mut edits = Vec::new();
    for part in ["spec", "status"] {
        walk(&schema["properties"][part], base.get(part), &format!("/{part}"), &mut edits);
    }
    edits.push(Edit::new("/unknown", Some(json!(1))));
    edits.push(Edit::new("/data", Some(json!({}))));
    edits
}

fn walk(schema: &Value, value: Option<&Value>, at: &str, edits: &mut Vec<Edit>) {
    edits.extend(values::odd(schema, value).into_iter().map(|odd| Edit::new(at, odd)));
    match value {
        Some(Value::Object(fields)) => {
            let escaped = |name: &str| name.replace('~', "~0").replace('/', "~1");
            let properties = schema["properties"].as_object();
            for (name, schema) in properties.into_iter().flatten() {
                walk(schema, fields.get(name), &format!("{at}/{name}"), edits);
            }
            if properties.is_some() {
                edits.push(Edit::new(&format!("{at}/unknown"), Some(json!("a"))));
                edits.push(Edit::new(&format!("{at}/unknown"), Some(Value::Null)));
            } else {
                for name in fields.keys() {
                    let at = format!("{at}/{}", escaped(name));
                    walk(&schema["additionalProperties"], fields.get(name), &at, edits);
                }
            }
        }
        // The further items have the same schema as the first one.
        Some(Value::Array(items)) if !items.is_empty() => {
            walk(&schema["items"], items.first(), &format!("{at}/0"), edits);
            if let Some(last) = items.len().checked_sub(1).filter(|last| *last > 0) {
                edits.push(Edit::new(&format!("{at}/{last}"), Some(items[0].clone())));
                edits.push(Edit::new(&format!("{at}/{last}"), Some(Value::Null)));
            }
        }
        _ => {}
    }
}

/// Applies two to four random edits to a document. Removals and short values are preferred, because
/// they can be valid together.
pub fn combined(edits: &[Edit], base: &Value, dice: &mut Dice) -> (Vec<Edit>, Value) {
    let wanted = 2 + dice.roll(3);
    let (mut applied, mut object) = (Vec::new(), base.clone());
    while applied.len() < wanted {
        let edit = &edits[dice.roll(edits.len())];
        let is_mild = edit.value.as_ref().is_none_or(|value| match value {
            Value::String(text) => text.len() < 30,
            Value::Object(fields) => fields.len() < 2,
            value => value.is_i64() || value.is_boolean(),
        });
        if !is_mild && dice.roll(8) > 0 {
            continue;
        }
        if let Some(edited) = edit.apply(&object) {
            object = edited;
            applied.push(edit.clone());
        }
    }
    (applied, object)
}

/// Returns a map with this number of entries.
pub fn entries(count: usize) -> Value {
    (0..count).map(|number| (format!("l{number}"), json!(""))).collect::<Map<_, _>>().into()
}
