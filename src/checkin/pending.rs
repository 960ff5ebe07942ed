//! Keeps the reports of one fleet until they are stored.

use std::collections::{BTreeMap, VecDeque};

use chrono::TimeDelta;

use super::queue::Reports;
use super::queue::{CLIENT_PERIOD, FLEET_INTERVAL, MAX_DEFERRAL, MAX_STATE_CHANGES, Stage, TURN};
use super::report::Report;
use crate::api::Text;
use crate::values::Timestamp;

/// Reports of one fleet that are not stored yet, and when the fleet may be written.
#[derive(Debug, Default)]
pub(super) struct PendingFleet {
    clients: BTreeMap<Text, PendingReport>,
    /// When the first report of `clients` is due.
    first_due: Option<Timestamp>,
    /// Write that is in progress.
    pub(super) writing: Option<Writing>,
    /// When the fleet is due although no report of `clients` is, to store when its clients were
    /// last heard of.
    pub(super) heard_due: Option<Timestamp>,
    /// When the fleet may be written next, after an own write.
    next_write: Option<Timestamp>,
    /// When the fleet may be written next, after a change of its spec.
    pub(super) changed_until: Option<Timestamp>,
    /// Until when the fleet counts as changed by others.
    pub(super) others_until: Option<Timestamp>,
    /// Times of the latest state changes of each client, oldest first.
    changes: BTreeMap<Text, VecDeque<Timestamp>>,
}

#[derive(Debug)]
pub(super) struct Writing {
    pub(super) clients: BTreeMap<Text, PendingReport>,
    has_heard: bool,
}

#[derive(Clone, Debug)]
pub(super) struct PendingReport {
    pub(super) report: Report,
    pub(super) due: Timestamp,
    /// When the first state change in the report was accepted.
    pub(super) state_since: Option<Timestamp>,
}

impl PendingReport {
    /// Adds a later report of the same client.
    fn merge(&mut self, later: Self) {
        self.report.merge(later.report);
        self.due = self.due.min(later.due);
        self.state_since = self.state_since.or(later.state_since);
    }
}

impl PendingFleet {
    pub(super) fn add(&mut self, client: &Text, report: PendingReport) {
        self.first_due = Some(self.first_due.map_or(report.due, |due| due.min(report.due)));
        match self.clients.get_mut(client) {
            Some(pending) => pending.merge(report),
            None => {
                self.clients.insert(client.clone(), report);
            }
        }
    }

    /// Adds a report that is older than those of the same client here.
    pub(super) fn put_before(&mut self, client: &Text, report: PendingReport) {
        let later = self.clients.remove(client);
        self.add(client, report);
        if let Some(later) = later {
            self.add(client, later);
        }
    }

    /// Returns when a state change is due, and counts it. Without the limit, one client whose state
    /// flaps would cause a write every 5 s.
    pub(super) fn due_of_state(&mut self, client: &Text, now: Timestamp) -> Timestamp {
        let changes = self.changes.entry(client.clone()).or_default();
        while changes.front().is_some_and(|first| now - *first >= CLIENT_PERIOD) {
            changes.pop_front();
        }
        match changes.front() {
            Some(first) if changes.len() >= MAX_STATE_CHANGES => *first + CLIENT_PERIOD,
            _ => {
                changes.push_back(now);
                now
            }
        }
    }

    pub(super) fn expedite(&mut self, now: Timestamp) {
        for report in self.clients.values_mut() {
            report.due = report.due.min(now);
        }
        self.first_due = self.first_due.map(|due| due.min(now));
    }

    /// Returns when the fleet is due; `None` if there is nothing to write or a write is in progress.
    pub(super) fn due(&self) -> Option<Timestamp> {
        let dues = self.first_due.into_iter().chain(self.heard_due);
        dues.min().filter(|_| self.writing.is_none())
    }

