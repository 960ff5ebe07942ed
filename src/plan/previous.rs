//! What is kept of a fleet's previous status: rows take the more memory the more of them are kept
//! whole, and a plan needs only since when a client is in its state and what it was offered last. To
//! tell what a new status changes, reason, policy and target are kept as well, in six bytes a client.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use super::state::{Reason, State};
use crate::api::fleet::{ClientFleetStatus, LastOffer};
use crate::api::{Condition, Text};
use crate::values::Timestamp;

/// What is kept of a fleet's status.
#[derive(Clone, Debug)]
pub struct PreviousFleet {
    /// The generation it was computed from.
    pub observed_generation: Option<i64>,
    /// Its conditions, for the time of their last change.
    pub conditions: Vec<Condition>,
    rows: Box<[PreviousRow]>,
    /// The policies and targets that its rows name, each once.
    words: Box<[Text]>,
}

/// What is kept of one client's entry.
#[derive(Clone, Debug)]
pub struct PreviousRow {
    /// The client's name.
    pub name: Text,
    /// Its state then; `None` where that is not one of ours.
    pub state: Option<State>,
    /// Why it was in that state.
    pub reason: Option<Reason>,
    policy: Option<NonZeroU16>,
    target: Option<NonZeroU16>,
    /// Since when it was in that state.
    pub since: Option<Timestamp>,
    /// Its last offer.
    pub offer: Option<Box<LastOffer>>,
}

impl PreviousFleet {
    /// Its entries by name. Rows keep the order of the spec, so that the entry is found at
    /// `index` unless clients have come or gone.
    #[must_use]
    pub fn lookup(&self) -> PreviousRows<'_> {
        PreviousRows { rows: &self.rows, by_name: None }
    }

    /// Its entries, in the order in which they stand.
    #[must_use]
    pub fn rows(&self) -> &[PreviousRow] {
        &self.rows
    }

    /// The policy that governed a client.
    #[must_use]
    pub fn policy_of(&self, row: &PreviousRow) -> Option<&Text> {
        self.word(row.policy)
    }

    /// A client's target.
    #[must_use]
    pub fn target_of(&self, row: &PreviousRow) -> Option<&Text> {
        self.word(row.target)
    }

    fn word(&self, place: Option<NonZeroU16>) -> Option<&Text> {
        self.words.get(usize::from(place?.get()) - 1)
    }
}

/// Finds previous entries; builds an index only when the order has changed.
#[derive(Debug)]
pub struct PreviousRows<'a> {
    rows: &'a [PreviousRow],
    by_name: Option<BTreeMap<&'a str, usize>>,
}

impl<'a> PreviousRows<'a> {
    /// The entry of client `name`, which stands at `index` in the spec.
    pub fn find(&mut self, index: usize, name: &str) -> Option<&'a PreviousRow> {
        if let Some(row) = self.rows.get(index).filter(|row| row.name.as_str() == name) {
            return Some(row);
        }
        let rows = self.rows;
        let by_name = self.by_name.get_or_insert_with(|| {
            rows.iter().enumerate().map(|(index, row)| (row.name.as_str(), index)).collect()
        });
        by_name.get(name).map(|&index| &rows[index])
    }
}

impl From<ClientFleetStatus> for PreviousFleet {
    fn from(status: ClientFleetStatus) -> Self {
        let mut words = Words::default();
        let rows = status.clients.unwrap_or_default().into_iter().map(|row| PreviousRow {
            state: State::from_word(&row.state),
            reason: Reason::from_word(&row.reason),
            policy: words.place_of(row.policy),
            target: words.place_of(row.target_version),
            name: row.name,
            since: row.last_transition_time,
            offer: row.last_offer,
        });
        let rows = rows.collect();
        Self {
            observed_generation: status.observed_generation,
            conditions: status.conditions,
            rows,
            words: words.0.into(),
        }
    }
}

/// Words that are kept once, however many name them.
#[derive(Default)]
struct Words(Vec<Text>);

impl Words {
    /// The place of a word, counted from one; of more than fit in 16 bits there are none.
    fn place_of(&mut self, word: Option<Text>) -> Option<NonZeroU16> {
        let word = word.filter(|word| !word.is_empty())?;
        // Neighbours have mostly the same: from the end.
        let known = self.0.iter().rposition(|known| *known == word);
        let place = known.unwrap_or_else(|| {
            self.0.push(word);
            self.0.len() - 1
        });
        NonZeroU16::new(u16::try_from(place + 1).ok()?)
    }
}
