//! `windows --local`: the policy and the clients that it governs from files, without a cluster.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::zones::Count;
use crate::api::{ClientFleet, Kind, admission};
use crate::cli::files::File;
use crate::cli::objects::{self, Object};
use crate::cli::terminal::table::printable;
use crate::cli::{Failure, WRONG_INPUT};
use crate::plan::policy::Policy;
use crate::plan::{self, Estate, Live, Observed};
use crate::values::Timestamp;

/// What was found in the files.
pub(super) struct Found {
    pub namespace: String,
    pub policy: Policy,
    pub count: Count,
    pub remarks: String,
}

/// Finds a policy in files, and in which zones the clients are that it would govern at `at`.
pub(super) fn find(
    files: &[File],
    name: &str,
    namespace: Option<&str>,
    at: Timestamp,
) -> Result<Found, Failure> {
    let findings = objects::find(files);
    if !findings.problems.is_empty() {
        return Err(Failure { messages: findings.problems, code: WRONG_INPUT });
    }
    let remarks = findings.passed_over.iter().map(|what| format!("passed over: {what}\n"));
    let namespace = namespace_of(&findings.objects, name, namespace)?;
    let mut estate = Estate::default();
    let mut fleets: Vec<Live<ClientFleet>> = Vec::new();
    let inside = findings.objects.iter().filter(|object| object.identity.namespace == namespace);
    for Object { identity, given } in inside {
        let text = admission::as_stored(identity.kind, given.clone()).to_string();
        let unreadable = |error| Failure::input(format!("{identity} cannot be read: {error}"));
        match identity.kind {
            Kind::ClientFleet => {
                let live: Live<ClientFleet> = serde_json::from_str(&text).map_err(unreadable)?;
                estate.fleets.push(Arc::new(live.clone().into()));
                fleets.push(live);
            }
            Kind::UpgradePolicy => {
                let observed: Observed<_> = serde_json::from_str(&text).map_err(unreadable)?;
                estate.policies.push(Arc::new(observed));
            }
        }
    }
    let policy = estate.policies.iter().find(|policy| policy.name() == name);
    let policy = policy.map(|policy| Policy::read(policy)).ok_or_else(|| missing(name, None))?;
    let plan = plan::settle(&estate, at);
    let mut count = Count::default();
    for (fleet, status) in &plan.fleets {
        let live = fleets.iter().find(|live| live.metadata.name.as_deref() == Some(fleet));
        if let Some(Ok(spec)) = live.map(|live| &live.spec) {
            count.add(name, spec, status);
        }
    }
    Ok(Found { namespace, policy, count, remarks: remarks.collect() })
}

/// The namespace of the policy that is meant.
fn namespace_of(
    objects: &[Object],
    name: &str,
    namespace: Option<&str>,
) -> Result<String, Failure> {
    let is_meant = |object: &&Object| {
        object.identity.kind == Kind::UpgradePolicy
            && object.identity.name == name
            && namespace.is_none_or(|namespace| object.identity.namespace == namespace)
    };
    let found: BTreeSet<&str> =
        objects.iter().filter(is_meant).map(|object| object.identity.namespace.as_str()).collect();
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
