//! Defines the bodies of answers. They are written for `application/json`, which all agents accept.
//!
//! The order of the fields is that of hawkBit.

mod base;
mod cancel;
mod deployment;
mod hashes;

pub use base::{BaseAnswer, Link};
pub use cancel::CancelAnswer;
pub use deployment::{Artifact, ArtifactListAnswer, DeploymentAnswer};
pub use hashes::{FileHashes, hex};

use serde::Serialize;

/// A link in an answer (HAL, draft-kelly-json-hal).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Href {
    href: String,
}

impl From<String> for Href {
    fn from(href: String) -> Self {
        Self { href }
    }
}
