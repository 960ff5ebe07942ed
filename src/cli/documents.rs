//! What a file is taken apart into: its documents, each as JSON text that has been read through once, or
//! why it cannot be read. Values are made of them one at a time: they take ten times the text's memory.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::json;

/// One document, or why it cannot be read.
#[derive(Debug)]
pub struct Document {
    /// Counted from 1.
    pub number: usize,
    /// `null` when there is nothing in it.
    pub content: Result<Json, Fault>,
}

/// What is wrong with a text, and where, both counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// The line.
    pub line: usize,
    /// The column, in characters.
    pub column: usize,
    /// What is wrong, and what to write instead.
    pub message: String,
}

/// A value as a part of a text. As long as there is one, there is the whole text.
#[derive(Clone, Debug)]
pub struct Json {
    whole: Arc<String>,
    part: Range<usize>,
}

/// What a document has on its outside.
#[derive(Debug, Default)]
pub struct Outside {
    /// Its `apiVersion`, where that is text.
    pub api_version: Option<String>,
    /// Its `kind`, where that is text.
    pub kind: Option<String>,
    /// Its `items`, if it has any.
    pub items: Items,
}

/// The items of a list.
#[derive(Debug, Default)]
pub enum Items {
    /// There are none.
    #[default]
    None,
    /// Each for itself.
    Some(Vec<Json>),
    /// It is something else than a list.
    Other,
}

impl Json {
    /// A part of a text, which holds one JSON value there, and that one is sound.
    pub(super) fn new(whole: Arc<String>, part: Range<usize>) -> Self {
        Self { whole, part }
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.whole.get(self.part.clone()).unwrap_or("null")
    }

    /// The value, `null` if the text is not sound after all.
    #[must_use]
    pub fn value(&self) -> Value {
        json::value(self.as_str()).unwrap_or_default()
    }

    /// The same without one field of it, which is passed over.
    #[must_use]
    pub fn value_without(&self, field: &str) -> Value {
        json::value_without(self.as_str(), field).unwrap_or_default()
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }

    /// What it has on its outside, if it is a mapping; its values are passed over.
    #[must_use]
    pub fn outside(&self) -> Outside {
        let mut reader = serde_json::Deserializer::from_str(self.as_str());
        reader.deserialize_any(OutsideOf(self)).unwrap_or_default()
    }

    /// A part of its text.
    fn within(&self, part: &str) -> Self {
        let start = part.as_ptr().addr() - self.whole.as_ptr().addr();
        Self::new(Arc::clone(&self.whole), start..start + part.len())
    }
}

struct OutsideOf<'a>(&'a Json);

impl<'de> Visitor<'de> for OutsideOf<'_> {
    type Value = Outside;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Outside, A::Error> {
        let mut outside = Outside::default();
        while let Some(name) = entries.next_key::<String>()? {
            match name.as_str() {
                "apiVersion" => outside.api_version = text(entries.next_value()?),
                "kind" => outside.kind = text(entries.next_value()?),
                "items" => outside.items = entries.next_value_seed(ItemsOf(self.0))?,
                _ => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(outside)
    }
}

struct ItemsOf<'a>(&'a Json);

impl<'de> DeserializeSeed<'de> for ItemsOf<'_> {
    type Value = Items;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Items, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ItemsOf<'_> {
    type Value = Items;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Items, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = entries.next_element::<&RawValue>()? {
            items.push(self.0.within(item.get()));
        }
        Ok(Items::Some(items))
    }

    fn visit_unit<E: Error>(self) -> Result<Items, E> {
        Ok(Items::None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Items, A::Error> {
        while entries.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Items::Other)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Items, E> {
        Ok(Items::Other)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Items, E> {
        Ok(Items::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Items, E> {
        Ok(Items::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Items, E> {
        Ok(Items::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Items, E> {
        Ok(Items::Other)
    }
}

fn text(raw: &RawValue) -> Option<String> {
    serde_json::from_str(raw.get()).ok()
}
