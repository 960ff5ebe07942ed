//! Takes the reports of clients from all connections, and wakes the requests that wait until their
//! reports are stored.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use tokio::sync::{Notify, watch};

use super::figures::{Backlog, ReportMetrics};
use super::notes::{FleetNotes, SeenChange};
use super::patch::HeardTimes;
use crate::api::Text;
use crate::api::fleet::Reported;
use crate::checkin::fleet::DeliveryFleet;
use crate::checkin::queue::{DueWrite, FleetKey, Next, ReportQueue, Reports, Stage};
use crate::checkin::report::Report;
use crate::values::{Timestamp, parse_rfc3339};

/// Maximum time until facts that decide nothing, and `lastSeen`, are stored.
pub const MINOR_DELAY: TimeDelta = TimeDelta::hours(1);

/// The reports of all clients that are not stored yet. All connections share it.
#[derive(Debug)]
pub struct ReportDesk {
    state: Mutex<DeskState>,
    /// Wakes the writer.
    pub(super) changed: Notify,
    /// Metrics of the reports.
    pub metrics: ReportMetrics,
}

#[derive(Debug)]
struct DeskState {
    queue: ReportQueue,
    notes: BTreeMap<FleetKey, FleetNotes>,
    /// What the writer waits for.
    sleep: Sleep,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sleep {
    Awake,
    Until(Timestamp),
    Indefinitely,
}

/// Waits until a report is stored.
#[derive(Debug)]
pub struct Ticket(Option<watch::Receiver<bool>>);

/// A write for the writer to make.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) write: DueWrite,
    pub(super) heard: HeardTimes,
    /// Version that a patch must be computed from at least: that of the last own write.
    pub(super) own_version: Option<String>,
}

/// How a write has ended.
#[derive(Debug)]
pub(super) enum Settled {
    /// The fleet has all reports.
    Stored {
        /// Version that has them; `None` if the seen version had them already.
        version: Option<String>,
        /// Reports that were written, without refused values.
        reports: Reports,
        /// Clients that the fleet does not have, with the fleets that have them now.
        absent: Vec<(Text, Vec<FleetKey>)>,
    },
    /// The reports are to be written again.
    Failed {
        /// Reports without refused values.
        left: Reports,
        /// When they may be written again.
        not_before: Timestamp,
    },
}

impl Ticket {
    /// Waits until the API server has stored the report, for at most `limit`. Returns whether it has,
    /// or whether the report was dropped because no fleet has the client or its value is refused.
    ///
    /// Returns true at once for a report that does not change the state of the client.
    pub async fn stored(self, limit: Duration) -> bool {
        let Some(mut stored) = self.0 else { return true };
        let stored = tokio::time::timeout(limit, stored.wait_for(|stored| *stored)).await;
        matches!(stored, Ok(Ok(_)))
    }
}

impl ReportDesk {
    /// Creates a desk that allows this number of writes per second.
    #[must_use]
    pub fn new(max_writes_per_second: f64) -> Self {
        let state = DeskState {
            queue: ReportQueue::new(max_writes_per_second),
            notes: BTreeMap::new(),
            sleep: Sleep::Awake,
        };
        Self { state: Mutex::new(state), changed: Notify::new(), metrics: ReportMetrics::default() }
    }

    /// Accepts a report. `stored` are the facts in the fleet that the caller has seen.
    ///
    /// A report that changes the state of the client is due at once, and all others within an hour.
    /// Reports that are on their way count as facts: a report of the old version after one of the
    /// new version changes the state again.
    pub fn accept(
        &self,
        fleet: &FleetKey,
        client: &Text,
        report: Report,
        stored: Option<&Reported>,
        now: Timestamp,
    ) -> Ticket {
        let mut state = self.state();
        if report.is_only_seen() {
            state.heard(fleet, client, report.last_seen, stored, now);
            self.wake_writer(&mut state, fleet);
            return Ticket(None);
        }
        let on_the_way = state.on_the_way(fleet, client, stored);
        let facts = on_the_way.as_ref().or(stored);
        if report.changes_state(facts) {
            self.add_state(&mut state, (fleet, client), report, now);
        } else if report.changes_facts(facts) {
            state.queue.add_minor(fleet, client, report, now + MINOR_DELAY);
        } else {
            state.heard(fleet, client, report.last_seen, stored, now);
        }
        self.wake_writer(&mut state, fleet);
        state.ticket(fleet, client)
    }

    /// Accepts a report that is due at once although it changes only `lastSeen`, as that of a client
    /// that is `Offline`.
    pub fn accept_urgent(
        &self,
        fleet: &FleetKey,
        client: &Text,
        report: Report,
        now: Timestamp,
    ) -> Ticket {
        let mut state = self.state();
        self.add_state(&mut state, (fleet, client), report, now);
        self.wake_writer(&mut state, fleet);
        state.ticket(fleet, client)
    }

