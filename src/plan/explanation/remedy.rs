//! Defines remedies for obstacles, that is, changes to make and events to wait for.
//!
//! The module `remedies` lists the remedies for each reason.

use super::obstacles::Destination;
use super::scenario::Scenario;
use crate::api::Text;
use crate::plan::rule_input::InputValue;
use crate::values::Timestamp;
use serde::Serialize;

/// A remedy for an obstacle: a change to make or an event to wait for.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "way", rename_all_fields = "camelCase")]
pub enum Remedy {
    /// Wait until an instant.
    WaitUntil {
        /// Instant at which the obstacle ends.
        instant: Timestamp,
    },
    /// Wait until the client is seen again, that is, until its `reported.lastSeen` is updated.
    CheckIn,
    /// Restart the client, so that it runs the staged version.
    Restart {
        /// Staged version.
        version: Text,
    },
    /// Remove the staged version from the client.
    ClearStaged {
        /// Staged version.
        version: Text,
    },
    /// Clear the client's report that a version could not be installed.
    ClearError {
        /// Version that could not be installed.
        version: Text,
    },
    /// Make the client or its inventory report a valid value.
    Report {
        /// Field under `spec.clients[].reported`.
        field: &'static str,
        /// Value that is currently reported.
        from: InputValue,
    },
    /// Change the value of a field.
    ChangeField {
        /// Kind of the object to change.
        kind: &'static str,
        /// Name of the object to change.
        name: Text,
        /// Path of the field.
        field: String,
        /// Current value of the field.
        from: InputValue,
        /// New value; absent if the user must choose it.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<InputValue>,
        /// Number of clients that may upgrade after a change of the mode from `NoUpgrade`. Absent
        /// if the number is unknown, or if the field is not the mode.
        #[serde(skip_serializing_if = "Option::is_none")]
        governed_clients: Option<u32>,
    },
    /// Remove a field, or remove a value from a list.
    RemoveField {
        /// Kind of the object to change.
        kind: &'static str,
        /// Name of the object to change.
        name: Text,
        /// Path of the field.
        field: String,
        /// Value to remove.
        value: InputValue,
    },
    /// Add a value to a list.
    AddEntry {
        /// Kind of the object to change.
        kind: &'static str,
        /// Name of the object to change.
        name: Text,
        /// Path of the list.
        field: String,
        /// Value to add.
        value: InputValue,
    },
    /// Run `clientfleet resume` to end the halt.
    Resume {
        /// Namespace that is halted.
        namespace: String,
    },
    /// Fix an invalid policy.
    MendPolicy {
        /// Name of the policy.
        name: Text,
        /// Problems that make the policy invalid.
        problems: Vec<String>,
    },
    /// Remove the client from a policy's scope, so that the policy next in precedence governs the
    /// client.
    LeaveScope {
        /// Name of the policy.
        name: Text,
    },
    /// Remove the client from the other fleets that list it.
    RemoveElsewhere {
        /// Name of the client.
        client: Text,
        /// Names of the other fleets.
        fleets: Vec<Text>,
    },
    /// Create another policy whose scope includes the client.
    AddPolicy {
        /// Priority that the new policy must exceed; absent if any priority is sufficient.
        #[serde(skip_serializing_if = "Option::is_none")]
        priority_above: Option<i32>,
    },
}

/// A remedy, with the decision that results from it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Choice {
    /// Change to make, or event to wait for.
    #[serde(flatten)]
    pub remedy: Remedy,
    /// Decision for the client after the remedy is applied; absent if the decision cannot be
    /// computed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leads_to: Option<Destination>,
}

type ScenarioChange = Box<dyn FnOnce(&mut Scenario)>;

/// A remedy with its effect on the scenario, if the effect is known.
pub(super) struct OpenRemedy {
    pub remedy: Remedy,
    pub then: Option<ScenarioChange>,
}

impl OpenRemedy {
    pub fn to(remedy: Remedy, then: impl FnOnce(&mut Scenario) + 'static) -> Self {
        Self { remedy, then: Some(Box::new(then)) }
    }

    pub fn unknown(remedy: Remedy) -> Self {
        Self { remedy, then: None }
    }

    pub fn wait(instant: Timestamp) -> Self {
        Self::to(Remedy::WaitUntil { instant }, move |scenario| scenario.wait(instant))
    }
}
