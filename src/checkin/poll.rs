//! Decides the answer to a poll: which action the client is linked to, whether it is asked for its
//! attributes, and when it polls again.

use std::time::Duration;

use chrono::TimeDelta;

use super::fleet::{Entry, Row};
use super::session::{Session, fnv1a};
use super::validity::{Doubt, Validity};
use crate::api::fleet::LastOffer;
use crate::ddi::ActionId;
use crate::plan::State;
use crate::plan::version_text::is_same_version;
use crate::values::Timestamp;

/// Intervals between polls.
#[derive(Clone, Copy, Debug)]
pub struct Intervals {
    /// Interval while no action is in progress.
    pub idle: Duration,
    /// Interval while an action is in progress. A client is stopped within this interval.
    pub in_progress: Duration,
}

/// What the answer to a poll depends on besides the client's session.
#[derive(Clone, Copy, Debug)]
pub struct Poll<'a> {
    /// Namespace of the client.
    pub namespace: &'a str,
    /// Name of the client.
    pub client: &'a str,
    /// The client in its fleet; `None` if no fleet has it.
    pub entry: Option<(Entry<'a>, Validity)>,
    /// True if reports of the client are not stored yet, so that the decision may be based on old
    /// facts.
    pub has_unwritten_reports: bool,
    /// True if the package of the target can be served now.
    pub is_package_ready: bool,
    /// True if the agent closes an action only after its restart, and only if the action is still
    /// linked then.
    pub closes_after_restart: bool,
    /// When this process started: it does not know what was fetched before.
    pub started: Timestamp,
    /// Time of the poll.
    pub now: Timestamp,
    /// Intervals between polls.
    pub intervals: Intervals,
}

/// The answer to a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The one action that the client is linked to.
    pub link: Option<Link>,
    /// True if the client is asked for its attributes. Never true together with a deployment,
    /// because swupdate then sends the attributes at each poll and never installs.
    pub asks_attributes: bool,
    /// Time until the client's next poll.
    pub sleep: Duration,
    /// Why this answer is given.
    pub why: Why,
}

/// Link to an action.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// The client is to install.
    Deployment(ActionId),
    /// The client is to stop.
    Cancel(ActionId),
}

/// Why a poll was answered as it was, for logs and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// No fleet of the namespace has the client.
    NoFleet,
    /// The client is offered its target.
    Offered,
    /// The client is offered its target, but must first report its version.
    VersionWanted,
    /// The client is offered its target, but there is no package of it.
    PackageMissing,
    /// The client is offered its target and has closed the action.
    Closed,
    /// The client still has an action whose offer has ended.
    Stopped,
    /// The client has installed its target and must restart.
    RestartPending,
    /// The decision may be out of date.
    InDoubt(Doubt),
    /// Reports of the client are not stored yet.
    ReportsUnwritten,
    /// The client is not offered anything.
    NothingOffered,
}

/// Time for which a version that the client has reported is recent enough to offer it a new action.
const VERSION_MAX_AGE: TimeDelta = TimeDelta::hours(1);
/// Number of polls in which a client is asked for its version before it is offered an action
/// without one. Agents that cannot report a version must not be kept from upgrading.
const MAX_VERSION_REQUESTS: u8 = 2;
/// Time after which a client is asked for its attributes again.
const ATTRIBUTES_MAX_AGE: TimeDelta = TimeDelta::hours(24);
/// Minimum time for which an ended offer is canceled. An agent that has not polled until then does
/// not work on it any more.
const MIN_CANCEL_TIME: TimeDelta = TimeDelta::hours(1);
/// Number of idle intervals for which an ended offer is canceled, if they take longer.
const CANCEL_POLLS: i32 = 3;

