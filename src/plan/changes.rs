//! What a new status changes for the clients of a fleet: from what was decided for each before to what
//! is decided now. Compares; decides nothing.

use std::collections::BTreeSet;

use super::cached_status::{CachedFleetStatus, CachedRow};
use super::state::State;
use crate::api::fleet::{ClientFleetStatus, ClientStatus};

/// What is decided for one client, in short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferState<'a> {
    /// Its state; empty where an older or newer release wrote one that is not ours.
    pub state: &'a str,
    /// Why.
    pub reason: &'a str,
    /// The policy that governs it.
    pub policy: Option<&'a str>,
    /// The version it should run.
    pub target: Option<&'a str>,
}

/// What becomes of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferChange {
    /// It is made.
    Begins,
    /// Another one takes its place.
    Changes,
    /// It is taken back.
    Ends,
}

/// What changes for one client.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange<'a> {
    /// The client's name.
    pub client: &'a str,
    /// What was decided before; `None` where there was no entry.
    pub from: Option<OfferState<'a>>,
    /// What is decided now; `None` where there is no entry any more.
    pub to: Option<OfferState<'a>>,
    /// The new entry.
    pub row: Option<&'a ClientStatus>,
    /// What that means for its offer.
    pub offer: Option<OfferChange>,
}

/// The changes of state, reason, policy or target that `after` makes to `before`: those of the new
/// entries in their order, then the clients that have lost theirs.
#[must_use]
pub fn changes<'a>(
    before: Option<&'a CachedFleetStatus>,
    after: &'a ClientFleetStatus,
) -> Vec<RowChange<'a>> {
    let rows = after.clients.as_deref().unwrap_or_default();
    let mut previous = before.map(CachedFleetStatus::lookup);
    let mut changes = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let from = previous.as_mut().and_then(|rows| rows.find(index, &row.name));
        let from = from.map(state_before);
        let to = state_after(row);
        if from.as_ref() != Some(&to) {
            changes.push(RowChange::new(&row.name, from, Some(to), Some(row)));
        }
    }
    if let Some(before) = before {
        changes.extend(removed(before, rows));
    }
    changes
}

/// The clients that had an entry and have none now.
fn removed<'a>(before: &'a CachedFleetStatus, rows: &[ClientStatus]) -> Vec<RowChange<'a>> {
    let stands = |(index, row): (usize, CachedRow<'_>)| {
        rows.get(index).is_some_and(|now| now.name == *row.name)
    };
    if before.rows().enumerate().all(stands) {
        return Vec::new();
    }
    let names: BTreeSet<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let gone = before.rows().filter(|row| !names.contains(row.name.as_str()));
    gone.map(|row| RowChange::new(row.name, Some(state_before(row)), None, None)).collect()
}

impl<'a> RowChange<'a> {
    fn new(
        client: &'a str,
        from: Option<OfferState<'a>>,
        to: Option<OfferState<'a>>,
        row: Option<&'a ClientStatus>,
    ) -> Self {
        let offer = offer_change(from.as_ref(), to.as_ref());
        Self { client, from, to, row, offer }
    }
}

fn offer_change(from: Option<&OfferState<'_>>, to: Option<&OfferState<'_>>) -> Option<OfferChange> {
    match (from.and_then(OfferState::offer), to.and_then(OfferState::offer)) {
        (None, None) => None,
        (None, Some(_)) => Some(OfferChange::Begins),
        (Some(_), None) => Some(OfferChange::Ends),
        (Some(from), Some(to)) => (from != to).then_some(OfferChange::Changes),
    }
}

impl OfferState<'_> {
    /// The policy and the target that are offered, while one is.
    fn offer(&self) -> Option<(Option<&str>, Option<&str>)> {
        let is_offered = self.state == State::Distributing.as_str();
        is_offered.then_some((self.policy, self.target))
    }
}

