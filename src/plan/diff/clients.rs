//! Compares the decisions for one client before and after a change, and determines the effect of
//! the change on the client's offers.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use serde::Serialize;

use crate::api::Text;
use crate::api::fleet::{Client, ClientFleetSpec, ClientStatus};
use crate::api::policy::UpgradePolicySpec;
use crate::plan::facts::non_empty;
use crate::plan::state::{Reason, State};
use crate::plan::version_text;
use crate::plan::{CachedFleet, Estate};
use crate::values::Timestamp;

/// The decision for one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// Upgrade state of the client.
    pub state: Cow<'static, str>,
    /// Reason for the state.
    pub reason: Cow<'static, str>,
    /// Policy that governs the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text>,
    /// Version that the client should run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_version: Option<Text>,
    /// Time of the next change of the client's offer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
}

impl Decision {
    /// Returns the decision that a client's status row records.
    #[must_use]
    pub fn of(row: &ClientStatus) -> Self {
        Self {
            state: row.state.clone(),
            reason: row.reason.clone(),
            policy: row.policy.clone(),
            target_version: row.target_version.clone(),
            next_transition_time: row.next_transition_time,
        }
    }

    /// Returns whether both decisions are equal, except for the spelling of the target version.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let Self { state, reason, policy, target_version: _, next_transition_time } = self;
        (state, reason, policy, next_transition_time)
            == (&other.state, &other.reason, &other.policy, &other.next_transition_time)
            && self.has_same_target_as(other)
    }

    /// Returns whether both decisions have the same target version, however it is spelled.
    #[must_use]
    pub fn has_same_target_as(&self, other: &Self) -> bool {
        is_same_version(self.target_version.as_ref(), other.target_version.as_ref())
    }

    fn is(&self, state: State) -> bool {
        self.state == state.as_str()
    }

    /// Returns whether the client has neither an offer nor a pending restart, but will be offered a
    /// version later.
    fn promises(&self) -> bool {
        let has_it = self.is(State::Distributing) || self.is(State::RestartRequired);
        self.next_transition_time.is_some() && !has_it
    }

    fn offer(&self) -> Option<&Text> {
        self.target_version.as_ref().filter(|_| self.is(State::Distributing))
    }
}

fn is_same_version(a: Option<&Text>, b: Option<&Text>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => version_text::is_same_version(a, b),
        (a, b) => a == b,
    }
}

/// Effect of a change on a client. The most important effects come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Effect {
    /// The client is now offered a version that it was not offered before.
    MovesNow,
    /// Because of the change, the client will be offered a version at a later time.
    MovesLater,
    /// The client will be offered the same version as before, but at another time.
    MovesAtAnotherTime,
    /// The client loses its offer.
    Stops,
    /// The change cancels an offer that the client would get later.
    NoLongerMoves,
    /// The change has none of the effects above.
    Other,
}

/// Time at which a client moves to another version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "when", rename_all_fields = "camelCase")]
pub enum When {
    /// The client is offered its target now.
    Now,
    /// The client will be offered a version from an instant in the future.
    From {
        /// Instant at which the offer starts.
        time: Timestamp,
        /// Time zone in which the policy's time range applies to the client.
        #[serde(skip_serializing_if = "Option::is_none")]
        time_zone: Option<Text>,
    },
    /// The client moves at its next restart, when the staged version takes effect.
    AtRestart,
    /// The client does not move, or the time of its move is unknown.
    Never,
}

/// A client whose decision changes, or that is added or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedClient {
    /// Namespace of the client's fleet.
    pub namespace: String,
    /// Name of the client's fleet.
    pub fleet: Text,
    /// Name of the client in the fleet.
    pub name: Text,
    /// Reported name of the client's computer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub computer: Option<Text>,
    /// Reported IP address of the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Text>,
    /// Version that the client runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// Version that takes effect at the client's next restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staged_version: Option<Text>,
    /// Effect of the change on the client.
    pub effect: Effect,
    /// Time at which the client is offered its target if the change is applied.
    #[serde(flatten)]
    pub when: When,
    /// Time at which the client would be offered its target without the change; absent for an added
    /// client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<When>,
    /// Decision without the change; absent for an added client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Decision>,
    /// Decision with the change; absent for a removed client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Decision>,
}

