//! Tests what the messages of a client change, one row for each rule and its neighbors.

use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use crate::decided;

use clientfleet::checkin::fleet::DeliveryFleet;
use clientfleet::checkin::messages::{About, ClosedMeans, Message, Taken};
use clientfleet::checkin::report::Report;
use clientfleet::checkin::session::Session;
use clientfleet::ddi::ActionId;
use clientfleet::ddi::attributes::{AgentFacts, Change};
use clientfleet::values::Timestamp;

const NOON: &str = "2026-11-29T12:00:00Z";
const OPENED: &str = "2026-11-29T11:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn current() -> ActionId {
    ActionId::of("clients", "a", "2.0", at(OPENED))
}

/// A client that runs 1.0 and is offered 2.0, in the state that the test gives it.
struct MessageCase {
    state: &'static str,
    next: Option<&'static str>,
    reported: Value,
    closes_after_restart: bool,
    closed_means: ClosedMeans,
    session: Session,
}

impl Default for MessageCase {
    fn default() -> Self {
        Self {
            state: "Distributing",
            next: None,
            reported: json!({"version": "1.0"}),
            closes_after_restart: false,
            closed_means: ClosedMeans::Staged,
            session: Session::default(),
        }
    }
}

impl MessageCase {
    fn about<T>(&mut self, ask: impl FnOnce(About<'_>, &mut Session) -> T) -> T {
        let spec = json!({"clients": [{"name": "a", "reported": self.reported}]});
        let offer = json!({"version": "2.0", "policy": "p", "generation": 1, "time": OPENED});
        let row = json!({
            "name": "a", "state": self.state, "reason": "x", "targetVersion": "2.0",
            "nextTransitionTime": self.next, "lastOffer": offer,
        });
        let fleet = DeliveryFleet::new(
            ObjectMeta { namespace: Some("clients".to_owned()), ..ObjectMeta::default() },
            Some(Arc::new(serde_json::from_value(spec).unwrap())),
            decided(json!({"clients": [row]})),
            None,
            at(NOON),
        );
        let about = About {
            entry: fleet.entry(0).unwrap(),
            closes_after_restart: self.closes_after_restart,
            closed_means: self.closed_means,
            now: at(NOON),
        };
        ask(about, &mut self.session)
    }

    /// Returns the facts after a message about an action, without `lastSeen`, and how the message
    /// was taken.
    fn tell(&mut self, action: ActionId, message: Message) -> (Value, Taken) {
        let (report, taken) = self.about(|about, session| about.message(session, action, message));
        (self.facts(&report), taken)
    }

    fn facts(&self, report: &Report) -> Value {
        let stored = serde_json::from_value(self.reported.clone()).unwrap();
        let facts = report.apply(Some(&stored));
        assert_eq!(facts.last_seen.as_deref(), Some(NOON), "each message is a sign of life");
        let mut facts = serde_json::to_value(facts).unwrap();
        facts.as_object_mut().unwrap().remove("lastSeen");
        facts
    }

    fn attributes(&mut self, version: &str, boot_id: Option<&str>) -> Value {
        let told = AgentFacts {
            version: Change::Set(version.into()),
            boot_id: boot_id.map_or(Change::Keep, |id| Change::Set(id.into())),
            ..AgentFacts::default()
        };
        let report = self.about(|about, session| about.attributes(session, told));
        self.facts(&report)
    }
}

fn failed() -> Message {
    Message::Failed { message: Some("disk full".into()) }
}

fn error(message: &str) -> Value {
    json!({"version": "2.0", "message": message, "time": NOON})
}

#[test]
fn a_success_stages_the_offered_version_once() {
    let mut case = MessageCase::default();
    let staged = json!({"version": "1.0", "stagedVersion": "2.0"});
    assert_eq!(case.tell(current(), Message::Succeeded), (staged, Taken::Changed));
    let unchanged = json!({"version": "1.0"});
    assert_eq!(case.tell(current(), failed()), (unchanged, Taken::OtherAction));
}

#[test]
fn a_success_of_an_agent_without_a_version_may_mean_that_it_runs() {
    let mut case = MessageCase { closed_means: ClosedMeans::Running, ..MessageCase::default() };
    let running = (json!({"version": "2.0"}), Taken::Changed);
    assert_eq!(case.tell(current(), Message::Succeeded), running);
}

#[test]
fn a_success_after_the_restart_counts_only_if_the_package_was_fetched() {
    let after_restart = || MessageCase { closes_after_restart: true, ..MessageCase::default() };
    let unconfirmed = (json!({"version": "1.0"}), Taken::UnconfirmedSuccess);
    assert_eq!(after_restart().tell(current(), Message::Succeeded), unconfirmed);
    let mut fetched = after_restart();
    fetched.session.downloaded(current());
    let staged = json!({"version": "1.0", "stagedVersion": "2.0"});
    assert_eq!(fetched.tell(current(), Message::Succeeded), (staged, Taken::Changed));
    let mut running = MessageCase { reported: json!({"version": "2.0.0"}), ..after_restart() };
    let unchanged = (json!({"version": "2.0.0"}), Taken::Seen);
    assert_eq!(running.tell(current(), Message::Succeeded), unchanged);
}

#[test]
fn a_failure_counts_while_the_offer_stands() {
    let failure = (json!({"version": "1.0", "lastError": error("disk full")}), Taken::Changed);
    let late = (json!({"version": "1.0"}), Taken::LateFailure);
    let tell = |mut case: MessageCase| case.tell(current(), failed());
    assert_eq!(tell(MessageCase::default()), failure);
    assert_eq!(
        tell(MessageCase { next: Some("2026-11-29T12:00:01Z"), ..MessageCase::default() }),
        failure
    );
    assert_eq!(tell(MessageCase { next: Some(NOON), ..MessageCase::default() }), late);
    for state in ["Held", "Waiting", "Blocked", "UpToDate", "Failed"] {
        assert_eq!(tell(MessageCase { state, ..MessageCase::default() }), late, "{state}");
    }
    let mut canceled = MessageCase::default();
    canceled.session.canceled(current());
    assert_eq!(tell(canceled), late);
}

#[test]
fn a_rollback_that_the_agent_reports_is_a_failure_and_nothing_is_staged() {
    let reported = json!({"version": "1.0", "stagedVersion": "2.0"});
    let mut case = MessageCase { state: "RestartRequired", reported, ..MessageCase::default() };
    let failure = json!({"version": "1.0", "lastError": error("disk full")});
    assert_eq!(case.tell(current(), failed()), (failure, Taken::Changed));
}

#[test]
fn messages_about_another_action_are_signs_of_life() {
    let other = ActionId::of("clients", "a", "2.0", at("2026-11-28T11:00:00Z"));
    for message in [Message::Succeeded, failed()] {
        let seen = (json!({"version": "1.0"}), Taken::OtherAction);
        assert_eq!(MessageCase::default().tell(other, message), seen);
    }
}

#[test]
fn a_complete_installation_is_staged_after_two_polls_without_a_new_attempt() {
    let installed = || Message::Proceeding { begins: false, awaits_restart: true };
    let begins = || Message::Proceeding { begins: true, awaits_restart: false };
    let mut case = MessageCase::default();
    let staged = |case: &mut MessageCase| {
        let report = case.about(|about, session| about.installed(session));
        report.map(|report| case.facts(&report))
    };
    case.tell(current(), installed());
    case.session.polled();
    assert_eq!(staged(&mut case), None);
    case.tell(current(), begins());
    case.tell(current(), installed());
    case.session.polled();
    case.session.polled();
    assert_eq!(staged(&mut case), Some(json!({"version": "1.0", "stagedVersion": "2.0"})));
    case.reported = json!({"version": "1.0", "stagedVersion": "2.0"});
    assert_eq!(staged(&mut case), None, "it is stored");
}

#[test]
fn the_version_that_a_client_tells_decides() {
    let reported = json!({"version": "1.0", "stagedVersion": "2.0", "lastError": error("x")});
    let mut case = MessageCase { reported, ..MessageCase::default() };
    let after = json!({"version": "2.0", "lastError": error("x")});
    assert_eq!(case.attributes("2.0", None), after);
    assert_eq!(case.session.version_reported_at(), Some(at(NOON)));
}

#[test]
fn a_restart_with_the_old_version_is_a_failure_of_the_staged_one() {
    let reported = json!({"version": "1.0", "stagedVersion": "2.0"});
    let mut case = MessageCase {
        state: "RestartRequired",
        reported: reported.clone(),
        ..MessageCase::default()
    };
    assert_eq!(case.attributes("1.0", Some("boot-1")), reported, "no earlier start is known");
    assert_eq!(case.attributes("1.0", Some("boot-1")), reported, "the agent was started again");
    assert_eq!(case.attributes("1.0", None), reported, "the agent tells no boot id");
    let failure = json!({"version": "1.0", "lastError": error("restarted, still runs 1.0")});
    assert_eq!(case.attributes("1.0", Some("boot-2")), failure);
}
