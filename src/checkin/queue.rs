//! Collects reports until they are stored, and decides which fleet is written next and when.
//!
//! One write of a fleet and the status write that follows cost an API server about 0.3 s of CPU
//! time at 250 clients, whether one client has changed or all. So all reports of a fleet share a
//! write, and the number of writes is limited for each fleet and for the whole process.

use std::collections::BTreeMap;

use chrono::TimeDelta;

use super::pending::{PendingFleet, PendingReport};
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
/// Additional time after the own write of a fleet that others have changed lately. Without it, the
/// replicas of a fleet would write at the same time instead of in turn.
pub const TURN: TimeDelta = TimeDelta::seconds(1);
/// Time for which a change by others counts as late enough for [`TURN`].
const OTHERS_PERIOD: TimeDelta = TimeDelta::seconds(30);
/// Maximum time for which changes of the spec by others delay a write that is due.
pub const MAX_DEFERRAL: TimeDelta = TimeDelta::seconds(20);
/// Number of state changes of a client that are each due at once within [`CLIENT_PERIOD`].
pub const MAX_STATE_CHANGES: usize = 4;
/// Period to which [`MAX_STATE_CHANGES`] applies.
pub const CLIENT_PERIOD: TimeDelta = TimeDelta::minutes(10);
/// Time between two searches for fleets that can be forgotten.
const FORGET_INTERVAL: TimeDelta = TimeDelta::seconds(10);

/// The reports that are not stored yet.
#[derive(Debug)]
pub struct ReportQueue {
    fleets: BTreeMap<FleetKey, PendingFleet>,
    /// Minimum time between the beginnings of two writes of the process.
    interval: TimeDelta,
    /// When the process may begin its next write.
    next_write: Option<Timestamp>,
    forget_at: Option<Timestamp>,
    /// Time of the last call of [`Self::next`].
    last_now: Option<Timestamp>,
}

/// A write that is to be made now.
#[derive(Clone, Debug, PartialEq)]
pub struct DueWrite {
    /// Fleet to write.
    pub fleet: FleetKey,
    /// Reports to write. Empty if only the times are due when clients were last heard of.
    pub reports: Reports,
    /// True if changes by others have delayed the write as long as they may, so that it must not
    /// wait for an unchanged spec any longer.
    pub is_overdue: bool,
}

/// What to do next.
#[derive(Clone, Debug, PartialEq)]
pub enum Next {
    /// Write the reports of a fleet now, and when its other clients were last heard of.
    Write(DueWrite),
    /// Nothing may be written before this instant.
    Wait(Timestamp),
    /// There is nothing to write.
    Idle,
}

/// Where a state change of a client is that is not stored yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The report waits for the next write.
    Waiting,
    /// The report is part of a write that is in progress.
    Writing,
}

impl ReportQueue {
    /// Creates a queue that allows this number of writes per second, at least one in 1,000 s.
    #[must_use]
    pub fn new(max_writes_per_second: f64) -> Self {
        let seconds = 1.0 / max_writes_per_second.max(1e-3);
        let interval = TimeDelta::microseconds((seconds * 1e6).round() as i64);
        Self {
            fleets: BTreeMap::new(),
            interval,
            next_write: None,
            forget_at: None,
            last_now: None,
        }
    }

    /// Accepts a report that changes the state of a client. It is due at once, unless the client
    /// has changed its state too often. Returns whether it is due at once.
    pub fn add_state(
        &mut self,
        fleet: &FleetKey,
        client: &Text,
        report: Report,
        now: Timestamp,
    ) -> bool {
        let pending = self.fleets.entry(fleet.clone()).or_default();
        let due = pending.due_of_state(client, now);
        pending.add(client, PendingReport { report, due, state_since: Some(now) });
        due <= now
    }

    /// Accepts a report that changes facts which decide nothing.
    pub fn add_minor(&mut self, fleet: &FleetKey, client: &Text, report: Report, due: Timestamp) {
        let pending = self.fleets.entry(fleet.clone()).or_default();
        pending.add(client, PendingReport { report, due, state_since: None });
    }

