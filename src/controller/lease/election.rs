//! Decides the next step of a candidate for leader election from the answers of the API server and
//! the current time, without I/O or a clock.
//!
//! Two replicas never lead at the same time:
//! - A leader stops when the renew deadline has passed since the moment when it *sent* its last
//!   answered renewal.
//! - Another replica takes the lease only after it has seen the lease unchanged for the lease
//!   duration, which is longer than the renew deadline. It measures this time with its own clock,
//!   from the moment when it *received* the answer with the last renewal.
//! - The write of that replica fails if the leader has renewed the lease since then.
//! - Times of different machines are never compared.
//!
//! The deletion of the Lease does not cause a second leader either:
//! - A replica that finds no Lease creates one immediately, so that all other replicas see it.
//! - That replica leads only after every holder of an earlier Lease has had enough time to stop. It
//!   measures this time from the answer to its create request, because the earlier Lease may have
//!   been deleted just before the request arrived.
//! - A leader stops when it finds that its Lease was deleted.

use std::time::Duration;

use super::moment::Moment;
use super::record::{Found, Record, Stamp};
use super::times::Times;

/// Lease duration in seconds that is written when the lease is released. It is 1 s, as in
/// client-go, because the API server rejects zero.
const RELEASED_SECONDS: i32 = 1;

/// The next step of a candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The candidate sends this request and passes the answer to [`Election::answered`].
    Ask(Request),
    /// The candidate sends no request before this moment.
    Wait(Moment),
    /// The candidate has lost its leadership. It sends no further writes, and the process must end.
    StepDown(Loss),
    /// The candidate has stopped after [`Election::retire`] was called. It sends no further
    /// requests.
    Done,
}

/// A request to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Request that reads the lease.
    Read,
    /// Request that creates the lease.
    Create(Record),
    /// Request that replaces the lease, if the lease still has the given version.
    Replace {
        /// resourceVersion of the lease to replace.
        version: String,
        /// New content of the lease.
        record: Record,
    },
}

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The lease as it was read or written.
    Found(Found),
    /// The lease does not exist, or it cannot be created because its namespace does not exist.
    Missing,
    /// The API server rejected the write, because another process has created or changed the lease.
    Conflict,
    /// The request got no usable answer. If it was a write, its outcome is unknown.
    Failed,
}

/// Reason for the loss of leadership.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Loss {
    /// No renewal was answered before the renew deadline.
    #[error("the lease could not be renewed within the renew deadline")]
    NotRenewed,
    /// Another process has taken the lease.
    #[error("the lease is held by {0}")]
    Taken(String),
    /// Another process or a user has cleared the holder of the lease.
    #[error("the lease was given away by another hand")]
    Emptied,
    /// Another process or a user has deleted the lease.
    #[error("the lease was deleted by another hand")]
    Deleted,
}

/// The state of the election as one candidate sees it.
#[derive(Clone, Debug)]
pub struct Election {
    identity: String,
    /// Random text that distinguishes this process from other processes with the same name.
    mark: String,
    times: Times,
    state: LeaseState,
    /// The last known state of the lease; `None` before the first answer.
    seen: Option<Seen>,
    /// True if the lease must be read before the next write, for example after a failed write.
    must_read: bool,
    not_before: Moment,
    /// Lease duration in the last lease that this process saw.
    held: Duration,
    /// True if a create request may have succeeded, or may still succeed, although this process
    /// received no usable answer.
    may_have_created: bool,
    /// Earliest moment at which this process may lead after it has created a missing lease. Until
    /// then, the holder of the deleted lease may still lead.
    leads_from: Moment,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum LeaseState {
    Standby,
    Leading { until: Moment },
    Lost(Loss),
    Retiring,
    Retired,
}

#[derive(Clone, Debug)]
struct Seen {
    found: Option<Found>,
    /// Earliest moment at which another process may take the lease, if the lease does not change
    /// before that moment.
    free_from: Moment,
}

impl Election {
    /// Creates the election state of a candidate that has not read the lease yet. `mark` must be
    /// different for every process.
    #[must_use]
    pub fn new(identity: String, mark: String, times: Times) -> Self {
        Self {
            identity,
            mark,
            times,
            state: LeaseState::Standby,
            seen: None,
            must_read: true,
            not_before: Moment::default(),
            held: Duration::ZERO,
            may_have_created: false,
            leads_from: Moment::default(),
        }
    }

