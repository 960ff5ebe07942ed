//! Caches the distribution phases of each policy in each time zone, and the instants at which the
//! phases change, for all fleets that are planned together.
//!
//! The results do not depend on clients, so this module must not use the types that describe
//! clients.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use super::facts::ZoneFact;
use crate::values::{Openings, Phase, Timestamp};

/// Cache of phases and phase changes for a list of policies. Each policy is identified by its index
/// in the list.
#[derive(Debug)]
pub struct PhaseCache {
    /// Instant for which the plan is made.
    pub now: Timestamp,
    answers: Vec<RefCell<ByZone>>,
}

type ByZone = Vec<(ZoneFact, Rc<PhaseResults>)>;

impl PhaseCache {
    /// Creates an empty cache for a plan at `now`. `policies` is the number of policies.
    #[must_use]
    pub fn new(now: Timestamp, policies: usize) -> Self {
        Self { now, answers: (0..policies).map(|_| RefCell::default()).collect() }
    }

    /// Returns the cached results for the policy at index `place` and the time zone `zone`.
    pub(super) fn answers(&self, place: usize, zone: &ZoneFact) -> Rc<PhaseResults> {
        let Some(of_policy) = self.answers.get(place) else {
            return Rc::default();
        };
        let mut of_policy = of_policy.borrow_mut();
        if let Some((_, answers)) = of_policy.iter().find(|(known, _)| known == zone) {
            return Rc::clone(answers);
        }
        let answers = Rc::<PhaseResults>::default();
        of_policy.push((zone.clone(), Rc::clone(&answers)));
        answers
    }
}

/// Cached query results for the time range of one policy in one time zone. Most queries are for a
/// few instants: the instant of the plan and the next phase changes.
#[derive(Debug, Default)]
pub(super) struct PhaseResults {
    phases: ResultCache<Phase>,
    instants: [ResultCache<Option<Timestamp>>; 3],
    end: OnceCell<Option<Timestamp>>,
}

/// Query that returns an instant, such as the next opening of a time range.
#[derive(Clone, Copy, Debug)]
pub(super) enum RangeQuery {
    NextOpening,
    NextClosing,
    PhaseEnds,
}

impl PhaseResults {
    pub fn phase(&self, openings: Openings<'_>, t: Timestamp) -> Phase {
        self.phases.get_or(t, || openings.phase_at(t))
    }

    pub fn end(&self, openings: Openings<'_>) -> Option<Timestamp> {
        *self.end.get_or_init(|| openings.end())
    }

    pub fn instant(
        &self,
        question: RangeQuery,
        openings: Openings<'_>,
        t: Timestamp,
    ) -> Option<Timestamp> {
        self.instants[question as usize].get_or(t, || match question {
            RangeQuery::NextOpening => openings.next_opening(t),
            RangeQuery::NextClosing => openings.next_closing(t),
            RangeQuery::PhaseEnds => openings.phase_ends(t),
        })
    }
}

/// Cache of results by instant. Only the first [`MAX_REMEMBERED`] queried instants are stored.
#[derive(Debug)]
struct ResultCache<T>(RefCell<Vec<(Timestamp, T)>>);

/// Maximum number of cached instants. With more instants, a lookup could take longer than computing
/// the result.
const MAX_REMEMBERED: usize = 16;

impl<T> Default for ResultCache<T> {
    fn default() -> Self {
        Self(RefCell::default())
    }
}

impl<T: Copy> ResultCache<T> {
    fn get_or(&self, t: Timestamp, ask: impl FnOnce() -> T) -> T {
        let mut known = self.0.borrow_mut();
        if let Some((_, answer)) = known.iter().find(|(about, _)| *about == t) {
            return *answer;
        }
        let answer = ask();
        if known.len() < MAX_REMEMBERED {
            known.push((t, answer));
        }
        answer
    }
}
