//! Summarizes the fleets and policies of a cluster or a namespace, without I/O.
//!
//! Processes one fleet at a time, and keeps only two hashes for each client, to find duplicates.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::duplicates::DuplicateSearch;
use super::halted::Halted;
use super::needs::{Needs, shown};
use super::withdrawn::RunningVersions;
use crate::api::policy::{Mode, UpgradePolicySpec};
use crate::api::{ClientFleet, Summary, Text, UpgradePolicy};
use crate::cli::recorded_change::RecordedChange;
use crate::plan::version_text::VersionText;
use crate::plan::{Parsed, parsed};
use crate::values::Timestamp;

/// The data that `status` shows.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overview {
    pub at: Timestamp,
    /// Namespaces with fleets or policies.
    pub namespaces: BTreeSet<String>,
    /// Halts, including halts with gaps, which do not stop all distribution.
    pub halted: Vec<Halted>,
    pub fleets: u32,
    /// Counts of clients by state. The clients of a fleet whose status has no summary are counted
    /// only in `total`.
    pub clients: Summary,
    /// Package versions of the fleets, newest first.
    pub packages: Vec<Package>,
    /// Policies by namespace, highest precedence first.
    pub policies: Vec<PolicyLine>,
    pub needs: Needs,
}

/// A package version, with the number of fleets that have this version and the number of clients in
/// these fleets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Package {
    pub version: Text,
    pub fleets: u32,
    pub clients: u32,
}

/// A policy and its progress.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PolicyLine {
    pub namespace: String,
    pub name: String,
    pub priority: i32,
    /// `NoUpgrade`, `AutoUpgrade` or `OnlyUpgradeTo`; absent if the policy cannot be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Version from the spec of the policy, for `OnlyUpgradeTo`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// Who set the mode and the version with this program, and when.
    #[serde(flatten)]
    pub change: RecordedChange,
    /// `Off`, `Open`, `Closed` or `Mixed`, from the status of the policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution_state: Option<String>,
    /// Reason why the policy is off, unless the reason is its mode.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub off_because: Option<OffBecause>,
    pub in_scope: u32,
    /// Numbers of governed clients by state.
    pub governed: Summary,
    /// Number of governed clients in the state `Ahead` that run a withdrawn version, and are
    /// therefore not done.
    #[serde(skip)]
    pub ahead_on_withdrawn: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<Next>,
}

/// The reason why a policy is off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum OffBecause {
    Suspended,
    NotEffectiveYet,
    NotEffectiveAnyMore,
    Invalid,
    BeingDeleted,
}

/// The next change of a policy: the kind of change and its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Next {
    pub what: What,
    pub at: Timestamp,
}

/// The kind of a policy's next change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) enum What {
    /// The policy becomes effective.
    Begins,
    /// The policy ceases to be effective.
    Ends,
    /// The first client of the policy gets an offer.
    Opens,
    /// An offer of the policy to one of its clients changes, usually because distribution closes for
    /// that client.
    Changes,
}

/// Builds the overview from policies and fleets.
#[derive(Clone, Debug)]
pub(super) struct OverviewBuilder {
    overview: Overview,
    packages: BTreeMap<Text, Package>,
    running: RunningVersions,
    duplicates: DuplicateSearch,
    /// True if the overview covers all namespaces, so that names must include the namespace.
    is_everywhere: bool,
}

impl OverviewBuilder {
    pub fn new(at: Timestamp, is_everywhere: bool) -> Self {
        let overview = Overview {
            at,
            namespaces: BTreeSet::new(),
            halted: Vec::new(),
            fleets: 0,
            clients: Summary::default(),
            packages: Vec::new(),
            policies: Vec::new(),
            needs: Needs::default(),
        };
        Self {
            overview,
            packages: BTreeMap::new(),
            running: RunningVersions::default(),
            duplicates: DuplicateSearch::default(),
            is_everywhere,
        }
    }

    /// Adds a policy.
    pub fn policy(&mut self, policy: &Parsed<UpgradePolicy>) {
        let namespace = namespace_of(policy);
        let overview = &mut self.overview;
        let line = PolicyLine::of(policy, overview.at);
        overview.halted.extend(Halted::of(policy, overview.at));
        overview.needs.policy(policy, &line, overview.at, self.is_everywhere);
        overview.namespaces.insert(namespace);
        overview.policies.push(line);
    }

