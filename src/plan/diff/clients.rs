//! One client before and after a change: whether something else is decided for it, and what that does
//! to it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use serde::Serialize;

use crate::api::Text;
use crate::api::fleet::{Client, ClientFleetSpec, ClientStatus};
use crate::api::policy::UpgradePolicySpec;
use crate::plan::facts::non_empty;
use crate::plan::state::{Reason, State};
use crate::plan::version_text::VersionText;
use crate::plan::{CachedFleet, Estate};
use crate::values::Timestamp;

/// What is decided for a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The upgrade status.
    pub state: Cow<'static, str>,
    /// Why.
    pub reason: Cow<'static, str>,
    /// The policy that governs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<Text>,
    /// The version it should run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_version: Option<Text>,
    /// When its offer changes next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_transition_time: Option<Timestamp>,
}

impl Decision {
    /// What a client's entry says was decided.
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

    /// Whether both decide the same. Since when, and how a version is spelled, does not count.
    #[must_use]
    pub fn is_same_as(&self, other: &Self) -> bool {
        let decided = |d: &Self| (d.state.clone(), d.reason.clone(), d.next_transition_time);
        decided(self) == decided(other)
            && self.policy == other.policy
            && self.has_same_target_as(other)
    }

    /// Whether both name the same version, however it is spelled.
    #[must_use]
    pub fn has_same_target_as(&self, other: &Self) -> bool {
        is_same_version(self.target_version.as_ref(), other.target_version.as_ref())
    }

    fn is(&self, state: State) -> bool {
        self.state == state.as_str()
    }

    /// Whether a version is offered later, and none now.
    fn promises(&self) -> bool {
        let has_it = self.is(State::Distributing) || self.is(State::RestartRequired);
        self.next_transition_time.is_some() && !has_it
    }

    /// The version that is offered.
    fn offer(&self) -> Option<&Text> {
        self.target_version.as_ref().filter(|_| self.is(State::Distributing))
    }
}

fn is_same_version(a: Option<&Text>, b: Option<&Text>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => {
            a == b || VersionText::new(a.clone()).is_same_as(&VersionText::new(b.clone()))
        }
        (a, b) => a == b,
    }
}

/// What a change does to a client, what matters most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Effect {
    /// It is offered a version that it was not offered before.
    MovesNow,
    /// It is offered one later, that it was not to be offered before.
    MovesLater,
    /// It is offered the same one later, at another time than before.
    MovesAtAnotherTime,
    /// Its offer is taken away.
    Stops,
    /// It was to be offered one later, and no longer is.
    NoLongerMoves,
    /// Something else.
    Other,
}

/// When a client moves once the change is made.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(tag = "when", rename_all_fields = "camelCase")]
pub enum When {
    /// It is offered its target.
    Now,
    /// It is offered a version from this instant on.
    From {
        /// The instant.
        time: Timestamp,
        /// The zone in which its policy reckons for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        time_zone: Option<Text>,
    },
    /// What it has installed takes effect at its next restart.
    AtRestart,
    /// At no time that can be told.
    Never,
}

/// A client for which something else is decided, or that comes or goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangedClient {
    /// Its namespace.
    pub namespace: String,
    /// Its fleet.
    pub fleet: Text,
    /// Its name in the fleet.
    pub name: Text,
    /// Its computer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub computer: Option<Text>,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<Text>,
    /// The version it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Text>,
    /// The version that its next restart brings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub staged_version: Option<Text>,
    /// What the change does to it.
    pub effect: Effect,
    /// When it moves.
    #[serde(flatten)]
    pub when: When,
    /// When it would have moved without the change; absent for a client that comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub was: Option<When>,
    /// What is decided without the change; absent for a client that comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Decision>,
    /// What is decided with it; absent for a client that goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Decision>,
}

