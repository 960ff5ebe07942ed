//! Finds policies of equal priority that share clients. The order of such policies is defined, but
//! their authors seldom have it in mind.

use std::cmp::Ordering;
use std::sync::Arc;

use super::PlannedEstate;
use crate::api::Text;
use crate::plan::facts::Facts;
use crate::plan::policy::Policy;
use crate::plan::scope_match::Applies;
use crate::plan::{CachedFleet, CachedPolicy};
use crate::values::Timestamp;

/// Returns a message for each policy that has the same priority as the policy `name` and shares
/// clients with it that one of the two governs. Leaves out policies that distribute nothing either,
/// and those in `given` whose name sorts first, because their own messages name this policy.
pub(super) fn find(
    name: &str,
    after: &PlannedEstate,
    at: Timestamp,
    is_given: impl Fn(&str) -> bool,
) -> Vec<String> {
    let read = |policy: &Arc<CachedPolicy>| Policy::read(policy);
    let Some(own) = after.estate.policies.iter().find(|policy| policy.name() == name).map(read)
    else {
        return Vec::new();
    };
    if own.unreadable || !own.is_effective(at) {
        return Vec::new();
    }
    let rivals = after.estate.policies.iter().filter(|policy| {
        let priority = policy.spec.as_ref().map(|spec| spec.priority);
        let is_told = policy.name() <= name && (policy.name() == name || is_given(policy.name()));
        !is_told && priority.is_ok_and(|priority| priority == own.priority)
    });
    let rivals = rivals.map(read).filter(|rival| rival.is_effective(at));
    let rivals = rivals.filter(|rival| own.distributes() || rival.distributes());
    rivals.filter_map(|rival| message(&own, &rival, after)).collect()
}

fn message(own: &Policy, rival: &Policy, after: &PlannedEstate) -> Option<String> {
    let governs_either = |policy: &Text| *policy == own.name || *policy == rival.name;
    let in_scope =
        |policy: &Policy, fleet: &CachedFleet| policy.scope.includes_fleet(|key| fleet.label(key));
    let rows = super::rows(&after.plan);
    let mut shared = 0;
    for fleet in &after.estate.fleets {
        let (Ok(spec), Some(rows)) = (fleet.spec.as_deref(), rows.get(&Text::from(fleet.name())))
        else {
            continue;
        };
        if !in_scope(own, fleet) || !in_scope(rival, fleet) {
            continue;
        }
        let clients = spec.clients.iter().flatten().zip(*rows);
        let governed = clients.filter(|(_, row)| row.policy.as_ref().is_some_and(governs_either));
        shared += governed
            .filter(|(client, _)| {
                let facts = Facts::read(client);
                let subject = facts.subject();
                let governs = |policy: &&Policy| {
                    let result = policy.scope.match_client(&subject, policy.distributes());
                    result.applies().is_some_and(|applies| applies != Applies::MayHold)
                };
                [own, rival].iter().all(governs)
            })
            .count();
    }
    let winner = match own.precedence().cmp(&rival.precedence()) {
        Ordering::Less => own,
        _ => rival,
    };
    (shared > 0).then(|| {
        format!(
            "spec.priority {} ties with policy {} ({}) for {shared} {}: {} governs; give the two \
             policies different priorities",
            own.priority,
            rival.name,
            asks_for(rival),
            if shared == 1 { "client" } else { "clients" },
            winner.name,
        )
    })
}

fn asks_for(policy: &Policy) -> String {
    let mode = policy.mode.as_str();
    match policy {
        _ if policy.is_invalid() => format!("{mode}, invalid"),
        Policy { suspended: true, .. } => format!("{mode}, suspended"),
        _ => mode.to_owned(),
    }
}
