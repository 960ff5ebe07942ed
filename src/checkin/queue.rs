//! Collects reports until they are stored, and decides which fleet is written next and when.
//!
//! One write of a fleet and the status write that follows cost an API server about 0.3 s of CPU
//! time at 250 clients, whether one client has changed or all. So all reports of a fleet share a
//! write, and the number of writes is limited for each fleet and for the whole process.

use std::collections::{BTreeMap, VecDeque};

use chrono::TimeDelta;

use super::report::Report;
use crate::api::Text;
use crate::values::Timestamp;

/// Namespace and name of a fleet.
pub type FleetKey = (String, String);

/// Reports of one fleet, by the names of the clients.
pub type Reports = BTreeMap<Text, Report>;

/// Minimum time from the last change of a fleet's spec to the next write. Replicas share it,
/// because each of them sees the writes of the others in its watch.
pub const FLEET_INTERVAL: TimeDelta = TimeDelta::seconds(5);
/// Number of state changes of a client that are each due at once within [`CLIENT_PERIOD`].
pub const MAX_STATE_CHANGES: usize = 4;
/// Period to which [`MAX_STATE_CHANGES`] applies.
pub const CLIENT_PERIOD: TimeDelta = TimeDelta::minutes(10);

/// The reports that are not stored yet.
#[derive(Debug)]
pub struct ReportQueue {
    fleets: BTreeMap<FleetKey, PendingFleet>,
    /// Minimum time between the beginnings of two writes of the process.
    interval: TimeDelta,
    /// When the process may begin its next write.
    next_write: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct PendingFleet {
    clients: BTreeMap<Text, PendingReport>,
    /// Reports of the write that is in progress.
    writing: Option<BTreeMap<Text, PendingReport>>,
    /// When the fleet is due although no report of `clients` is, to store when its clients were
    /// last heard of.
    heard_due: Option<Timestamp>,
    /// When the fleet may be written next.
    next_write: Option<Timestamp>,
    /// Times of the latest state changes of each client, oldest first.
    changes: BTreeMap<Text, VecDeque<Timestamp>>,
}

#[derive(Clone, Debug)]
struct PendingReport {
    report: Report,
    /// When the oldest part of the report was accepted.
    since: Timestamp,
    due: Timestamp,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Write these reports of a fleet now, and when its other clients were last heard of.
    Write(FleetKey, Reports),
    /// Nothing may be written before this instant.
    Wait(Timestamp),
    /// There is nothing to write.
    Idle,
}

impl ReportQueue {
    /// Creates a queue that allows this number of writes per second, at least one in 1,000 s.
    #[must_use]
    pub fn new(max_writes_per_second: f64) -> Self {
        let seconds = 1.0 / max_writes_per_second.max(1e-3);
        let interval = TimeDelta::microseconds((seconds * 1e6).round() as i64);
        Self { fleets: BTreeMap::new(), interval, next_write: None }
    }

    /// Accepts a report that changes the state of a client. It is due at once, unless the client
    /// has changed its state too often.
    pub fn add_state(&mut self, fleet: &FleetKey, client: &Text, report: Report, now: Timestamp) {
        let pending = self.fleets.entry(fleet.clone()).or_default();
        let due = pending.due_of_state(client, now);
        pending.add(client, report, now, due);
    }

    /// Accepts a report that changes facts which decide nothing.
    pub fn add_minor(
        &mut self,
        fleet: &FleetKey,
        client: &Text,
        report: Report,
        now: Timestamp,
        due: Timestamp,
    ) {
        self.fleets.entry(fleet.clone()).or_default().add(client, report, now, due);
    }

    /// Records that a client was heard of, which is to be stored by `due`.
    pub fn heard(&mut self, fleet: &FleetKey, due: Timestamp) {
        let pending = self.fleets.entry(fleet.clone()).or_default();
        pending.heard_due = Some(pending.heard_due.map_or(due, |earlier| earlier.min(due)));
    }

    /// Records that a change of the fleet's spec was seen. It may be a write of this process, of a replica or of a user.
    pub fn spec_changed(&mut self, fleet: &FleetKey, now: Timestamp) {
        let pending = self.fleets.entry(fleet.clone()).or_default();
        pending.next_write = Some(now + FLEET_INTERVAL);
    }

    /// Returns the fleet to write now: of those that are due, the one with the oldest report. The
    /// caller must then call [`Self::stored`] or [`Self::failed`].
    pub fn next(&mut self, now: Timestamp) -> Next {
        self.fleets.retain(|_, fleet| fleet.forget_old(now));
        let mut soonest: Option<Timestamp> = None;
        let mut oldest: Option<(Timestamp, &FleetKey)> = None;
        for (key, fleet) in &self.fleets {
            let Some((due, since)) = fleet.due() else { continue };
            let start = due.max(fleet.next_write.unwrap_or(due));
            let start = start.max(self.next_write.unwrap_or(start));
            soonest = Some(soonest.map_or(start, |soonest| soonest.min(start)));
            if start <= now && oldest.is_none_or(|(oldest, _)| since < oldest) {
                oldest = Some((since, key));
            }
        }
        match (oldest.map(|(_, key)| key.clone()), soonest) {
            (Some(key), _) => {
                self.next_write = Some(now + self.interval);
                let reports = self.fleets.get_mut(&key).map(|fleet| fleet.take(now));
                Next::Write(key, reports.unwrap_or_default())
            }
            (None, Some(soonest)) => Next::Wait(soonest),
            (None, None) => Next::Idle,
        }
    }

