//! Counts the clients that run a withdrawn version, without I/O.
//!
//! A withdrawn version may be listed by the fleet that `packageFrom` names, which may come after its
//! dependents. The counts are therefore kept by version and source until all fleets are known.

use std::collections::BTreeMap;

use super::needs::Sample;
use super::overview::namespace_of;
use crate::api::fleet::ClientFleetSpec;
use crate::api::{ClientFleet, Text};
use crate::plan::Parsed;
use crate::plan::state::State;
use crate::plan::version_text::VersionText;

/// Namespace and name of a fleet or policy.
type Key = (String, Text);

/// The running versions of all clients, and the withdrawn versions of all fleets.
#[derive(Clone, Debug, Default)]
pub(super) struct RunningVersions {
    /// Withdrawn versions of each fleet that others may name in `packageFrom`.
    withdrawn: BTreeMap<Key, Vec<VersionText>>,
    /// Clients by the fleet that `packageFrom` names and by version.
    of_source: BTreeMap<(Key, Text), Running>,
    found: WithdrawnClients,
}

/// The clients that run one version.
#[derive(Clone, Debug, Default)]
struct Running {
    clients: Sample,
    /// Number of clients in the state `Ahead`, by policy.
    ahead: BTreeMap<Key, u32>,
}

/// The clients that run a withdrawn version.
#[derive(Clone, Debug, Default)]
pub(super) struct WithdrawnClients {
    /// Clients by the withdrawn version that they run, as the first of them reports it.
    pub by_version: BTreeMap<String, Sample>,
    /// Number of clients in the state `Ahead`, by policy.
    pub ahead: BTreeMap<Key, u32>,
}

impl RunningVersions {
    /// Adds the clients of a fleet. `shown` is the name of the fleet in messages.
    pub fn fleet(&mut self, fleet: &Parsed<ClientFleet>, shown: &str) {
        let Ok(spec) = &fleet.spec else { return };
        let namespace = namespace_of(fleet);
        let own = withdrawn_versions(spec);
        let source = spec.package_from.as_ref().map(|from| (namespace.clone(), from.name.clone()));
        let rows = fleet.status.iter().flat_map(|status| status.clients.iter().flatten());
        let mut is_withdrawn: BTreeMap<&Text, bool> = BTreeMap::new();
        for row in rows {
            let Some(version) = row.version.as_ref().filter(|version| !version.is_empty()) else {
                continue;
            };
            let is_own = *is_withdrawn.entry(version).or_insert_with(|| {
                let version = VersionText::new(version.clone());
                own.iter().any(|withdrawn| withdrawn.is_same_as(&version))
            });
            let mut running = Running::default();
            running.clients.add(|| super::needs::client_name(row, shown));
            if let Some(policy) = row.policy.as_ref().filter(|_| row.state == State::Ahead.as_str())
            {
                running.ahead.insert((namespace.clone(), policy.clone()), 1);
            }
            if is_own {
                self.found.add(version, running);
            } else if let Some(source) = &source {
                let key = (source.clone(), version.clone());
                self.of_source.entry(key).or_default().add(running);
            }
        }
        if spec.package_from.is_none() && !own.is_empty() {
            let name = fleet.metadata.name.as_deref().unwrap_or_default().into();
            self.withdrawn.insert((namespace, name), own);
        }
    }

    /// Returns the clients that run a withdrawn version, once all fleets are added.
    pub fn finish(mut self) -> WithdrawnClients {
        for ((source, version), running) in self.of_source {
            let text = VersionText::new(version.clone());
            let withdrawn = self.withdrawn.get(&source).into_iter().flatten();
            if { withdrawn }.any(|withdrawn| withdrawn.is_same_as(&text)) {
                self.found.add(&version, running);
            }
        }
        self.found
    }
}

impl Running {
    fn add(&mut self, other: Self) {
        self.clients.append(other.clients);
        for (policy, clients) in other.ahead {
            *self.ahead.entry(policy).or_default() += clients;
        }
    }
}

impl WithdrawnClients {
    fn add(&mut self, version: &Text, running: Running) {
        let text = VersionText::new(version.clone());
        let known =
            self.by_version.keys().find(|known| text.is_same_as_text(&known.as_str().into()));
        let spelled = known.cloned().unwrap_or_else(|| version.to_string());
        self.by_version.entry(spelled).or_default().append(running.clients);
        for (policy, clients) in running.ahead {
            *self.ahead.entry(policy).or_default() += clients;
        }
    }
}

fn withdrawn_versions(spec: &ClientFleetSpec) -> Vec<VersionText> {
    spec.withdrawn_versions.iter().flatten().cloned().map(VersionText::new).collect()
}