    /// Records that a client was heard of, which is to be stored by `due`.
    pub fn heard(&mut self, fleet: &FleetKey, due: Timestamp) {
        let pending = match self.fleets.get_mut(fleet) {
            Some(pending) => pending,
            None => self.fleets.entry(fleet.clone()).or_default(),
        };
        pending.heard_due = Some(pending.heard_due.map_or(due, |earlier| earlier.min(due)));
    }

    /// Records that a change of the fleet's spec was seen, by a write of this process or by others.
    pub fn spec_changed(&mut self, fleet: &FleetKey, now: Timestamp) {
        self.fleets.entry(fleet.clone()).or_default().changed_until = Some(now + FLEET_INTERVAL);
    }

    /// Records that others write the fleet too, such as a replica.
    pub fn others_write(&mut self, fleet: &FleetKey, now: Timestamp) {
        self.fleets.entry(fleet.clone()).or_default().others_until = Some(now + OTHERS_PERIOD);
    }

    /// Returns whether a write of the fleet is in progress.
    #[must_use]
    pub fn is_writing(&self, fleet: &FleetKey) -> bool {
        self.fleets.get(fleet).is_some_and(|pending| pending.writing.is_some())
    }

    /// Makes the reports of a fleet due at once, because the fleet is deleted.
    pub fn expedite(&mut self, fleet: &FleetKey) {
        let Some(now) = self.last_now else { return };
        if let Some(pending) = self.fleets.get_mut(fleet) {
            pending.heard_due = None;
            pending.changed_until = None;
            pending.others_until = None;
            pending.expedite(now);
        }
    }

    /// Returns the fleet to write now: of those that may be written, the one that has been due for
    /// the longest time. The caller must then call [`Self::stored`] or [`Self::put_back`].
    pub fn next(&mut self, now: Timestamp) -> Next {
        self.follow_clock(now);
        self.forget_old(now);
        let mut soonest: Option<Timestamp> = None;
        let mut first: Option<(Timestamp, &FleetKey)> = None;
        for (key, fleet) in &self.fleets {
            let Some(start) = fleet.start() else { continue };
            let start = start.max(self.next_write.unwrap_or(start));
            soonest = Some(soonest.map_or(start, |soonest| soonest.min(start)));
            let due = fleet.due().unwrap_or(start);
            if start <= now && first.is_none_or(|(first, _)| due < first) {
                first = Some((due, key));
            }
        }
        match (first.map(|(_, key)| key.clone()), soonest) {
            (Some(key), _) => {
                self.next_write = Some(now + self.interval);
                Next::Write(self.take(key, now))
            }
            (None, Some(soonest)) => Next::Wait(soonest),
            (None, None) => Next::Idle,
        }
    }

    /// Returns a fleet to write before the process ends, without regard to the limits: of those with
    /// reports, the one that is due first. `None` if there is none.
    pub fn next_at_shutdown(&mut self, now: Timestamp) -> Option<DueWrite> {
        let with_reports = |(key, fleet): (&FleetKey, &PendingFleet)| {
            fleet.reports_due().map(|due| (due, key.clone()))
        };
        let (_, key) = self.fleets.iter().filter_map(with_reports).min()?;
        Some(DueWrite { is_overdue: true, ..self.take(key, now) })
    }

    fn take(&mut self, fleet: FleetKey, now: Timestamp) -> DueWrite {
        let Some(pending) = self.fleets.get_mut(&fleet) else {
            return DueWrite { fleet, reports: Reports::new(), is_overdue: false };
        };
        let is_overdue = pending.due().is_some_and(|due| now >= due + MAX_DEFERRAL);
        DueWrite { fleet, reports: pending.take(now), is_overdue }
    }

