//! Compares the previous decision for each client of a fleet with the new one, and returns the
//! differences. The module makes no decisions itself.

use std::collections::BTreeSet;

use super::cached_status::{CachedFleetStatus, CachedRow};
use super::state::State;
use crate::api::fleet::{ClientFleetStatus, ClientStatus};

/// Summary of the decision for one client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OfferState<'a> {
    /// State of the client; empty if this release does not recognize the stored state.
    pub state: &'a str,
    /// Reason for the state; empty if this release does not recognize the stored reason.
    pub reason: &'a str,
    /// Name of the governing policy.
    pub policy: Option<&'a str>,
    /// Version that the client should run.
    pub target: Option<&'a str>,
}

/// Change of a client's offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OfferChange {
    /// Start of an offer for a client that had no offer before.
    Begins,
    /// Replacement of an offer by an offer from another policy or for another version.
    Changes,
    /// End of an offer that no other offer replaces.
    Ends,
}

/// Change of the decision for one client.
#[derive(Clone, Debug, PartialEq)]
pub struct RowChange<'a> {
    /// Name of the client.
    pub client: &'a str,
    /// Previous decision; `None` if the client had no status row.
    pub from: Option<OfferState<'a>>,
    /// New decision; `None` if the client no longer has a status row.
    pub to: Option<OfferState<'a>>,
    /// New status row; `None` if the client no longer has one.
    pub row: Option<&'a ClientStatus>,
    /// Change of the client's offer, if any.
    pub offer: Option<OfferChange>,
}

/// Returns a change for each client whose state, reason, policy or target differs between `before`
/// and `after`. Clients in `after` come first, in row order, followed by the removed clients.
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
    /// Returns the offering policy and the offered version; `None` if the client has no offer.
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

    fn formatted(before: &[ClientStatus], after: &[ClientStatus]) -> Vec<String> {
        let before = CachedFleetStatus::of(status(before), None);
        let after = status(after);
        let short = |offer: &Option<OfferState<'_>>| match offer {
            Some(offer) => {
                format!("{} {} {}", offer.state, offer.reason, offer.target.unwrap_or("-"))
            }
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
        assert_eq!(formatted(&before, &[now]), [""; 0]);
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
        assert_eq!(formatted(&before, &after), expected);
    }

    #[test]
    fn another_policy_with_the_same_target_is_another_offer() {
        let before = row("a", Distributing, "UpgradeOffered", "2");
        let after = ClientStatus { policy: Some("canary".into()), ..before.clone() };
        let expected = "a: Distributing UpgradeOffered 2 -> Distributing UpgradeOffered 2, Changes";
        assert_eq!(formatted(&[before], &[after]), [expected]);
    }

    #[test]
    fn who_comes_goes_or_stands_elsewhere() {
        let [a, b, c] = ["a", "b", "c"].map(|name| row(name, Distributing, "UpgradeOffered", "2"));
        let before = [a.clone(), b.clone()];
        assert_eq!(formatted(&before, &[b.clone(), a.clone()]), [""; 0]);
        let expected = [
            "c: none -> Distributing UpgradeOffered 2, Begins",
            "a: Distributing UpgradeOffered 2 -> none, Ends",
        ];
        assert_eq!(formatted(&before, &[c, b]), expected);
        assert_eq!(formatted(&[a], &[]), ["a: Distributing UpgradeOffered 2 -> none, Ends"]);
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
            formatted(&[before], &[row("a", Held, "NoUpgrade", "2")]),
            [format!("a: {expected}")]
        );
    }
}
