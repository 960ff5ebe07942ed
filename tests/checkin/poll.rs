//! Tests the answers to polls, one row for each rule and its neighbors.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::decided;

use clientfleet::checkin::fleet::DeliveryFleet;
use clientfleet::checkin::poll::{Answer, Intervals, Link, Poll, Why};
use clientfleet::checkin::session::Session;
use clientfleet::checkin::validity::{Doubt, Validity};
use clientfleet::ddi::ActionId;
use clientfleet::values::Timestamp;

const NOON: &str = "2026-11-29T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn offer(version: &str, time: &str) -> Value {
    json!({"version": version, "policy": "p", "generation": 1, "time": time})
}

fn action(version: &str, time: &str) -> ActionId {
    ActionId::of("clients", "a", version, at(time))
}

/// A client that runs 1.0 and is offered 2.0 since 11:00, polling at noon. Each test changes what
/// it is about.
struct PollCase {
    row: Value,
    reported: Value,
    validity: Validity,
    has_unwritten_reports: bool,
    is_package_ready: bool,
    closes_after_restart: bool,
    started: &'static str,
    session: Session,
}

impl Default for PollCase {
    fn default() -> Self {
        let mut session = Session::default();
        session.reported_version(at("2026-11-29T11:30:00Z"));
        Self {
            row: json!({
                "name": "a", "state": "Distributing", "reason": "UpgradeOffered",
                "targetVersion": "2.0", "policy": "p",
                "lastTransitionTime": "2026-11-29T11:00:00Z",
                "lastOffer": offer("2.0", "2026-11-29T11:00:00Z"),
            }),
            reported: json!({"version": "1.0"}),
            validity: Validity::Valid,
            has_unwritten_reports: false,
            is_package_ready: true,
            closes_after_restart: false,
            started: "2026-11-29T00:00:00Z",
            session,
        }
    }
}

fn current() -> ActionId {
    action("2.0", "2026-11-29T11:00:00Z")
}

fn earlier() -> ActionId {
    action("1.5", "2026-11-20T11:00:00Z")
}

impl PollCase {
    fn state(mut self, state: &str, since: &str) -> Self {
        self.row["state"] = json!(state);
        self.row["lastTransitionTime"] = json!(since);
        self
    }

    fn session(mut self, change: impl FnOnce(&mut Session)) -> Self {
        change(&mut self.session);
        self
    }

    fn answer(&self) -> Answer {
        let spec = json!({"clients": [{"name": "a", "reported": self.reported}]});
        let status = json!({"observedGeneration": 1, "clients": [self.row]});
        let metadata = ObjectMeta {
            namespace: Some("clients".to_owned()),
            generation: Some(1),
            ..ObjectMeta::default()
        };
        let fleet = DeliveryFleet::new(
            metadata,
            Some(Arc::new(serde_json::from_value(spec).unwrap())),
            decided(status),
            None,
            at(NOON),
        );
        let poll = Poll {
            namespace: "clients",
            client: "a",
            entry: fleet.entry(0).map(|entry| (entry, self.validity)),
            has_unwritten_reports: self.has_unwritten_reports,
            is_package_ready: self.is_package_ready,
            closes_after_restart: self.closes_after_restart,
            started: at(self.started),
            now: at(NOON),
            intervals: Intervals {
                idle: Duration::from_secs(300),
                in_progress: Duration::from_secs(60),
            },
        };
        poll.answer(&self.session)
    }

    #[track_caller]
    fn is(self, link: Option<Link>, why: Why) {
        let answer = self.answer();
        assert_eq!((answer.link, answer.why), (link, why));
        assert!(!(answer.link.is_some() && answer.asks_attributes), "two links");
    }

    #[track_caller]
    fn asks_attributes(self, expected: bool) {
        assert_eq!(self.answer().asks_attributes, expected);
    }
}

fn deployment() -> Option<Link> {
    Some(Link::Deployment(current()))
}

fn cancel() -> Option<Link> {
    Some(Link::Cancel(current()))
}

const DOUBT: Validity = Validity::Unknown(Doubt::FleetNotPlanned);

