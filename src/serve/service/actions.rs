//! Answers requests about an action: what to install, what to stop, and how far the client is.

use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::Incoming;

use super::body_of;
use super::responses;
use super::visit::{Known, MAX_POLL_HOLD, Visit, are_stored};
use crate::checkin::messages::{Message, Taken};
use crate::checkin::poll::Link;
use crate::checkin::report::Report;
use crate::ddi::answer::{CancelAnswer, DeploymentAnswer};
use crate::ddi::feedback::{ErrorText, Execution, Feedback, MAX_BODY_BYTES, Outcome};
use crate::ddi::{ActionId, Hrefs};
use crate::serve::audit::{AuditEvent, LoggedReport};
use crate::serve::front::Body;
use crate::serve::metrics::taken_word;

/// Name of the only chunk. rauc-hawkbit-updater and Zephyr ignore it, and swupdate logs it.
const CHUNK_NAME: &str = "client";

impl Visit<'_> {
    /// Answers `GET deploymentBase/ID`. Only the action that a poll would link now has an answer.
    pub async fn answer_deployment(&self, id: Option<ActionId>) -> Response<Body> {
        let known = self.known(MAX_POLL_HOLD).await;
        let (Some(id), Some(entry)) = (id, known.entry()) else {
            return responses::empty(StatusCode::NOT_FOUND);
        };
        let fetched = self.with_memory(|memory| {
            let (action, file) = self.file(entry, memory).ok()?;
            let link = self.poll(&known, true).answer(&memory.session).link;
            if action != id || link != Some(Link::Deployment(id)) {
                return None;
            }
            let is_new = memory.session.in_progress() != Some(id);
            memory.session.fetched(id);
            Some((file, is_new))
        });
        let Some((file, is_new)) = fetched else { return responses::empty(StatusCode::NOT_FOUND) };
        let offered = entry.row.and_then(|row| row.last_offer.as_deref());
        let Some(offer) = offered else { return responses::empty(StatusCode::NOT_FOUND) };
        if is_new {
            self.audit(&known, AuditEvent::OfferFetched, Some(id), None);
        }
        let hrefs = Hrefs::new(&self.service.options.base_url, self.tenant, self.client);
        let artifact = file.artifact();
        let answer = DeploymentAnswer::new(id, CHUNK_NAME, &offer.version, artifact, &hrefs);
        responses::json(&answer)
    }

    /// Answers `GET cancelAction/ID`.
    pub async fn answer_cancel(&self, id: Option<ActionId>) -> Response<Body> {
        let known = self.known(MAX_POLL_HOLD).await;
        let link = self.with_memory(|memory| {
            let is_ready = known.entry().is_some_and(|entry| self.file(entry, memory).is_ok());
            self.poll(&known, is_ready).answer(&memory.session).link
        });
        match (id, link) {
            (Some(id), Some(Link::Cancel(canceled))) if id == canceled => {
                responses::json(&CancelAnswer::new(id))
            }
            _ => responses::empty(StatusCode::NOT_FOUND),
        }
    }

    /// Takes `POST cancelAction/ID/feedback`. Each answer ends the cancellation: a client that
    /// rejects it closes the action later.
    pub async fn take_cancel_feedback(
        &self,
        id: Option<ActionId>,
        body: Incoming,
    ) -> Response<Body> {
        if let Err(response) = body_of(body, MAX_BODY_BYTES).await {
            return response;
        }
        let known = self.known(Duration::ZERO).await;
        if let (Some(id), Some(_)) = (id, known.entry()) {
            let is_first = self.with_memory(|memory| {
                let is_first = !memory.session.is_ended(id);
                memory.session.canceled(id);
                is_first
            });
            if is_first {
                self.audit(&known, AuditEvent::Stopped, Some(id), None);
            }
        }
        self.report(&known, Report::seen(known.now));
        responses::empty(StatusCode::OK)
    }

    /// Takes `POST deploymentBase/ID/feedback`. The response to a final report waits until it is
    /// stored, and is always 200: any other one makes swupdate install again at each poll.
    pub async fn take_feedback(&self, id: Option<ActionId>, body: Incoming) -> Response<Body> {
        let body = match body_of(body, MAX_BODY_BYTES).await {
            Ok(body) => body,
            Err(response) => return response,
        };
        let feedback = Feedback::read(&body);
        let known = self.known(Duration::ZERO).await;
        let (report, taken) = match (id, self.about(&known)) {
            (Some(id), Some(_)) => self.taken(&known, id, &feedback),
            _ => (Report::seen(known.now), Taken::OtherAction),
        };
        self.service.metrics.took(taken);
        let (namespace, client) = (self.namespace, self.client);
        let action = id.map(ActionId::get);
        let taken_as = taken_word(taken);
        let execution = feedback.execution;
        tracing::debug!(namespace, client, action, ?execution, taken = taken_as, "feedback");
        if taken == Taken::LateFailure {
            tracing::info!(
                namespace,
                client,
                "a failure of an offer that has ended does not count as a failed installation"
            );
        }
        if !matches!(taken, Taken::Seen | Taken::OtherAction) {
            let report = LoggedReport::of(&report, Some(taken));
            self.audit(&known, AuditEvent::ReportTaken, id, Some(report));
        }
        if !are_stored(self.report(&known, report)).await {
            tracing::warn!(namespace, client, "a final report is not stored yet, and is kept");
        }
        responses::empty(StatusCode::OK)
    }

    fn taken(&self, known: &Known, id: ActionId, feedback: &Feedback) -> (Report, Taken) {
        self.with_memory(|memory| {
            let begins = feedback.begins_installation();
            if begins {
                memory.error = ErrorText::default();
            }
            let is_refused =
                matches!(feedback.execution, Execution::Canceled | Execution::Rejected);
            let message = match feedback.outcome() {
                Some(Outcome::Succeeded) => Message::Succeeded,
                None if !is_refused => {
                    memory.error.observe(feedback);
                    Message::Proceeding { begins, awaits_restart: feedback.awaits_restart() }
                }
                Some(Outcome::Failed) | None => {
                    Message::Failed { message: memory.error.message(feedback) }
                }
            };
            let is_progress = matches!(message, Message::Proceeding { .. });
            let Some(about) = self.about(known) else {
                return (Report::seen(known.now), Taken::OtherAction);
            };
            let (report, taken) = about.message(&mut memory.session, id, message);
            // A client that works on its current action has fetched it, perhaps from a replica or
            // before a restart of this process.
            if is_progress && taken == Taken::Seen {
                memory.session.fetched(id);
            }
            (report, taken)
        })
    }
}