impl ChangedClient {
    /// Compares by effect, most important effect first, then by time, namespace, fleet and name.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let place = (&self.effect, &self.when, &self.namespace, &self.fleet, &self.name);
        place.cmp(&(&other.effect, &other.when, &other.namespace, &other.fleet, &other.name))
    }

    /// Returns the version of the offer that the change begins, ends or moves to another time. If
    /// there is no such offer, returns the client's target version after the change.
    #[must_use]
    pub(crate) fn concerned_version(&self) -> Option<&Text> {
        let after = self.after.as_ref().and_then(|decision| decision.target_version.as_ref());
        let promised = self.before.as_ref().and_then(|decision| decision.target_version.as_ref());
        match self.effect {
            Effect::NoLongerMoves => promised,
            Effect::MovesAtAnotherTime => after.or(promised),
            // The client will still be offered a version at an unchanged time, for example by
            // another policy. Return the version of that offer.
            Effect::Other if matches!(self.when, When::From { .. }) => after.or(promised),
            _ => after.or(self.before.as_ref().and_then(Decision::offer)),
        }
    }

    /// Returns whether the next restart activates a version that the client should not run.
    #[must_use]
    pub(crate) fn is_staged_against_its_decision(&self) -> bool {
        let (Some(staged), Some(after)) = (&self.staged_version, &self.after) else { return false };
        let is_wanted = is_same_version(Some(staged), after.target_version.as_ref())
            && after.reason != Reason::PackageWithdrawn.as_str()
            && after.reason != Reason::TargetsInCircle.as_str();
        !is_wanted && !is_same_version(Some(staged), self.version.as_ref())
    }
}

/// Comparison of the clients of one fleet before and after a change.
pub(super) struct ClientComparison<'a> {
    namespace: &'a str,
    fleet: &'a Text,
    before: ClientZones<'a>,
    after: ClientZones<'a>,
}

impl<'a> ClientComparison<'a> {
    /// Creates a comparison for the fleet named `fleet`.
    pub(super) fn new(
        namespace: &'a str,
        fleet: &'a Text,
        before: &'a Estate,
        after: &'a Estate,
    ) -> Self {
        let (before, after) = (ClientZones::of(fleet, before), ClientZones::of(fleet, after));
        Self { namespace, fleet, before, after }
    }

    /// Calls `take` for every client that exists before or after the change. `take` receives the
    /// client's row after the change, if there is one, and the difference, if the decision changed.
    pub(super) fn run(
        &self,
        before: &[ClientStatus],
        after: &'a [ClientStatus],
        mut take: impl FnMut(Option<&'a ClientStatus>, Option<ChangedClient>),
    ) {
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(before.len());
        places.extend(before.iter().enumerate().map(|(index, row)| (row.name.as_str(), index)));
        for (index, row) in after.iter().enumerate() {
            let before =
                places.remove(row.name.as_str()).and_then(|at| Some((at, before.get(at)?)));
            take(Some(row), self.compare(before, (index, row)));
        }
        let is_left = |(_, row): &(usize, &ClientStatus)| places.contains_key(row.name.as_str());
        for row in before.iter().enumerate().filter(is_left) {
            take(None, Some(self.gone(row)));
        }
    }

    /// Compares one client before and after the change; returns `None` if its decision does not
    /// change. Each row comes with its index in `spec.clients`.
    fn compare(
        &self,
        before: Option<(usize, &ClientStatus)>,
        (index, row): (usize, &ClientStatus),
    ) -> Option<ChangedClient> {
        let (place, before) = (before.map(|(place, _)| place), before.map(|b| Decision::of(b.1)));
        let after = Decision::of(row);
        if before.as_ref().is_some_and(|before| before.is_same_as(&after)) {
            return None;
        }
        let when = self.after.when(&after, index, &row.name);
        let was = before.as_ref().zip(place);
        let was = was.map(|(before, place)| self.before.when(before, place, &row.name));
        let effect = effect(before.as_ref(), Some(&after), &when);
        Some(ChangedClient { effect, when, was, before, after: Some(after), ..self.client(row) })
    }

    fn gone(&self, (index, row): (usize, &ClientStatus)) -> ChangedClient {
        let before = Decision::of(row);
        let effect = effect(Some(&before), None, &When::Never);
        let was = Some(self.before.when(&before, index, &row.name));
        ChangedClient { effect, was, before: Some(before), ..self.client(row) }
    }

    fn client(&self, row: &ClientStatus) -> ChangedClient {
        ChangedClient {
            namespace: self.namespace.to_owned(),
            fleet: self.fleet.clone(),
            name: row.name.clone(),
            computer: non_empty(row.computer.as_ref()).cloned(),
            ip: non_empty(row.ip.as_ref()).cloned(),
            version: non_empty(row.version.as_ref()).cloned(),
            staged_version: non_empty(row.staged_version.as_ref()).cloned(),
            effect: Effect::Other,
            when: When::Never,
            was: None,
            before: None,
            after: None,
        }
    }
}

struct ClientZones<'a> {
    spec: Option<&'a ClientFleetSpec>,
    policies: HashMap<&'a str, &'a UpgradePolicySpec>,
}