    /// Returns when the next write of a fleet may begin; `None` if nothing is due or a write of the
    /// fleet is in progress.
    #[must_use]
    pub fn start(&self, fleet: &FleetKey) -> Option<Timestamp> {
        let start = self.fleets.get(fleet)?.start()?;
        Some(start.max(self.next_write.unwrap_or(start)))
    }

    /// Records that the write of a fleet is stored. Returns when each state change in it was
    /// accepted.
    pub fn stored(&mut self, fleet: &FleetKey) -> Vec<Timestamp> {
        let Some(pending) = self.fleets.get_mut(fleet) else { return Vec::new() };
        let written = pending.writing.take().into_iter().flat_map(|writing| writing.clients);
        written.filter_map(|(_, report)| report.state_since).collect()
    }

    /// Puts back what is left of the reports of a write that failed. They may be written again from
    /// `not_before` on.
    pub fn put_back(&mut self, fleet: &FleetKey, left: Reports, not_before: Timestamp) {
        if let Some(pending) = self.fleets.get_mut(fleet) {
            pending.put_back(left, not_before);
        }
    }

    /// Moves the report of a client from a write that is in progress to other fleets.
    pub fn relocate(&mut self, from: &FleetKey, client: &Text, to: &[FleetKey]) {
        let writing = self.fleets.get_mut(from).and_then(|pending| pending.writing.as_mut());
        let Some(report) = writing.and_then(|writing| writing.clients.remove(client)) else {
            return;
        };
        for fleet in to {
            self.fleets.entry(fleet.clone()).or_default().put_before(client, report.clone());
        }
    }

    /// Returns the reports of a client that are not stored yet, oldest first.
    pub fn unwritten(&self, fleet: &FleetKey, client: &str) -> impl Iterator<Item = &Report> {
        let pending = self.fleets.get(fleet);
        pending.into_iter().flat_map(move |pending| pending.unwritten(client)).map(|p| &p.report)
    }

    /// Returns where the newest state change of a client is; `None` if all are stored.
    #[must_use]
    pub fn state_change(&self, fleet: &FleetKey, client: &str) -> Option<Stage> {
        self.fleets.get(fleet)?.state_change(client)
    }

    /// Returns when the oldest state change that is not stored yet was accepted; `None` if all are
    /// stored.
    #[must_use]
    pub fn oldest(&self) -> Option<Timestamp> {
        let reports = self.fleets.values().flat_map(PendingFleet::reports);
        reports.filter_map(|report| report.state_since).min()
    }

