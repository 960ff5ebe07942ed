//! Reads the attributes that an agent sends: the body of `PUT configData`, and of `PUT
//! installedBase`.
//!
//! hawkBit keeps attributes as free text. Here four of them are facts about the client, and an
//! operator can choose which attributes these are.

mod config_data;
mod facts;
mod installed_version;
mod names;

pub use config_data::{ConfigData, UpdateMode};
pub use facts::{AgentFacts, Change, RefusedValue};
pub use installed_version::read_installed_version;
pub use names::{AttributeNameError, AttributeNames};

/// A body does not contain what its resource requires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The body is not JSON, or not an object.
    #[error("the body must be a JSON object")]
    NotAnObject,
    /// The attributes are missing.
    #[error("the body must have an object `data` with the attributes")]
    NoData,
    /// The version is missing.
    #[error("the body must have a text `version` of 1 to 64 characters")]
    NoVersion,
}
