//! Simulates the candidates of a leader election, an API server, and the messages between them, on
//! one timeline with ticks of 10 ms.

use std::time::Duration;

use clientfleet::controller::lease::election::{Answer, Election, Request, Step};
use clientfleet::controller::lease::moment::Moment;
use clientfleet::controller::lease::record::{Found, Record};
use clientfleet::controller::lease::times::Times;

use crate::chaos::{Chaos, Kind};

pub const TICK: Duration = Duration::from_millis(10);

pub struct Simulation {
    pub now: Duration,
    times: Times,
    chaos: Chaos,
    processes: Vec<Process>,
    lease: Option<Found>,
    versions: u64,
    ways: usize,
    messages: Vec<Message>,
}

struct Process {
    election: Election,
    /// Serial number of the process among all processes that the simulation has started.
    number: usize,
    is_alive: bool,
    asked: Option<PendingRequest>,
    wakes: Duration,
    /// Deviation of the process's wall clock from the simulated time, in microseconds.
    clock: i64,
}

struct PendingRequest {
    number: usize,
    request: Request,
    sent: Duration,
}

struct Message {
    process: usize,
    number: usize,
    request: Request,
    arrives: Duration,
    answer: Option<(Answer, Duration)>,
}

impl Simulation {
    pub fn new(times: Times, chaos: Chaos) -> Self {
        let process = |place| Process {
            election: Election::new(name(place, place), mark(place), times),
            number: place,
            is_alive: true,
            asked: None,
            wakes: Duration::ZERO,
            clock: 0,
        };
        let processes = (0..chaos.processes).map(process).collect();
        Self {
            now: Duration::ZERO,
            times,
            chaos,
            processes,
            lease: None,
            versions: 0,
            ways: 0,
            messages: Vec::new(),
        }
    }

    /// Returns the numbers of the processes that believe that they lead. Includes frozen processes,
    /// because they could write when they resume.
    pub fn leaders(&self) -> Vec<usize> {
        let now = moment(self.now);
        let leads = |process: &&Process| {
            process.is_alive && process.election.leads_until().is_some_and(|until| now < until)
        };
        self.processes.iter().filter(leads).map(|process| process.number).collect()
    }

    pub fn record(&self) -> Option<&Record> {
        self.lease.as_ref().map(|lease| &lease.record)
    }

    pub fn shift_clock(&mut self, place: usize, microseconds: i64) {
        self.processes[place].clock = microseconds;
    }

    pub fn kill(&mut self, number: usize) {
        let process = self.processes.iter_mut().find(|process| process.number == number);
        process.unwrap().is_alive = false;
    }

    pub fn retire(&mut self, number: usize) {
        let process = self.processes.iter_mut().find(|process| process.number == number).unwrap();
        process.election.retire();
        process.asked = None;
    }

    fn suffers(&self, place: usize, kind: Kind) -> bool {
        self.chaos.faults.iter().any(|fault| {
            fault.kind == kind
                && fault.process % self.processes.len() == place
                && (fault.at..fault.at + fault.lasts).contains(&self.now)
        })
    }

    pub fn tick(&mut self) {
        self.begin_faults();
        self.deliver();
        for place in 0..self.processes.len() {
            if !self.suffers(place, Kind::Frozen) {
                self.run(place);
            }
        }
        self.now = self.next_tick();
    }

    /// Returns the time of the next tick. Skips ticks in which nothing is scheduled.
    fn next_tick(&self) -> Duration {
        let next = self.now + TICK;
        if self.processes.iter().any(|process| process.asked.is_some()) || !self.messages.is_empty()
        {
            return next;
        }
        let wakes = self.processes.iter().filter(|process| process.is_alive).map(|p| p.wakes);
        let faults = self.chaos.faults.iter().flat_map(|fault| [fault.at, fault.at + fault.lasts]);
        // Do not skip the tick in which a fault begins or ends. Advance by at most 20 ticks (200
        // ms), because a leader's term can also end when nothing is scheduled.
        let faults = faults.map(|at| at.saturating_sub(TICK)).filter(|at| *at > self.now);
        wakes.chain(faults).min().unwrap_or(next).max(next).min(self.now + 20 * TICK)
    }

    /// Applies the faults that begin in this tick. If a process was killed and its fault ends in
    /// this tick, starts a new process.
    fn begin_faults(&mut self) {
        for fault in self.chaos.faults.clone() {
            let place = fault.process % self.processes.len();
            if (self.now..self.now + TICK).contains(&fault.at) {
                match fault.kind {
                    Kind::Killed => self.processes[place].is_alive = false,
                    Kind::Retired => {
                        self.processes[place].election.retire();
                        self.processes[place].asked = None;
                    }
                    Kind::ClockMoved => {
                        // A clock jump has no duration, so `lasts` sets the deviation of the clock
                        // instead: from 20,000 s (5.6 hours) behind to 20,000 s ahead.
                        let lasts = i64::try_from(fault.lasts.as_micros()).unwrap();
                        self.processes[place].clock = (lasts - 20_000_000) * 1_000;
                    }
                    Kind::Touched => {
                        self.versions += 1;
                        if let Some(lease) = &mut self.lease {
                            lease.version = self.versions.to_string();
                        }
                    }
                    Kind::Deleted => self.lease = None,
                    Kind::Emptied => {
                        self.versions += 1;
                        if let Some(lease) = &mut self.lease {
                            lease.version = self.versions.to_string();
                            lease.record.holder = None;
                        }
                    }
                    Kind::Frozen | Kind::CutOff | Kind::Unanswered | Kind::Slow => {}
                }
            }
            let is_over = (self.now..self.now + TICK).contains(&(fault.at + fault.lasts));
            if is_over && !self.processes[place].is_alive {
                self.start(place);
            }
        }
    }

