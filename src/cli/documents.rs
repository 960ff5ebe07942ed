//! Defines the documents of a file: each document is validated JSON text or an error. Callers parse
//! the text of one value at a time, because a parsed value takes ten times the memory of its text.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::json;

/// One document of a file, or the error that makes it invalid.
#[derive(Debug)]
pub struct Document {
    /// Position of the document in the file, counted from 1.
    pub number: usize,
    /// Content of the document, or its error. The content of an empty document is `null`.
    pub content: Result<Json, Fault>,
}

/// An error in a text, with its line and column, both counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    /// Line of the error.
    pub line: usize,
    /// Column of the error, in characters.
    pub column: usize,
    /// Description of the error and of how to correct it.
    pub message: String,
}

/// A JSON value, stored as a range of a larger text. The whole text stays in memory until the value
/// is dropped.
#[derive(Clone, Debug)]
pub struct Json {
    whole: Arc<String>,
    part: Range<usize>,
}

/// The top-level fields `apiVersion`, `kind` and `items` of a document.
#[derive(Debug, Default)]
pub struct ListHeader {
    /// Value of `apiVersion`, if it is a string.
    pub api_version: Option<String>,
    /// Value of `kind`, if it is a string.
    pub kind: Option<String>,
    /// Items of the list.
    pub items: Items,
}

/// The items of a Kubernetes list.
#[derive(Debug, Default)]
pub enum Items {
    /// The field `items` is missing or `null`.
    #[default]
    None,
    /// The items, each as a separate JSON value.
    Some(Vec<Json>),
    /// The field `items` is not a list.
    Other,
}

impl Json {
    /// Creates a value from a range of a text. The range must contain exactly one valid JSON value.
    pub(super) fn new(whole: Arc<String>, part: Range<usize>) -> Self {
        Self { whole, part }
    }

    /// Returns the text of the value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.whole.get(self.part.clone()).unwrap_or("null")
    }

    /// Parses the value. Returns `null` if the text is not valid JSON.
    #[must_use]
    pub fn value(&self) -> Value {
        json::value(self.as_str()).unwrap_or_default()
    }

    /// Parses the value, but skips the field that is named `field`. Returns `null` if the value is
    /// not a mapping.
    #[must_use]
    pub(crate) fn value_without(&self, field: &str) -> Value {
        json::value_without(self.as_str(), field).unwrap_or_default()
    }

    /// Returns whether the value is `null`.
    #[must_use]
    pub fn is_null(&self) -> bool {
        self.as_str() == "null"
    }

    /// Returns the top-level fields `apiVersion`, `kind` and `items`, and skips the values of all
    /// other fields. The result is empty if the value is not a mapping.
    #[must_use]
    pub fn outside(&self) -> ListHeader {
        let mut reader = serde_json::Deserializer::from_str(self.as_str());
        reader.deserialize_any(OutsideOf(self)).unwrap_or_default()
    }

    /// Creates the value for `part`, which must be a slice of this value's text.
    fn within(&self, part: &str) -> Self {
        let start = part.as_ptr().addr() - self.whole.as_ptr().addr();
        Self::new(Arc::clone(&self.whole), start..start + part.len())
    }
}

struct OutsideOf<'a>(&'a Json);

impl<'de> Visitor<'de> for OutsideOf<'_> {
    type Value = ListHeader;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<ListHeader, A::Error> {
        let mut outside = ListHeader::default();
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
