//! Defines the summary in the status of a fleet or policy: the number of clients in each state.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;

/// How many clients there are, and how many in each state; zeros are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Summary {
    /// All of them.
    #[schemars(schema_with = "schema::count")]
    pub total: u32,
    /// No policy governs them.
    #[schemars(schema_with = "schema::count")]
    pub unmanaged: u32,
    /// Something is wrong or unclear that a person has to mend.
    #[schemars(schema_with = "schema::count")]
    pub blocked: u32,
    /// Their policy distributes nothing, or no longer.
    #[schemars(schema_with = "schema::count")]
    pub held: u32,
    /// They run their target version.
    #[schemars(schema_with = "schema::count")]
    pub up_to_date: u32,
    /// They run a newer version than their target, and a downgrade is not allowed.
    #[schemars(schema_with = "schema::count")]
    pub ahead: u32,
    /// Not seen for longer than their policy waits.
    #[schemars(schema_with = "schema::count")]
    pub offline: u32,
    /// Their target is installed and takes effect at their next restart.
    #[schemars(schema_with = "schema::count")]
    pub restart_required: u32,
    /// Their target could not be installed; it is offered again later.
    #[schemars(schema_with = "schema::count")]
    pub failed: u32,
    /// Distribution to them is closed now and opens later.
    #[schemars(schema_with = "schema::count")]
    pub waiting: u32,
    /// They are offered their target now.
    #[schemars(schema_with = "schema::count")]
    pub distributing: u32,
}