    fn start(&mut self, place: usize) {
        let highest = self.processes.iter().map(|process| process.number).max().unwrap();
        let process = &mut self.processes[place];
        process.number = highest + 1;
        process.election =
            Election::new(name(place, process.number), mark(process.number), self.times);
        process.is_alive = true;
        process.asked = None;
        process.wakes = self.now;
    }

    fn run(&mut self, place: usize) {
        self.hear(place);
        let now = moment(self.now);
        let process = &mut self.processes[place];
        if !process.is_alive || process.asked.is_some() {
            return;
        }
        let stamp = process.clock + i64::try_from(self.now.as_micros()).unwrap();
        match process.election.next(now, stamp) {
            Step::Wait(until) => {
                assert!(until > now, "it waits for what has been");
                process.wakes = self.now + until.since(now);
            }
            Step::Ask(request) => self.send(place, request),
            // A supervisor would restart the process.
            Step::StepDown(_) | Step::Done => self.start(place),
        }
    }

    fn hear(&mut self, place: usize) {
        let now = self.now;
        let process = &mut self.processes[place];
        let Some(asked) = &process.asked else { return };
        let is_it = |message: &Message| message.process == place && message.number == asked.number;
        let answer = self.messages.iter().filter(|message| is_it(message)).find_map(|message| {
            message.answer.as_ref().filter(|(_, at)| *at <= now).map(|(answer, _)| answer.clone())
        });
        let is_given_up = now >= asked.sent + self.times.request_timeout();
        let Some(answer) = answer.or(is_given_up.then_some(Answer::Failed)) else { return };
        let (request, sent) = (asked.request.clone(), asked.sent);
        process.asked = None;
        process.election.answered(&request, moment(sent), moment(now), answer);
    }

    fn send(&mut self, place: usize, request: Request) {
        let number = self.ways;
        let asked = PendingRequest { number, request: request.clone(), sent: self.now };
        let way = self.way(place);
        self.processes[place].asked = Some(asked);
        if !self.suffers(place, Kind::CutOff) {
            let arrives = self.now + way;
            self.messages.push(Message { process: place, number, request, arrives, answer: None });
        }
    }

    /// Returns the transit time of the next message from or to the process at the index `place`.
    fn way(&mut self, place: usize) -> Duration {
        self.ways += 1;
        let is_over = self.now > self.chaos.end().checked_sub(Duration::from_secs(30)).unwrap();
        let delay = self.chaos.delays[self.ways % self.chaos.delays.len()];
        let slow = if self.suffers(place, Kind::Slow) { 2_000 } else { 0 };
        let delay = if is_over { delay.min(10) } else { delay + slow };
        Duration::from_millis(delay)
    }

    fn deliver(&mut self) {
        let mut messages = std::mem::take(&mut self.messages);
        for message in &mut messages {
            if message.answer.is_none() && message.arrives <= self.now {
                let answer = self.serve(&message.request);
                let way = if self.suffers(message.process, Kind::Unanswered) {
                    Duration::from_secs(100_000)
                } else {
                    self.way(message.process)
                };
                message.answer = Some((answer, self.now + way));
            }
        }
        // Drop a response if no process waits for it. Keep a request until it arrives, because it
        // takes effect even if its sender has stopped waiting.
        let awaited = |message: &Message| {
            let asked = self.processes[message.process].asked.as_ref();
            asked.is_some_and(|asked| asked.number == message.number)
        };
        messages.retain(|message| message.answer.is_none() || awaited(message));
        self.messages = messages;
    }

    fn serve(&mut self, request: &Request) -> Answer {
        let record = match (request, &self.lease) {
            (Request::Read, found) => return found.clone().map_or(Answer::Missing, Answer::Found),
            (Request::Create(_), Some(_)) => return Answer::Conflict,
            (Request::Replace { .. }, None) => return Answer::Missing,
            (Request::Replace { version, .. }, Some(lease)) if *version != lease.version => {
                return Answer::Conflict;
            }
            (Request::Create(record) | Request::Replace { record, .. }, _) => record.clone(),
        };
        self.versions += 1;
        let found = Found { version: self.versions.to_string(), record };
        self.lease = Some(found.clone());
        Answer::Found(found)
    }
}

/// Returns the identity of a process. The first two processes share one fixed name, which simulates
/// a configuration mistake; the others get a new name at each start.
fn name(place: usize, number: usize) -> String {
    if place <= 1 { "twin".to_owned() } else { format!("replica-{number}") }
}

fn mark(number: usize) -> String {
    format!("process {number}")
}

fn moment(since: Duration) -> Moment {
    Moment::at(since)
}
