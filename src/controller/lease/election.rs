//! Who leads: what a candidate does next, from what it was answered and the moment. No I/O, no clock:
//! both the moment and the wall clock's stamp are handed in.
//!
//! Why no two ever lead at once: a leader leads for the renew deadline after it has *sent* its last
//! answered renewal. Another takes the lease only after it has watched it unchanged for the lease
//! duration, which is longer, by its own clock, from when it *received* the answer that showed the
//! renewal; and only by a write that fails if the lease was renewed since. No moment is ever compared
//! with another machine's.
//!
//! A hand that takes the Lease away makes no second leader either: whoever finds none makes one at once,
//! so that all others see it, and leads only when nobody can believe any more in one that was there
//! before; and whoever leads by a lease that is gone ends.

use std::time::Duration;

use super::moment::Moment;
use super::record::{Found, Record, Stamp};
use super::times::Times;

/// The seconds that a lease says it holds once it is given back, as those of client-go do: a lease cannot
/// say none.
const GIVEN_BACK: i32 = 1;

/// What is to be done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Ask, and tell what the answer was.
    Ask(Request),
    /// Nothing before that moment.
    Wait(Moment),
    /// It led and does not lead any more: write nothing, and end.
    StepDown(Loss),
    /// It was told to retire, and has.
    Done,
}

/// A request to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Read the lease.
    Read,
    /// Make it, if there is none.
    Create(Record),
    /// Write this if the lease still has the version.
    Replace {
        /// The version that is to be replaced.
        version: String,
        /// What it is to say.
        record: Record,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The lease as it is: read, or written just so.
    Found(Found),
    /// There is none.
    Missing,
    /// Somebody has written in between: it was not written.
    Conflict,
    /// No answer, or none that tells. Whether a write was made nobody knows.
    Failed,
}

/// Why it does not lead any more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// No renewal was answered in time.
    #[error("the lease could not be renewed within the renew deadline")]
    NotRenewed,
    /// Somebody has taken it.
    #[error("the lease is held by {0}")]
    Taken(String),
    /// Somebody has emptied it.
    #[error("the lease was given away by another hand")]
    Emptied,
    /// Somebody has deleted it.
    #[error("the lease was deleted by another hand")]
    Deleted,
}

/// A candidate's view of the election.
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    /// With this it knows its own handwriting: another process of the same name, its predecessor
    /// too, is another.
    mark: String,
    times: Times,
    standing: Standing,
    /// What was seen of the lease last.
    seen: Option<Seen>,
    /// Whether it must be read before anything else: it was not written as expected, or a while ago.
    must_read: bool,
    /// Nothing is done before.
    not_before: Moment,
    /// It does not lead before, though it holds the lease: it has found none, and made it.
    leads_from: Moment,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Standing {
    Standby,
    Leading { until: Moment },
    Lost(Loss),
    Retiring,
    Retired,
}

#[derive(Clone, Debug)]
struct Seen {
    /// `None`: there is none.
    found: Option<Found>,
    /// From then on somebody else may take it, unless it is seen changed.
    free_from: Moment,
}

impl Election {
    /// A candidate that knows nothing yet; `mark` is a word that no other process has.
    #[must_use]
    pub fn new(identity: String, mark: String, times: Times) -> Self {
        Self {
            identity,
            mark,
            times,
            standing: Standing::Standby,
            seen: None,
            must_read: true,
            not_before: Moment::default(),
            leads_from: Moment::default(),
        }
    }

    /// Until when it leads, if it does.
    #[must_use]
    pub fn leads_until(&self) -> Option<Moment> {
        match self.standing {
            Standing::Leading { until } => Some(until),
            _ => None,
        }
    }