#[test]
fn an_offer_that_counts_is_linked() {
    PollCase::default().is(deployment(), Why::Offered);
    PollCase::default().session(|s| s.fetched(current())).is(deployment(), Why::Offered);
    let missing = || PollCase { is_package_ready: false, ..PollCase::default() };
    missing().is(None, Why::PackageMissing);
    PollCase::default()
        .session(|s| {
            s.fetched(current());
            s.closed(current());
        })
        .is(None, Why::Closed);
}

#[test]
fn in_doubt_an_action_goes_on_and_none_begins() {
    let doubt = || PollCase { validity: DOUBT, ..PollCase::default() };
    doubt().is(None, Why::InDoubt(Doubt::FleetNotPlanned));
    let fetched = |case: PollCase| case.session(|s| s.fetched(current()));
    fetched(doubt()).is(deployment(), Why::InDoubt(Doubt::FleetNotPlanned));
    let held = fetched(doubt()).state("Held", NOON);
    held.is(deployment(), Why::InDoubt(Doubt::FleetNotPlanned));
    let unwritten = || PollCase { has_unwritten_reports: true, ..PollCase::default() };
    unwritten().is(None, Why::ReportsUnwritten);
    fetched(unwritten()).is(deployment(), Why::ReportsUnwritten);
}

#[test]
fn a_client_tells_its_version_before_a_new_action_but_is_asked_only_twice() {
    let silent = || PollCase { session: Session::default(), ..PollCase::default() };
    silent().is(None, Why::VersionWanted);
    silent().asks_attributes(true);
    silent().session(Session::asked_for_version).is(None, Why::VersionWanted);
    let twice = |s: &mut Session| (0..2).for_each(|_| s.asked_for_version());
    silent().session(twice).is(deployment(), Why::Offered);
    let told_at = |time: &'static str| silent().session(move |s| s.reported_version(at(time)));
    told_at("2026-11-29T11:00:01Z").is(deployment(), Why::Offered);
    told_at("2026-11-29T11:00:00Z").is(None, Why::VersionWanted);
    // An action that was begun is not interrupted by the question.
    silent().session(|s| s.fetched(current())).is(deployment(), Why::Offered);
}

#[test]
fn an_ended_offer_is_canceled_for_an_hour_if_the_client_may_work_on_it() {
    let held = |since| PollCase::default().state("Held", since);
    let fetched = |case: PollCase| case.session(|s| s.fetched(current()));
    held("2026-11-29T11:30:00Z").is(None, Why::NothingOffered);
    fetched(held("2026-11-29T11:30:00Z")).is(cancel(), Why::Stopped);
    fetched(held("2026-11-29T11:00:01Z")).is(cancel(), Why::Stopped);
    fetched(held("2026-11-29T11:00:00Z")).is(None, Why::NothingOffered);
    let answered = fetched(held("2026-11-29T11:30:00Z")).session(|s| s.canceled(current()));
    answered.is(None, Why::NothingOffered);
    let closed = fetched(held("2026-11-29T11:30:00Z")).session(|s| {
        s.closed(current());
    });
    closed.is(None, Why::NothingOffered);
}

#[test]
fn after_a_restart_of_the_server_an_ended_offer_is_canceled_in_any_case() {
    let restarted = PollCase { started: "2026-11-29T11:45:00Z", ..PollCase::default() };
    restarted.state("Waiting", "2026-11-29T11:50:00Z").is(cancel(), Why::Stopped);
}

#[test]
fn an_offer_whose_time_has_passed_is_canceled_although_the_controller_is_late() {
    let over = || {
        let mut case = PollCase { validity: Validity::Over, ..PollCase::default() };
        case.row["nextTransitionTime"] = json!("2026-11-29T11:59:59Z");
        case
    };
    over().is(None, Why::NothingOffered);
    over().session(|s| s.fetched(current())).is(cancel(), Why::Stopped);
}

#[test]
fn what_is_installed_runs_or_has_failed_is_not_canceled() {
    let ended = |reported: Value| {
        let case = PollCase { reported, ..PollCase::default() };
        case.state("Held", "2026-11-29T11:30:00Z").session(|s| s.fetched(current()))
    };
    ended(json!({"version": "1.0", "stagedVersion": "2.0"})).is(None, Why::NothingOffered);
    ended(json!({"version": "2.0.0"})).is(None, Why::NothingOffered);
    let failed = json!({"version": "1.0", "lastError": {"version": "2.0"}});
    ended(failed).is(None, Why::NothingOffered);
}

