//! What one fleet adds to the status of one policy.

use super::facts::{Facts, ZoneFact};
use super::outlook::{Outlook, earlier};
use super::policy::Policy;
use super::scope::{Scope, Selector};
use super::state::State;
use crate::api::Summary;
use crate::values::Timestamp;

/// The sums over the clients of a fleet that is in the policy's scope.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Clients in scope, whether or not the policy governs them.
    pub matched_clients: u32,
    /// The clients it governs.
    pub governed: Summary,
    /// The earliest change of a governed client's offer.
    pub next_transition: Option<Timestamp>,
    /// The zones of the governed clients, each once.
    pub zones: Vec<ZoneFact>,
    /// Which parts of the scope have matched a client.
    pub hits: Hits,
}

impl Tally {
    /// One with nothing counted yet.
    #[must_use]
    pub fn of(policy: &Policy) -> Self {
        Self { hits: Hits::none(&policy.scope), ..Self::default() }
    }

    /// Counts a governed client.
    pub fn govern(&mut self, state: State, zone: &ZoneFact, outlook: &Outlook) {
        self.governed.count(state);
        self.next_transition = earlier(self.next_transition, outlook.next_transition);
        self.note_zone(zone);
    }

    /// Adds what another fleet adds.
    pub fn add(&mut self, other: &Self) {
        self.matched_clients += other.matched_clients;
        self.governed.add(other.governed);
        self.next_transition = earlier(self.next_transition, other.next_transition);
        for zone in &other.zones {
            self.note_zone(zone);
        }
        self.hits.add(&other.hits);
    }

    fn note_zone(&mut self, zone: &ZoneFact) {
        if !self.zones.contains(zone) {
            self.zones.push(zone.clone());
        }
    }
}

/// For each selector of a scope, whether it and the values it lists have matched a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hits(Vec<SelectorHits>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct SelectorHits {
    selector: bool,
    entries: Vec<bool>,
}

/// A scope's selectors with the name of the list they stand in, their place in it, and what one of
/// their criteria that cannot be read counts as.
fn selectors(scope: &Scope) -> impl Iterator<Item = (&'static str, usize, &Selector, bool)> {
    let clients = scope.clients.iter().flatten().enumerate();
    let exclude = scope.exclude.iter().enumerate();
    clients
        .map(|(index, selector)| ("clients", index, selector, true))
        .chain(exclude.map(|(index, selector)| ("exclude", index, selector, false)))
}

impl Hits {
    fn none(scope: &Scope) -> Self {
        let none = |selector: &Selector| SelectorHits {
            selector: false,
            entries: vec![false; selector.entries().len()],
        };
        Self(selectors(scope).map(|(_, _, selector, _)| none(selector)).collect())
    }

    /// Notes what a client of a matched fleet matches.
    pub fn note(&mut self, scope: &Scope, client: &Facts<'_>) {
        for ((_, _, selector, if_unreadable), hits) in selectors(scope).zip(&mut self.0) {
            let subject = client.subject();
            hits.selector = hits.selector || selector.matches(&subject, if_unreadable);
            for (entry, hit) in selector.entries().iter().zip(&mut hits.entries) {
                *hit = *hit || entry.matches(&subject);
            }
        }
    }

    fn add(&mut self, other: &Self) {
        for (mine, others) in self.0.iter_mut().zip(&other.0) {
            mine.selector |= others.selector;
            for (mine, others) in mine.entries.iter_mut().zip(&others.entries) {
                *mine |= *others;
            }
        }
    }

    /// What has matched nobody, in the order of the scope, as
    /// `scope.clients[0].names: LT-VIP7`, or as `scope.exclude[1]` for a selector that matches
    /// nobody though none of its values is listed.
    pub fn unmatched<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = String> + 'a {
        selectors(scope).zip(&self.0).flat_map(|((list, index, selector, _), hits)| {
            let missed = selector.entries().iter().zip(&hits.entries).filter(|(_, hit)| !**hit);
            let mut lines: Vec<String> = missed
                .map(|(entry, _)| format!("scope.{list}[{index}].{}: {}", entry.list, entry.value))
                .collect();
            if lines.is_empty() && !hits.selector {
                lines.push(format!("scope.{list}[{index}]"));
            }
            lines
        })
    }
}
