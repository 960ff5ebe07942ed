//! A way out of a reason: what somebody can change, or wait for, as data; and what it would make of the
//! ground, as far as that can be said. Does not know which reason has which ways.

use serde::Serialize;

use super::ground::Ground;
use crate::api::Text;
use crate::plan::evidence::Seen;
use crate::values::Timestamp;

/// A way out of a reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "way", rename_all_fields = "camelCase")]
pub enum Way {
    /// It passes by itself.
    WaitUntil {
        /// When.
        instant: Timestamp,
    },
    /// The client is seen again.
    CheckIn,
    /// The client restarts, and then runs what is staged.
    Restart {
        /// That version.
        version: Text,
    },
    /// What is staged on the client is taken off it.
    ClearStaged {
        /// That version.
        version: Text,
    },
    /// The client no longer reports that it could not install this version.
    ClearError {
        /// That version.
        version: Text,
    },
    /// The client, or its inventory, reports something that can be read.
    Report {
        /// Under `spec.clients[].reported`.
        field: &'static str,
        /// What it reports now.
        from: Seen,
    },
    /// A field is given another value.
    ChangeField {
        /// The object's kind.
        kind: &'static str,
        /// Its name.
        name: Text,
        /// Where in it.
        field: String,
        /// What it says now.
        from: Seen,
        /// What it should say; absent where that is for a person to say.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<Seen>,
    },
    /// A field, or a value from a list, is taken away.
    RemoveField {
        /// The object's kind.
        kind: &'static str,
        /// Its name.
        name: Text,
        /// Where in it.
        field: String,
        /// What is taken away.
        value: Seen,
    },
    /// A value is added to a list.
    AddEntry {
        /// The object's kind.
        kind: &'static str,
        /// Its name.
        name: Text,
        /// Where in it.
        field: String,
        /// What is added.
        value: Seen,
    },
    /// A policy is put right.
    MendPolicy {
        /// Its name.
        name: Text,
        /// What is wrong with it.
        problems: Vec<String>,
    },
    /// A policy holds the client no more, and the next one governs.
    LeaveScope {
        /// Its name.
        name: Text,
    },
    /// Another policy takes the client into its scope.
    AddPolicy {
        /// The priority above which it decides; absent where any does.
        #[serde(skip_serializing_if = "Option::is_none")]
        priority_above: Option<i32>,
    },
}

/// What a way makes of the ground.
type Then = Box<dyn FnOnce(&mut Ground)>;

/// A way, and what it leads to where that can be said.
pub(super) struct Open {
    pub way: Way,
    pub then: Option<Then>,
}

impl Open {
    pub fn to(way: Way, then: impl FnOnce(&mut Ground) + 'static) -> Self {
        Self { way, then: Some(Box::new(then)) }
    }

    pub fn unknown(way: Way) -> Self {
        Self { way, then: None }
    }

    pub fn wait(instant: Timestamp) -> Self {
        Self::to(Way::WaitUntil { instant }, move |ground| ground.wait(instant))
    }
}