    fn add_state(
        &self,
        state: &mut DeskState,
        (fleet, client): (&FleetKey, &Text),
        report: Report,
        now: Timestamp,
    ) {
        self.metrics.accepted.inc();
        if !state.queue.add_state(fleet, client, report, now) {
            self.metrics.merged.inc();
        }
    }

    /// Returns whether `fleet`, by which a request of the client is judged, lacks a report of the
    /// client: one that is not stored yet, or that is stored in a newer version of the fleet.
    ///
    /// A client that was judged by facts older than its own reports would install twice.
    #[must_use]
    pub fn has_unwritten(&self, key: &FleetKey, fleet: &DeliveryFleet, client: &str) -> bool {
        let state = self.state();
        if state.queue.state_change(key, client).is_some() {
            return true;
        }
        let unshown = state.notes.get(key).and_then(|notes| notes.unshown.as_ref());
        unshown.is_some_and(|write| write.reports.contains_key(client) && !write.is_in(fleet))
    }

    /// Records a version of a fleet that the watch has shown. To be called for each event, in
    /// order, after the fleet is in the directory.
    pub fn seen(&self, key: &FleetKey, fleet: &DeliveryFleet, now: Timestamp) {
        let mut state = self.state();
        let is_writing = state.queue.is_writing(key);
        let change = state.notes.entry(key.clone()).or_default().show(fleet, is_writing);
        if change != SeenChange::None {
            state.queue.spec_changed(key, now);
        }
        if change == SeenChange::ByOthers {
            state.queue.others_write(key, now);
        }
    }

    /// Records that the watch shows the deletion of a fleet. Its reports go to the fleets that have
    /// their clients now, and are dropped if there are none.
    pub fn fleet_gone(&self, key: &FleetKey) {
        let mut state = self.state();
        if let Some(notes) = state.notes.get_mut(key) {
            notes.fleet_gone();
        }
        state.forget(key);
        state.queue.expedite(key);
        self.wake_writer(&mut state, key);
    }

    /// Records that the watch has listed the fleets of a namespace again, in a list that it
    /// requested at `began`. The list has every write before, unless etcd was restored from a
    /// backup without them.
    pub fn relisted(&self, namespace: &str, began: Instant) {
        let mut state = self.state();
        let listed = state.notes.iter_mut().filter(|((of, _), _)| of == namespace);
        for (_, notes) in listed {
            notes.unshown = notes.unshown.take().filter(|unshown| unshown.stored >= began);
        }
    }

    /// Returns the reports that are not stored.
    #[must_use]
    pub fn backlog(&self, now: Timestamp) -> Backlog {
        let state = self.state();
        let oldest = state.queue.oldest().and_then(|oldest| (now - oldest).to_std().ok());
        Backlog { reports: state.queue.len(), oldest: oldest.unwrap_or_default() }
    }

    /// Returns what the writer does next. While it waits, reports that are due earlier wake it.
    pub(super) fn next(&self, now: Timestamp) -> Result<Job, Option<Timestamp>> {
        let mut state = self.state();
        let (next, sleep) = match state.queue.next(now) {
            Next::Write(write) => (Ok(state.job(write)), Sleep::Awake),
            Next::Wait(until) => (Err(Some(until)), Sleep::Until(until)),
            Next::Idle => (Err(None), Sleep::Indefinitely),
        };
        state.sleep = sleep;
        next
    }

    /// Returns the next fleet to write before the process ends.
    pub(super) fn next_at_shutdown(&self, now: Timestamp) -> Option<Job> {
        let mut state = self.state();
        let write = state.queue.next_at_shutdown(now)?;
        Some(state.job(write))
    }

    /// Counts a failure of a fleet. Returns how many there were since its last successful write.
    pub(super) fn failed(&self, key: &FleetKey) -> u32 {
        let mut state = self.state();
        let notes = state.notes.entry(key.clone()).or_default();
        notes.failures = notes.failures.saturating_add(1);
        notes.failures
    }

    /// Records how a write has ended. `shown` is the fleet as the watch has shown it.
    pub(super) fn settle(
        &self,
        job: &Job,
        settled: Settled,
        shown: Option<&DeliveryFleet>,
        now: Timestamp,
    ) {
        let fleet = &job.write.fleet;
        let mut state = self.state();
        match settled {
            Settled::Failed { left, not_before } => {
                self.write_ended(&mut state, fleet, None, now);
                let notes = state.notes.entry(fleet.clone()).or_default();
                for client in job.write.reports.keys() {
                    if left.contains_key(client) {
                        let waiters = notes.take_writing(client);
                        notes.put_waiting(client, waiters);
                    } else {
                        notes.wake(client);
                    }
                }
                state.queue.put_back(fleet, left, not_before);
            }
            Settled::Stored { version, reports, absent } => {
                self.write_ended(&mut state, fleet, version.as_deref(), now);
                let notes = state.notes.entry(fleet.clone()).or_default();
                notes.failures = 0;
                notes.forget_heard(&job.heard);
                if let Some(version) = version {
                    notes.stored(version, reports, shown);
                }
                for (client, fleets) in absent {
                    self.relocate(&mut state, fleet, &client, &fleets);
                }
                for since in state.queue.stored(fleet) {
                    self.metrics.delays.observe((now - since).as_seconds_f64().max(0.0));
                }
                if let Some(notes) = state.notes.get_mut(fleet) {
                    job.write.reports.keys().for_each(|client| notes.wake(client));
                }
                state.forget(fleet);
            }
        }
    }

