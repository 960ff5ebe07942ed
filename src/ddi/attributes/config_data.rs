//! Reads the body of `PUT configData`: attributes as free text.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::{AttributeNames, BodyError};
use crate::ddi::cleaning::beginning;
use crate::ddi::lenient_json::{self, text};

/// Maximum number of attributes that are kept.
const MAX_ATTRIBUTES: usize = 100;
/// Maximum length of a key in bytes, as in hawkBit.
pub(super) const MAX_KEY_BYTES: usize = 128;
/// Maximum length of a value in bytes. hawkBit has 128.
const MAX_VALUE_BYTES: usize = 512;

/// How attributes change those that the agent has sent before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UpdateMode {
    /// Add and overwrite. Agents that send no mode or `null` mean this one.
    #[default]
    Merge,
    /// Replace all attributes.
    Replace,
    /// Remove the attributes with these keys.
    Remove,
}

/// Attributes of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigData {
    /// How the attributes change earlier ones.
    pub mode: UpdateMode,
    /// Values by key: at most 100, with keys of at most 128 bytes and values of at most 512 bytes.
    /// Longer values are cut.
    pub data: BTreeMap<String, String>,
    /// Number of attributes that are not kept, because their keys are too long or there are too many.
    pub omitted: usize,
}

impl ConfigData {
    /// Parses a body. Values that are not text become text, and `null` counts as absent. If there are
    /// too many attributes, those in `names` are kept first.
    ///
    /// # Errors
    /// Returns a [`BodyError`] if the body has no attributes.
    pub fn parse(body: &[u8], names: &AttributeNames) -> Result<Self, BodyError> {
        let Some(Value::Object(document)) = lenient_json::parse(body) else {
            return Err(BodyError::NotAnObject);
        };
        let Some(Value::Object(attributes)) = document.get("data") else {
            return Err(BodyError::NoData);
        };
        let mode = document.get("mode").and_then(Value::as_str).unwrap_or_default();
        let mode = match mode.to_ascii_lowercase().as_str() {
            "replace" => UpdateMode::Replace,
            "remove" => UpdateMode::Remove,
            _ => UpdateMode::Merge,
        };
        let data = kept(attributes, mode, names);
        Ok(Self { mode, omitted: attributes.len() - data.len(), data })
    }
}

fn kept(
    attributes: &Map<String, Value>,
    mode: UpdateMode,
    names: &AttributeNames,
) -> BTreeMap<String, String> {
    // The value of an attribute that is removed does not matter; it is often `null`.
    let or_empty = |value: Option<String>| value.or((mode == UpdateMode::Remove).then(String::new));
    let value = |value: &Value| {
        or_empty(text(value)).map(|text| beginning(&text, MAX_VALUE_BYTES).to_owned())
    };
    let is_fact = |(key, _): &(&String, &Value)| names.contains(key);
    let facts = attributes.iter().filter(is_fact);
    let others = attributes.iter().filter(|pair| !is_fact(pair));
    let pairs = facts.chain(others).filter(|(key, _)| key.len() <= MAX_KEY_BYTES);
    let pairs = pairs.filter_map(|(key, attribute)| Some((key.clone(), value(attribute)?)));
    pairs.take(MAX_ATTRIBUTES).collect()
}
