//! Generates random faults for the simulation of leader election.

use std::time::Duration;

use proptest::prelude::*;

#[derive(Clone, Debug)]
pub struct Chaos {
    pub processes: usize,
    pub faults: Vec<Fault>,
    /// Transit times of successive messages, in milliseconds. The simulation repeats the list from
    /// its start when it reaches the end.
    pub delays: Vec<u64>,
}

#[derive(Clone, Debug)]
pub struct Fault {
    pub at: Duration,
    pub lasts: Duration,
    /// Index of the affected process, modulo the number of processes.
    pub process: usize,
    pub kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The process ends without releasing the lease, and a new process starts when the fault ends.
    Killed,
    /// The process shuts down, and releases the lease if it leads.
    Retired,
    /// The process does not run until the fault ends.
    Frozen,
    /// The process's requests do not reach the server.
    CutOff,
    /// The process's requests reach the server, but the responses do not reach the process.
    Unanswered,
    /// Each message from or to the process takes 2 s longer.
    Slow,
    /// The wall clock of the process jumps forward or back.
    ClockMoved,
    /// A user edits the labels of the lease.
    Touched,
    /// A user deletes the lease.
    Deleted,
    /// A user clears the holder of the lease.
    Emptied,
}

impl Chaos {
    pub fn none(processes: usize) -> Self {
        Self { processes, faults: Vec::new(), delays: vec![20] }
    }

    /// Returns the end of the simulation, 30 s after the end of the last fault.
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

pub fn faults() -> impl Strategy<Value = Chaos> {
    chaos(&ALL, 25)
}

/// Generates simulation runs in which the lease is repeatedly deleted or cleared while processes
/// are frozen, cut off, slow or killed.
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