    /// Returns when the first report is due; `None` if there is none or a write is in progress.
    pub(super) fn reports_due(&self) -> Option<Timestamp> {
        self.first_due.filter(|_| self.writing.is_none())
    }

    /// Returns when the next write may begin; `None` if nothing is due or a write is in progress.
    pub(super) fn start(&self) -> Option<Timestamp> {
        let due = self.due()?;
        let unchanged = self.changed_until.map_or(due, |until| until.min(due + MAX_DEFERRAL));
        Some(due.max(unchanged).max(self.next_write.unwrap_or(due)))
    }

    pub(super) fn take(&mut self, now: Timestamp) -> Reports {
        let clients = std::mem::take(&mut self.clients);
        self.first_due = None;
        let has_heard = self.heard_due.take().is_some();
        let is_shared = self.others_until.is_some_and(|until| now < until);
        let turn = if is_shared { TURN } else { TimeDelta::zero() };
        self.next_write = Some(now + FLEET_INTERVAL + turn);
        let reports = clients.iter().map(|(client, pending)| (client, &pending.report));
        let reports = reports.map(|(client, report)| (client.clone(), report.clone())).collect();
        self.writing = Some(Writing { clients, has_heard });
        reports
    }

    pub(super) fn put_back(&mut self, mut left: Reports, not_before: Timestamp) {
        let Some(writing) = self.writing.take() else { return };
        for (client, mut pending) in writing.clients {
            if let Some(report) = left.remove(&client) {
                pending.report = report;
                self.put_before(&client, pending);
            }
        }
        if writing.has_heard {
            let due = self.heard_due.map_or(not_before, |due| due.min(not_before));
            self.heard_due = Some(due);
        }
        self.next_write = Some(not_before);
    }

    /// Drops what is too old to matter. Returns whether anything must still be remembered.
    pub(super) fn forget_old(&mut self, now: Timestamp) -> bool {
        self.changes
            .retain(|_, changes| changes.back().is_some_and(|last| now - *last < CLIENT_PERIOD));
        let times = [self.next_write, self.changed_until, self.others_until];
        self.writing.is_some()
            || !self.clients.is_empty()
            || self.heard_due.is_some()
            || !self.changes.is_empty()
            || times.into_iter().flatten().any(|time| time > now)
    }

    pub(super) fn unwritten(&self, client: &str) -> impl Iterator<Item = &PendingReport> {
        let writing = self.writing.as_ref().and_then(|writing| writing.clients.get(client));
        writing.into_iter().chain(self.clients.get(client))
    }

    pub(super) fn state_change(&self, client: &str) -> Option<Stage> {
        let is_state = |report: &&PendingReport| report.state_since.is_some();
        if self.clients.get(client).as_ref().is_some_and(is_state) {
            return Some(Stage::Waiting);
        }
        let writing = self.writing.as_ref()?.clients.get(client);
        writing.filter(is_state).map(|_| Stage::Writing)
    }

    pub(super) fn reports(&self) -> impl Iterator<Item = &PendingReport> {
        let writing = self.writing.iter().flat_map(|writing| writing.clients.values());
        self.clients.values().chain(writing)
    }

    pub(super) fn len(&self) -> usize {
        self.clients.len() + self.writing.as_ref().map_or(0, |writing| writing.clients.len())
    }

    pub(super) fn shift_back(&mut self, back: TimeDelta) {
        let times = [
            &mut self.first_due,
            &mut self.heard_due,
            &mut self.next_write,
            &mut self.changed_until,
            &mut self.others_until,
        ];
        for time in times {
            *time = time.map(|time| time - back);
        }
        let writing = self.writing.iter_mut().flat_map(|writing| writing.clients.values_mut());
        for report in self.clients.values_mut().chain(writing) {
            report.due -= back;
            report.state_since = report.state_since.map(|since| since - back);
        }
        for changes in self.changes.values_mut().flatten() {
            *changes -= back;
        }
    }
}
