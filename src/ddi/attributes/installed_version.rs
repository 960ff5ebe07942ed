//! Reads the body of `PUT installedBase`: the version that a client runs. It is the only request of
//! the protocol that is meant to say this (hawkbit PR #1620), and no known agent sends it by itself.

use super::{BodyError, facts};
use crate::api::Text;
use crate::ddi::lenient_json;

/// Reads the version from a body such as `{"name": "client", "version": "3.59.127.0"}`. The name is
/// ignored.
///
/// # Errors
/// Returns a [`BodyError`] if the body has no version that the API accepts.
pub fn read_installed_version(body: &[u8]) -> Result<Text, BodyError> {
    let document = lenient_json::parse(body).filter(serde_json::Value::is_object);
    let document = document.ok_or(BodyError::NotAnObject)?;
    let version = lenient_json::text(&document["version"]).ok_or(BodyError::NoVersion)?;
    facts::version(&version).map_err(|_| BodyError::NoVersion)
}