impl<'a> ClientZones<'a> {
    fn of(fleet: &Text, estate: &'a Estate) -> Self {
        let is_it = |found: &&'a std::sync::Arc<CachedFleet>| found.name() == fleet.as_str();
        let spec = estate.fleets.iter().find(is_it).and_then(|found| found.spec.as_deref().ok());
        let policies = estate.policies.iter();
        let policies = policies.filter_map(|p| Some((p.name(), p.spec.as_deref().ok()?))).collect();
        Self { spec, policies }
    }

    fn when(&self, decision: &Decision, index: usize, name: &Text) -> When {
        if decision.is(State::Distributing) {
            When::Now
        } else if decision.is(State::RestartRequired) {
            When::AtRestart
        } else if let Some(time) = decision.next_transition_time {
            // The client has no offer now, so its next transition can only be the start of an
            // offer.
            let clients = self.spec.and_then(|spec| spec.clients.as_deref()).unwrap_or_default();
            let client = clients.get(index).filter(|client| client.name == *name);
            When::From { time, time_zone: self.zone(decision, client) }
        } else {
            When::Never
        }
    }

    fn zone(&self, decision: &Decision, client: Option<&Client>) -> Option<Text> {
        let policy = decision.policy.as_ref().and_then(|name| self.policies.get(name.as_str()));
        let distribution = policy.and_then(|policy| policy.distribution.as_ref());
        let of_policy = non_empty(distribution.and_then(|d| d.time_zone.as_ref()));
        let of_client = non_empty(client.and_then(|client| client.time_zone.as_ref()));
        let of_fleet = non_empty(self.spec.and_then(|spec| spec.time_zone.as_ref()));
        of_policy.or(of_client).or(of_fleet).cloned()
    }
}

fn effect(before: Option<&Decision>, after: Option<&Decision>, when: &When) -> Effect {
    let had = before.and_then(Decision::offer);
    match after.and_then(Decision::offer) {
        Some(offer) if !is_same_version(had, Some(offer)) => Effect::MovesNow,
        Some(_) => Effect::Other,
        None if had.is_some() => Effect::Stops,
        None => later(before.filter(|before| before.promises()), after, when),
    }
}

