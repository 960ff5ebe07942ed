//! Finds policies of equal priority that share clients. The order of such policies is defined, but
//! their authors seldom have it in mind.

use std::collections::{BTreeMap, HashMap};

use super::PlannedEstate;
use crate::api::Text;
use crate::plan::facts::Facts;
use crate::plan::policy::Policy;
use crate::plan::scope_match::Applies;
use crate::values::Timestamp;

/// Messages by the name of the policy that they are about.
pub(super) type Ties = BTreeMap<Text, Vec<String>>;

/// Returns a message for each two policies of equal priority that share clients which one of them
/// governs, unless neither distributes anything. The message is about the policy that `is_given`, or
/// about the one whose name sorts first if both are.
pub(super) fn find(after: &PlannedEstate, at: Timestamp, is_given: impl Fn(&Text) -> bool) -> Ties {
    let policies = after.estate.policies.iter().map(|policy| Policy::read(policy));
    let mut policies: Vec<Policy> =
        policies.filter(|policy| !policy.unreadable && policy.is_effective(at)).collect();
    policies.sort_by(Policy::by_precedence);
    let mut ties = Ties::new();
    for ((first, second), clients) in shared(&policies, after) {
        let (winner, loser) = (&policies[first], &policies[second]);
        let mut about = [winner, loser];
        about.sort_by(|a, b| a.name.cmp(&b.name));
        if !is_given(&about[0].name) {
            about.swap(0, 1);
        }
        let [own, rival] = about;
        if is_given(&own.name) {
            ties.entry(own.name.clone()).or_default().push(message(own, rival, winner, clients));
        }
    }
    ties
}

/// Counts the clients that two policies of equal priority share, by the indexes of the policies. The
/// first of the two governs the clients. `policies` are sorted by precedence.
fn shared(policies: &[Policy], after: &PlannedEstate) -> BTreeMap<(usize, usize), usize> {
    let mut counts = BTreeMap::new();
    let indexes: HashMap<&Text, usize> =
        policies.iter().enumerate().map(|(index, policy)| (&policy.name, index)).collect();
    let rows = super::rows(&after.plan);
    for fleet in &after.estate.fleets {
        let (Ok(spec), Some(rows)) = (fleet.spec.as_deref(), rows.get(&Text::from(fleet.name())))
        else {
            continue;
        };
        let is_in_scope = |policy: &Policy| policy.scope.includes_fleet(|key| fleet.label(key));
        let in_scope: Vec<bool> = policies.iter().map(is_in_scope).collect();
        for (client, row) in spec.clients.iter().flatten().zip(*rows) {
            let Some(&winner) = row.policy.as_ref().and_then(|name| indexes.get(name)) else {
                continue;
            };
            let own = &policies[winner];
            // The rivals follow their winner, because the policies are sorted.
            let rivals = policies.iter().enumerate().skip(winner + 1);
            let rivals = rivals.take_while(|(_, rival)| rival.priority == own.priority);
            let rivals = rivals.filter(|(index, rival)| {
                in_scope[*index] && (own.distributes() || rival.distributes())
            });
            let mut facts = None;
            for (index, rival) in rivals {
                let subject = facts.get_or_insert_with(|| Facts::read(client)).subject();
                let result = rival.scope.match_client(&subject, rival.distributes());
                if result.applies().is_some_and(|applies| applies != Applies::MayHold) {
                    *counts.entry((winner, index)).or_default() += 1;
                }
            }
        }
    }
    counts
}

fn message(own: &Policy, rival: &Policy, winner: &Policy, clients: usize) -> String {
    format!(
        "spec.priority {} ties with policy {} ({}) for {clients} {}: {} governs; give the two \
         policies different priorities",
        own.priority,
        rival.name,
        asks_for(rival),
        if clients == 1 { "client" } else { "clients" },
        winner.name,
    )
}

fn asks_for(policy: &Policy) -> String {
    let mode = policy.mode.as_str();
    match policy {
        _ if policy.is_invalid() => format!("{mode}, invalid"),
        Policy { suspended: true, .. } => format!("{mode}, suspended"),
        _ => mode.to_owned(),
    }
}
