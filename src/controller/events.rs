//! Publishes events on policies, one for each important change of a policy's status. An event is
//! published only after the status with that change has been written.

use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::runtime::events::{Event, EventType, Recorder, Reporter};
use tokio::sync::mpsc;

use super::lease::leadership::Leadership;
use super::lease::moment::Moment;
use super::metrics::{EventOutcome, Metrics};
use super::pipeline::Context;
use super::writing::WRITE_TIMEOUT;
use crate::api::{ClientFleet, Condition, UpgradePolicy, UpgradePolicyStatus};
use crate::plan::{Planned, PlannedKind};

/// Maximum number of events that wait to be published. While the API server does not accept events,
/// further ones are dropped.
const MAX_WAITING_EVENTS: usize = 1000;

/// An event and the object that it is about.
type QueuedEvent = (Event, ObjectReference);

/// Queue of the events that wait to be published. All clones are the same queue.
#[derive(Clone)]
pub struct EventQueue {
    waiting: mpsc::Sender<QueuedEvent>,
    metrics: Arc<Metrics>,
}

impl EventQueue {
    /// Creates a queue, and the publisher of its events.
    #[must_use]
    pub fn new(cx: &Context) -> (Self, EventPublisher) {
        let Context { client, leadership, metrics, .. } = cx.clone();
        let (sender, waiting) = mpsc::channel(MAX_WAITING_EVENTS);
        let recorder = Recorder::new(client, Reporter::from("clientfleet"));
        let queue = Self { waiting: sender, metrics: Arc::clone(&metrics) };
        (queue, EventPublisher { waiting, recorder, leadership, metrics })
    }

    /// Adds an event. Drops it with a warning if too many events wait already.
    pub(crate) fn add(&self, event: Event, about: ObjectReference) {
        if let Err(error) = self.waiting.try_send((event, about)) {
            let (event, about) = error.into_inner();
            let error = format!("{MAX_WAITING_EVENTS} events are waiting already");
            failed(&self.metrics, &event, &about, &error);
        }
    }
}

/// Publisher of Kubernetes events on policies. Each event names `clientfleet` as the reporting
/// controller.
pub struct EventPublisher {
    waiting: mpsc::Receiver<QueuedEvent>,
    recorder: Recorder,
    leadership: Leadership,
    metrics: Arc<Metrics>,
}

impl EventPublisher {
    /// Publishes the events of the queue in their order, until all clones of the queue are dropped.
    ///
    /// A failure is logged but not retried, because the status is more important than the event and
    /// has already been written.
    pub async fn run(mut self) {
        while let Some((event, about)) = self.waiting.recv().await {
            match self.send(&event, &about).await {
                Ok(()) => self.metrics.published(EventOutcome::published),
                Err(error) => failed(&self.metrics, &event, &about, &error),
            }
        }
    }

    async fn send(&self, event: &Event, about: &ObjectReference) -> Result<(), String> {
        if !self.leadership.may_write_at(Moment::now()) {
            return Err("another may lead".to_owned());
        }
        match tokio::time::timeout(WRITE_TIMEOUT, self.recorder.publish(event, about)).await {
            Ok(published) => published.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {WRITE_TIMEOUT:?}")),
        }
    }
}

fn failed(metrics: &Metrics, event: &Event, about: &ObjectReference, error: &str) {
    metrics.published(EventOutcome::failed);
    let (namespace, policy) = (about.namespace.as_deref(), about.name.as_deref());
    tracing::warn!(namespace, policy, reason = event.reason, error, "no event was published");
}

/// A kind of object whose status changes are logged and published as events.
pub trait Announced: PlannedKind {
    /// The part of a status whose changes are announced.
    type Announcement: Clone + Debug + Send;

    /// Logs the differences between a written status and the last announced state. Returns the new
    /// state and the events to publish. If `announced` is `None`, compares the written status with
    /// the status that it replaced.
    fn announce(
        written: &Planned<Self>,
        announced: Option<Self::Announcement>,
    ) -> (Self::Announcement, Vec<Event>);
}

