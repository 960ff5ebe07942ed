//! One client before and after a change: whether something else is decided for it, and what that does
//! to it.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::HashMap;

use serde::Serialize;

use crate::api::Text;
use crate::api::fleet::{Client, ClientFleetSpec, ClientStatus};
use crate::api::policy::UpgradePolicySpec;
use crate::plan::facts::given;
use crate::plan::state::{Reason, State};
use crate::plan::version::Spelled;
use crate::plan::{Estate, ObservedFleet};
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
        let told = |d: &Self| (d.state.clone(), d.reason.clone(), d.next_transition_time);
        told(self) == told(other)
            && self.policy == other.policy
            && is_same_version(self.target_version.as_ref(), other.target_version.as_ref())
    }

    fn is(&self, state: State) -> bool {
        self.state == state.as_str()
    }

    /// The version that is offered.
    fn offer(&self) -> Option<&Text> {
        self.target_version.as_ref().filter(|_| self.is(State::Distributing))
    }
}

fn is_same_version(a: Option<&Text>, b: Option<&Text>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => {
            a == b || Spelled::new(a.clone()).is_same_as(&Spelled::new(b.clone()))
        }
        (a, b) => a == b,
    }
}

/// What a change does to a client, what matters most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Effect {
    /// It is offered a version that it was not offered before.
    MovesNow,
    /// It is offered one later.
    MovesLater,
    /// Its offer is taken away.
    Stops,
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

    /// The version that the change is about: the one it moves to, else the one it is no longer offered.
    #[must_use]
    pub fn concerned_version(&self) -> Option<&Text> {
        let after = self.after.as_ref().and_then(|decision| decision.target_version.as_ref());
        let before = self.before.as_ref().and_then(Decision::offer);
        after.or(before)
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
    spec: Option<&'a ClientFleetSpec>,
    policies: HashMap<&'a str, &'a UpgradePolicySpec>,
}

impl<'a> Comparing<'a> {
    /// For the fleet of this name, in the estate as it is after the change.
    pub(super) fn new(namespace: &'a str, fleet: &'a Text, after: &'a Estate) -> Self {
        let is_it = |found: &&'a std::sync::Arc<ObservedFleet>| found.name() == fleet.as_str();
        let spec = after.fleets.iter().find(is_it).and_then(|found| found.spec.as_ref().ok());
        let policies = after.policies.iter();
        let policies = policies.filter_map(|p| Some((p.name(), p.spec.as_ref().ok()?))).collect();
        Self { namespace, fleet, spec, policies }
    }

    /// Tells of every client of both sides its entry after the change, and how it changes if it does.
    pub(super) fn run(
        &self,
        before: &[ClientStatus],
        after: &'a [ClientStatus],
        mut tell: impl FnMut(Option<&'a ClientStatus>, Option<ChangedClient>),
    ) {
        let mut left: HashMap<&str, &ClientStatus> =
            before.iter().map(|row| (row.name.as_str(), row)).collect();
        // Entries stand in the order of the spec.
        let clients = self.spec.and_then(|spec| spec.clients.as_deref()).unwrap_or_default();
        for (index, row) in after.iter().enumerate() {
            let client = clients.get(index).filter(|client| client.name == row.name);
            let before = left.remove(row.name.as_str());
            tell(Some(row), self.compare(before, row, client));
        }
        for row in before.iter().filter(|row| left.contains_key(row.name.as_str())) {
            tell(None, Some(self.gone(row)));
        }
    }

    fn compare(
        &self,
        before: Option<&ClientStatus>,
        row: &ClientStatus,
        client: Option<&Client>,
    ) -> Option<ChangedClient> {
        let before = before.map(Decision::of);
        let after = Decision::of(row);
        if before.as_ref().is_some_and(|before| before.is_same_as(&after)) {
            return None;
        }
        let when = self.when(&after, client);
        let effect = effect(before.as_ref(), Some(&after), &when);
        Some(ChangedClient { effect, when, before, after: Some(after), ..self.client(row) })
    }

    fn gone(&self, row: &ClientStatus) -> ChangedClient {
        let before = Decision::of(row);
        let effect = effect(Some(&before), None, &When::Never);
        ChangedClient { effect, before: Some(before), ..self.client(row) }
    }

    fn client(&self, row: &ClientStatus) -> ChangedClient {
        ChangedClient {
            namespace: self.namespace.to_owned(),
            fleet: self.fleet.clone(),
            name: row.name.clone(),
            computer: given(row.computer.as_ref()).cloned(),
            ip: given(row.ip.as_ref()).cloned(),
            version: given(row.version.as_ref()).cloned(),
            staged_version: given(row.staged_version.as_ref()).cloned(),
            effect: Effect::Other,
            when: When::Never,
            before: None,
            after: None,
        }
    }

    fn when(&self, after: &Decision, client: Option<&Client>) -> When {
        if after.is(State::Distributing) {
            When::Now
        } else if after.is(State::RestartRequired) {
            When::AtRestart
        } else if let Some(time) = after.next_transition_time {
            // Who is offered nothing now can only come to be offered something.
            When::From { time, time_zone: self.zone(after, client) }
        } else {
            When::Never
        }
    }

    /// The policy's zone, else the client's, else the fleet's.
    fn zone(&self, after: &Decision, client: Option<&Client>) -> Option<Text> {
        let policy = after.policy.as_ref().and_then(|name| self.policies.get(name.as_str()));
        let distribution = policy.and_then(|policy| policy.distribution.as_ref());
        let of_policy = given(distribution.and_then(|d| d.time_zone.as_ref()));
        let of_client = given(client.and_then(|client| client.time_zone.as_ref()));
        let of_fleet = given(self.spec.and_then(|spec| spec.time_zone.as_ref()));
        of_policy.or(of_client).or(of_fleet).cloned()
    }
}

fn effect(before: Option<&Decision>, after: Option<&Decision>, when: &When) -> Effect {
    let had = before.and_then(Decision::offer);
    match after.and_then(Decision::offer) {
        Some(offer) if !is_same_version(had, Some(offer)) => Effect::MovesNow,
        Some(_) => Effect::Other,
        None if had.is_some() => Effect::Stops,
        None if matches!(when, When::From { .. }) => Effect::MovesLater,
        None => Effect::Other,
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
            (waiting(), held(), Effect::Other),
            (waiting(), staged(), Effect::Other),
            (held(), None, Effect::Other),
        ];
        let estate = Estate::default();
        let fleet = Text::from("f");
        let comparing = Comparing::new("n", &fleet, &estate);
        for (before, after, expected) in cases {
            let when = after.as_ref().map_or(When::Never, |after| comparing.when(after, None));
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
            let client = Comparing::new("n", &fleet, &estate).client(&row);
            let client = ChangedClient { after: Some(after), ..client };
            assert_eq!(client.is_staged_against_its_decision(), expected, "{client:?}");
        }
        let withdrawn = Decision {
            reason: Reason::PackageWithdrawn.as_str().into(),
            ..decision("Blocked", "2", None)
        };
        let row = ClientStatus { staged_version: Some("2".into()), ..ClientStatus::default() };
        let client = Comparing::new("n", &fleet, &estate).client(&row);
        assert!(
            ChangedClient { after: Some(withdrawn), ..client }.is_staged_against_its_decision()
        );
    }
}
