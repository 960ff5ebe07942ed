//! Decides whether a client's offer counts now: only if its status is not out of date, its time has
//! not passed, and every policy and package that it depends on is as it was when the status was
//! computed. In doubt, an offer does not count.

use super::fleet::{DeliveryFleet, Entry, Row};
use crate::plan::State;
use crate::plan::facts::Package;
use crate::plan::version_text::VersionText;
use crate::values::Timestamp;

/// Whether the decision about a client counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// The decision counts.
    Valid,
    /// The time of the decision has passed, and the controller has not made the next one: an offer
    /// has ended, and no new one has begun.
    Over,
    /// The decision may be out of date: start nothing, and stop nothing.
    Unknown(Doubt),
}

/// Why a decision may be out of date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// The fleet's spec has changed since its status was computed.
    FleetNotPlanned,
    /// A policy that selects the fleet has changed since its status was computed.
    PolicyNotPlanned,
    /// The policy of the decision does not exist or is being deleted.
    PolicyGone,
    /// The package of the fleet that `packageFrom` names has changed.
    PackageChanged,
    /// The fleet that `packageFrom` names has withdrawn the target.
    TargetWithdrawn,
    /// Several fleets list the client, and it is not clear which one decides.
    ListedTwice,
    /// The API server has been silent for too long, so that a change may be missing.
    WatchSilent,
}

/// A policy as check-in needs it: whether its status was computed from its spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyFacts {
    /// True if `status.observedGeneration` equals the generation.
    pub is_planned: bool,
    /// True if the policy is being deleted.
    pub is_deleting: bool,
}

/// What the decision about a client depends on besides its fleet.
pub struct Surroundings<'a> {
    /// Policy that the row names; `None` if it does not exist.
    pub policy: Option<PolicyFacts>,
    /// True if each policy that selects the fleet is planned.
    pub policies_are_planned: bool,
    /// Fleet that `packageFrom` names; `None` if there is no `packageFrom` or no such fleet.
    pub package_source: Option<&'a DeliveryFleet>,
    /// True if a watch has received nothing for too long.
    pub watch_is_silent: bool,
}

/// Returns whether the decision in `row` about this client counts at the instant `now`.
#[must_use]
pub fn validity(
    entry: Entry<'_>,
    row: &Row,
    surroundings: &Surroundings<'_>,
    now: Timestamp,
) -> Validity {
    // The end of an offer counts also while everything else is in doubt: a window that has closed
    // stays closed.
    if row.next_transition.is_some_and(|next| next <= now) {
        return Validity::Over;
    }
    doubt(entry, row, surroundings, now).map_or(Validity::Valid, Validity::Unknown)
}

fn doubt(
    entry: Entry<'_>,
    row: &Row,
    surroundings: &Surroundings<'_>,
    now: Timestamp,
) -> Option<Doubt> {
    if surroundings.watch_is_silent {
        return Some(Doubt::WatchSilent);
    }
    if !entry.fleet.status_counts_for(entry.index, now) {
        return Some(Doubt::FleetNotPlanned);
    }
    if !surroundings.policies_are_planned {
        return Some(Doubt::PolicyNotPlanned);
    }
    if row.policy.is_some() && surroundings.policy.is_none_or(|policy| policy.is_deleting) {
        return Some(Doubt::PolicyGone);
    }
    let spec = entry.fleet.spec.as_deref()?;
    // Without `packageFrom`, the package is part of the spec that the status was computed from.
    spec.package_from.as_ref()?;
    let source = surroundings.package_source.and_then(|source| source.spec.as_deref());
    let package = Package::read(spec, source);
    if package.current.as_ref().map(|current| &current.raw) != entry.fleet.package_version.as_ref()
    {
        return Some(Doubt::PackageChanged);
    }
    let offered = row.target.clone().filter(|_| row.state == Some(State::Distributing))?;
    package.has_withdrawn(&VersionText::new(offered)).then_some(Doubt::TargetWithdrawn)
}
