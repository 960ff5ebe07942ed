//! Looks up what the answer to one request of a client depends on: the fleet that decides about it,
//! whether the decision counts, and the package of its offer.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::DeliveryService;
use crate::api::Text;
use crate::checkin::directory::Found;
use crate::checkin::fleet::Entry;
use crate::checkin::messages::About;
use crate::checkin::poll::Poll;
use crate::checkin::report::Report;
use crate::checkin::standing::Standing;
use crate::checkin::validity::{Doubt, Validity};
use crate::ddi::{ActionId, Agent};
use crate::plan::State;
use crate::serve::packages::PackageFile;
use crate::serve::reports::Ticket;
use crate::serve::sessions::ClientMemory;
use crate::values::{Timestamp, Version};

/// Maximum time for which a poll waits until the decision about the client counts.
pub const MAX_POLL_HOLD: Duration = Duration::from_secs(2);
/// Maximum time for which a download waits. A refused download is a failed installation, and a poll
/// without a link is not.
pub const MAX_DOWNLOAD_HOLD: Duration = Duration::from_secs(10);
/// Maximum time for which a response waits until a report is stored. swupdate forgets what it did
/// after the response, so an earlier response could cost a second installation.
const MAX_STORE_WAIT: Duration = Duration::from_secs(10);

/// One request of a client.
pub struct Visit<'a> {
    /// The service that was asked.
    pub service: &'a DeliveryService,
    /// Namespace of the client.
    pub namespace: &'a str,
    /// Tenant as the client wrote it.
    pub tenant: &'a str,
    /// Name of the client.
    pub client: &'a str,
    /// Agent that sends the request.
    pub agent: Agent,
    /// Address of the client, if it is reported.
    pub ip: Option<Text>,
}

/// What is known about a client at one time.
pub struct Known {
    /// Fleets that list the client.
    pub standing: Standing,
    /// Whether the decision about it counts.
    pub validity: Validity,
    /// True if reports of the client are not stored yet.
    pub has_unwritten_reports: bool,
    /// Time to which all of this refers.
    pub now: Timestamp,
    /// Time for which the request has waited.
    pub held: Duration,
}

impl Known {
    /// Returns the client in the fleet that decides about it, or in any fleet if none decides; `None`
    /// if no fleet lists it.
    #[must_use]
    pub fn entry(&self) -> Option<Entry<'_>> {
        let found = self.standing.decides.as_ref().or_else(|| self.standing.reports_to.first())?;
        found.fleet.entry(found.index)
    }

    fn waits(&self) -> bool {
        match self.validity {
            Validity::Unknown(Doubt::WatchSilent) => false,
            Validity::Unknown(_) => true,
            Validity::Valid => self.has_unwritten_reports,
            Validity::Over => false,
        }
    }
}

