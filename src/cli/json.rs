//! Reads JSON text, one value or several after one another, and refuses what `serde_json` lets
//! pass: a field given twice. Knows nothing of Kubernetes objects.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::yaml::{Document, Fault, from_f64};

/// All values of a text, up to the first that cannot be read.
#[must_use]
pub fn read(text: &str) -> Vec<Document> {
    let values = serde_json::Deserializer::from_str(text).into_iter::<Unique>();
    (1..)
        .zip(values)
        .map(|(number, value)| Document {
            number,
            content: value.map(|value| value.0).map_err(|error| fault(&error)),
        })
        .collect()
}

fn fault(error: &serde_json::Error) -> Fault {
    let (line, column) = (error.line().max(1), error.column().max(1));
    // The place is told apart from the message, as everywhere.
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string().replace(&place, "");
    let message = if error.is_data() { message } else { format!("this is not JSON: {message}") };
    Fault { line, column, message }
}

struct Unique(Value);

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(UniqueVisitor).map(Self)
    }
}

struct UniqueVisitor;

impl<'de> Visitor<'de> for UniqueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        from_f64(value).ok_or_else(|| E::custom("a number is out of range"))
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Unique(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some((key, Unique(value))) = entries.next_entry::<String, Unique>()? {
            if fields.contains_key(&key) {
                let message = format!("`{key}` is given twice in one object: keep one of the two");
                return Err(A::Error::custom(message));
            }
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}
