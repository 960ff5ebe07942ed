//! A way out of a reason: what somebody can change, or wait for, as data; and what it would make of the
//! ground, as far as that can be said. Does not know which reason has which ways.

use serde::Serialize;

use super::obstacles::Destination;
use super::scenario::Scenario;
use crate::api::Text;
use crate::plan::rule_input::InputValue;
use crate::values::Timestamp;

/// A way out of a reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "way", rename_all_fields = "camelCase")]
pub enum Remedy {
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
        from: InputValue,
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
        from: InputValue,
        /// What it should say; absent where that is for a person to say.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<InputValue>,
        /// How many clients a policy governs that stops distributing nothing, and so may move as
        /// well; absent where that is not known, and for other fields.
        #[serde(skip_serializing_if = "Option::is_none")]
        governed_clients: Option<u32>,
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
        value: InputValue,
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
        value: InputValue,
    },
    /// The emergency brake is released, by `clientfleet resume`.
    Resume {
        /// The namespace that is halted.
        namespace: String,
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

/// A way, with where it alone leads.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// What is done, or waited for.
    #[serde(flatten)]
    pub way: Remedy,
    /// Where the client is then; absent where that cannot be said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<Destination>,
}

/// What a way makes of the ground.
type Effect = Box<dyn FnOnce(&mut Scenario)>;

/// A way, and what it leads to where that can be said.
pub(super) struct RemedyWithEffect {
    pub way: Remedy,
    pub then: Option<Effect>,
}

impl RemedyWithEffect {
    pub fn to(way: Remedy, then: impl FnOnce(&mut Scenario) + 'static) -> Self {
        Self { way, then: Some(Box::new(then)) }
    }

    pub fn unknown(way: Remedy) -> Self {
        Self { way, then: None }
    }

    pub fn wait(instant: Timestamp) -> Self {
        Self::to(Remedy::WaitUntil { instant }, move |ground| ground.wait(instant))
    }
}
