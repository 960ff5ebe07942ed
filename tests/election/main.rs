//! Tests leader election in a simulation with candidates, a server and random faults, without a
//! cluster. At most one candidate may believe that it leads at any instant, and a lost leader must
//! be replaced.

mod chaos;
mod simulation;

use std::time::Duration;

use clientfleet::controller::lease::election::{Answer, Election, Request, Step};
use clientfleet::controller::lease::moment::Moment;
use clientfleet::controller::lease::record::{Found, Record};
use clientfleet::controller::lease::times::Times;
use proptest::prelude::*;

use chaos::{Chaos, Fault, Kind, deletions, faults};
use simulation::{Simulation, TICK};

fn times() -> impl Strategy<Value = Times> {
    let whole = |seconds: u64, deadline: u64, retry: u64| {
        let milliseconds = Duration::from_millis;
        Times::new(Duration::from_secs(seconds), milliseconds(deadline), milliseconds(retry))
            .unwrap()
    };
    prop_oneof![
        Just(Times::default()),
        Just(whole(3, 2_000, 500)),
        Just(whole(2, 1_990, 100)),
        Just(whole(60, 30_000, 20_000)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn never_do_two_lead_and_whoever_is_gone_is_replaced(
        times in times(),
        chaos in faults(),
    ) {
        run(times, chaos)?;
    }

    /// Checks that a candidate that finds no lease waits before it leads, because the holder of a
    /// deleted lease may still believe that it leads.
    #[test]
    fn a_lease_that_somebody_takes_away_makes_no_second_leader(
        times in times(),
        chaos in deletions(),
    ) {
        run(times, chaos)?;
    }
}

/// Checks that a candidate whose create request is delayed does not lead too early. Its wait must
/// start at the response, because another candidate's lease is created and deleted before the
/// request arrives.
#[test]
fn a_lease_that_is_created_late_makes_no_second_leader() {
    let milliseconds = Duration::from_millis;
    let times = Times::new(milliseconds(3_000), milliseconds(2_000), milliseconds(500)).unwrap();
    let deleted = Fault {
        at: milliseconds(2_730),
        lasts: milliseconds(580),
        process: 0,
        kind: Kind::Deleted,
    };
    let delays = vec![71, 31, 11, 11, 11, 21, 71, 2681, 0, 0, 41];
    run(times, Chaos { processes: 3, faults: vec![deleted], delays }).unwrap();
}

/// Checks that the wait after the deletion of a lease is not shortened when the lease is deleted
/// again. The holder of the first lease had a longer lease duration, and may still lead.
#[test]
fn a_second_deletion_does_not_shorten_the_wait_for_the_first() {
    let at = |seconds: u64| Moment::at(Duration::from_secs(seconds));
    let mut election = Election::new("new".to_owned(), "mark".to_owned(), Times::default());
    let mut ask = |seconds: u64, answer: Answer| {
        let Step::Ask(request) = election.next(at(seconds), 0) else {
            panic!("{seconds} s: no request is due");
        };
        let answer = match (&request, answer) {
            (Request::Create(record), Answer::Found(_)) => {
                Answer::Found(Found { version: seconds.to_string(), record: record.clone() })
            }
            (_, answer) => answer,
        };
        election.answered(&request, at(seconds), at(seconds), answer);
        election.leads_until()
    };
    let old = Record {
        holder: Some("old".to_owned()),
        mark: Some("old".to_owned()),
        seconds: 60,
        acquired: None,
        renewed: None,
        transitions: 0,
    };
    let found = || Answer::Found(Found { version: "0".to_owned(), record: old.clone() });
    ask(0, found());
    for seconds in [2, 20] {
        // Report the lease as missing, so that the candidate creates a lease.
        ask(seconds, Answer::Missing);
        assert_eq!(ask(seconds, found()), None);
        // Report the lease as missing when the candidate renews it, as if a user had deleted it.
        assert_eq!(ask(seconds + 2, Answer::Missing), None);
    }
    ask(40, Answer::Missing);
    assert_eq!(ask(40, found()), None, "the old holder may lead until 80 s");
}

fn run(times: Times, chaos: Chaos) -> Result<(), TestCaseError> {
    let end = chaos.end();
    let mut simulation = Simulation::new(times, chaos);
    while simulation.now < end {
        simulation.tick();
        let leaders = simulation.leaders();
        prop_assert!(leaders.len() <= 1, "{:?}: {leaders:?} lead at once", simulation.now);
    }
    // All faults have ended, and a response takes at most two ticks. Ten ticks are therefore enough
    // for the requests with which another replica takes the lease.
    let replaced = simulation.now + times.duration() + times.retry() + 10 * TICK;
    while simulation.now < replaced {
        simulation.tick();
        prop_assert!(simulation.leaders().len() <= 1, "{:?}", simulation.now);
    }
    let leaders = simulation.leaders();
    prop_assert_eq!(leaders.len(), 1, "nobody leads at {:?}", simulation.now);
    let quiet = simulation.now + 3 * times.duration();
    while simulation.now < quiet {
        simulation.tick();
        prop_assert_eq!(simulation.leaders(), leaders.clone(), "it changes without a reason");
    }
    Ok(())
}

#[test]
fn a_lease_that_is_given_back_is_taken_at_the_next_look() {
    let times = Times::default();
    let mut simulation = Simulation::new(times, Chaos::none(2));
    let until = |simulation: &mut Simulation, until: Duration| {
        while simulation.now < until {
            simulation.tick();
        }
    };
    until(&mut simulation, Duration::from_secs(60));
    let first = simulation.leaders();
    assert_eq!(first.len(), 1);
    simulation.retire(first[0]);
    until(&mut simulation, Duration::from_secs(60) + times.retry() + 10 * TICK);
    let second = simulation.leaders();
    assert_eq!(second.len(), 1);
    assert_ne!(first, second);
    let lease = simulation.record().unwrap();
    assert_eq!((lease.transitions, lease.seconds), (1, 15));
}

#[test]
fn a_leader_that_is_gone_is_replaced_within_the_lease_time_and_a_try() {
    for offset in [-3_600_000_000, 0, 3_600_000_000] {
        let times = Times::default();
        let mut simulation = Simulation::new(times, Chaos::none(2));
        // A wall clock that is one hour behind or ahead must not affect when the lease is taken.
        simulation.shift_clock(0, offset);
        while simulation.now < Duration::from_secs(60) {
            simulation.tick();
        }
        let first = simulation.leaders()[0];
        simulation.kill(first);
        let gone = simulation.now;
        while simulation.leaders().is_empty() {
            simulation.tick();
        }
        let took = simulation.now.checked_sub(gone).unwrap();
        assert!(took <= times.duration() + times.retry() + 10 * TICK, "{took:?}");
        assert!(
            took >= times.duration().checked_sub(times.retry()).unwrap(),
            "{took:?}: it took over too early"
        );
    }
}