#[test]
fn an_action_for_an_earlier_target_is_canceled_before_the_next_begins() {
    let changed = PollCase::default().session(|s| s.fetched(earlier()));
    changed.is(Some(Link::Cancel(earlier())), Why::Stopped);
    let stopped = PollCase::default().session(|s| {
        s.fetched(earlier());
        s.canceled(earlier());
    });
    stopped.is(deployment(), Why::Offered);
}

#[test]
fn a_staged_target_stays_linked_only_for_agents_that_close_after_the_restart() {
    let staged = |closes_after_restart| {
        let reported = json!({"version": "1.0", "stagedVersion": "2.0"});
        let case = PollCase { reported, closes_after_restart, ..PollCase::default() };
        case.state("RestartRequired", "2026-11-29T11:30:00Z")
    };
    staged(true).is(deployment(), Why::RestartPending);
    staged(false).is(None, Why::RestartPending);
    staged(false).asks_attributes(true);
    let closed = staged(true).session(|s| {
        s.closed(current());
    });
    closed.is(None, Why::RestartPending);
    // An agent without a memory installs again after its restart, which would never end.
    let again = staged(true).session(|s| {
        s.installed(current());
        s.began(current());
    });
    again.is(None, Why::RestartPending);
    let mut other = staged(true);
    other.row["targetVersion"] = json!("3.0");
    other.is(None, Why::RestartPending);
}

#[test]
fn attributes_are_asked_for_if_they_are_missing_or_old_and_never_during_an_action() {
    let up_to_date = |reported| {
        let case = PollCase { reported, ..PollCase::default() };
        case.state("UpToDate", "2026-11-20T00:00:00Z")
    };
    up_to_date(json!({"version": "2.0"})).asks_attributes(false);
    up_to_date(json!({})).asks_attributes(true);
    let told_at = |time: &'static str| {
        let case = up_to_date(json!({"version": "2.0"}));
        PollCase { session: Session::default(), ..case }
            .session(move |s| s.reported_version(at(time)))
    };
    told_at("2026-11-28T12:00:01Z").asks_attributes(false);
    told_at("2026-11-28T12:00:00Z").asks_attributes(true);
    let working = PollCase { validity: DOUBT, reported: json!({}), ..PollCase::default() };
    working.session(|s| s.fetched(current())).asks_attributes(false);
}

#[test]
fn a_client_of_no_fleet_is_asked_for_its_attributes_and_polls_hourly() {
    let poll = Poll {
        namespace: "clients",
        client: "a",
        entry: None,
        has_unwritten_reports: false,
        is_package_ready: false,
        closes_after_restart: false,
        started: at(NOON),
        now: at(NOON),
        intervals: Intervals {
            idle: Duration::from_secs(300),
            in_progress: Duration::from_secs(60),
        },
    };
    let answer = poll.answer(&Session::default());
    assert_eq!((answer.link, answer.asks_attributes, answer.why), (None, true, Why::NoFleet));
    assert!((3600..=3960).contains(&answer.sleep.as_secs()), "{:?}", answer.sleep);
}

#[test]
fn clients_poll_often_during_an_action_and_spread_over_the_beginning_of_a_window() {
    let seconds = |case: PollCase| case.answer().sleep.as_secs();
    assert_eq!(seconds(PollCase::default()), 60);
    let doubt = seconds(PollCase { validity: DOUBT, ..PollCase::default() });
    assert!((30..60).contains(&doubt), "{doubt}");
    let waiting = |next: Option<&str>| {
        let mut case = PollCase::default().state("Waiting", "2026-11-20T00:00:00Z");
        case.row["nextTransitionTime"] = json!(next);
        seconds(case)
    };
    let idle = waiting(None);
    assert!((300..=330).contains(&idle), "{idle}");
    assert_eq!(waiting(Some("2026-11-29T13:00:00Z")), idle);
    let soon = waiting(Some("2026-11-29T12:01:40Z"));
    assert!((100..400).contains(&soon), "{soon}");
}
