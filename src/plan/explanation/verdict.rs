//! Explains which policy governs one client, and why each other policy does not. The module calls
//! the functions that match scopes and sort policies, and defines no rules of its own.

use serde::Serialize;

use crate::api::Text;
use crate::plan::cached::CachedFleet;
use crate::plan::client_fields::{ClientFields, Field};
use crate::plan::policy::{Caution, Policy};
use crate::plan::scope::{Scope, Selector};
use crate::plan::scope_match::{Doubt, Match, ScopeMatch};
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
    /// Effect of the client's unknown address on the policy; absent if the scope of the policy does
    /// not depend on the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_doubt: Option<Doubt>,
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
    /// The policy does not govern the client, but it might if the client's address were known.
    AddressUnknown,
}

impl Verdict {
    /// Returns whether the scope of the policy includes the client, or may include it.
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

/// A selector that includes a client in a scope or excludes the client from it, or that would do so
/// if an unknown address of the client were in one of its networks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExplainedSelector {
    /// Path of the selector, such as `scope.clients[0]`.
    pub field: String,
    /// Names of the selector's criteria, all of which match the client or are in doubt.
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
    let judgement = policy.scope.match_client(client, policy.distributes());
    (Some(judgement), selector(&policy.scope, judgement, client))
}

fn selector(
    scope: &Scope,
    judgement: ScopeMatch,
    client: &ClientFields<'_>,
) -> Option<ExplainedSelector> {
    let (field, at) = deciding_selector(judgement)?;
    let is_excluding = field == "exclude";
    let list = if is_excluding { &scope.exclude } else { scope.clients.as_ref()? };
    let (selector, if_unreadable) = (list.get(at)?, !is_excluding);
    Some(ExplainedSelector {
        field: format!("scope.{field}[{at}]"),
        criteria: selector.criteria().collect(),
        entries: entries(selector, client),
        rests_on: rests_on(selector, client, if_unreadable),
    })
}

/// Returns the name of the list with the selector that decides whether a client is in scope, and
/// the index of the selector in the list; `None` if no single selector decides.
pub(super) fn deciding_selector(judgement: ScopeMatch) -> Option<(&'static str, usize)> {
    match judgement {
        ScopeMatch::In(Some(at)) | ScopeMatch::InDoubt(Doubt::NotIncluded | Doubt::MayHold, at) => {
            Some(("clients", at))
        }
        ScopeMatch::Excluded(at) | ScopeMatch::InDoubt(Doubt::MayExclude, at) => {
            Some(("exclude", at))
        }
        ScopeMatch::In(None) | ScopeMatch::NoneMatches => None,
    }
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
    let matches = |client: &ClientFields<'_>| selector.matches(client, if_unreadable);
    if matches(client) != Match::Yes {
        return Vec::new();
    }
    let is_needed = |field: &Field| matches(&client.without(*field)) != Match::Yes;
    let moving = Field::ALL.into_iter().filter(|field| field.is_moving());
    let by_version = matches(&client.without_version()) != Match::Yes;
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
        Some(ScopeMatch::InDoubt(Doubt::NotIncluded, _)) => return Verdict::AddressUnknown,
        Some(ScopeMatch::In(_) | ScopeMatch::InDoubt(..)) => {}
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
    match (governing, judgement) {
        (Some(winner), _) if winner.precedence() < policy.precedence() => {
            Verdict::Lost { to: winner.name.clone(), by: rank(winner, policy) }
        }
        (_, Some(ScopeMatch::InDoubt(Doubt::MayHold, _))) => Verdict::AddressUnknown,
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

/// Returns the policy's fields together with the verdict on the policy. `judgement` is the result of
/// matching the scope of `policy`.
pub(super) fn explain_policy(
    policy: &Policy,
    judgement: Option<ScopeMatch>,
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
        in_doubt: match judgement {
            Some(ScopeMatch::InDoubt(doubt, _)) => Some(doubt),
            _ => None,
        },
        selector,
    }
}
