//! Aggregates the plans of all fleets of a namespace, for the statuses of policies and the metrics.
//!
//! Fleets are added and removed one by one, so the cost of a change does not depend on the number
//! of fleets. The same function adds and removes a value, so a removal always undoes the addition.

mod contribution;
mod namespace;
mod policy;

use std::collections::BTreeMap;

pub use contribution::{Hits, PolicyContribution, WithdrawnCounts};
pub use namespace::{NamespaceAggregates, NamespaceCounts, PlanRecord};
pub use policy::PolicyAggregate;

/// Kind of change to an aggregate: the values of one fleet are added or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Addition of the values of a fleet.
    Add,
    /// Removal of the values of a fleet. They must equal the values that were added.
    Remove,
}

impl Change {
    fn count(self, counter: &mut u32, number: u32) {
        match self {
            Self::Add => *counter += number,
            Self::Remove => *counter -= number,
        }
    }
}

#[derive(Clone, Debug)]
struct MultiSet<T>(BTreeMap<T, u32>);

impl<T> Default for MultiSet<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Ord + Clone> MultiSet<T> {
    fn change(&mut self, change: Change, value: &T) {
        match (self.0.get_mut(value), change) {
            (Some(count), Change::Add) => *count += 1,
            (Some(count), Change::Remove) if *count > 1 => *count -= 1,
            (Some(_), Change::Remove) => drop(self.0.remove(value)),
            (None, Change::Add) => drop(self.0.insert(value.clone(), 1)),
            (None, Change::Remove) => {}
        }
    }
}
