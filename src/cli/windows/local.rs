//! Implements `windows --local`: reads a policy and the clients that it governs from files.
//! Contacts no cluster.

use std::collections::{BTreeMap, BTreeSet};

use super::others::PrecedingPolicies;
use super::zones::ZoneCounts;
use crate::api::Kind;
use crate::cli::files::File;
use crate::cli::objects::{self, Findings, Identity, Object};
use crate::cli::terminal::table::printable;
use crate::cli::{Failure, WRONG_INPUT};
use crate::plan::policy::Policy;
use crate::plan::{self, Estate};
use crate::values::Timestamp;

/// A policy, and the data about its clients that `windows` needs.
pub(super) struct FoundPolicy {
    pub namespace: String,
    pub policy: Policy,
    pub count: ZoneCounts,
    /// Policies that take precedence over this policy during a part of the listed period.
    pub others: PrecedingPolicies,
    pub remarks: String,
}

/// Finds a policy in files. Counts, by time zone, the clients that the policy would govern at the
/// instant `at`.
pub(super) fn find(
    files: impl IntoIterator<Item = File>,
    name: &str,
    namespace: Option<&str>,
    at: Timestamp,
    days: u16,
) -> Result<FoundPolicy, Failure> {
    let mut estates: BTreeMap<String, Estate> = BTreeMap::new();
    let findings = objects::find(files, &mut |Object { identity, stored, .. }| {
        stored.join(estates.entry(identity.namespace).or_default());
    });
    if !findings.problems.is_empty() {
        return Err(Failure { messages: findings.problems, code: WRONG_INPUT });
    }
    let remarks = findings.passed_over.iter().map(|what| format!("passed over: {what}\n"));
    let namespace = namespace_of(&findings, name, namespace)?;
    let estate = estates.remove(&namespace).unwrap_or_default();
    let policy = estate.policies.iter().find(|policy| policy.name() == name);
    let policy = policy.map(|policy| Policy::read(policy)).ok_or_else(|| missing(name, None))?;
    let all = estate.policies.iter().map(|policy| Policy::read(policy));
    let mut others = PrecedingPolicies::among(&policy, all, at, days);
    for fleet in &estate.fleets {
        others.fleet(|key| fleet.label(key));
    }
    let plan = plan::settle(&estate, at);
    let mut count = ZoneCounts::default();
    for (fleet, status) in &plan.fleets {
        let observed = estate.fleets.iter().find(|observed| observed.name() == fleet.as_str());
        if let Some(Ok(spec)) = observed.map(|observed| &observed.spec) {
            count.add(name, spec, status);
        }
    }
    Ok(FoundPolicy { namespace, policy, count, others, remarks: remarks.collect() })
}

/// Returns the namespace of the policy `name` in the files. If `namespace` is set, searches only
/// that namespace.
fn namespace_of(
    findings: &Findings,
    name: &str,
    namespace: Option<&str>,
) -> Result<String, Failure> {
    let is_meant = |identity: &&Identity| {
        identity.kind == Kind::UpgradePolicy
            && identity.name == name
            && namespace.is_none_or(|namespace| identity.namespace == namespace)
    };
    let found: BTreeSet<&str> =
        findings.identities().filter(is_meant).map(|found| found.namespace.as_str()).collect();
    match found.iter().collect::<Vec<_>>()[..] {
        [only] => Ok((*only).to_owned()),
        [] => Err(missing(name, namespace)),
        _ => Err(Failure::input(format!(
            "these files have an UpgradePolicy {} in several namespaces: add -n with one of {}",
            printable(name),
            printable(&found.into_iter().collect::<Vec<_>>().join(", "))
        ))),
    }
}

fn missing(name: &str, namespace: Option<&str>) -> Failure {
    let place = namespace.map(|namespace| format!(" in namespace {namespace}")).unwrap_or_default();
    let text = format!("these files have no UpgradePolicy {name}{place}: name one that they have");
    Failure::input(printable(&text))
}
