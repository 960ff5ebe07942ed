//! Parses JSON text that contains one or several values, and rejects duplicate fields, which
//! `serde_json` accepts. Does not interpret Kubernetes objects.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::documents::{Document, Fault, Json};
use super::yaml::from_f64;

/// Splits a text into its JSON values, up to and including the first invalid value. Validates the
/// values but does not build a [`Value`] for each.
#[must_use]
pub fn read(text: &Arc<String>) -> Vec<Document> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Validated>();
    let mut documents = Vec::new();
    let mut start = 0;
    while let Some(value) = values.next() {
        let end = values.byte_offset();
        let content = match value {
            Ok(Validated) => {
                let white = text[start..end].len() - text[start..end].trim_start().len();
                Ok(Json::new(Arc::clone(text), start + white..end))
            }
            Err(error) => Err(fault(&error)),
        };
        documents.push(Document { number: documents.len() + 1, content });
        start = end;
    }
    documents
}

/// Parses a text that contains one value.
///
/// # Errors
///
/// Returns an error if the text is not valid. The text of a value that [`read`] accepted is always
/// valid.
pub fn value(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text).map(|Unique(value)| value)
}

/// Parses a text that contains one mapping, but skips the field that is named `field`.
///
/// # Errors
///
/// Returns an error in the same cases as [`value`], and if the text is not a mapping.
pub(crate) fn value_without(text: &str, field: &str) -> serde_json::Result<Value> {
    serde_json::Deserializer::from_str(text).deserialize_map(Without(field))
}

fn fault(error: &serde_json::Error) -> Fault {
    let (line, column) = (error.line().max(1), error.column().max(1));
    // Line and column are separate fields of `Fault`, so remove them from the message.
    let place = format!(" at line {} column {}", error.line(), error.column());
    let message = error.to_string().replace(&place, "");
    let message = if error.is_data() { message } else { format!("this is not JSON: {message}") };
    Fault { line, column, message }
}

fn out_of_range<E: Error>() -> E {
    E::custom("a number is out of range")
}

fn given_twice<E: Error>(key: &str) -> E {
    E::custom(format!("`{key}` is given twice in one object: keep one of the two"))
}

/// A JSON value in which no object has a duplicate field.
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
        from_f64(value).ok_or_else(out_of_range)
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
                return Err(given_twice(&key));
            }
            fields.insert(key, value);
        }
        Ok(Value::Object(fields))
    }
}

/// Visitor that builds a mapping but skips the field with the given name.
struct Without<'a>(&'a str);

impl<'de> Visitor<'de> for Without<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if key == self.0 {
                entries.next_value::<IgnoredAny>()?;
            } else {
                let Unique(value) = entries.next_value()?;
                fields.insert(key, value);
            }
        }
        Ok(Value::Object(fields))
    }
}

/// Marker for a JSON value that was validated without building a [`Value`]. Validation reports the
/// same errors, at the same positions, as deserializing [`Unique`].
struct Validated;

impl<'de> Deserialize<'de> for Validated {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(SoundVisitor)
    }
}

struct SoundVisitor;

impl<'de> Visitor<'de> for SoundVisitor {
    type Value = Validated;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        UniqueVisitor.expecting(f)
    }

    fn visit_unit<E: Error>(self) -> Result<Validated, E> {
        Ok(Validated)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Validated, E> {
        Ok(Validated)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Validated, E> {
        Ok(Validated)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Validated, E> {
        Ok(Validated)
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Validated, E> {
        from_f64(value).map(|_| Validated).ok_or_else(out_of_range)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Validated, E> {
        Ok(Validated)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Validated, A::Error> {
        while items.next_element::<Validated>()?.is_some() {}
        Ok(Validated)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Validated, A::Error> {
        let mut keys = Keys::default();
        while let Some((JsonKey(key), Validated)) = entries.next_entry()? {
            if let Err(key) = keys.insert(key) {
                return Err(given_twice(&key));
            }
        }
        Ok(Validated)
    }
}

/// Name of a field, borrowed from the text unless it contains an escape sequence.
struct JsonKey<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for JsonKey<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor).map(Self)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// Field names of one JSON object, stored to find duplicates.
///
/// The first `MAX_LINEAR_KEYS` names are in a list, because nearly all objects have few fields, and
/// a short list is faster to search than a set.
#[derive(Default)]
struct Keys<'de> {
    few: Vec<Cow<'de, str>>,
    more: HashSet<Cow<'de, str>>,
}

impl<'de> Keys<'de> {
    const MAX_LINEAR_KEYS: usize = 16;

    /// Adds a field name, or returns it as an error if it is a duplicate.
    fn insert(&mut self, key: Cow<'de, str>) -> Result<(), Cow<'de, str>> {
        if self.few.contains(&key) || self.more.contains(&key) {
            Err(key)
        } else {
            if self.few.len() < Self::MAX_LINEAR_KEYS {
                self.few.push(key);
            } else {
                self.more.insert(key);
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Read = Vec<Result<Value, Fault>>;

    /// Parses a text with [`read`], which validates values before it builds them, and with a parser
    /// that builds values directly. Returns both results.
    fn both(text: &str) -> (Read, Read) {
        let looked = read(&Arc::new(text.to_owned()));
        let looked = looked.into_iter().map(|found| found.content.map(|json| json.value()));
        let made = serde_json::Deserializer::from_str(text).into_iter::<Unique>();
        let made = made.map(|made| made.map(|Unique(value)| value).map_err(|error| fault(&error)));
        (looked.collect(), made.collect())
    }

    #[test]
    fn a_field_is_given_once_however_many_there_are() {
        let fields = |count: usize, last: &str| -> String {
            let fields: Vec<String> = (0..count).map(|n| format!("\"a{n}\": 1")).collect();
            format!("[{{{}, \"{last}\": 2}}]", fields.join(", "))
        };
        for (count, last, is_twice) in [
            (1, "a0", true),
            (40, "a39", true),
            (40, "a3", true),
            (40, "\\u00613", true),
            (40, "a40", false),
        ] {
            let (looked, made) = both(&fields(count, last));
            assert_eq!(looked, made);
            assert_eq!(looked[0].is_err(), is_twice, "{count} {last}");
        }
    }

    proptest! {
        /// Checks that validating a text finds the same errors as building its values.
        #[test]
        fn faults_are_found_by_looking(
            text in r#"([\[\]{},:]|"a"|"b"|"\\u0061"|1e9|1e999|-?[0-9]{1,20}|null|true|[ \n"]){0,40}"#,
        ) {
            let (looked, made) = both(&text);
            prop_assert_eq!(looked, made);
        }
    }
}
