//! Takes the facts about a client from its attributes.

use super::{AttributeNames, ConfigData, UpdateMode};
use crate::api::Text;
use crate::api::reported_text::{COMPUTER, TextBound, USER, VERSION};
use crate::ddi::cleaning::visible;

/// Maximum length of a boot id in bytes. A UUID has 36.
const MAX_BOOT_ID_BYTES: usize = 128;

/// How attributes change a fact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Change {
    /// The attributes do not contain the fact, or no value that the API accepts.
    #[default]
    Keep,
    /// The fact has a value.
    Set(Text),
    /// The agent has removed the fact.
    Clear,
}

/// Changes of the facts about a client. The API accepts all values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AgentFacts {
    /// Version that the client runs. It need not be a valid version, because the API accepts others.
    pub version: Change,
    /// Name of the computer, shortened if the API does not accept it.
    pub computer: Change,
    /// User who logged in last, shortened if the API does not accept the name.
    pub user: Change,
    /// Identifier that changes at each restart.
    pub boot_id: Change,
    /// Values that are not used.
    pub refused: Vec<RefusedValue>,
}

/// A value that is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedValue {
    /// Key of the attribute.
    pub key: String,
    /// Why the value is not used. The sentence ends in what the attribute must have.
    pub reason: &'static str,
}

impl AgentFacts {
    /// Takes the facts from attributes.
    #[must_use]
    pub fn of(attributes: &ConfigData, names: &AttributeNames) -> Self {
        let mut refused = Vec::new();
        let mut change = |key: &str, read: fn(&str) -> Result<Text, &'static str>| match (
            attributes.mode,
            attributes.data.get(key),
        ) {
            (UpdateMode::Remove, Some(_)) | (UpdateMode::Replace, None) => Change::Clear,
            (_, None) => Change::Keep,
            (_, Some(value)) => match read(value) {
                Ok(value) => Change::Set(value),
                Err(reason) => {
                    refused.push(RefusedValue { key: key.to_owned(), reason });
                    Change::Keep
                }
            },
        };
        Self {
            version: change(&names.version, version),
            computer: change(&names.computer, |text| fitted(text, COMPUTER)),
            user: change(&names.user, |text| fitted(text, USER)),
            boot_id: change(&names.boot_id, boot_id),
            refused,
        }
    }
}

/// Returns a version. A version is never shortened, because it would be another version.
pub(super) fn version(text: &str) -> Result<Text, &'static str> {
    let text = visible(text);
    match text.trim() {
        "" => Err("the value is empty; the attribute must have a version, as 3.59.127.0"),
        text if VERSION.accepts(text) => Ok(text.into()),
        _ => Err(
            "the API does not accept the value; the attribute must have at most 64 characters, \
                  without control characters",
        ),
    }
}

fn fitted(text: &str, bound: TextBound) -> Result<Text, &'static str> {
    let text = visible(text);
    match bound.fit(text.trim(), "...") {
        text if text.is_empty() => Err("the value is empty; the attribute must have a name"),
        text => Ok(text.into()),
    }
}

fn boot_id(text: &str) -> Result<Text, &'static str> {
    match text.trim() {
        "" => Err("the value is empty; the attribute must have the boot id"),
        text if text.len() <= MAX_BOOT_ID_BYTES => Ok(text.into()),
        _ => Err("the value is too long; the attribute must have at most 128 bytes"),
    }
}
