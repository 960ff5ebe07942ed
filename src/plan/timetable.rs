//! What the time ranges of policies say about the instant that is planned for, in each zone: worked out
//! once, when somebody asks first, for all the fleets of a namespace. Knows nothing of clients.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use super::facts::ZoneFact;
use crate::values::{Openings, Phase, Timestamp};

/// The answers for some policies, each told by its place among them.
#[derive(Debug)]
pub struct Timetable {
    /// The instant that they are about.
    pub now: Timestamp,
    answers: Vec<RefCell<ByZone>>,
}

type ByZone = Vec<(ZoneFact, Rc<Answers>)>;

impl Timetable {
    /// An empty one for so many policies.
    #[must_use]
    pub fn new(now: Timestamp, policies: usize) -> Self {
        Self { now, answers: (0..policies).map(|_| RefCell::default()).collect() }
    }

    /// The answers of the policy at `place` for clients in `zone`.
    pub(super) fn answers(&self, place: usize, zone: &ZoneFact) -> Rc<Answers> {
        let Some(of_policy) = self.answers.get(place) else {
            return Rc::new(Answers::at(self.now));
        };
        let mut of_policy = of_policy.borrow_mut();
        if let Some((_, answers)) = of_policy.iter().find(|(known, _)| known == zone) {
            return Rc::clone(answers);
        }
        let answers = Rc::new(Answers::at(self.now));
        of_policy.push((zone.clone(), Rc::clone(&answers)));
        answers
    }
}

/// What one policy's range says in one zone about one instant.
#[derive(Debug)]
pub(super) struct Answers {
    now: Timestamp,
    phase: OnceCell<Phase>,
    instants: [OnceCell<Option<Timestamp>>; 3],
}

/// Something that is asked of a range about an instant.
#[derive(Clone, Copy, Debug)]
pub(super) enum Question {
    NextOpening,
    NextClosing,
    PhaseEnds,
}

impl Answers {
    pub fn at(now: Timestamp) -> Self {
        Self { now, phase: OnceCell::new(), instants: Default::default() }
    }

    pub fn phase(&self, openings: Openings<'_>, t: Timestamp) -> Phase {
        let ask = || openings.phase_at(t);
        if t == self.now { *self.phase.get_or_init(ask) } else { ask() }
    }

    pub fn instant(
        &self,
        question: Question,
        openings: Openings<'_>,
        t: Timestamp,
    ) -> Option<Timestamp> {
        let ask = || match question {
            Question::NextOpening => openings.next_opening(t),
            Question::NextClosing => openings.next_closing(t),
            Question::PhaseEnds => openings.phase_ends(t),
        };
        if t == self.now { *self.instants[question as usize].get_or_init(ask) } else { ask() }
    }
}