    /// Returns the number of clients with reports that are not stored yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fleets.values().map(PendingFleet::len).sum()
    }

    /// Returns whether all reports are stored.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fleets.values().all(|fleet| fleet.reports().next().is_none())
    }

    /// Shifts all times if the clock was set back, because nothing would be written until the clock
    /// shows the old time again.
    fn follow_clock(&mut self, now: Timestamp) {
        let back = self.last_now.map_or(TimeDelta::zero(), |last| last - now);
        self.last_now = Some(now);
        if back > TimeDelta::zero() {
            self.next_write = self.next_write.map(|time| time - back);
            self.forget_at = self.forget_at.map(|time| time - back);
            self.fleets.values_mut().for_each(|fleet| fleet.shift_back(back));
        }
    }

    fn forget_old(&mut self, now: Timestamp) {
        if self.forget_at.is_none_or(|at| now >= at) {
            self.forget_at = Some(now + FORGET_INTERVAL);
            self.fleets.retain(|_, fleet| fleet.forget_old(now));
        }
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
            Next::Write(DueWrite { fleet: (_, name), reports, .. }) => {
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
        next(&mut queue, 610_000);
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
        assert_eq!(queue.state_change(&fleet("berlin"), "a"), Some(Stage::Waiting));
        assert_eq!(queue.state_change(&fleet("berlin"), "b"), Some(Stage::Writing));
        assert_eq!(queue.unwritten(&fleet("berlin"), "a").count(), 2);
        let left = ["a", "b"].map(|client| (client.into(), version("1.0"))).into();
        queue.put_back(&fleet("berlin"), left, at(1200));
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
        queue.add_minor(&fleet("berlin"), &"a".into(), user, at(3_600_000));
        queue.heard(&fleet("berlin"), at(1_800_000));
        assert_eq!(next(&mut queue, 0), "wait 1800000");
        add(&mut queue, "berlin", "b", "2.0", 1000);
        assert_eq!(next(&mut queue, 1000), "berlin: a= b=2.0");
        queue.stored(&fleet("berlin"));
        assert_eq!(next(&mut queue, 1000), "idle");
    }

    #[test]
    fn replicas_of_a_fleet_write_in_turn() {
        let mut queue = ReportQueue::new(1000.0);
        queue.spec_changed(&fleet("berlin"), at(0));
        queue.others_write(&fleet("berlin"), at(0));
        add(&mut queue, "berlin", "a", "2.0", 0);
        assert_eq!(next(&mut queue, 5000), "berlin: a=2.0");
        queue.stored(&fleet("berlin"));
        queue.spec_changed(&fleet("berlin"), at(5100));
        add(&mut queue, "berlin", "b", "2.0", 5200);
        assert_eq!(next(&mut queue, 5200), "wait 5800", "another replica may write at 10100");
        assert_eq!(next(&mut queue, 11_000), "berlin: b=2.0");
    }

    #[test]
    fn changes_by_others_delay_a_write_for_20_seconds() {
        let mut queue = ReportQueue::new(1000.0);
        add(&mut queue, "berlin", "a", "2.0", 0);
        for second in 0..20 {
            queue.spec_changed(&fleet("berlin"), at(second * 1000));
            assert!(next(&mut queue, second * 1000 + 500).starts_with("wait"));
        }
        let Next::Write(write) = queue.next(at(20_000)) else { panic!("it is due") };
        assert!(write.is_overdue);
    }

    #[test]
    fn a_clock_that_is_set_back_stops_nothing() {
        let mut queue = ReportQueue::new(1000.0);
        add(&mut queue, "berlin", "a", "2.0", 3_600_000);
        assert_eq!(next(&mut queue, 3_600_000), "berlin: a=2.0");
        queue.stored(&fleet("berlin"));
        add(&mut queue, "berlin", "b", "2.0", 3_601_000);
        assert_eq!(next(&mut queue, 3_601_000), "wait 4000");
        assert_eq!(next(&mut queue, 1000), "wait 4000");
        assert_eq!(next(&mut queue, 5000), "berlin: b=2.0");
    }

    #[test]
    fn a_report_moves_to_the_fleet_that_has_its_client() {
        let mut queue = ReportQueue::new(1000.0);
        add(&mut queue, "berlin", "a", "1.0", 0);
        add(&mut queue, "berlin", "b", "1.0", 0);
        next(&mut queue, 0);
        add(&mut queue, "york", "a", "2.0", 100);
        queue.relocate(&fleet("berlin"), &"a".into(), &[fleet("york")]);
        queue.stored(&fleet("berlin"));
        assert_eq!((queue.len(), queue.oldest()), (1, Some(at(0))));
        assert_eq!(next(&mut queue, 200), "york: a=2.0", "the later report counts");
    }

    #[test]
    fn a_shutdown_ignores_the_limits() {
        let mut queue = ReportQueue::new(0.001);
        add(&mut queue, "berlin", "a", "1.0", 0);
        next(&mut queue, 0);
        add(&mut queue, "berlin", "b", "1.0", 0);
        queue.add_minor(&fleet("york"), &"c".into(), version("1.0"), at(3_600_000));
        queue.heard(&fleet("asia"), at(0));
        let mut written = || queue.next_at_shutdown(at(1)).map(|write| write.fleet.1);
        assert_eq!(written().as_deref(), Some("york"), "a write of berlin is in progress");
        assert_eq!(written(), None);
        queue.stored(&fleet("berlin"));
        assert_eq!(queue.next_at_shutdown(at(1)).map(|write| write.fleet), Some(fleet("berlin")));
    }
}