impl Poll<'_> {
    /// Returns the answer to a poll.
    #[must_use]
    pub fn answer(&self, session: &Session) -> Answer {
        let Some((entry, validity)) = self.entry else {
            let sleep = self.spread(Duration::from_secs(3600));
            return Answer { link: None, asks_attributes: true, sleep, why: Why::NoFleet };
        };
        let (link, why) = match entry.row {
            Some(row) => DecidedPoll::new(self, session, entry, row).link(validity),
            None => (None, Why::NothingOffered),
        };
        // An agent that is asked to stop, or works on an action, must not be asked anything else.
        let asks_attributes = link.is_none()
            && session.in_progress().is_none()
            && (why == Why::VersionWanted || self.wants_attributes(session, entry));
        let sleep = self.sleep(session, entry.row, link, why);
        Answer { link, asks_attributes, sleep, why }
    }

    /// Returns whether the client may download the package of an action now.
    ///
    /// Unlike the link, this does not depend on what the client fetched from this process: an agent
    /// that resumes a download after a restart of the service sends no poll before.
    #[must_use]
    pub fn permits_download(&self, session: &Session, action: ActionId) -> bool {
        let Some((entry, validity)) = self.entry else { return false };
        let Some(row) = entry.row else { return false };
        let decided = DecidedPoll::new(self, session, entry, row);
        if decided.last.is_none_or(|(_, current)| current != action) || session.has_closed(action) {
            return false;
        }
        match (validity, row.state) {
            (Validity::Over, _) => false,
            (Validity::Valid, Some(State::Distributing)) if !self.has_unwritten_reports => true,
            (Validity::Valid, Some(State::RestartRequired)) => decided.staged().0.is_some(),
            (Validity::Valid, _) if !self.has_unwritten_reports => false,
            _ => session.in_progress() == Some(action),
        }
    }

    fn is_recent(&self, end: Timestamp) -> bool {
        let idle = TimeDelta::from_std(self.intervals.idle).unwrap_or(MIN_CANCEL_TIME);
        self.now - end < MIN_CANCEL_TIME.max(idle * CANCEL_POLLS)
    }

    fn has_recent_version(&self, session: &Session) -> bool {
        session.version_reported_at().is_some_and(|at| self.now - at < VERSION_MAX_AGE)
    }

    fn wants_attributes(&self, session: &Session, entry: Entry<'_>) -> bool {
        let version = entry.reported.and_then(|reported| reported.version.as_ref());
        let staged = entry.reported.and_then(|reported| reported.staged_version.as_ref());
        let is_old =
            session.version_reported_at().is_none_or(|at| self.now - at >= ATTRIBUTES_MAX_AGE);
        let is_restarting = staged
            .is_some_and(|staged| version.is_none_or(|version| !is_same_version(version, staged)));
        version.is_none() || is_old || is_restarting
    }

    fn sleep(
        &self,
        session: &Session,
        row: Option<&Row>,
        link: Option<Link>,
        why: Why,
    ) -> Duration {
        let Intervals { idle, in_progress } = self.intervals;
        match why {
            Why::InDoubt(_) | Why::ReportsUnwritten => {
                return in_progress.min(Duration::from_secs(30))
                    + self.part(Duration::from_secs(30));
            }
            Why::VersionWanted => return in_progress,
            _ if link.is_some() || session.in_progress().is_some() => return in_progress,
            _ => {}
        }
        let next = row.and_then(|row| row.next_transition).map(|next| next - self.now);
        let next = next.and_then(|until| until.to_std().ok()).filter(|until| *until < idle);
        // Without the spread, all clients of a window would poll in the second in which it opens.
        next.map_or_else(|| self.spread(idle), |until| until + self.part(idle))
    }

    /// Returns the interval plus up to a tenth of it, so that clients do not poll in step.
    fn spread(&self, interval: Duration) -> Duration {
        interval + self.part(interval / 10)
    }

    /// Returns a part of the duration that is always the same for a client.
    fn part(&self, of: Duration) -> Duration {
        let bytes = self.namespace.bytes().chain([0]).chain(self.client.bytes());
        of.mul_f64((fnv1a(bytes) >> 11) as f64 / (1_u64 << 53) as f64)
    }
}

/// A poll of a client for which the controller has decided.
struct DecidedPoll<'a> {
    poll: &'a Poll<'a>,
    session: &'a Session,
    entry: Entry<'a>,
    row: &'a Row,
    /// Last offer to the client, with the id of its action.
    last: Option<(&'a LastOffer, ActionId)>,
}