    fn write_ended(
        &self,
        state: &mut DeskState,
        fleet: &FleetKey,
        version: Option<&str>,
        now: Timestamp,
    ) {
        let notes = state.notes.get_mut(fleet);
        if notes.is_some_and(|notes| notes.write_ended(version)) {
            state.queue.others_write(fleet, now);
        }
    }

    /// Moves the reports of a client that its fleet does not have, and the requests that wait for
    /// them. Drops them if no fleet has the client.
    fn relocate(&self, state: &mut DeskState, from: &FleetKey, client: &Text, to: &[FleetKey]) {
        state.queue.relocate(from, client, to);
        if to.is_empty() {
            self.metrics.dropped.inc();
            return;
        }
        let notes = state.notes.get_mut(from);
        let waiters = notes.map(|notes| notes.take_writing(client)).unwrap_or_default();
        for fleet in to {
            let notes = state.notes.entry(fleet.clone()).or_default();
            notes.put_waiting(client, waiters.clone());
        }
    }

    /// Wakes the writer if it waits longer than until the next write of this fleet.
    fn wake_writer(&self, state: &mut DeskState, fleet: &FleetKey) {
        let is_due_earlier = match state.sleep {
            Sleep::Awake => false,
            Sleep::Indefinitely => true,
            Sleep::Until(until) => state.queue.start(fleet).is_some_and(|start| start < until),
        };
        if is_due_earlier {
            state.sleep = Sleep::Awake;
            self.changed.notify_one();
        }
    }

    fn state(&self) -> MutexGuard<'_, DeskState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DeskState {
    /// Records when a client was heard of.
    fn heard(
        &mut self,
        fleet: &FleetKey,
        client: &Text,
        seen: Option<Timestamp>,
        stored: Option<&Reported>,
        now: Timestamp,
    ) {
        let Some(seen) = seen else { return };
        let notes = match self.notes.get_mut(fleet) {
            Some(notes) => notes,
            None => self.notes.entry(fleet.clone()).or_default(),
        };
        match notes.heard.get_mut(client) {
            Some(heard) => *heard = seen.max(*heard),
            None => {
                notes.heard.insert(client.clone(), seen);
            }
        }
        let stored = stored.and_then(|stored| parse_rfc3339(stored.last_seen.as_deref()?));
        let stored = stored.filter(|stored| *stored <= now).unwrap_or(now);
        self.queue.heard(fleet, (stored + MINOR_DELAY).max(now));
    }

    /// Returns the facts about a client as they will be when all its reports are stored and shown.
    /// `None` if none are on the way.
    fn on_the_way(
        &self,
        fleet: &FleetKey,
        client: &Text,
        stored: Option<&Reported>,
    ) -> Option<Reported> {
        let unshown = self.notes.get(fleet).and_then(|notes| notes.unshown.as_ref());
        let unshown = unshown.and_then(|write| write.reports.get(client));
        let reports = unshown.into_iter().chain(self.queue.unwritten(fleet, client));
        reports.fold(None, |facts, report| Some(report.apply(facts.as_ref().or(stored))))
    }

    fn ticket(&mut self, fleet: &FleetKey, client: &Text) -> Ticket {
        let Some(stage) = self.queue.state_change(fleet, client) else { return Ticket(None) };
        let notes = self.notes.entry(fleet.clone()).or_default();
        Ticket(Some(match stage {
            Stage::Waiting => notes.wait_for_next_write(client),
            Stage::Writing => notes.wait_for_this_write(client),
        }))
    }

    fn job(&mut self, write: DueWrite) -> Job {
        let notes = self.notes.entry(write.fleet.clone()).or_default();
        notes.write_begins(&write.reports);
        let own_version = notes.unshown.as_ref().map(|unshown| unshown.version.clone());
        Job { heard: notes.heard.clone(), own_version, write }
    }

    fn forget(&mut self, fleet: &FleetKey) {
        if self.notes.get(fleet).is_some_and(|notes| !notes.is_needed()) {
            self.notes.remove(fleet);
        }
    }
}