impl Visit<'_> {
    /// Returns what is known about the client. Waits at most `limit` until the decision counts.
    pub async fn known(&self, limit: Duration) -> Known {
        let started = Instant::now();
        let mut changes = self.service.registry.follow();
        loop {
            changes.borrow_and_update();
            let known = self.known_now(started.elapsed());
            if !known.waits() || started.elapsed() >= limit {
                return known;
            }
            // The registry keeps the sender, so the only error is that the time has passed.
            let _ = timeout_at(started + limit, changes.changed()).await;
        }
    }

    fn known_now(&self, held: Duration) -> Known {
        let DeliveryService { registry, desk, clock, .. } = self.service;
        let now = clock.now();
        let standing = Standing::of(registry.find(self.namespace, self.client));
        let decides = standing.decides.as_ref();
        let entry = decides.and_then(|found| found.fleet.entry(found.index));
        let validity = entry
            .map_or(Validity::Unknown(Doubt::ListedTwice), |entry| registry.validity(entry, now));
        let unwritten =
            |found: &Found| desk.has_unwritten(&found.fleet.key(), &found.fleet, self.client);
        let has_unwritten_reports = standing.reports_to.iter().any(unwritten);
        Known { standing, validity, has_unwritten_reports, now, held }
    }

    /// Returns the poll whose answer decides about links and downloads.
    #[must_use]
    pub fn poll<'k>(&'k self, known: &'k Known, is_package_ready: bool) -> Poll<'k> {
        Poll {
            namespace: self.namespace,
            client: self.client,
            entry: known.entry().map(|entry| (entry, known.validity)),
            has_unwritten_reports: known.has_unwritten_reports,
            is_package_ready,
            closes_after_restart: self.agent.closes_after_restart(),
            started: self.service.started,
            now: known.now,
            intervals: self.service.options.intervals,
        }
    }

    /// Returns what the client's messages are about; `None` if no fleet lists it.
    #[must_use]
    pub fn about<'k>(&self, known: &'k Known) -> Option<About<'k>> {
        Some(About {
            entry: known.entry()?,
            closes_after_restart: self.agent.closes_after_restart(),
            closed_means: self.service.options.closed_means,
            now: known.now,
        })
    }

    /// Calls `visit` with the memory of the client.
    pub fn with_memory<T>(&self, visit: impl FnOnce(&mut ClientMemory) -> T) -> T {
        self.service.sessions.with(self.namespace, self.client, visit)
    }

    /// Returns the file of the client's last offer, with the id of the action and the version.
    ///
    /// A file that the client was linked to remains the file of the action, also if the store has
    /// another one since.
    ///
    /// # Errors
    /// Returns a message if there is no offer, or no file for the client.
    pub fn file(
        &self,
        entry: Entry<'_>,
        memory: &ClientMemory,
    ) -> Result<(ActionId, Arc<PackageFile>), String> {
        let offer = entry.row.and_then(|row| row.last_offer.as_deref());
        let offer = offer.ok_or("the client has no offer")?;
        let action = entry.action(offer);
        let version = Version::parse(&offer.version).map_err(|error| error.to_string())?;
        let catalog = Arc::clone(&self.service.catalog.borrow());
        let linked = memory.linked.as_deref().filter(|linked| linked.action == action);
        let linked = linked
            .filter(|_| memory.session.in_progress() == Some(action))
            .and_then(|linked| catalog.linked_file(&version, &linked.file, &linked.sha256));
        if let Some(file) = linked {
            return Ok((action, Arc::clone(file)));
        }
        let package = catalog
            .package(&version, entry.fleet.label(entry.index, &self.service.options.variant_label))
            .map_err(|error| error.to_string())?;
        let file = package.choose(self.agent).map_err(|error| error.to_string())?;
        Ok((action, Arc::clone(file)))
    }

    /// Accepts a report of the client for each fleet that it is written to.
    pub fn report(&self, known: &Known, report: Report) -> Vec<Ticket> {
        let report = Report { ip: self.ip.clone(), ..report };
        let mut tickets = Vec::new();
        for Found { fleet, index } in &known.standing.reports_to {
            let (Some(entry), Some(client)) = (fleet.entry(*index), fleet.client_name(*index))
            else {
                continue;
            };
            // A client that counts as offline gets no offer until it is known to be back.
            let is_offline = entry.row.is_some_and(|row| row.state == Some(State::Offline));
            let (desk, key, report) = (&self.service.desk, fleet.key(), report.clone());
            tickets.push(match is_offline {
                true => desk.accept_urgent(&key, client, report, known.now),
                false => desk.accept(&key, client, report, entry.reported, known.now),
            });
        }
        tickets
    }
}

/// Waits until all reports are stored; returns false if one of them is not stored in time.
pub async fn are_stored(tickets: Vec<Ticket>) -> bool {
    let stored = tickets.into_iter().map(|ticket| ticket.stored(MAX_STORE_WAIT));
    futures::future::join_all(stored).await.into_iter().all(|stored| stored)
}