    /// Records that the write of a fleet is stored.
    pub fn stored(&mut self, fleet: &FleetKey) {
        if let Some(pending) = self.fleets.get_mut(fleet) {
            pending.writing = None;
        }
    }

    /// Puts back the reports of a write that failed, except those of the clients in `dropped`. They
    /// are due again after `backoff`.
    pub fn failed(
        &mut self,
        fleet: &FleetKey,
        dropped: &[Text],
        now: Timestamp,
        backoff: TimeDelta,
    ) {
        let Some(pending) = self.fleets.get_mut(fleet) else { return };
        for (client, mut earlier) in pending.writing.take().into_iter().flatten() {
            if dropped.contains(&client) {
                continue;
            }
            if let Some(later) = pending.clients.remove(&client) {
                earlier.report.merge(later.report);
            }
            pending.clients.insert(client, earlier);
        }
        pending.next_write = Some(now + backoff);
        pending.heard_due = Some(now + backoff);
    }

    /// Returns whether reports of the client are not stored yet.
    #[must_use]
    pub fn has_unwritten(&self, fleet: &FleetKey, client: &str) -> bool {
        self.fleets.get(fleet).is_some_and(|pending| pending.unwritten(client).next().is_some())
    }

    /// Returns when the oldest report that is not stored yet was accepted; `None` if all are
    /// stored.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        let reports = self.fleets.values().flat_map(PendingFleet::reports);
        reports.map(|report| report.since).min()
    }

