//! Defines types that store strings and label sets in little memory, because the objects contain
//! hundreds of thousands of them.
//!
//! [`Text`] stores up to 24 bytes without an allocation. [`Labels`] stores the few pairs of a label
//! set in a slice, because the nodes of a map would take more memory than the pairs.

use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use compact_str::CompactString;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A string that is stored without an allocation if it has at most 24 bytes.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(CompactString);

impl Text {
    /// Returns the text as a string slice.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl<S: AsRef<str>> From<S> for Text {
    fn from(string: S) -> Self {
        Self(CompactString::from(string.as_ref()))
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

impl JsonSchema for Text {
    fn schema_name() -> Cow<'static, str> {
        String::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
    fn inline_schema() -> bool {
        true
    }
}

/// Label keys and values, sorted by key, without duplicate keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(Arc<[(Text, Text)]>);

impl Labels {
    /// Maximum number of recent label sets that [`Self::share`] compares with each set. The number
    /// is small, so that a search without a match is cheap.
    const MAX_RECENT_SETS: usize = 16;

    /// Makes equal label sets share memory if they are near each other in the sequence. This saves
    /// memory because the clients of a department usually have the same labels.
    pub fn share<'a>(sets: impl Iterator<Item = &'a mut Self>) {
        let mut known: Vec<Self> = Vec::new();
        for set in sets.filter(|set| !set.is_empty()) {
            match known.iter().find(|known| *known == set) {
                Some(known) => set.clone_from(known),
                None => {
                    known.truncate(Self::MAX_RECENT_SETS - 1);
                    known.insert(0, set.clone());
                }
            }
        }
    }

    /// Returns the value of the label `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let index = self.0.binary_search_by(|(k, _)| k.as_str().cmp(key)).ok()?;
        Some(self.0[index].1.as_str())
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the pairs, sorted by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }
}

impl<K: Into<Text>, V: Into<Text>> FromIterator<(K, V)> for Labels {
    /// Collects pairs. If a key occurs more than once, its last value is used.
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let sorted: BTreeMap<Text, Text> =
            pairs.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self(sorted.into_iter().collect())
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(BTreeMap::<Text, Text>::deserialize(deserializer)?.into_iter().collect())
    }
}

impl JsonSchema for Labels {
    fn schema_name() -> Cow<'static, str> {
        BTreeMap::<String, String>::schema_name()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        BTreeMap::<String, String>::json_schema(generator)
    }
    fn inline_schema() -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<Labels> {
        values.into_iter().map(|value| [("department", value)].into_iter().collect()).collect()
    }

    #[test]
    fn equal_label_sets_are_kept_once_and_say_the_same() {
        let mut shared = sets(["sales", "kiosk", "sales", "kiosk", "office"]);
        shared.push(Labels::default());
        let before = shared.clone();
        Labels::share(shared.iter_mut());
        assert_eq!(shared, before);
        let is_one = |a: usize, b: usize| Arc::ptr_eq(&shared[a].0, &shared[b].0);
        assert!(is_one(0, 2) && is_one(1, 3) && !is_one(0, 1) && !is_one(0, 4));
    }

    #[test]
    fn only_the_last_label_sets_are_remembered() {
        let values: Vec<String> =
            (0..=Labels::MAX_RECENT_SETS).map(|number| number.to_string()).collect();
        let mut shared = sets(values.iter().map(String::as_str).chain(["0", "16"]));
        Labels::share(shared.iter_mut());
        let is_one = |a: usize, b: usize| Arc::ptr_eq(&shared[a].0, &shared[b].0);
        assert!(!is_one(0, 17), "the first was forgotten for the seventeenth");
        assert!(is_one(16, 18));
    }
}
