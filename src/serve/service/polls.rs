//! Answers polls: `GET Base`.

use http::Response;

use super::responses;
use super::visit::{Known, MAX_POLL_HOLD, Visit};
use crate::checkin::poll::{Answer, Link, Why};
use crate::checkin::report::Report;
use crate::checkin::session::Session;
use crate::ddi::answer::{self, BaseAnswer};
use crate::ddi::{Hrefs, PollInterval};
use crate::serve::front::Body;
use crate::serve::metrics::answer_word;
use crate::serve::sessions::LinkedFile;

/// Number of polls in which a client is asked for its attributes before `--initial-version` counts.
const MAX_ATTRIBUTE_REQUESTS: u8 = 2;

impl Visit<'_> {
    /// Answers a poll, and reports what the poll shows.
    pub async fn answer_poll(&self) -> Response<Body> {
        let known = self.known(MAX_POLL_HOLD).await;
        let (answer, revision, problem) = self.decide(&known);
        self.service.metrics.polled(answer.why, known.held);
        let (namespace, client, agent) = (self.namespace, self.client, self.agent);
        let answered = answer_word(answer.why);
        tracing::debug!(namespace, client, ?agent, answered, link = ?answer.link, "polled");
        if let (Why::PackageMissing, Some(problem)) = (answer.why, problem) {
            self.service.missing.note(namespace, &known, &problem);
        }
        let hrefs = Hrefs::new(&self.service.options.base_url, self.tenant, client);
        let link = match answer.link {
            Some(Link::Deployment(id)) => Some(answer::Link::Deployment { id, revision }),
            Some(Link::Cancel(id)) => Some(answer::Link::Cancel(id)),
            None => answer.asks_attributes.then_some(answer::Link::ConfigData),
        };
        responses::json(&BaseAnswer::new(PollInterval::from(answer.sleep), link, &hrefs))
    }

    /// Decides the answer, and accepts the reports that follow from the poll. Returns also the
    /// revision of the linked file, and why there is no file.
    fn decide(&self, known: &Known) -> (Answer, u32, Option<String>) {
        let Some(entry) = known.entry() else {
            return (self.poll(known, false).answer(&Session::default()), 0, None);
        };
        let (answer, revision, problem, report) = self.with_memory(|memory| {
            memory.session.polled();
            let file = self.file(entry, memory);
            let answer = self.poll(known, file.is_ok()).answer(&memory.session);
            if answer.why == Why::VersionWanted {
                memory.session.asked_for_version();
            }
            if answer.asks_attributes {
                memory.attribute_requests = memory.attribute_requests.saturating_add(1);
            }
            let about = self.about(known);
            let installed = about.and_then(|about| about.installed(&memory.session));
            let initial = self.initial_version(known, memory.attribute_requests);
            let revision = match (&file, answer.link) {
                (Ok((action, file)), Some(Link::Deployment(linked))) if *action == linked => {
                    let artifact = file.artifact();
                    memory.linked = Some(Box::new(LinkedFile {
                        action: *action,
                        file: artifact.file.clone(),
                        sha256: artifact.hashes.sha256,
                    }));
                    artifact.hashes.revision()
                }
                _ => 0,
            };
            (answer, revision, file.err(), installed.or(initial))
        });
        self.report(known, report.unwrap_or_else(|| Report::seen(known.now)));
        (answer, revision, problem)
    }

    /// Returns the report of `--initial-version` for a client that was asked for its version in vain.
    fn initial_version(&self, known: &Known, attribute_requests: u8) -> Option<Report> {
        let version = self.service.options.initial_version.clone()?;
        let facts = known.entry().and_then(|entry| entry.reported);
        let is_unknown = facts.is_none_or(|facts| facts.version.is_none());
        (is_unknown && attribute_requests > MAX_ATTRIBUTE_REQUESTS)
            .then(|| Report { version: Some(version), ..Report::seen(known.now) })
    }
}