fn state_before(row: CachedRow<'_>) -> OfferState<'_> {
    OfferState {
        state: row.state().map_or("", State::as_str),
        reason: row.reason().map_or("", super::Reason::as_str),
        policy: row.policy().map(|text| text.as_str()),
        target: row.target().map(|text| text.as_str()),
    }
}

fn state_after(row: &ClientStatus) -> OfferState<'_> {
    OfferState {
        state: &row.state,
        reason: &row.reason,
        policy: row.policy.as_deref(),
        target: row.target_version.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, state: State, reason: &'static str, target: &str) -> ClientStatus {
        ClientStatus {
            name: name.into(),
            state: state.as_str().into(),
            reason: reason.into(),
            policy: Some("night".into()),
            target_version: Some(target.into()),
            ..ClientStatus::default()
        }
    }

    fn status(rows: &[ClientStatus]) -> ClientFleetStatus {
        ClientFleetStatus { clients: Some(rows.to_vec()), ..ClientFleetStatus::default() }
    }

    /// Each change on a line, as `pc: Waiting OutsideWindow -> Distributing UpgradeOffered, Begins`.
    fn told(before: &[ClientStatus], after: &[ClientStatus]) -> Vec<String> {
        let before = CachedFleetStatus::of(status(before), None);
        let after = status(after);
        let short = |told: &Option<OfferState<'_>>| match told {
            Some(told) => format!("{} {} {}", told.state, told.reason, told.target.unwrap_or("-")),
            None => "none".to_owned(),
        };
        let line = |change: &RowChange<'_>| {
            let offer = change.offer.map_or(String::new(), |offer| format!(", {offer:?}"));
            format!("{}: {} -> {}{offer}", change.client, short(&change.from), short(&change.to))
        };
        changes(Some(&before), &after).iter().map(line).collect()
    }

    use State::{Distributing, Held, Waiting};

    #[test]
    fn what_is_the_same_is_no_change() {
        let mut now = row("a", Waiting, "OutsideWindow", "2");
        let before = [now.clone()];
        now.version = Some("1".into());
        now.computer = Some("A".into());
        assert_eq!(told(&before, &[now]), [""; 0]);
    }

    #[test]
    fn each_decision_that_differs_is_one() {
        let before = [
            row("a", Waiting, "OutsideWindow", "2"),
            row("b", Distributing, "UpgradeOffered", "2"),
            row("c", Distributing, "UpgradeOffered", "2"),
            row("d", Held, "NoUpgrade", "2"),
        ];
        let after = [
            row("a", Distributing, "UpgradeOffered", "2"),
            row("b", Distributing, "UpgradeOffered", "3"),
            row("c", Waiting, "OutsideWindow", "2"),
            row("d", Held, "PolicySuspended", "2"),
        ];
        let expected = [
            "a: Waiting OutsideWindow 2 -> Distributing UpgradeOffered 2, Begins",
            "b: Distributing UpgradeOffered 2 -> Distributing UpgradeOffered 3, Changes",
            "c: Distributing UpgradeOffered 2 -> Waiting OutsideWindow 2, Ends",
            "d: Held NoUpgrade 2 -> Held PolicySuspended 2",
        ];
        assert_eq!(told(&before, &after), expected);
    }

    #[test]
    fn another_policy_with_the_same_target_is_another_offer() {
        let before = row("a", Distributing, "UpgradeOffered", "2");
        let after = ClientStatus { policy: Some("canary".into()), ..before.clone() };
        let expected = "a: Distributing UpgradeOffered 2 -> Distributing UpgradeOffered 2, Changes";
        assert_eq!(told(&[before], &[after]), [expected]);
    }

    #[test]
    fn who_comes_goes_or_stands_elsewhere() {
        let [a, b, c] = ["a", "b", "c"].map(|name| row(name, Distributing, "UpgradeOffered", "2"));
        let before = [a.clone(), b.clone()];
        assert_eq!(told(&before, &[b.clone(), a.clone()]), [""; 0]);
        let expected = [
            "c: none -> Distributing UpgradeOffered 2, Begins",
            "a: Distributing UpgradeOffered 2 -> none, Ends",
        ];
        assert_eq!(told(&before, &[c, b]), expected);
        assert_eq!(told(&[a], &[]), ["a: Distributing UpgradeOffered 2 -> none, Ends"]);
    }

    #[test]
    fn the_first_status_tells_of_everybody() {
        let after = status(&[row("a", Held, "NoUpgrade", "2")]);
        let changes = changes(None, &after);
        assert_eq!(changes.len(), 1);
        assert_eq!((changes[0].from.as_ref(), changes[0].offer), (None, None));
    }

    #[test]
    fn words_of_another_release_are_told_as_unknown() {
        let before = ClientStatus { state: "Paused".into(), ..row("a", Held, "NoUpgrade", "2") };
        let expected = " NoUpgrade 2 -> Held NoUpgrade 2";
        assert_eq!(
            told(&[before], &[row("a", Held, "NoUpgrade", "2")]),
            [format!("a: {expected}")]
        );
    }
}