/// Returns the effect on a client that has an offer neither before nor after the change. `before`
/// is the old decision if it promised a later offer, otherwise `None`.
fn later(before: Option<&Decision>, after: Option<&Decision>, when: &When) -> Effect {
    match (before, when) {
        (None, When::From { .. }) => Effect::MovesLater,
        (Some(before), When::From { time, .. }) => {
            let target = after.and_then(|after| after.target_version.as_ref());
            let promised = before.target_version.as_ref();
            // If another policy will take over before the offer, the target version is not known
            // yet; compare only the times.
            let is_another = promised.is_some() && target.is_some();
            if is_another && !is_same_version(promised, target) {
                Effect::MovesLater
            } else if before.next_transition_time == Some(*time) {
                Effect::Other
            } else {
                Effect::MovesAtAnotherTime
            }
        }
        (Some(_), When::Never) => Effect::NoLongerMoves,
        (_, When::Now | When::AtRestart) | (None, When::Never) => Effect::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(state: &'static str, target: &str, next: Option<i64>) -> Decision {
        Decision {
            state: state.into(),
            reason: "NoUpgrade".into(),
            policy: Some("p".into()),
            target_version: Some(target).filter(|target| !target.is_empty()).map(Text::from),
            next_transition_time: next.and_then(|t| Timestamp::from_timestamp(t, 0)),
        }
    }

    #[test]
    fn an_effect_is_about_the_offer() {
        let offered = |target| Some(decision("Distributing", target, None));
        let held = || Some(decision("Held", "", None));
        let waiting = || Some(decision("Waiting", "2", Some(60)));
        let done = || Some(decision("UpToDate", "2", None));
        let staged = || Some(decision("RestartRequired", "2", None));
        let cases = [
            (held(), offered("2"), Effect::MovesNow),
            (offered("1"), offered("2"), Effect::MovesNow),
            (offered("2"), offered("v2.0"), Effect::Other),
            (None, offered("2"), Effect::MovesNow),
            (staged(), offered("3"), Effect::MovesNow),
            (held(), waiting(), Effect::MovesLater),
            (None, waiting(), Effect::MovesLater),
            (offered("2"), waiting(), Effect::Stops),
            (offered("2"), held(), Effect::Stops),
            (offered("2"), None, Effect::Stops),
            (held(), done(), Effect::Other),
            (waiting(), held(), Effect::NoLongerMoves),
            (waiting(), done(), Effect::NoLongerMoves),
            (waiting(), None, Effect::NoLongerMoves),
            (waiting(), Some(decision("Waiting", "2", Some(90))), Effect::MovesAtAnotherTime),
            (waiting(), Some(decision("Held", "", Some(90))), Effect::MovesAtAnotherTime),
            (waiting(), Some(decision("Waiting", "3", Some(60))), Effect::MovesLater),
            (waiting(), Some(decision("Waiting", "v2.0", Some(60))), Effect::Other),
            (waiting(), staged(), Effect::Other),
            (held(), None, Effect::Other),
        ];
        let fleet = Text::from("f");
        let estate = Estate::default();
        let zones = ClientZones::of(&fleet, &estate);
        for (before, after, expected) in cases {
            let when = after.as_ref().map_or(When::Never, |after| zones.when(after, 0, &fleet));
            let found = effect(before.as_ref(), after.as_ref(), &when);
            assert_eq!(found, expected, "{before:?} to {after:?}");
        }
    }

    #[test]
    fn what_is_decided_counts_and_not_how_it_is_spelled() {
        let one = decision("Waiting", "3.59", Some(60));
        assert!(one.is_same_as(&decision("Waiting", "v3.59.0+b7", Some(60))));
        for other in [
            decision("Held", "3.59", Some(60)),
            decision("Waiting", "3.60", Some(60)),
            decision("Waiting", "", Some(60)),
            decision("Waiting", "3.59", Some(61)),
            decision("Waiting", "3.59", None),
            Decision { policy: None, ..one.clone() },
            Decision { reason: "Excluded".into(), ..one.clone() },
        ] {
            assert!(!one.is_same_as(&other), "{other:?}");
        }
    }

    #[test]
    fn a_restart_brings_what_is_staged_whatever_is_decided() {
        let cases = [
            ("2", "1", decision("Held", "", None), true),
            ("2", "1", decision("Waiting", "3", Some(60)), true),
            ("2", "1", decision("RestartRequired", "2", None), false),
            ("2", "1", decision("Offline", "v2.0", None), false),
            ("2", "2.0", decision("Held", "", None), false),
        ];
        let (estate, fleet) = (Estate::default(), Text::from("f"));
        for (staged, version, after, expected) in cases {
            let row = ClientStatus {
                staged_version: Some(staged.into()),
                version: Some(version.into()),
                ..ClientStatus::default()
            };
            let client = ClientComparison::new("n", &fleet, &estate, &estate).client(&row);
            let client = ChangedClient { after: Some(after), ..client };
            assert_eq!(client.is_staged_against_its_decision(), expected, "{client:?}");
        }
        let withdrawn = Decision {
            reason: Reason::PackageWithdrawn.as_str().into(),
            ..decision("Blocked", "2", None)
        };
        let row = ClientStatus { staged_version: Some("2".into()), ..ClientStatus::default() };
        let client = ClientComparison::new("n", &fleet, &estate, &estate).client(&row);
        assert!(
            ChangedClient { after: Some(withdrawn), ..client }.is_staged_against_its_decision()
        );
    }
}
