//! Exports gauges for the current plan. The gauges are copies of the counts that each planning pass
//! computes, so a scrape computes nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use super::count;
use crate::api::{Summary, UpgradePolicy};
use crate::plan::{NamespaceCounts, PassResult, Planned, State};
use crate::values::Timestamp;

const DISTRIBUTION_STATES: [&str; 4] = ["Open", "Closed", "Mixed", "Off"];
const CONDITIONS: [&str; 4] = ["Ready", "Reconciling", "Stalled", "Complete"];

/// Gauges with the counts that the last planning pass of each namespace computed.
#[derive(Debug, Default)]
pub struct PlanGauges(Mutex<BTreeMap<String, Namespace>>);

#[derive(Debug)]
struct Namespace {
    census: NamespaceCounts,
    policies: Vec<Policy>,
}

#[derive(Debug)]
struct Policy {
    name: String,
    governed: Summary,
    distribution: String,
    next: Option<Timestamp>,
    /// Types of the conditions that are `True`.
    conditions: Vec<String>,
    readable: bool,
}

impl Policy {
    fn of(planned: &Planned<UpgradePolicy>) -> Self {
        let status = &planned.inputs;
        let conditions = status.conditions.iter().filter(|condition| condition.status == "True");
        Self {
            name: planned.cached.name().to_owned(),
            governed: status.summary.unwrap_or_default(),
            distribution: status.distribution_state.as_deref().unwrap_or_default().to_owned(),
            next: status.next_transition_time,
            conditions: conditions.map(|condition| condition.r#type.to_string()).collect(),
            readable: planned.cached.spec.is_ok(),
        }
    }

    fn count(&self, state: State) -> i64 {
        let mut governed = self.governed;
        i64::from(*governed.of(state))
    }
}

impl PlanGauges {
    /// Replaces the counts of a namespace with the results of a planning pass.
    pub fn note(&self, namespace: &str, census: NamespaceCounts, pass: &PassResult) {
        let policies = pass.policies.iter().map(Policy::of).collect();
        self.namespaces().insert(namespace.to_owned(), Namespace { census, policies });
    }

    /// Removes the counts of a namespace that has no objects left.
    pub fn forget(&self, namespace: &str) {
        self.namespaces().remove(namespace);
    }

    fn namespaces(&self) -> MutexGuard<'_, BTreeMap<String, Namespace>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Collector for PlanGauges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let namespaces = self.namespaces();
        clients(&namespaces, gauge(&mut encoder, "clients", "Clients by policy and state.")?)?;
        fleets(&namespaces, &mut encoder)?;
        unreadable(&namespaces, &mut encoder)?;
        let help = "1 for the state of a policy's distribution.";
        let mut metric = gauge(&mut encoder, "policy_distribution_state", help)?;
        for (namespace, policy) in policies(&namespaces) {
            for state in DISTRIBUTION_STATES {
                let is_so = policy.distribution == state;
                record(&mut metric, namespace, &policy.name, ("state", state), i64::from(is_so))?;
            }
        }
        let help = "1 while a condition of a policy is True.";
        let mut metric = gauge(&mut encoder, "policy_condition", help)?;
        for (namespace, policy) in policies(&namespaces) {
            for condition in CONDITIONS {
                let is_so = policy.conditions.iter().any(|holds| holds == condition);
                record(
                    &mut metric,
                    namespace,
                    &policy.name,
                    ("type", condition),
                    i64::from(is_so),
                )?;
            }
        }
        next_transitions(&namespaces, &mut encoder)
    }
}

type Namespaces = BTreeMap<String, Namespace>;

fn policies(namespaces: &Namespaces) -> impl Iterator<Item = (&str, &Policy)> {
    namespaces
        .iter()
        .flat_map(|(name, namespace)| namespace.policies.iter().map(move |p| (name.as_str(), p)))
}

fn gauge<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    name: &'a str,
    help: &str,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    encoder.encode_descriptor(name, help, None, MetricType::Gauge)
}

fn record(
    metric: &mut MetricEncoder<'_>,
    namespace: &str,
    policy: &str,
    label: (&str, &str),
    value: i64,
) -> fmt::Result {
    let labels = [("namespace", namespace), ("policy", policy), label];
    metric.encode_family(&labels)?.encode_gauge(&value)
}

fn clients(namespaces: &Namespaces, mut metric: MetricEncoder<'_>) -> fmt::Result {
    let unmanaged = State::Unmanaged.as_str();
    for (name, namespace) in namespaces {
        let clients = i64::from(namespace.census.unmanaged_clients);
        record(&mut metric, name, "", ("state", unmanaged), clients)?;
    }
    let governed = State::ALL.iter().filter(|state| **state != State::Unmanaged);
    for (namespace, policy) in policies(namespaces) {
        for &state in governed.clone() {
            let label = ("state", state.as_str());
            record(&mut metric, namespace, &policy.name, label, policy.count(state))?;
        }
    }
    Ok(())
}

fn fleets(namespaces: &Namespaces, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut metric = gauge(encoder, "fleets", "Fleets.")?;
    for (name, namespace) in namespaces {
        let fleets = count(namespace.census.fleets);
        metric.encode_family(&[("namespace", name.as_str())])?.encode_gauge(&fleets)?;
    }
    let help = "Fleets with which something is wrong: they are Stalled.";
    let mut metric = gauge(encoder, "stalled_fleets", help)?;
    for (name, namespace) in namespaces {
        let fleets = count(namespace.census.stalled_fleets);
        metric.encode_family(&[("namespace", name.as_str())])?.encode_gauge(&fleets)?;
    }
    Ok(())
}

fn unreadable(namespaces: &Namespaces, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let mut metric = gauge(encoder, "unreadable_objects", "Objects that cannot be read.")?;
    for (name, namespace) in namespaces {
        let policies = namespace.policies.iter().filter(|policy| !policy.readable).count() as u64;
        let fleets = namespace.census.unreadable_fleets;
        for (kind, objects) in [("ClientFleet", count(fleets)), ("UpgradePolicy", count(policies))]
        {
            let labels = [("namespace", name.as_str()), ("kind", kind)];
            metric.encode_family(&labels)?.encode_gauge(&objects)?;
        }
    }
    Ok(())
}

fn next_transitions(namespaces: &Namespaces, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let name = "policy_next_transition_timestamp";
    let help = "When the next offer of a policy begins or ends: an opening, a closing, a retry.";
    let mut metric =
        encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
    for (namespace, policy) in policies(namespaces) {
        let Some(next) = policy.next else { continue };
        let labels = [("namespace", namespace), ("policy", policy.name.as_str())];
        metric.encode_family(&labels)?.encode_gauge(&next.timestamp())?;
    }
    Ok(())
}
