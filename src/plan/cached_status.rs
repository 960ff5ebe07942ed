//! Defines the part of a fleet's stored status that planning keeps in memory, because the full
//! status rows of all clients would take too much memory.
//!
//! Planning needs only each client's state, the start time of the state, and the last offer.
//! Reason, policy and target are kept to report what a new status changes.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use super::state::{Reason, State};
use crate::api::fleet::{ClientFleetSpec, ClientFleetStatus, ClientStatus, LastOffer};
use crate::api::{Condition, Text};
use crate::values::Timestamp;

/// Part of a fleet's stored status that planning keeps in memory.
#[derive(Clone, Debug)]
pub struct CachedFleetStatus {
    /// Fleet generation from which the status was computed.
    pub observed_generation: Option<i64>,
    /// Conditions of the stored status. The next status copies the `lastTransitionTime` of each
    /// unchanged condition.
    pub conditions: Vec<Condition>,
    names: Names,
    rows: Box<[StoredRow]>,
    /// Policy names and target versions, which the rows refer to by index.
    words: Box<[Text]>,
    /// Offers, which the rows refer to by index, because most rows share an offer.
    offers: Box<[LastOffer]>,
}

/// Client names in row order.
#[derive(Clone, Debug)]
enum Names {
    /// Fleet spec that starts with the clients of the rows, in row order.
    Spec(Arc<ClientFleetSpec>),
    /// Separate list, used if the spec cannot be read or does not start with the clients of the
    /// rows in row order.
    Own(Box<[Text]>),
}

/// Cached part of one client's status row. Policy, target and offer are indexes, counted from 1,
/// into the lists of [`CachedFleetStatus`].
#[derive(Clone, Copy, Debug)]
struct StoredRow {
    state: Option<State>,
    reason: Option<Reason>,
    policy: Option<NonZeroU16>,
    target: Option<NonZeroU16>,
    offer: Option<NonZeroU16>,
    since: Option<Timestamp>,
}

/// Cached part of one client's status row, with the client's name.
#[derive(Clone, Copy, Debug)]
pub struct CachedRow<'a> {
    fleet: &'a CachedFleetStatus,
    row: &'a StoredRow,
    /// Name of the client.
    pub name: &'a Text,
}

impl<'a> CachedRow<'a> {
    /// Returns the client's stored state; `None` if this release does not recognize the state.
    #[must_use]
    pub fn state(self) -> Option<State> {
        self.row.state
    }

    /// Returns the stored reason for the state; `None` if this release does not recognize the
    /// reason.
    #[must_use]
    pub fn reason(self) -> Option<Reason> {
        self.row.reason
    }

    /// Returns the instant at which the client entered the stored state.
    #[must_use]
    pub fn since(self) -> Option<Timestamp> {
        self.row.since
    }

    /// Returns the stored name of the governing policy, if there is one.
    #[must_use]
    pub fn policy(self) -> Option<&'a Text> {
        nth(&self.fleet.words, self.row.policy)
    }

    /// Returns the client's stored target version, if there is one.
    #[must_use]
    pub fn target(self) -> Option<&'a Text> {
        nth(&self.fleet.words, self.row.target)
    }

    /// Returns the last offer to the client, if the row contains one.
    #[must_use]
    pub fn offer(self) -> Option<&'a LastOffer> {
        nth(&self.fleet.offers, self.row.offer)
    }
}

fn nth<T>(list: &[T], place: Option<NonZeroU16>) -> Option<&T> {
    list.get(usize::from(place?.get()) - 1)
}

impl CachedFleetStatus {
    /// Extracts the part of a status that planning keeps. `spec` is the fleet's spec, or `None` if
    /// it cannot be read.
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

    /// Returns the cached status without a reference to the fleet's old spec, so that the old spec
    /// can be freed. `spec` is the new spec, or `None` if it cannot be read.
    #[must_use]
    pub(super) fn for_spec(self: &Arc<Self>, spec: Option<&Arc<ClientFleetSpec>>) -> Arc<Self> {
        if self.names.are_of(spec) {
            return Arc::clone(self);
        }
        let names = Names::of((0..self.rows.len()).map(|index| self.names.nth(index)), spec);
        Arc::new(Self { names, ..Self::clone(self) })
    }

    /// Returns a lookup of rows by client name.
    #[must_use]
    pub(crate) fn lookup(&self) -> CachedRows<'_> {
        CachedRows { fleet: self, by_name: None }
    }

    /// Returns the rows in stored order.
    #[must_use]
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

    /// Returns whether the names are stored in `spec` itself. Another spec with equal names does
    /// not count.
    fn are_of(&self, spec: Option<&Arc<ClientFleetSpec>>) -> bool {
        match self {
            Self::Spec(own) => spec.is_some_and(|spec| Arc::ptr_eq(own, spec)),
            Self::Own(_) => false,
        }
    }

    fn nth(&self, index: usize) -> &Text {
        match self {
            Self::Spec(spec) => &spec.clients.as_deref().unwrap_or_default()[index].name,
            Self::Own(names) => &names[index],
        }
    }
}

/// Lookup of stored status rows by client name. The lookup checks the row at the client's index
/// first, and builds a map of all names only if that row belongs to another client.
#[derive(Debug)]
pub struct CachedRows<'a> {
    fleet: &'a CachedFleetStatus,
    by_name: Option<BTreeMap<&'a str, usize>>,
}

impl<'a> CachedRows<'a> {
    /// Returns the stored row of the client `name`, if there is one. `index` is the client's index
    /// in the spec.
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

/// List of values that rows refer to by index. A value may occur more than once, because only the
/// last [`MAX_SEARCHED_VALUES`] values are searched for duplicates.
struct ValueList<T>(Vec<T>);

impl<T> Default for ValueList<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Maximum number of values that are searched for a duplicate, from the end of a [`ValueList`]. The
/// number can be small, because neighboring rows mostly have equal values.
const MAX_SEARCHED_VALUES: usize = 16;

impl<T: PartialEq> ValueList<T> {
    /// Returns the index of `thing`, counted from 1, and adds `thing` to the list if necessary.
    /// Returns `None` if the index does not fit in 16 bits.
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
