//! The clients that neither move nor have arrived, counted by why.

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

/// So many clients stay out for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StayingOut {
    /// How many.
    pub clients: usize,
    /// How many of them the change has touched.
    pub changed: usize,
    /// Their namespace.
    pub namespace: String,
    /// Their state.
    pub state: Cow<'static, str>,
    /// Why.
    pub reason: Cow<'static, str>,
    /// The policy that governs them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text>,
    /// When the first of them is offered a version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
}

/// The states of those who move, will, or have arrived.
const ON_THEIR_WAY: [State; 4] =
    [State::Distributing, State::Waiting, State::RestartRequired, State::UpToDate];

/// What a change does to those who come to move by it.
const MOVING: [Effect; 3] = [Effect::MovesNow, Effect::MovesLater, Effect::MovesAtAnotherTime];

type StayingOutKey = (String, Cow<'static, str>, Cow<'static, str>, Option<Text>);

/// What is counted so far.
#[derive(Default)]
pub(super) struct StayingOutCounts(HashMap<StayingOutKey, StayingOut>);

impl StayingOutCounts {
    /// Counts a client's entry, if it stays out: whoever is counted as moving does not.
    pub(super) fn count(
        &mut self,
        namespace: &str,
        row: &ClientStatus,
        changed: Option<&ChangedClient>,
    ) {
        let moves = changed.is_some_and(|client| MOVING.contains(&client.effect));
        if moves || ON_THEIR_WAY.iter().any(|state| row.state == state.as_str()) {
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

    /// The largest count first.
    pub(super) fn sorted(self) -> Vec<StayingOut> {
        let mut all: Vec<StayingOut> = self.0.into_values().collect();
        all.sort_by(|a, b| order(a).cmp(&order(b)));
        all
    }
}

fn order(out: &StayingOut) -> impl Ord + '_ {
    (Reverse(out.clients), &out.reason, &out.state, &out.policy, &out.namespace)
}
