//! What can happen to candidates, by chance.

use std::time::Duration;

use proptest::prelude::*;

/// Everything that happens in one run.
#[derive(Clone, Debug)]
pub struct Chaos {
    pub processes: usize,
    pub faults: Vec<Fault>,
    /// How long a way takes, in milliseconds, one after the other.
    pub delays: Vec<u64>,
}

#[derive(Clone, Debug)]
pub struct Fault {
    pub at: Duration,
    pub lasts: Duration,
    /// Which process; counted round.
    pub process: usize,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It ends without a word, and another is started in its place after a while.
    Killed,
    /// It is told to end, and gives the lease back.
    Retired,
    /// It stands still, and goes on.
    Frozen,
    /// What it sends does not arrive.
    CutOff,
    /// What it sends arrives, and no answer comes back.
    Unanswered,
    /// What it sends takes as long.
    Slow,
    /// Its wall clock is moved.
    ClockMoved,
    /// A person edits the lease's labels.
    Touched,
    /// A person takes the lease away.
    Deleted,
    /// A person takes the lease's holder out of it.
    Emptied,
}

impl Chaos {
    pub fn none(processes: usize) -> Self {
        Self { processes, faults: Vec::new(), delays: vec![20] }
    }

    /// When all of it is over.
    pub fn end(&self) -> Duration {
        let ends = self.faults.iter().map(|fault| fault.at + fault.lasts);
        ends.max().unwrap_or_default() + Duration::from_secs(30)
    }
}

const ALL: [Kind; 10] = [
    Kind::Killed,
    Kind::Retired,
    Kind::Frozen,
    Kind::CutOff,
    Kind::Unanswered,
    Kind::Slow,
    Kind::ClockMoved,
    Kind::Touched,
    Kind::Deleted,
    Kind::Emptied,
];

fn fault(kinds: &'static [Kind]) -> impl Strategy<Value = Fault> {
    let kind = proptest::sample::select(kinds);
    (0..120_000_u64, 0..40_000_u64, 0..4_usize, kind).prop_map(|(at, lasts, process, kind)| {
        let (at, lasts) = (Duration::from_millis(at), Duration::from_millis(lasts));
        Fault { at, lasts, process, kind }
    })
}

fn delays() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(prop_oneof![8 => 0..80_u64, 1 => 0..3_000_u64], 1..40)
}

/// Everything that can happen.
pub fn faults() -> impl Strategy<Value = Chaos> {
    chaos(&ALL, 25)
}

/// A lease that goes or is emptied again and again, while who leads is cut off, frozen or replaced.
pub fn deletions() -> impl Strategy<Value = Chaos> {
    const KINDS: [Kind; 8] = [
        Kind::Deleted,
        Kind::Deleted,
        Kind::Deleted,
        Kind::Emptied,
        Kind::Frozen,
        Kind::CutOff,
        Kind::Slow,
        Kind::Killed,
    ];
    chaos(&KINDS, 40)
}

fn chaos(kinds: &'static [Kind], most: usize) -> impl Strategy<Value = Chaos> {
    let faults = proptest::collection::vec(fault(kinds), 0..most);
    (2..5_usize, faults, delays()).prop_map(|(processes, faults, delays)| Chaos {
        processes,
        faults,
        delays,
    })
}