impl<'a> DecidedPoll<'a> {
    fn new(poll: &'a Poll<'a>, session: &'a Session, entry: Entry<'a>, row: &'a Row) -> Self {
        let last = row.last_offer.as_deref().map(|offer| (offer, entry.action(offer)));
        Self { poll, session, entry, row, last }
    }

    fn link(&self, validity: Validity) -> (Option<Link>, Why) {
        let doubt = match validity {
            Validity::Over => return self.ended(),
            Validity::Unknown(doubt) => Some(Why::InDoubt(doubt)),
            Validity::Valid => self.poll.has_unwritten_reports.then_some(Why::ReportsUnwritten),
        };
        match (doubt, self.row.state) {
            (Some(why), _) => (self.kept(), why),
            (None, Some(State::Distributing)) => self.offered(),
            (None, Some(State::RestartRequired)) => self.staged(),
            (None, _) => self.ended(),
        }
    }

    /// Keeps the link to an action that the client has already fetched.
    fn kept(&self) -> Option<Link> {
        let (_, action) = self.last?;
        (self.session.in_progress() == Some(action)).then_some(Link::Deployment(action))
    }

    fn offered(&self) -> (Option<Link>, Why) {
        let Self { poll, session, .. } = self;
        let Some((_, action)) = self.last else { return (None, Why::NothingOffered) };
        if let Some(other) = session.in_progress().filter(|other| *other != action) {
            return (Some(Link::Cancel(other)), Why::Stopped);
        }
        if session.has_closed(action) {
            return (None, Why::Closed);
        }
        if !poll.is_package_ready {
            return (None, Why::PackageMissing);
        }
        let is_known = session.in_progress() == Some(action) || poll.has_recent_version(session);
        if is_known || session.version_requests() >= MAX_VERSION_REQUESTS {
            return (Some(Link::Deployment(action)), Why::Offered);
        }
        (None, Why::VersionWanted)
    }

    /// Answers a client that has staged its target. swupdate closes the action after its restart,
    /// and only if it is still linked; other agents would install again.
    fn staged(&self) -> (Option<Link>, Why) {
        let is_linked = |(offer, action): &(&LastOffer, ActionId)| {
            let is_done = self.session.has_closed(*action) || self.session.has_reinstalled(*action);
            self.poll.closes_after_restart && is_of_target(offer, self.row) && !is_done
        };
        let linked = self.last.filter(is_linked);
        (linked.map(|(_, action)| Link::Deployment(action)), Why::RestartPending)
    }

    /// Answers a client whose offer has ended. It must stop if it may still work on the offer.
    fn ended(&self) -> (Option<Link>, Why) {
        let own = self.last.map(|(_, action)| action);
        let stopped = match self.last {
            Some((offer, action)) if self.may_work_on(offer, action) => Some(action),
            // An action of an earlier offer that the row no longer shows.
            _ => self.session.in_progress().filter(|action| Some(*action) != own),
        };
        match stopped {
            Some(action) => (Some(Link::Cancel(action)), Why::Stopped),
            None => (None, Why::NothingOffered),
        }
    }

    /// Returns whether the client may still work on its last offer, which has ended.
    fn may_work_on(&self, offer: &LastOffer, action: ActionId) -> bool {
        let end = match self.row.state {
            Some(State::Distributing) => self.row.next_transition,
            _ => self.row.since,
        };
        let is_in_progress = self.session.in_progress() == Some(action)
            || (self.poll.started > offer.time && !self.session.is_ended(action));
        is_in_progress
            && !is_settled(offer, self.entry)
            && end.is_some_and(|end| self.poll.is_recent(end))
    }
}

fn is_of_target(offer: &LastOffer, row: &Row) -> bool {
    row.target.as_ref().is_some_and(|target| is_same_version(target, &offer.version))
}

/// Returns whether the client has staged, runs or has failed to install the offered version, so
/// that there is nothing left to stop.
fn is_settled(offer: &LastOffer, entry: Entry<'_>) -> bool {
    let Some(reported) = entry.reported else { return false };
    let failed = reported.last_error.as_deref().and_then(|error| error.version.as_ref());
    let settled = [reported.version.as_ref(), reported.staged_version.as_ref(), failed];
    settled.into_iter().flatten().any(|version| is_same_version(version, &offer.version))
}