    /// Returns the number of clients with reports that are not stored yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fleets.values().map(|fleet| fleet.reports().count()).sum()
    }

    /// Returns whether all reports are stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl PendingFleet {
    fn add(&mut self, client: &Text, report: Report, now: Timestamp, due: Timestamp) {
        match self.clients.get_mut(client) {
            Some(pending) => {
                pending.report.merge(report);
                pending.due = pending.due.min(due);
            }
            None => {
                self.clients.insert(client.clone(), PendingReport { report, since: now, due });
            }
        }
    }

    /// Returns when a state change is due, and counts it. Without the limit, one client whose state
    /// flaps would cause a write every 5 s.
    fn due_of_state(&mut self, client: &Text, now: Timestamp) -> Timestamp {
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

    /// Returns when the fleet is due, and when its oldest report was accepted; `None` if there is
    /// nothing to write or a write is in progress.
    fn due(&self) -> Option<(Timestamp, Timestamp)> {
        if self.writing.is_some() {
            return None;
        }
        let due = self.clients.values().map(|report| report.due).chain(self.heard_due).min()?;
        Some((due, self.clients.values().map(|report| report.since).min().unwrap_or(due)))
    }

    fn take(&mut self, now: Timestamp) -> Reports {
        let taken = std::mem::take(&mut self.clients);
        self.heard_due = None;
        self.next_write = Some(now + FLEET_INTERVAL);
        let reports =
            taken.iter().map(|(client, pending)| (client.clone(), pending.report.clone()));
        let reports = reports.collect();
        self.writing = Some(taken);
        reports
    }

    /// Drops what is too old to matter. Returns whether anything must still be remembered.
    fn forget_old(&mut self, now: Timestamp) -> bool {
        self.changes
            .retain(|_, changes| changes.back().is_some_and(|last| now - *last < CLIENT_PERIOD));
        self.writing.is_some()
            || !self.clients.is_empty()
            || self.heard_due.is_some()
            || !self.changes.is_empty()
            || self.next_write.is_some_and(|next| next > now)
    }

    fn unwritten(&self, client: &str) -> impl Iterator<Item = &PendingReport> {
        let writing = self.writing.as_ref().and_then(|writing| writing.get(client));
        self.clients.get(client).into_iter().chain(writing)
    }

    fn reports(&self) -> impl Iterator<Item = &PendingReport> {
        let writing = self.writing.iter().flat_map(BTreeMap::values);
        self.clients.values().chain(writing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_timestamp_millis(1_795_000_000_000 + milliseconds).unwrap()
    }

    fn fleet(name: &str) -> FleetKey {
        ("clients".to_owned(), name.to_owned())
    }

    fn version(version: &str) -> Report {
        Report { version: Some(version.into()), ..Report::default() }
    }

    fn add(queue: &mut ReportQueue, of: &str, client: &str, to: &str, now: i64) {
        queue.add_state(&fleet(of), &client.into(), version(to), at(now));
    }

    /// Returns the next write as text, such as `berlin: a=2.0 b=2.0`, or the milliseconds to wait.
    fn next(queue: &mut ReportQueue, now: i64) -> String {
        match queue.next(at(now)) {
            Next::Write((_, name), reports) => {
                let change = |(client, report): (&Text, &Report)| {
                    format!(" {client}={}", report.version.as_deref().unwrap_or_default())
                };
                format!("{name}:{}", reports.iter().map(change).collect::<String>())
            }
            Next::Wait(until) => format!("wait {}", (until - at(now)).num_milliseconds()),
            Next::Idle => "idle".to_owned(),
        }
    }

    #[test]
    fn reports_of_a_fleet_share_a_write_every_5_seconds() {
        let mut queue = ReportQueue::new(1000.0);
        add(&mut queue, "berlin", "a", "2.0", 0);
        assert_eq!(next(&mut queue, 0), "berlin: a=2.0");
        add(&mut queue, "berlin", "b", "2.0", 100);
        add(&mut queue, "berlin", "c", "2.0", 200);
        assert_eq!(next(&mut queue, 300), "idle", "a write is in progress");
        queue.stored(&fleet("berlin"));
        assert_eq!(next(&mut queue, 300), "wait 4700");
        queue.spec_changed(&fleet("berlin"), at(2000));
        assert_eq!(next(&mut queue, 5000), "wait 2000", "another replica has written");
        assert_eq!(next(&mut queue, 7000), "berlin: b=2.0 c=2.0");
    }

    #[test]
    fn the_interval_begins_with_a_change_by_others() {
        let mut queue = ReportQueue::new(1000.0);
        queue.spec_changed(&fleet("berlin"), at(0));
        add(&mut queue, "berlin", "a", "2.0", 1000);
        assert_eq!(next(&mut queue, 1000), "wait 4000");
        assert_eq!(next(&mut queue, 5000), "berlin: a=2.0");
    }

    #[test]
    fn a_fleet_without_news_is_forgotten() {
        let mut queue = ReportQueue::new(1000.0);
        add(&mut queue, "berlin", "a", "2.0", 0);
        next(&mut queue, 0);
        queue.stored(&fleet("berlin"));
        next(&mut queue, 599_999);
        assert_eq!(queue.fleets.len(), 1, "it counts the changes of the client");
        next(&mut queue, 600_000);
        assert!(queue.fleets.is_empty());
    }

    #[test]
    fn the_oldest_report_is_written_first_within_the_limit_of_the_process() {
        let mut queue = ReportQueue::new(5.0);
        add(&mut queue, "new-york", "n", "2.0", 0);
        add(&mut queue, "berlin", "b", "2.0", 1);
        add(&mut queue, "asia", "a", "2.0", 2);
        assert_eq!(next(&mut queue, 10), "new-york: n=2.0");
        assert_eq!(next(&mut queue, 10), "wait 200");
        assert_eq!(next(&mut queue, 210), "berlin: b=2.0");
        assert_eq!(next(&mut queue, 410), "asia: a=2.0");
    }

    #[test]
    fn a_failed_write_keeps_its_reports_and_what_was_reported_since() {
        let mut queue = ReportQueue::new(1000.0);
        add(&mut queue, "berlin", "a", "1.0", 0);
        add(&mut queue, "berlin", "b", "1.0", 0);
        add(&mut queue, "berlin", "c", "bad", 0);
        next(&mut queue, 0);
        add(&mut queue, "berlin", "a", "2.0", 100);
        assert!(queue.has_unwritten(&fleet("berlin"), "b"));
        queue.failed(&fleet("berlin"), &["c".into()], at(200), TimeDelta::seconds(1));
        assert_eq!(queue.oldest(), Some(at(0)));
        assert_eq!(next(&mut queue, 200), "wait 1000");
        assert_eq!(next(&mut queue, 1200), "berlin: a=2.0 b=1.0");
        queue.stored(&fleet("berlin"));
        assert!(queue.is_empty());
    }

    #[test]
    fn a_client_whose_state_flaps_is_written_4_times_in_10_minutes() {
        let mut queue = ReportQueue::new(1000.0);
        for number in 0..8 {
            let now = number * 10_000;
            add(&mut queue, "berlin", "a", &format!("{number}"), now);
            let expected = if number < 4 {
                format!("berlin: a={number}")
            } else {
                format!("wait {}", 600_000 - now)
            };
            assert_eq!(next(&mut queue, now), expected);
            queue.stored(&fleet("berlin"));
        }
        assert_eq!(next(&mut queue, 600_000), "berlin: a=7", "only the newest is kept");
    }

    #[test]
    fn minor_facts_wait_and_go_along_with_the_next_write() {
        let mut queue = ReportQueue::new(1000.0);
        let user = Report { last_user: Some(Some("ada".into())), ..Report::default() };
        queue.add_minor(&fleet("berlin"), &"a".into(), user, at(0), at(3_600_000));
        queue.heard(&fleet("berlin"), at(1_800_000));
        assert_eq!(next(&mut queue, 0), "wait 1800000");
        add(&mut queue, "berlin", "b", "2.0", 1000);
        assert_eq!(next(&mut queue, 1000), "berlin: a= b=2.0");
        queue.stored(&fleet("berlin"));
        assert_eq!(next(&mut queue, 1000), "idle");
    }
}
