//! Defines the conditions of an object's status, following the Kubernetes API conventions and
//! kstatus.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema;
use crate::values::Timestamp;

/// One aspect of an object's state (`metav1.Condition`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What it is about: `Ready`, `Reconciling`, `Stalled` or `Complete`.
    #[schemars(schema_with = "schema::word")]
    pub r#type: Cow<'static, str>,
    /// `True`, `False` or `Unknown`.
    #[schemars(schema_with = "schema::word")]
    pub status: Cow<'static, str>,
    /// The generation it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed.
    pub last_transition_time: Timestamp,
    /// Why, in one word for programs.
    #[schemars(schema_with = "schema::word")]
    pub reason: Cow<'static, str>,
    /// Why, in a sentence for people.
    #[schemars(schema_with = "schema::condition_message")]
    pub message: String,
}