    /// Who holds the lease, as far as it was seen.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.seen.as_ref()?.found.as_ref()?.record.holder.as_deref()
    }

    /// Whether the lease is its own, as far as it was seen: also before it leads.
    #[must_use]
    pub fn holds(&self) -> bool {
        let found = self.seen.as_ref().and_then(|seen| seen.found.as_ref());
        found.is_some_and(|found| self.is_own(&found.record))
    }

    /// What to do at `now`; `stamp` is what the wall clock shows.
    pub fn next(&mut self, now: Moment, stamp: Stamp) -> Step {
        match &self.standing {
            Standing::Lost(loss) => return Step::StepDown(loss.clone()),
            Standing::Retired => return Step::Done,
            Standing::Leading { until } if now >= *until => {
                self.standing = Standing::Lost(Loss::NotRenewed);
                return Step::StepDown(Loss::NotRenewed);
            }
            Standing::Leading { until } if now < self.not_before => {
                return Step::Wait(self.not_before.min(*until));
            }
            Standing::Standby if now < self.not_before => return Step::Wait(self.not_before),
            _ => {}
        }
        match self.seen.clone() {
            Some(seen) if !self.must_read => Step::Ask(self.write(seen.found, stamp)),
            _ => Step::Ask(Request::Read),
        }
    }

    /// What it wants the lease to say.
    fn write(&self, found: Option<Found>, stamp: Stamp) -> Request {
        let Some(Found { version, record }) = found else {
            return Request::Create(self.held(stamp, stamp, 0));
        };
        let record = if self.standing == Standing::Retiring {
            Record {
                holder: None,
                mark: None,
                seconds: GIVEN_BACK,
                acquired: Some(stamp),
                renewed: Some(stamp),
                transitions: record.transitions,
            }
        } else if self.is_own(&record) {
            self.held(record.acquired.unwrap_or(stamp), stamp, record.transitions)
        } else {
            self.held(stamp, stamp, record.transitions.saturating_add(1))
        };
        Request::Replace { version, record }
    }

    fn held(&self, acquired: Stamp, renewed: Stamp, transitions: i32) -> Record {
        Record {
            holder: Some(self.identity.clone()),
            mark: Some(self.mark.clone()),
            seconds: i32::try_from(self.times.duration().as_secs()).unwrap_or(i32::MAX),
            acquired: Some(acquired),
            renewed: Some(renewed),
            transitions,
        }
    }

    fn is_own(&self, record: &Record) -> bool {
        record.holder.as_ref() == Some(&self.identity) && record.mark.as_ref() == Some(&self.mark)
    }

    /// Takes note of the answer to what `next` asked for at `sent`, which was received at `now`.
    pub fn heard(&mut self, asked: &Request, sent: Moment, now: Moment, answer: Answer) {
        let next_try = sent.after(self.times.retry()).max(now);
        match (asked, answer) {
            (Request::Read, Answer::Found(found)) => self.read(Some(found), now),
            (Request::Read, Answer::Missing) => self.read(None, now),
            (Request::Create(_) | Request::Replace { .. }, Answer::Found(found)) => {
                self.written(found, sent, now, next_try);
            }
            (_, Answer::Conflict) | (Request::Replace { .. }, Answer::Missing) => {
                self.must_read = true;
                self.not_before = now;
            }
            // Where none can be made, as in a namespace that is not there, it asks as seldom as always.
            (Request::Create(_), Answer::Missing) | (_, Answer::Failed) => {
                self.must_read = true;
                self.not_before = next_try;
                if self.standing == Standing::Retiring {
                    // It expires by itself.
                    self.standing = Standing::Retired;
                }
            }
        }
    }

    fn written(&mut self, found: Found, sent: Moment, now: Moment, next_try: Moment) {
        self.saw(Some(found), now);
        let until = sent.after(self.times.deadline());
        match self.standing {
            Standing::Retiring => self.standing = Standing::Retired,
            // The answer took so long that it is worth nothing: it renews what it has taken first.
            Standing::Standby if until <= now => self.must_read = true,
            Standing::Standby if now < self.leads_from => {
                self.must_read = false;
                self.not_before = next_try.min(self.leads_from);
            }
            Standing::Standby | Standing::Leading { .. } => {
                self.standing = Standing::Leading { until };
                self.must_read = false;
                self.not_before = next_try;
            }
            Standing::Lost(_) | Standing::Retired => {}
        }
    }

    fn read(&mut self, found: Option<Found>, now: Moment) {
        let is_gone = found.is_none();
        let holder = found.as_ref().and_then(|found| found.record.holder.clone());
        let is_own = found.as_ref().is_some_and(|found| self.is_own(&found.record));
        if is_gone {
            self.missed(now);
        }
        let may_be_taken = self.saw(found, now) <= now;
        self.must_read = false;
        self.not_before = now;
        match &self.standing {
            Standing::Leading { .. } if is_own => {}
            Standing::Leading { .. } => {
                let none = if is_gone { Loss::Deleted } else { Loss::Emptied };
                self.standing = Standing::Lost(holder.map_or(none, Loss::Taken));
            }
            Standing::Retiring if is_own => {}
            Standing::Retiring => self.standing = Standing::Retired,
            // A write without an answer was made after all, or it is free.
            Standing::Standby if is_own || may_be_taken => {}
            Standing::Standby => self.wait_for_it(now),
            Standing::Lost(_) | Standing::Retired => {}
        }
    }

    /// Looks again after a while, or when it becomes free.
    fn wait_for_it(&mut self, now: Moment) {
        self.must_read = true;
        let again = now.after(self.times.retry());
        let free_from = self.seen.as_ref().map(|seen| seen.free_from);
        self.not_before = free_from.map_or(again, |free_from| free_from.min(again));
    }

    /// There is no lease. Who held one that is gone may lead for as long as it was good for.
    fn missed(&mut self, now: Moment) {
        let before = self.seen.as_ref().and_then(|seen| seen.found.as_ref());
        let told = before.map_or(Duration::ZERO, |found| told(&found.record));
        self.leads_from = self.leads_from.max(now.after(told.max(self.times.deadline())));
    }

    /// Takes note of what was seen, and returns from when on it may be taken.
    fn saw(&mut self, found: Option<Found>, now: Moment) -> Moment {
        let version = |found: &Option<Found>| found.as_ref().map(|found| found.version.clone());
        if let Some(seen) = &self.seen
            && version(&seen.found) == version(&found)
        {
            return seen.free_from;
        }
        // Another's duration may be longer than ours, or mistyped. One that a hand has emptied may have a
        // holder yet.
        let held = found.as_ref().filter(|found| !is_given_back(&found.record));
        let wait = held.map(|found| told(&found.record).max(self.times.duration()));
        let free_from = now.after(wait.unwrap_or_default());
        self.seen = Some(Seen { found, free_from });
        free_from
    }

    /// Gives the lease back if it has it: another may take it at once. To be called when it writes
    /// nothing more.
    pub fn retire(&mut self) {
        self.must_read = true;
        self.standing = match self.standing {
            Standing::Leading { .. } => Standing::Retiring,
            // One that it holds and does not lead by yet must expire: see `leads_from`.
            _ => Standing::Retired,
        };
    }
}

/// Whether its holder has given it back, and writes nothing more.
fn is_given_back(record: &Record) -> bool {
    record.holder.is_none() && record.mark.is_none() && record.seconds == GIVEN_BACK
}

/// How long a lease says that it holds.
fn told(record: &Record) -> Duration {
    Duration::from_secs(u64::try_from(record.seconds).unwrap_or_default())
}
