//! Counts the changed clients by effect, state before and after the change, version and time.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;

use serde::Serialize;

use super::clients::{ChangedClient, Effect, When};
use crate::api::Text;

/// A group of changed clients with the same effect, the same version, the same states before and
/// after the change, and the same variant of [`When`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Transition {
    /// Number of clients in the group.
    pub clients: usize,
    /// Effect of the change on the clients.
    pub effect: Effect,
    /// State without the change; absent for added clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Cow<'static, str>>,
    /// State with the change; absent for removed clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Cow<'static, str>>,
    /// Version that the clients move to or are no longer offered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// Earliest time at which one of the clients moves.
    #[serde(flatten)]
    pub when: When,
    /// Earliest time at which one of the clients would have moved without the change; absent for
    /// added clients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<When>,
}

type TransitionKey<'a> = (Effect, Option<&'a str>, Option<&'a str>, Option<&'a Text>, u8);

/// Groups the changed clients and counts each group. The most important effects come first.
pub(super) fn count(clients: &[ChangedClient]) -> Vec<Transition> {
    let mut found: HashMap<TransitionKey<'_>, Transition> = HashMap::new();
    for client in clients {
        let transition = found.entry(key(client)).or_insert_with(|| Transition {
            clients: 0,
            effect: client.effect,
            from: client.before.as_ref().map(|decision| decision.state.clone()),
            to: client.after.as_ref().map(|decision| decision.state.clone()),
            version: client.concerned_version().cloned(),
            when: client.when.clone(),
            was: client.was.clone(),
        });
        transition.clients += 1;
        if client.when < transition.when {
            transition.when = client.when.clone();
        }
        if client.was < transition.was {
            transition.was.clone_from(&client.was);
        }
    }
    let mut transitions: Vec<Transition> = found.into_values().collect();
    transitions.sort_by(|a, b| order(a).cmp(&order(b)));
    transitions
}

fn key(client: &ChangedClient) -> TransitionKey<'_> {
    let from = client.before.as_ref().map(|decision| decision.state.as_ref());
    let to = client.after.as_ref().map(|decision| decision.state.as_ref());
    let when = match client.when {
        When::Now => 0,
        When::From { .. } => 1,
        When::AtRestart => 2,
        When::Never => 3,
    };
    (client.effect, from, to, client.concerned_version(), when)
}

fn order(transition: &Transition) -> impl Ord + '_ {
    let Transition { clients, effect, from, to, version, when, was } = transition;
    (*effect, when, Reverse(*clients), from, to, version, was)
}
