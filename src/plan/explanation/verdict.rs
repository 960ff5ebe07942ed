//! What came of each policy of the namespace for one client: which governs it, and why the others do
//! not. Asks the scope and the policy; judges nothing by itself.

use serde::Serialize;

use crate::api::Text;
use crate::plan::cached::CachedFleet;
use crate::plan::policy::Policy;
use crate::plan::scope::{ClientFields, Scope, ScopeMatch, Selector};
use crate::values::Timestamp;

/// A policy, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPolicy {
    /// Its name.
    pub name: Text,
    /// Its priority.
    pub priority: i32,
    /// What it asks for.
    pub mode: &'static str,
    /// The locked version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// Whether it is suspended.
    pub suspend: bool,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// Whether the object cannot be read at all: then it stands above all that can.
    pub unreadable: bool,
    /// What came of it.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// The selector of its scope that decided, where one did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<SelectorTold>,
}

/// What came of a policy for one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict")]
pub enum Verdict {
    /// It governs the client.
    Governs,
    /// It holds the client as well, but another comes first.
    Lost {
        /// That one.
        to: Text,
        /// What decided between them.
        by: Rank,
    },
    /// It holds the client, and begins later.
    NotYetEffective {
        /// When.
        from: Timestamp,
    },
    /// It held the client, and has ended.
    NoLongerEffective {
        /// When.
        until: Timestamp,
    },
    /// It would hold the client, but is being deleted.
    BeingDeleted,
    /// Its `scope.fleetSelector` does not match the fleet.
    FleetNotSelected,
    /// No selector of its `scope.clients` matches the client.
    ClientNotSelected,
    /// A selector of its `scope.exclude` matches the client.
    ClientExcluded,
}

impl Verdict {
    /// Whether the policy has the client in its scope.
    #[must_use]
    pub const fn is_in_scope(&self) -> bool {
        !matches!(self, Self::FleetNotSelected | Self::ClientNotSelected | Self::ClientExcluded)
    }
}

/// What decided between two policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Rank {
    /// One that cannot be read comes before all that can.
    Unreadable,
    /// The higher priority.
    Priority,
    /// The name that sorts first.
    Name,
}

/// A selector of a scope, with what it says about one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SelectorTold {
    /// Where it stands, as `scope.clients[0]`.
    pub field: String,
    /// The criteria that it has, all of which match.
    pub criteria: Vec<&'static str>,
    /// The values listed in it that match by themselves, as `names: LT-0817`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<String>,
    /// The facts that move, without which it would not match: `ip`, `lastUser`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rests_on: Vec<&'static str>,
}

/// Where a policy stands to a client, before it is asked which one governs.
pub(super) fn judge(
    policy: &Policy,
    fleet: &CachedFleet,
    client: &ClientFields<'_>,
) -> (Option<ScopeMatch>, Option<SelectorTold>) {
    if !policy.scope.includes_fleet(|key| fleet.label(key)) {
        return (None, None);
    }
    let judgement = policy.scope.match_client(client);
    (Some(judgement), selector(&policy.scope, judgement, client))
}

fn selector(
    scope: &Scope,
    judgement: ScopeMatch,
    client: &ClientFields<'_>,
) -> Option<SelectorTold> {
    let (field, selector, if_unreadable) = match judgement {
        ScopeMatch::In(Some(at)) => ("clients", scope.clients.as_ref()?.get(at)?, true),
        ScopeMatch::Excluded(at) => ("exclude", scope.exclude.get(at)?, false),
        ScopeMatch::In(None) | ScopeMatch::NoneMatches => return None,
    };
    let (ScopeMatch::In(Some(at)) | ScopeMatch::Excluded(at)) = judgement else { return None };
    Some(SelectorTold {
        field: format!("scope.{field}[{at}]"),
        criteria: selector.criteria().collect(),
        entries: entries(selector, client),
        rests_on: rests_on(selector, client, if_unreadable),
    })
}

fn entries(selector: &Selector, client: &ClientFields<'_>) -> Vec<String> {
    let matching = selector.entries().iter().filter(|entry| entry.matches(client));
    matching.map(|entry| format!("{}: {}", entry.list, entry.value)).collect()
}

fn rests_on(
    selector: &Selector,
    client: &ClientFields<'_>,
    if_unreadable: bool,
) -> Vec<&'static str> {
    let without = [("ip", client.without_ip()), ("lastUser", client.without_user())];
    let needed = without.iter().filter(|(_, less)| !selector.matches(less, if_unreadable));
    needed.map(|(fact, _)| *fact).collect()
}

/// What came of a policy that stands so to a client which `governing` governs.
pub(super) fn verdict(
    policy: &Policy,
    judgement: Option<ScopeMatch>,
    governing: Option<&Policy>,
    at: Timestamp,
) -> Verdict {
    match judgement {
        None => return Verdict::FleetNotSelected,
        Some(ScopeMatch::NoneMatches) => return Verdict::ClientNotSelected,
        Some(ScopeMatch::Excluded(_)) => return Verdict::ClientExcluded,
        Some(ScopeMatch::In(_)) => {}
    }
    if policy.deleting {
        return Verdict::BeingDeleted;
    }
    if !policy.is_effective(at) {
        return match (policy.effective_from, policy.effective_until) {
            (Some(from), _) if from > at => Verdict::NotYetEffective { from },
            (_, until) => Verdict::NoLongerEffective { until: until.unwrap_or(at) },
        };
    }
    match governing {
        Some(winner) if winner.name != policy.name => {
            Verdict::Lost { to: winner.name.clone(), by: rank(winner, policy) }
        }
        _ => Verdict::Governs,
    }
}

fn rank(winner: &Policy, loser: &Policy) -> Rank {
    if winner.unreadable != loser.unreadable {
        Rank::Unreadable
    } else if winner.priority != loser.priority {
        Rank::Priority
    } else {
        Rank::Name
    }
}

/// A policy with what came of it.
pub(super) fn explain_policy(
    policy: &Policy,
    verdict: Verdict,
    selector: Option<SelectorTold>,
) -> ExplainedPolicy {
    ExplainedPolicy {
        name: policy.name.clone(),
        priority: policy.priority,
        mode: policy.mode.as_str(),
        version: policy.lock.as_ref().map(|lock| lock.raw.clone()),
        suspend: policy.suspended,
        problems: policy.problems.clone(),
        unreadable: policy.unreadable,
        verdict,
        selector,
    }
}