    /// Returns the moment until which this process leads; `None` if it does not lead.
    #[must_use]
    pub fn leads_until(&self) -> Option<Moment> {
        match self.state {
            LeaseState::Leading { until } => Some(until),
            _ => None,
        }
    }

    /// Returns the last known holder of the lease.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.seen.as_ref()?.found.as_ref()?.record.holder.as_deref()
    }

    /// Returns whether this process was the holder when it last saw the lease. A holder does not
    /// necessarily lead yet.
    #[must_use]
    pub fn holds(&self) -> bool {
        let found = self.seen.as_ref().and_then(|seen| seen.found.as_ref());
        found.is_some_and(|found| self.is_own(&found.record))
    }

    /// Returns the next step of the candidate. `now` is the current moment, and `stamp` is the
    /// wall-clock time to write into the lease.
    pub fn next(&mut self, now: Moment, stamp: Stamp) -> Step {
        match &self.state {
            LeaseState::Lost(loss) => return Step::StepDown(loss.clone()),
            LeaseState::Retired => return Step::Done,
            LeaseState::Leading { until } if now >= *until => {
                self.state = LeaseState::Lost(Loss::NotRenewed);
                return Step::StepDown(Loss::NotRenewed);
            }
            LeaseState::Leading { until } if now < self.not_before => {
                return Step::Wait(self.not_before.min(*until));
            }
            LeaseState::Standby if now < self.not_before => return Step::Wait(self.not_before),
            _ => {}
        }
        match self.seen.clone() {
            Some(seen) if !self.must_read => Step::Ask(self.write(seen.found, stamp)),
            _ => Step::Ask(Request::Read),
        }
    }