    /// Adds a fleet.
    pub fn fleet(&mut self, fleet: &Parsed<ClientFleet>) {
        let overview = &mut self.overview;
        overview.namespaces.insert(namespace_of(fleet));
        overview.fleets += 1;
        let written = fleet.spec.as_ref().ok().and_then(|spec| spec.clients.as_ref());
        let written = written.map_or(0, |clients| u32::try_from(clients.len()).unwrap_or(u32::MAX));
        let status = fleet.status.as_ref();
        match status.and_then(|status| status.summary) {
            Some(summary) => overview.clients.add(summary),
            None => overview.clients.total += written,
        }
        if let Some(version) = status.and_then(|status| status.package_version.clone()) {
            let empty = || Package { version: version.clone(), fleets: 0, clients: 0 };
            let package = self.packages.entry(version.clone()).or_insert_with(empty);
            package.fleets += 1;
            package.clients += written;
        }
        let name = fleet.metadata.name.as_deref().unwrap_or_default();
        self.running.fleet(fleet, &shown(fleet, name, self.is_everywhere));
        overview.needs.fleet(fleet, overview.at, self.is_everywhere);
        self.duplicates.add(fleet);
    }

    /// Returns the overview of all added policies and fleets.
    pub fn finish(self) -> Overview {
        let mut overview = self.overview;
        let withdrawn = self.running.finish();
        for line in &mut overview.policies {
            let key = (line.namespace.clone(), Text::from(&line.name));
            line.ahead_on_withdrawn = withdrawn.ahead.get(&key).copied().unwrap_or_default();
        }
        overview.needs.withdrawn = withdrawn.by_version;
        overview.needs.duplicate_names = self.duplicates.duplicate_names(self.is_everywhere);
        overview.needs.shared_computers = self.duplicates.shared_computers(self.is_everywhere);
        overview.packages = self.packages.into_values().collect();
        overview.packages.sort_by_cached_key(|package| {
            std::cmp::Reverse((
                VersionText::new(package.version.clone()).parsed,
                package.version.clone(),
            ))
        });
        overview.policies.sort_by(|a, b| a.order().cmp(&b.order()));
        // A halt takes over the clients of the other policies in its namespace, so do not report
        // that these policies govern no client. Still report a policy without clients in its scope.
        let Overview { halted, needs, .. } = &mut overview;
        needs.governs_nobody.retain(|policy| {
            let is_halted =
                |halt: &Halted| halt.namespace == policy.namespace && halt.holds_somebody();
            policy.in_scope == 0 || !halted.iter().any(is_halted)
        });
        overview
    }
}

/// Returns the namespace of an object, or an empty string if it has none.
pub(super) fn namespace_of<K: parsed::Kind>(object: &Parsed<K>) -> String {
    object.metadata.namespace.clone().unwrap_or_default()
}

impl PolicyLine {
    fn of(policy: &Parsed<UpgradePolicy>, at: Timestamp) -> Self {
        let spec = policy.spec.as_ref().ok();
        let status = policy.status.clone().unwrap_or_default();
        let next = status
            .next_transition_time
            .map(|at| Next { what: what(spec, status.distribution_state.as_deref(), at), at });
        let is_stalled =
            status.conditions.iter().any(|c| c.r#type == "Stalled" && c.status == "True");
        Self {
            namespace: namespace_of(policy),
            name: policy.metadata.name.clone().unwrap_or_default(),
            priority: spec.map_or(0, |spec| spec.priority),
            mode: spec.map(|spec| spec.upgrade.mode),
            version: spec.and_then(|spec| spec.upgrade.version.clone()),
            change: RecordedChange::default(),
            distribution_state: status.distribution_state.map(Into::into),
            off_because: if policy.metadata.deletion_timestamp.is_some() {
                Some(OffBecause::BeingDeleted)
            } else if is_stalled {
                Some(OffBecause::Invalid)
            } else {
                spec.and_then(|spec| off_because(spec, at))
            },
            in_scope: status.matched_clients.unwrap_or(0),
            governed: status.summary.unwrap_or_default(),
            ahead_on_withdrawn: 0,
            next,
        }
    }

    /// Returns the sort key of a policy: namespace, then precedence. In each namespace, policies
    /// that cannot be read come first.
    fn order(&self) -> impl Ord + '_ {
        let rank = (self.mode.is_some(), std::cmp::Reverse(self.priority));
        (self.namespace.as_str(), rank, self.name.as_str())
    }
}

fn off_because(spec: &UpgradePolicySpec, at: Timestamp) -> Option<OffBecause> {
    if spec.effective_from.is_some_and(|from| at < from) {
        Some(OffBecause::NotEffectiveYet)
    } else if spec.effective_until.is_some_and(|until| until <= at) {
        Some(OffBecause::NotEffectiveAnyMore)
    } else {
        spec.suspend.then_some(OffBecause::Suspended)
    }
}

fn what(spec: Option<&UpgradePolicySpec>, state: Option<&str>, at: Timestamp) -> What {
    match (spec, state) {
        (Some(spec), _) if spec.effective_from == Some(at) => What::Begins,
        (Some(spec), _) if spec.effective_until == Some(at) => What::Ends,
        (_, Some("Closed")) => What::Opens,
        _ => What::Changes,
    }
}
