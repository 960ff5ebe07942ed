//! What the desk remembers of one fleet besides its queued reports.

use std::collections::BTreeMap;
use std::time::Instant;

use tokio::sync::watch;

use super::patch::HeardTimes;
use crate::api::Text;
use crate::checkin::fleet::DeliveryFleet;
use crate::checkin::queue::Reports;
use crate::cluster::revision::is_before;

/// What the desk remembers of one fleet.
#[derive(Debug, Default)]
pub(super) struct FleetNotes {
    /// When clients were last heard of. They are not stored yet.
    pub(super) heard: HeardTimes,
    /// Requests that wait until the reports of a client are stored.
    pub(super) waiters: BTreeMap<Text, Waiters>,
    /// Reports that are stored, but that the watch has not shown yet.
    pub(super) unshown: Option<UnshownWrite>,
    /// Version of the own last write.
    own_version: Option<String>,
    /// Changed version that the watch has shown during the current write. It may be that write.
    changed_meanwhile: Option<String>,
    /// Unique id and generation that the watch has shown last.
    shown: Option<(Option<String>, Option<i64>)>,
    /// Number of writes that have failed since the last successful one.
    pub(super) failures: u32,
}

/// Reports that the watch has not shown yet.
#[derive(Debug)]
pub(super) struct UnshownWrite {
    /// Version of the fleet that has them all.
    pub(super) version: String,
    pub(super) reports: Reports,
    pub(super) stored: Instant,
}

/// Requests that wait until the reports of one client are stored.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// Their reports wait for the next write.
    pub(super) waiting: Vec<watch::Sender<bool>>,
    /// Their reports are part of the write that is in progress.
    pub(super) writing: Vec<watch::Sender<bool>>,
}

/// How a version of a fleet that the watch shows differs from the version before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SeenChange {
    /// The spec is the same, or this is the first version that is shown.
    None,
    /// A write of this process has changed the spec, or may have.
    Own,
    /// Others have changed the spec.
    ByOthers,
}

impl FleetNotes {
    /// Records a version that the watch has shown. `is_writing` is true while a write of this
    /// process is in progress.
    pub(super) fn show(&mut self, fleet: &DeliveryFleet, is_writing: bool) -> SeenChange {
        let metadata = &fleet.metadata;
        if self.unshown.as_ref().is_some_and(|unshown| unshown.is_in(fleet)) {
            self.unshown = None;
        }
        let shown = (metadata.uid.clone(), metadata.generation);
        let before = self.shown.replace(shown);
        if before.is_none() || before == self.shown {
            return SeenChange::None;
        }
        let version = metadata.resource_version.clone();
        match self.own_version.is_some() && self.own_version == version {
            true => SeenChange::Own,
            false if is_writing => {
                self.changed_meanwhile = version;
                SeenChange::Own
            }
            false => SeenChange::ByOthers,
        }
    }

    /// Records the end of a write, with the version that it has created. Returns whether the watch
    /// has shown a change by others meanwhile.
    pub(super) fn write_ended(&mut self, version: Option<&str>) -> bool {
        let changed = self.changed_meanwhile.take();
        changed.is_some_and(|changed| version != Some(&changed))
    }

    /// Records that reports are stored in a version of the fleet.
    pub(super) fn stored(
        &mut self,
        version: String,
        reports: Reports,
        fleet: Option<&DeliveryFleet>,
    ) {
        let unshown = self.unshown.take();
        let mut all = unshown.map_or_else(Reports::new, |unshown| unshown.reports);
        for (client, report) in reports {
            all.entry(client).or_default().merge(report);
        }
        self.own_version = Some(version.clone());
        let write = UnshownWrite { version, reports: all, stored: Instant::now() };
        self.unshown = Some(write).filter(|write| !fleet.is_some_and(|fleet| write.is_in(fleet)));
    }

    /// Removes the times that a write has stored, or that are too near to the stored ones.
    pub(super) fn forget_heard(&mut self, written: &HeardTimes) {
        for (client, time) in written {
            if self.heard.get(client).is_some_and(|heard| heard <= time) {
                self.heard.remove(client);
            }
        }
    }

    /// Returns a receiver of the end of the client's waiting reports.
    pub(super) fn wait_for_next_write(&mut self, client: &Text) -> watch::Receiver<bool> {
        subscribe(&mut self.waiters.entry(client.clone()).or_default().waiting)
    }

    /// Returns a receiver of the end of the client's reports in the current write.
    pub(super) fn wait_for_this_write(&mut self, client: &Text) -> watch::Receiver<bool> {
        subscribe(&mut self.waiters.entry(client.clone()).or_default().writing)
    }

    pub(super) fn write_begins(&mut self, reports: &Reports) {
        for client in reports.keys() {
            if let Some(waiters) = self.waiters.get_mut(client) {
                waiters.writing.append(&mut waiters.waiting);
            }
        }
    }

    /// Wakes the requests whose reports were in the current write.
    pub(super) fn wake(&mut self, client: &Text) {
        let Some(waiters) = self.waiters.get_mut(client) else { return };
        for waiter in waiters.writing.drain(..) {
            waiter.send_replace(true);
        }
        if waiters.waiting.is_empty() {
            self.waiters.remove(client);
        }
    }

    /// Takes the requests whose reports were in the current write.
    pub(super) fn take_writing(&mut self, client: &Text) -> Vec<watch::Sender<bool>> {
        let waiters = self.waiters.get_mut(client);
        waiters.map(|waiters| std::mem::take(&mut waiters.writing)).unwrap_or_default()
    }

    /// Lets requests wait for the next write of a client.
    pub(super) fn put_waiting(&mut self, client: &Text, mut more: Vec<watch::Sender<bool>>) {
        more.retain(|waiter| waiter.receiver_count() > 0);
        if !more.is_empty() {
            let waiting = &mut self.waiters.entry(client.clone()).or_default().waiting;
            waiting.retain(|waiter| waiter.receiver_count() > 0);
            waiting.append(&mut more);
        }
    }

    pub(super) fn is_needed(&self) -> bool {
        !self.heard.is_empty()
            || !self.waiters.is_empty()
            || self.unshown.is_some()
            || self.shown.is_some()
    }

    /// Forgets what is true only of a fleet that exists.
    pub(super) fn fleet_gone(&mut self) {
        let waiters = std::mem::take(&mut self.waiters);
        *self = Self { waiters, ..Self::default() };
    }
}

impl UnshownWrite {
    /// Returns whether a version of the fleet has the reports.
    pub(super) fn is_in(&self, fleet: &DeliveryFleet) -> bool {
        let shown = fleet.metadata.resource_version.as_deref();
        shown.is_some_and(|shown| !is_before(shown, &self.version))
    }
}

fn subscribe(waiters: &mut Vec<watch::Sender<bool>>) -> watch::Receiver<bool> {
    match waiters.last() {
        Some(waiter) => waiter.subscribe(),
        None => {
            let (waiter, receiver) = watch::channel(false);
            waiters.push(waiter);
            receiver
        }
    }
}