    /// Returns the request that creates, renews, takes or releases the lease.
    fn write(&self, found: Option<Found>, stamp: Stamp) -> Request {
        let Some(Found { version, record }) = found else {
            return Request::Create(self.held(stamp, stamp, 0));
        };
        let record = if self.state == LeaseState::Retiring {
            Record {
                holder: None,
                mark: None,
                seconds: RELEASED_SECONDS,
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

    /// Processes the answer to a request that was sent at `sent` and answered at `now`.
    pub fn answered(&mut self, asked: &Request, sent: Moment, now: Moment, answer: Answer) {
        let next_try = sent.after(self.times.retry()).max(now);
        match (asked, answer) {
            (Request::Read, Answer::Found(found)) => self.read(Some(found), now),
            (Request::Read, Answer::Missing) => self.read(None, now),
            (Request::Create(_), Answer::Found(found)) => {
                self.wait_after_deletion(now);
                self.written(found, sent, now, next_try);
            }
            (Request::Replace { .. }, Answer::Found(found)) => {
                self.written(found, sent, now, next_try);
            }
            (_, Answer::Conflict) | (Request::Replace { .. }, Answer::Missing) => {
                self.must_read = true;
                self.not_before = now;
            }
            // Wait for the retry period, because an immediate retry would probably fail for the
            // same reason. For example, a Lease cannot be created in a missing namespace.
            (Request::Create(_), Answer::Missing) | (_, Answer::Failed) => {
                self.may_have_created |= matches!(asked, Request::Create(_));
                self.must_read = true;
                self.not_before = next_try;
                if self.state == LeaseState::Retiring {
                    // Do not retry the release, because the lease expires even if it is not
                    // released.
                    self.state = LeaseState::Retired;
                }
            }
        }
    }

    fn written(&mut self, found: Found, sent: Moment, now: Moment, next_try: Moment) {
        self.record_seen(Some(found), now);
        let until = sent.after(self.times.deadline());
        match self.state {
            LeaseState::Retiring => self.state = LeaseState::Retired,
            // The answer took longer than the renew deadline, so this process must not lead yet.
            // Read the lease and renew it first.
            LeaseState::Standby if until <= now => self.must_read = true,
            LeaseState::Standby if now < self.leads_from => {
                self.must_read = false;
                self.not_before = next_try.min(self.leads_from);
            }
            LeaseState::Standby | LeaseState::Leading { .. } => {
                self.state = LeaseState::Leading { until };
                self.must_read = false;
                self.not_before = next_try;
            }
            LeaseState::Lost(_) | LeaseState::Retired => {}
        }
    }

    fn read(&mut self, found: Option<Found>, now: Moment) {
        let is_gone = found.is_none();
        let holder = found.as_ref().and_then(|found| found.record.holder.clone());
        let is_own = found.as_ref().is_some_and(|found| self.is_own(&found.record));
        if is_gone {
            self.wait_after_deletion(now);
        } else if is_own && self.may_have_created {
            self.may_have_created = false;
            self.wait_after_deletion(now);
        }
        let may_be_taken = self.record_seen(found, now) <= now;
        self.must_read = false;
        self.not_before = now;
        match &self.state {
            LeaseState::Leading { .. } if is_own => {}
            LeaseState::Leading { .. } => {
                let none = if is_gone { Loss::Deleted } else { Loss::Emptied };
                self.state = LeaseState::Lost(holder.map_or(none, Loss::Taken));
            }
            LeaseState::Retiring if is_own => {}
            LeaseState::Retiring => self.state = LeaseState::Retired,
            // Write the lease next without waiting: the lease is free, or this process holds it
            // through a write whose answer was lost.
            LeaseState::Standby if is_own || may_be_taken => {}
            LeaseState::Standby => self.wait_for_it(now),
            LeaseState::Lost(_) | LeaseState::Retired => {}
        }
    }

    /// Schedules the next read of the lease: after the retry period, or when the lease becomes
    /// free, if that is earlier.
    fn wait_for_it(&mut self, now: Moment) {
        self.must_read = true;
        let again = now.after(self.times.retry());
        let free_from = self.seen.as_ref().map(|seen| seen.free_from);
        self.not_before = free_from.map_or(again, |free_from| free_from.min(again));
    }

    /// Delays leadership until the holder of a deleted lease must have stopped; never shortens a
    /// delay that an earlier call has set.
    ///
    /// The lease may have been deleted just before `now`, so its holder may lead until the deleted
    /// lease would have expired.
    fn wait_after_deletion(&mut self, now: Moment) {
        let expires = now.after(self.held.max(self.times.deadline()));
        self.leads_from = self.leads_from.max(expires);
    }

    /// Records the lease that was just read or written. Returns the moment from which another
    /// process may take the lease.
    fn record_seen(&mut self, found: Option<Found>, now: Moment) -> Moment {
        let version = |found: &Option<Found>| found.as_ref().map(|found| found.version.clone());
        if let Some(seen) = &self.seen
            && version(&seen.found) == version(&found)
        {
            return seen.free_from;
        }
        // Wait for the longer of the recorded and the configured duration, because a user may have
        // edited the lease. Also wait if a user has cleared the holder, because the leader may
        // still be active.
        let held = found.as_ref().filter(|found| !is_given_back(&found.record));
        let wait = held.map(|found| held_for(&found.record).max(self.times.duration()));
        self.held = found.as_ref().map_or(self.held, |found| held_for(&found.record));
        let free_from = now.after(wait.unwrap_or_default());
        self.seen = Some(Seen { found, free_from });
        free_from
    }

    /// Starts to release the lease if this process leads, so that another replica can take it
    /// immediately. Must be called after the last write.
    pub fn retire(&mut self) {
        self.must_read = true;
        self.state = match self.state {
            LeaseState::Leading { .. } => LeaseState::Retiring,
            // Do not release a lease that this process holds without leading. The lease must
            // expire, because an earlier leader may still be active (`leads_from`).
            _ => LeaseState::Retired,
        };
    }
}

/// Returns whether the last holder has released the lease, and therefore sends no further writes.
fn is_given_back(record: &Record) -> bool {
    record.holder.is_none() && record.mark.is_none() && record.seconds == RELEASED_SECONDS
}

fn held_for(record: &Record) -> Duration {
    Duration::from_secs(u64::try_from(record.seconds).unwrap_or_default())
}
