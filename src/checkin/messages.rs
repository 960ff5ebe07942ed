//! Decides what the messages of a client change: its feedback about an action, and its attributes.

use super::fleet::{Entry, Row};
use super::report::Report;
use super::session::Session;
use crate::api::Text;
use crate::api::fleet::{LastError, LastOffer};
use crate::ddi::ActionId;
use crate::ddi::attributes::{AgentFacts, Change};
use crate::plan::State;
use crate::plan::version_text::is_same_version;
use crate::values::{Timestamp, rfc3339};

/// What a success that closes an action says about the client.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClosedMeans {
    /// The version is installed and takes effect at the next restart.
    #[default]
    Staged,
    /// The client runs the version. For agents that cannot report a version.
    Running,
}

/// A message of a client about an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// The client works on the action.
    Proceeding {
        /// True if it begins to install.
        begins: bool,
        /// True if it has installed and waits for its restart.
        awaits_restart: bool,
    },
    /// The client has closed the action with a success.
    Succeeded,
    /// The client has closed the action with a failure.
    Failed {
        /// What went wrong, as `lastError.message` may hold it.
        message: Option<Text>,
    },
}

/// What a message is about.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// The client in its fleet.
    pub entry: Entry<'a>,
    /// True if the agent closes an action only after its restart.
    pub closes_after_restart: bool,
    /// What a success means.
    pub closed_means: ClosedMeans,
    /// Time of the message.
    pub now: Timestamp,
}

/// How a message was taken, for logs and audit lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The message changes the facts about the client.
    Changed,
    /// The message is a sign of life.
    Seen,
    /// The action is not the client's current one, or was closed before.
    OtherAction,
    /// The client has failed to install an offer that has ended.
    LateFailure,
    /// The client reports a success without having fetched the package: only its
    /// version shows what it runs.
    UnconfirmedSuccess,
}

impl About<'_> {
    /// Returns what a message about an action changes.
    pub fn message(
        &self,
        session: &mut Session,
        action: ActionId,
        message: Message,
    ) -> (Report, Taken) {
        let seen = Report::seen(self.now);
        let current = self.entry.row.and_then(|row| Some((row, row.last_offer.as_deref()?)));
        let current = current.filter(|(_, offer)| self.entry.action(offer) == action);
        let Some((row, offer)) = current else { return (seen, Taken::OtherAction) };
        match message {
            Message::Proceeding { begins, awaits_restart } => {
                if begins {
                    session.began(action);
                }
                if awaits_restart {
                    session.installed(action);
                }
                (seen, Taken::Seen)
            }
            _ if !session.closed(action) => (seen, Taken::OtherAction),
            Message::Succeeded => self.succeeded(session, action, offer),
            Message::Failed { message } => self.failed(session, action, (row, offer), message),
        }
    }

    fn succeeded(&self, session: &Session, action: ActionId, offer: &LastOffer) -> (Report, Taken) {
        let seen = Report::seen(self.now);
        if self.closed_means == ClosedMeans::Running {
            return (Report { version: Some(offer.version.clone()), ..seen }, Taken::Changed);
        }
        if self.runs(&offer.version) {
            return (seen, Taken::Seen);
        }
        // swupdate 2022.12 closes whatever action is linked when it starts, also one that it has
        // never seen. Its version, which it reports next, shows what it runs.
        if self.closes_after_restart && !session.has_downloaded(action) {
            return (seen, Taken::UnconfirmedSuccess);
        }
        (self.staged(offer), Taken::Changed)
    }

    fn failed(
        &self,
        session: &Session,
        action: ActionId,
        (row, offer): (&Row, &LastOffer),
        message: Option<Text>,
    ) -> (Report, Taken) {
        let seen = Report::seen(self.now);
        let is_open = matches!(row.state, Some(State::Distributing | State::RestartRequired));
        let is_over = row.next_transition.is_some_and(|next| next <= self.now);
        if !is_open || is_over || session.has_canceled(action) {
            return (seen, Taken::LateFailure);
        }
        (self.failure(&offer.version, message), Taken::Changed)
    }

    /// Returns the report of a client that has installed an action and polled twice since without
    /// a new attempt; `None` if there is none, or if the version is staged or runs already.
    #[must_use]
    pub fn installed(&self, session: &Session) -> Option<Report> {
        let offer = self.entry.row?.last_offer.as_deref()?;
        let is_installed = session.staged_without_close() == Some(self.entry.action(offer));
        let staged = self.entry.reported.and_then(|facts| facts.staged_version.as_ref());
        let is_known = staged.is_some_and(|staged| is_same_version(staged, &offer.version));
        (is_installed && !is_known && !self.runs(&offer.version)).then(|| self.staged(offer))
    }

    /// Returns what the attributes of a client change. A version that the client removes from its
    /// attributes is kept, because it still runs some version.
    pub fn attributes(&self, session: &mut Session, facts: AgentFacts) -> Report {
        let AgentFacts { version, computer, user, boot_id, refused: _ } = facts;
        let has_restarted = matches!(boot_id, Change::Set(id) if session.booted(&id));
        let (computer, last_user) = (fact(computer), fact(user));
        let mut report = Report { computer, last_user, ..Report::seen(self.now) };
        let Change::Set(version) = version else { return report };
        session.reported_version(self.now);
        let staged = self.entry.reported.and_then(|facts| facts.staged_version.as_ref());
        if let Some(staged) = staged.filter(|staged| !is_same_version(staged, &version))
            && has_restarted
        {
            let message = format!("restarted, still runs {version}");
            report.merge(self.failure(staged, Some(message.into())));
        }
        Report { version: Some(version), ..report }
    }

    fn staged(&self, offer: &LastOffer) -> Report {
        Report { staged_version: Some(Some(offer.version.clone())), ..Report::seen(self.now) }
    }

    fn failure(&self, version: &Text, message: Option<Text>) -> Report {
        let time = rfc3339(self.now);
        let error = LastError { version: Some(version.clone()), message, time: Some(time.into()) };
        Report { last_error: Some(error), staged_version: Some(None), ..Report::seen(self.now) }
    }

    fn runs(&self, version: &Text) -> bool {
        let runs = self.entry.reported.and_then(|facts| facts.version.as_ref());
        runs.is_some_and(|runs| is_same_version(runs, version))
    }
}

/// Returns a fact for a report: `None` if the client says nothing of it, `Some(None)` if it has
/// removed it.
fn fact(change: Change) -> Option<Option<Text>> {
    match change {
        Change::Keep => None,
        Change::Set(value) => Some(Some(value)),
        Change::Clear => Some(None),
    }
}
