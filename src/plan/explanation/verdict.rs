//! Explains which policy governs one client, and why each other policy does not. The module calls
//! the functions that match scopes and sort policies, and defines no rules of its own.

use serde::Serialize;

use crate::api::Text;
use crate::plan::cached::CachedFleet;
use crate::plan::client_fields::{ClientFields, Field};
use crate::plan::policy::{Caution, Policy};
use crate::plan::scope::{Scope, ScopeMatch, Selector};
use crate::values::Timestamp;

/// A policy, with the verdict on whether it governs the client.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedPolicy {
    /// Name of the policy.
    pub name: Text,
    /// Priority of the policy.
    pub priority: i32,
    /// Upgrade mode of the policy.
    pub mode: &'static str,
    /// Version to which the policy locks its clients; absent if the policy locks none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// True if the policy is suspended.
    pub suspend: bool,
    /// Problems that make the policy invalid.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
    /// True if the policy object cannot be read. An unreadable policy precedes all readable
    /// policies.
    pub unreadable: bool,
    /// Verdict on the policy for this client.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// Selector that included or excluded the client; absent if no selector did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<ExplainedSelector>,
}

/// Verdict on a policy for one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict")]
pub enum Verdict {
    /// The policy governs the client.
    Governs,
    /// The client is in scope, but another policy takes precedence.
    Lost {
        /// Name of the policy that takes precedence.
        to: Text,
        /// Property that gives the other policy precedence.
        by: Rank,
    },
    /// The client is in scope, but the policy is not effective yet.
    NotYetEffective {
        /// Time from which the policy is effective.
        from: Timestamp,
    },
    /// The client is in scope, but the policy is no longer effective.
    NoLongerEffective {
        /// Time from which the policy is no longer effective.
        until: Timestamp,
    },
    /// The client is in scope, but the policy is being deleted.
    BeingDeleted,
    /// The client is in scope, but the entry of another fleet decides for it.
    ReportedElsewhere,
    /// The policy's `scope.fleetSelector` does not match the fleet.
    FleetNotSelected,
    /// No selector of the policy's `scope.clients` matches the client.
    ClientNotSelected,
    /// A selector of the policy's `scope.exclude` matches the client.
    ClientExcluded,
}

impl Verdict {
    /// Returns whether the scope of the policy includes the client.
    #[must_use]
    pub const fn is_in_scope(&self) -> bool {
        !matches!(self, Self::FleetNotSelected | Self::ClientNotSelected | Self::ClientExcluded)
    }
}

/// Property that gives one policy precedence over another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Rank {
    /// A policy that cannot be read takes precedence over all readable policies.
    Unreadable,
    /// The policy with the higher priority takes precedence.
    Priority,
    /// If the priorities are equal, an invalid policy takes precedence.
    Invalid,
    /// Of the other policies with equal priority, one with the mode `NoUpgrade` takes precedence.
    NoUpgrade,
    /// Of the other policies with equal priority, a suspended one takes precedence.
    Suspended,
    /// If nothing else decides, the policy whose name sorts first takes precedence.
    Name,
}

/// A selector that includes a client in a scope or excludes the client from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedSelector {
    /// Path of the selector, such as `scope.clients[0]`.
    pub field: String,
    /// Names of the selector's criteria, all of which match the client.
    pub criteria: Vec<&'static str>,
    /// Listed values that match the client, such as `names: LT-0817`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub entries: Vec<String>,
    /// Reported fields that the match depends on and whose values can change at any time: `ip`,
    /// `lastUser` and `version`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rests_on: Vec<&'static str>,
}

/// Returns how the policy's scope matches the client, and the deciding selector. Both are `None` if
/// the scope does not include the fleet.
pub(super) fn judge(
    policy: &Policy,
    fleet: &CachedFleet,
    client: &ClientFields<'_>,
) -> (Option<ScopeMatch>, Option<ExplainedSelector>) {
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
) -> Option<ExplainedSelector> {
    let (field, selector, if_unreadable) = match judgement {
        ScopeMatch::In(Some(at)) => ("clients", scope.clients.as_ref()?.get(at)?, true),
        ScopeMatch::Excluded(at) => ("exclude", scope.exclude.get(at)?, false),
        ScopeMatch::In(None) | ScopeMatch::NoneMatches => return None,
    };
    let (ScopeMatch::In(Some(at)) | ScopeMatch::Excluded(at)) = judgement else { return None };
    Some(ExplainedSelector {
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
    let is_needed = |field: &Field| !selector.matches(&client.without(*field), if_unreadable);
    let moving = Field::ALL.into_iter().filter(|field| field.is_moving());
    let by_version = !selector.matches(&client.without_version(), if_unreadable);
    moving.filter(is_needed).map(Field::name).chain(by_version.then_some("version")).collect()
}

/// Returns the verdict on `policy` at the instant `at`. `judgement` is the result of matching the
/// scope of `policy`, and `governing` is the policy that governs the client.
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
    } else if winner.caution() == loser.caution() {
        Rank::Name
    } else {
        match winner.caution() {
            Caution::Invalid => Rank::Invalid,
            Caution::NoUpgrade => Rank::NoUpgrade,
            Caution::Suspended | Caution::Distributes => Rank::Suspended,
        }
    }
}

/// Returns the policy's fields together with the verdict on the policy.
pub(super) fn explain_policy(
    policy: &Policy,
    verdict: Verdict,
    selector: Option<ExplainedSelector>,
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