impl ChangedClient {
    /// What matters most first, then by namespace, fleet and name.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let place = (&self.effect, &self.when, &self.namespace, &self.fleet, &self.name);
        place.cmp(&(&other.effect, &other.when, &other.namespace, &other.fleet, &other.name))
    }

    /// The version that the change is about: the one it moves to, else the one it is not offered any
    /// longer, now or later.
    #[must_use]
    pub fn concerned_version(&self) -> Option<&Text> {
        let after = self.after.as_ref().and_then(|decision| decision.target_version.as_ref());
        let promised = self.before.as_ref().and_then(|decision| decision.target_version.as_ref());
        match self.effect {
            Effect::NoLongerMoves => promised,
            Effect::MovesAtAnotherTime => after.or(promised),
            // The same one at the same time, by another policy.
            Effect::Other if matches!(self.when, When::From { .. }) => after.or(promised),
            _ => after.or(self.before.as_ref().and_then(Decision::offer)),
        }
    }

    /// Whether a restart brings it a version that it is not decided to run.
    #[must_use]
    pub fn is_staged_against_its_decision(&self) -> bool {
        let (Some(staged), Some(after)) = (&self.staged_version, &self.after) else { return false };
        let is_wanted = is_same_version(Some(staged), after.target_version.as_ref())
            && after.reason != Reason::PackageWithdrawn.as_str();
        !is_wanted && !is_same_version(Some(staged), self.version.as_ref())
    }
}

/// Compares the clients of one fleet.
pub(super) struct Comparing<'a> {
    namespace: &'a str,
    fleet: &'a Text,
    before: ClientZones<'a>,
    after: ClientZones<'a>,
}

impl<'a> Comparing<'a> {
    /// For the fleet of this name, in the estate as it is before and after the change.
    pub(super) fn new(
        namespace: &'a str,
        fleet: &'a Text,
        before: &'a Estate,
        after: &'a Estate,
    ) -> Self {
        let (before, after) = (ClientZones::of(fleet, before), ClientZones::of(fleet, after));
        Self { namespace, fleet, before, after }
    }

    /// Tells of every client of both sides its entry after the change, and how it changes if it does.
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

    /// Entries come with their places in the spec.
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

/// In which zones the clients of a fleet reckon, on one side of a change.
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

    /// When the client moves of whom this is decided: entries stand in the order of the spec.
    fn when(&self, decision: &Decision, index: usize, name: &Text) -> When {
        if decision.is(State::Distributing) {
            When::Now
        } else if decision.is(State::RestartRequired) {
            When::AtRestart
        } else if let Some(time) = decision.next_transition_time {
            // Who is offered nothing now can only come to be offered something.
            let clients = self.spec.and_then(|spec| spec.clients.as_deref()).unwrap_or_default();
            let client = clients.get(index).filter(|client| client.name == *name);
            When::From { time, time_zone: self.zone(decision, client) }
        } else {
            When::Never
        }
    }

    /// The policy's zone, else the client's, else the fleet's.
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

/// The effect on a client that is offered nothing now, and was not before; `before` is what promised
/// it an offer, if anything did.
fn later(before: Option<&Decision>, after: Option<&Decision>, when: &When) -> Effect {
    match (before, when) {
        (None, When::From { .. }) => Effect::MovesLater,
        (Some(before), When::From { time, .. }) => {
            let target = after.and_then(|after| after.target_version.as_ref());
            let promised = before.target_version.as_ref();
            // Where another policy comes to govern first, nobody has said which version it will be.
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
            let client = Comparing::new("n", &fleet, &estate, &estate).client(&row);
            let client = ChangedClient { after: Some(after), ..client };
            assert_eq!(client.is_staged_against_its_decision(), expected, "{client:?}");
        }
        let withdrawn = Decision {
            reason: Reason::PackageWithdrawn.as_str().into(),
            ..decision("Blocked", "2", None)
        };
        let row = ClientStatus { staged_version: Some("2".into()), ..ClientStatus::default() };
        let client = Comparing::new("n", &fleet, &estate, &estate).client(&row);
        assert!(
            ChangedClient { after: Some(withdrawn), ..client }.is_staged_against_its_decision()
        );
    }
}
