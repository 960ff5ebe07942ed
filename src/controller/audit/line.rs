//! Defines a line of the audit stream, in the schema that `docs/audit.md` describes.

use serde::Serialize;

use super::Accepted;
use crate::api::ClientFleet;
use crate::plan::changes::{OfferChange, OfferState, RowChange};
use crate::values::rfc3339;

/// Version of the schema. Increase this number for each incompatible change; adding a field is
/// compatible.
const SCHEMA: u8 = 1;

/// A line of the audit stream. Each line records a change of the decision for one client.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line<'a> {
    schema: u8,
    time: String,
    controller: &'a str,
    namespace: &'a str,
    fleet: &'a str,
    fleet_generation: i64,
    resource_version: Option<&'a str>,
    client: &'a str,
    computer: Option<&'a str>,
    version: Option<&'a str>,
    staged_version: Option<&'a str>,
    cause: Vec<String>,
    offer: Option<&'static str>,
    from: Option<LoggedDecision<'a>>,
    to: Option<LoggedDecision<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct LoggedDecision<'a> {
    state: Option<&'a str>,
    reason: Option<&'a str>,
    policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_generation: Option<i64>,
    target_version: Option<&'a str>,
}

impl<'a> LoggedDecision<'a> {
    fn of(offer: &OfferState<'a>, policy_generation: Option<i64>) -> Self {
        let given = |word: &'a str| Some(word).filter(|word| !word.is_empty());
        Self {
            state: given(offer.state),
            reason: given(offer.reason),
            policy: offer.policy,
            policy_generation,
            target_version: offer.target,
        }
    }
}

impl<'a> Line<'a> {
    /// Creates the line for one client whose decision has changed.
    pub fn of(
        controller: &'a str,
        accepted: &Accepted<'a, ClientFleet>,
        change: &RowChange<'a>,
    ) -> Self {
        let planned = accepted.planned;
        let policies = &planned.trigger.policies;
        let policy = change.to.as_ref().and_then(|to| to.policy);
        let generation = policy.and_then(|name| policies.get(name)).map(|(_, number)| *number);
        let row = change.row;
        Self {
            schema: SCHEMA,
            time: rfc3339(planned.trigger.at),
            controller,
            namespace: planned.cached.namespace(),
            fleet: planned.cached.name(),
            fleet_generation: planned.cached.generation(),
            resource_version: accepted.resource_version,
            client: change.client,
            computer: row.and_then(|row| row.computer.as_deref()),
            version: row.and_then(|row| row.version.as_deref()),
            staged_version: row.and_then(|row| row.staged_version.as_deref()),
            cause: planned.trigger.causes.iter().map(ToString::to_string).collect(),
            offer: change.offer.map(word),
            from: change.from.as_ref().map(|from| LoggedDecision::of(from, None)),
            to: change.to.as_ref().map(|to| LoggedDecision::of(to, generation)),
        }
    }

    /// Returns the line as JSON, without line breaks.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }
}

fn word(offer: OfferChange) -> &'static str {
    match offer {
        OfferChange::Begins => "Begins",
        OfferChange::Changes => "Changes",
        OfferChange::Ends => "Ends",
    }
}
