//! What is kept of a fleet's previous status: rows take the more memory the more of them are kept
//! whole, and a plan needs only since when a client is in its state and what it was offered last. To
//! tell what a new status changes, reason, policy and target are kept as well, in six bytes a client.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use super::state::{Reason, State};
use crate::api::fleet::{ClientFleetSpec, ClientFleetStatus, ClientStatus, LastOffer};
use crate::api::{Condition, Text};
use crate::values::Timestamp;

/// What is kept of a fleet's status.
#[derive(Clone, Debug)]
pub struct CachedFleetStatus {
    /// The generation it was computed from.
    pub observed_generation: Option<i64>,
    /// Its conditions, for the time of their last change.
    pub conditions: Vec<Condition>,
    names: Names,
    rows: Box<[StoredRow]>,
    /// The policies and targets that its rows name, each once.
    words: Box<[Text]>,
    /// The offers that its rows name, which mostly have them in common.
    offers: Box<[LastOffer]>,
}

/// The names of the clients, in the order of the rows.
#[derive(Clone, Debug)]
enum Names {
    /// Those of the spec that the status belongs to.
    Spec(Arc<ClientFleetSpec>),
    /// Others, or in another order.
    Own(Box<[Text]>),
}

/// What is kept of one client's entry; policy, target and offer by their place, counted from one.
#[derive(Clone, Copy, Debug)]
struct StoredRow {
    state: Option<State>,
    reason: Option<Reason>,
    policy: Option<NonZeroU16>,
    target: Option<NonZeroU16>,
    offer: Option<NonZeroU16>,
    since: Option<Timestamp>,
}

/// One client's entry, as far as it is kept.
#[derive(Clone, Copy, Debug)]
pub struct CachedRow<'a> {
    fleet: &'a CachedFleetStatus,
    row: &'a StoredRow,
    /// The client's name.
    pub name: &'a Text,
}

impl<'a> CachedRow<'a> {
    /// Its state then; `None` where that is not one of ours.
    #[must_use]
    pub fn state(self) -> Option<State> {
        self.row.state
    }

    /// Why it was in that state.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        self.row.reason
    }

    /// Since when it was in that state.
    #[must_use]
    pub fn since(self) -> Option<Timestamp> {
        self.row.since
    }

    /// The policy that governed it.
    #[must_use]
    pub fn policy(self) -> Option<&'a Text> {
        nth(&self.fleet.words, self.row.policy)
    }

    /// Its target.
    #[must_use]
    pub fn target(self) -> Option<&'a Text> {
        nth(&self.fleet.words, self.row.target)
    }

    /// Its last offer.
    #[must_use]
    pub fn offer(self) -> Option<&'a LastOffer> {
        nth(&self.fleet.offers, self.row.offer)
    }
}

fn nth<T>(list: &[T], place: Option<NonZeroU16>) -> Option<&T> {
    list.get(usize::from(place?.get()) - 1)
}

impl CachedFleetStatus {
    /// Keeps what is needed of the status of a fleet with this spec, if it can be read.
    #[must_use]
    pub fn of(status: ClientFleetStatus, spec: Option<&Arc<ClientFleetSpec>>) -> Self {
        let rows = status.clients.unwrap_or_default();
        let names = Names::of(rows.iter().map(|row| &row.name), spec);
        let (mut words, mut offers) = (ValueList::default(), ValueList::default());
        let keep = |row: ClientStatus| StoredRow {
            state: State::from_word(&row.state),
            reason: Reason::from_word(&row.reason),
            policy: words.of(row.policy.filter(|policy| !policy.is_empty())),
            target: words.of(row.target_version.filter(|target| !target.is_empty())),
            offer: offers.of(row.last_offer.map(|offer| *offer)),
            since: row.last_transition_time,
        };
        Self {
            observed_generation: status.observed_generation,
            conditions: status.conditions,
            names,
            rows: rows.into_iter().map(keep).collect(),
            words: words.0.into(),
            offers: offers.0.into(),
        }
    }

