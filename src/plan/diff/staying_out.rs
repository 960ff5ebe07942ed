//! Counts, by reason, the clients that get no offer although they do not run their target. The
//! counts show how many clients a change does not upgrade, and why.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;

use serde::Serialize;

use super::clients::{ChangedClient, Effect};
use crate::api::Text;
use crate::api::fleet::ClientStatus;
use crate::plan::next_change::earlier;
use crate::plan::state::State;
use crate::values::Timestamp;

/// A group of clients that get no offer and have the same namespace, state, reason and policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StayingOut {
    /// Number of clients in the group.
    pub clients: usize,
    /// Number of clients in the group whose decision changes.
    pub changed: usize,
    /// Namespace of the clients.
    pub namespace: String,
    /// State of the clients.
    pub state: Cow<'static, str>,
    /// Reason for the state.
    pub reason: Cow<'static, str>,
    /// Policy that governs the clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text>,
    /// Earliest time at which one of the clients is offered a version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
}

const MOVING_OR_DONE_STATES: [State; 4] =
    [State::Distributing, State::Waiting, State::RestartRequired, State::UpToDate];

const MOVING: [Effect; 3] = [Effect::MovesNow, Effect::MovesLater, Effect::MovesAtAnotherTime];

type StayingOutKey = (String, Cow<'static, str>, Cow<'static, str>, Option<Text>);

/// Counts of the clients that get no offer, by namespace, state, reason and policy.
#[derive(Default)]
pub(super) struct StayingOutCounts(HashMap<StayingOutKey, StayingOut>);

impl StayingOutCounts {
    /// Counts the client if the change gives it no offer and its state is not in
    /// [`MOVING_OR_DONE_STATES`].
    pub(super) fn count(
        &mut self,
        namespace: &str,
        row: &ClientStatus,
        changed: Option<&ChangedClient>,
    ) {
        let moves = changed.is_some_and(|client| MOVING.contains(&client.effect));
        if moves || MOVING_OR_DONE_STATES.iter().any(|state| row.state == state.as_str()) {
            return;
        }
        let key = (namespace.to_owned(), row.state.clone(), row.reason.clone(), row.policy.clone());
        let counted = self.0.entry(key).or_insert_with(|| StayingOut {
            clients: 0,
            changed: 0,
            namespace: namespace.to_owned(),
            state: row.state.clone(),
            reason: row.reason.clone(),
            policy: row.policy.clone(),
            next_transition_time: None,
        });
        counted.clients += 1;
        counted.changed += usize::from(changed.is_some());
        counted.next_transition_time =
            earlier(counted.next_transition_time, row.next_transition_time);
    }

    /// Returns the groups, largest first.
    pub(super) fn sorted(self) -> Vec<StayingOut> {
        let mut all: Vec<StayingOut> = self.0.into_values().collect();
        all.sort_by(|a, b| order(a).cmp(&order(b)));
        all
    }
}

fn order(out: &StayingOut) -> impl Ord + '_ {
    (Reverse(out.clients), &out.reason, &out.state, &out.policy, &out.namespace)
}
