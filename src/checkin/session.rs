//! Remembers the requests of one client. The memory is lost when the process ends, and
//! other replicas have their own, so every decision must also be safe without it.

use crate::ddi::ActionId;
use crate::values::Timestamp;

/// Returns a hash that is the same in every process (FNV-1a, draft-eastlake-fnv). It need not
/// withstand an attack, because a client can only deceive itself.
pub(super) fn fnv1a(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// Memory of one client's requests.
#[derive(Clone, Debug, Default)]
pub struct Session {
    /// Action whose deployment the client fetched last.
    fetched: Option<ActionId>,
    /// Action whose package the client has begun to download.
    downloaded: Option<ActionId>,
    /// Action that the client has closed. The first `closed` of an action counts.
    closed: Option<ActionId>,
    /// Action whose cancellation the client has answered, in any way.
    canceled: Option<ActionId>,
    /// Action that the client has installed, with the number of its polls since.
    installed: Option<(ActionId, u8)>,
    /// Action that the client began to install again after it had installed it: it does not know
    /// what it did before its restart.
    reinstalled: Option<ActionId>,
    /// When the client last reported its version.
    reported_version: Option<Timestamp>,
    /// Number of consecutive polls that were answered with a request for the version instead of an
    /// offer.
    version_requests: u8,
    /// Hash of the id of the operating system's current start.
    boot: Option<u64>,
}

/// Number of polls without a new attempt after which an installation that the client has reported
/// as complete counts as staged. swupdate has reported failed installations as complete, and then
/// installs again at the next poll.
const POLLS_UNTIL_STAGED: u8 = 2;

impl Session {
    /// Records a poll of the client.
    pub fn polled(&mut self) {
        if let Some((_, polls)) = &mut self.installed {
            *polls = polls.saturating_add(1);
        }
    }

    /// Records that the client was asked for its version instead of being offered an action.
    pub fn asked_for_version(&mut self) {
        self.version_requests = self.version_requests.saturating_add(1);
    }

    /// Records that the client has reported its version.
    pub fn reported_version(&mut self, now: Timestamp) {
        self.reported_version = Some(now);
        self.version_requests = 0;
    }

    /// Records that the client has fetched the deployment of an action.
    pub fn fetched(&mut self, action: ActionId) {
        self.fetched = Some(action);
    }

    /// Records that the client downloads the package of an action.
    pub fn downloaded(&mut self, action: ActionId) {
        self.downloaded = Some(action);
        self.began(action);
    }

    /// Returns whether this process has seen the client download the package of the action.
    #[must_use]
    pub fn has_downloaded(&self, action: ActionId) -> bool {
        self.downloaded == Some(action)
    }

    /// Records the id of the operating system's current start. Returns true if another id was known
    /// before, so that the client has restarted.
    pub fn booted(&mut self, id: &str) -> bool {
        let boot = fnv1a(id.bytes());
        self.boot.replace(boot).is_some_and(|before| before != boot)
    }

    /// Records that the client begins to install an action: it fetches the package, or reports the
    /// beginning.
    pub fn began(&mut self, action: ActionId) {
        if self.installed.take_if(|(installed, _)| *installed == action).is_some() {
            self.reinstalled = Some(action);
        }
    }

    /// Records that the client has reported an installation as complete.
    pub fn installed(&mut self, action: ActionId) {
        if self.installed.is_none_or(|(installed, _)| installed != action) {
            self.installed = Some((action, 0));
        }
    }

    /// Returns the action that counts as staged although the client has not closed it.
    #[must_use]
    pub fn staged_without_close(&self) -> Option<ActionId> {
        self.installed.filter(|(_, polls)| *polls >= POLLS_UNTIL_STAGED).map(|(action, _)| action)
    }

    /// Records that the client has closed an action. Returns false if it had closed it before.
    pub fn closed(&mut self, action: ActionId) -> bool {
        self.closed.replace(action) != Some(action)
    }

    /// Records that the client has answered the cancellation of an action.
    pub fn canceled(&mut self, action: ActionId) {
        self.canceled = Some(action);
        // An agent that stops an action starts over if the same action is offered again.
        self.installed = self.installed.filter(|(installed, _)| *installed != action);
    }

    /// Returns the action that the client has fetched and neither closed nor stopped.
    #[must_use]
    pub fn in_progress(&self) -> Option<ActionId> {
        self.fetched.filter(|action| !self.is_ended(*action))
    }

    /// Returns whether the client has closed the action or answered its cancellation.
    #[must_use]
    pub fn is_ended(&self, action: ActionId) -> bool {
        self.has_closed(action) || self.has_canceled(action)
    }

    /// Returns whether the client has answered the cancellation of the action.
    #[must_use]
    pub fn has_canceled(&self, action: ActionId) -> bool {
        self.canceled == Some(action)
    }

    /// Returns whether the client has closed the action.
    #[must_use]
    pub fn has_closed(&self, action: ActionId) -> bool {
        self.closed == Some(action)
    }

    /// Returns whether the client has begun to install the action a second time.
    #[must_use]
    pub fn has_reinstalled(&self, action: ActionId) -> bool {
        self.reinstalled == Some(action)
    }

    /// Returns when the client last reported its version to this process.
    #[must_use]
    pub fn version_reported_at(&self) -> Option<Timestamp> {
        self.reported_version
    }

    /// Returns the number of consecutive polls that were answered with a request for the version.
    #[must_use]
    pub fn version_requests(&self) -> u8 {
        self.version_requests
    }
}