    /// The same status of a fleet that has this spec now.
    #[must_use]
    pub(super) fn for_spec(self: &Arc<Self>, spec: Option<&Arc<ClientFleetSpec>>) -> Arc<Self> {
        if self.names.are_of(spec) {
            return Arc::clone(self);
        }
        let names = Names::of((0..self.rows.len()).map(|index| self.names.nth(index)), spec);
        Arc::new(Self { names, ..Self::clone(self) })
    }

    /// Its entries by name. Rows keep the order of the spec, so that the entry is found at
    /// `index` unless clients have come or gone.
    #[must_use]
    pub fn lookup(&self) -> CachedRows<'_> {
        CachedRows { fleet: self, by_name: None }
    }

    /// Its entries, in the order in which they stand.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = CachedRow<'_>> {
        (0..self.rows.len()).map(|index| self.row(index))
    }

    fn row(&self, index: usize) -> CachedRow<'_> {
        CachedRow { fleet: self, row: &self.rows[index], name: self.names.nth(index) }
    }
}

impl Names {
    fn of<'a>(
        names: impl ExactSizeIterator<Item = &'a Text> + Clone,
        spec: Option<&Arc<ClientFleetSpec>>,
    ) -> Self {
        let clients = spec.and_then(|spec| spec.clients.as_deref()).unwrap_or_default();
        let is_same = names.len() <= clients.len()
            && names.clone().zip(clients).all(|(name, client)| *name == client.name);
        match spec.filter(|_| is_same) {
            Some(spec) => Self::Spec(Arc::clone(spec)),
            None => Self::Own(names.cloned().collect()),
        }
    }

    /// Whether they are those of this spec, itself.
    fn are_of(&self, spec: Option<&Arc<ClientFleetSpec>>) -> bool {
        match self {
            Self::Spec(own) => spec.is_some_and(|spec| Arc::ptr_eq(own, spec)),
            Self::Own(_) => false,
        }
    }

    /// The name at a place at which there is a row.
    fn nth(&self, index: usize) -> &Text {
        match self {
            Self::Spec(spec) => &spec.clients.as_deref().unwrap_or_default()[index].name,
            Self::Own(names) => &names[index],
        }
    }
}

/// Finds previous entries; builds an index only when the order has changed.
#[derive(Debug)]
pub struct CachedRows<'a> {
    fleet: &'a CachedFleetStatus,
    by_name: Option<BTreeMap<&'a str, usize>>,
}

impl<'a> CachedRows<'a> {
    /// The entry of client `name`, which stands at `index` in the spec.
    pub fn find(&mut self, index: usize, name: &str) -> Option<CachedRow<'a>> {
        let fleet = self.fleet;
        if index < fleet.rows.len() && fleet.names.nth(index).as_str() == name {
            return Some(fleet.row(index));
        }
        let by_name = self.by_name.get_or_insert_with(|| {
            fleet.rows().enumerate().map(|(index, row)| (row.name.as_str(), index)).collect()
        });
        by_name.get(name).map(|&index| fleet.row(index))
    }
}

/// Things that many name and are kept once, or nearly: of those before only the last few are looked at.
struct ValueList<T>(Vec<T>);

impl<T> Default for ValueList<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Neighbours have mostly the same.
const MAX_SEARCHED_VALUES: usize = 16;

impl<T: PartialEq> ValueList<T> {
    /// The place of a thing, counted from one; of more than fit in 16 bits there are none.
    fn of(&mut self, thing: Option<T>) -> Option<NonZeroU16> {
        let thing = thing?;
        let first = self.0.len().saturating_sub(MAX_SEARCHED_VALUES);
        let known = self.0[first..].iter().rposition(|known| *known == thing);
        let place = known.map_or_else(
            || {
                self.0.push(thing);
                self.0.len()
            },
            |known| first + known + 1,
        );
        NonZeroU16::new(u16::try_from(place).ok()?)
    }
}