impl Announced for ClientFleet {
    type Announcement = ();

    fn announce(_: &Planned<Self>, _: Option<()>) -> ((), Vec<Event>) {
        ((), Vec::new())
    }
}

impl Announced for UpgradePolicy {
    type Announcement = PolicyAnnouncement;

    fn announce(
        written: &Planned<Self>,
        announced: Option<PolicyAnnouncement>,
    ) -> (PolicyAnnouncement, Vec<Event>) {
        let replaced = || {
            written.cached.status.as_ref().map(|previous| PolicyAnnouncement::of(&previous.kept))
        };
        let before = announced.or_else(replaced).unwrap_or_default();
        let (namespace, policy) = (written.cached.namespace(), written.cached.name());
        let status = written.status();
        let now = PolicyAnnouncement::of(&status);
        if let Some(generation) = now.in_force.filter(|_| now.in_force != before.in_force) {
            let (fleets, clients) = (status.matched_fleets, status.matched_clients);
            tracing::info!(namespace, policy, generation, fleets, clients, "policy in force");
        }
        let events = changes(before, &status).into_iter().map(|change| {
            let reason = change.reason;
            tracing::info!(namespace, policy, reason, note = change.note, "policy changed");
            Event {
                type_: change.kind,
                reason: reason.to_owned(),
                note: Some(change.note),
                action: "Plan".to_owned(),
                secondary: None,
            }
        });
        (now, events.collect())
    }
}

/// The part of a policy's status whose changes are announced.
#[derive(Clone, Copy, Debug, Default)]
pub struct PolicyAnnouncement {
    open: bool,
    complete: bool,
    invalid: bool,
    /// Generation of the policy if all fleets in its scope apply this generation; otherwise `None`.
    in_force: Option<i64>,
}

impl PolicyAnnouncement {
    fn of(status: &UpgradePolicyStatus) -> Self {
        Self {
            open: matches!(status.distribution_state.as_deref(), Some("Open" | "Mixed")),
            complete: find(status, "Complete", "True").is_some(),
            invalid: invalid(status).is_some(),
            in_force: find(status, "Ready", "True").and(status.observed_generation),
        }
    }
}

struct Change {
    kind: EventType,
    reason: &'static str,
    note: String,
}

/// Returns the changes to announce: the differences between the last announced state `before` and
/// `status`.
fn changes(before: PolicyAnnouncement, status: &UpgradePolicyStatus) -> Vec<Change> {
    let now = PolicyAnnouncement::of(status);
    let mut changes = Vec::new();
    let mut add = |kind, reason, note: String| changes.push(Change { kind, reason, note });
    if now.open && !before.open {
        let clients = status.governed_clients.unwrap_or_default();
        let note = format!("Distribution is open; {clients} clients are governed.");
        add(EventType::Normal, "DistributionOpened", note);
    }
    if before.open && !now.open {
        add(EventType::Normal, "DistributionClosed", "Distribution is closed.".to_owned());
    }
    if let Some(complete) = find(status, "Complete", "True").filter(|_| !before.complete) {
        add(EventType::Normal, "Completed", complete.message.clone());
    }
    if let Some(invalid) = invalid(status).filter(|_| !before.invalid) {
        add(EventType::Warning, "PolicyInvalid", invalid.message.clone());
    }
    changes
}

fn invalid(status: &UpgradePolicyStatus) -> Option<&Condition> {
    find(status, "Stalled", "True")
        .filter(|stalled| matches!(stalled.reason.as_ref(), "PolicyInvalid" | "ObjectUnreadable"))
}

fn find<'a>(status: &'a UpgradePolicyStatus, kind: &str, value: &str) -> Option<&'a Condition> {
    status.conditions.iter().find(|c| c.r#type == kind && c.status == value)
}
