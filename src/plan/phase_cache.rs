//! What the time ranges of policies say about an instant in each zone: worked out once, when somebody
//! asks first, for all the fleets of a namespace. Knows nothing of clients.

use std::cell::RefCell;
use std::rc::Rc;

use super::facts::ZoneFact;
use crate::values::{Openings, Phase, Timestamp};

/// The answers for some policies, each told by its place among them.
#[derive(Debug)]
pub struct PhaseCache {
    /// The instant that is planned for.
    pub now: Timestamp,
    answers: Vec<RefCell<ByZone>>,
}

type ByZone = Vec<(ZoneFact, Rc<PhaseResults>)>;

impl PhaseCache {
    /// An empty one for so many policies.
    #[must_use]
    pub fn new(now: Timestamp, policies: usize) -> Self {
        Self { now, answers: (0..policies).map(|_| RefCell::default()).collect() }
    }

    /// The answers of the policy at `place` for clients in `zone`.
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

/// What one policy's range says in one zone about the instants that are asked for: the one that is
/// planned for, and those of the next changes, which clients have in common.
#[derive(Debug, Default)]
pub(super) struct PhaseResults {
    phases: ResultCache<Phase>,
    instants: [ResultCache<Option<Timestamp>>; 3],
}

/// Something that is asked of a range about an instant.
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

/// The answers about the first instants that were asked for.
#[derive(Debug)]
struct ResultCache<T>(RefCell<Vec<(Timestamp, T)>>);

/// Looking for one must not take longer than asking.
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
