//! Takes the facts that a client reports about itself: `PUT configData` and `PUT installedBase`.

use std::time::Duration;

use http::{Response, StatusCode};
use hyper::body::Incoming;

use super::body_of;
use super::responses;
use super::visit::{Visit, are_stored};
use crate::ddi::attributes::{AgentFacts, Change, ConfigData, read_installed_version};
use crate::serve::audit::{AuditEvent, LoggedReport};
use crate::serve::front::Body;

/// Maximum length of a body in bytes.
const MAX_FACTS_BYTES: usize = 64 * 1024;

impl Visit<'_> {
    /// Takes the attributes of the client.
    pub async fn take_attributes(&self, body: Incoming) -> Response<Body> {
        let body = match body_of(body, MAX_FACTS_BYTES).await {
            Ok(body) => body,
            Err(response) => return response,
        };
        let names = &self.service.options.attribute_names;
        match ConfigData::parse(&body, names) {
            Ok(data) => {
                if data.omitted > 0 {
                    let (namespace, client, omitted) = (self.namespace, self.client, data.omitted);
                    tracing::debug!(namespace, client, omitted, "attributes were not kept");
                }
                self.take_facts(AgentFacts::of(&data, names)).await
            }
            Err(error) => self.bad_body(error),
        }
    }

    /// Takes the version that the client runs.
    pub async fn take_installed_version(&self, body: Incoming) -> Response<Body> {
        let body = match body_of(body, MAX_FACTS_BYTES).await {
            Ok(body) => body,
            Err(response) => return response,
        };
        match read_installed_version(&body) {
            Ok(version) => {
                let version = Change::Set(version);
                self.take_facts(AgentFacts { version, ..AgentFacts::default() }).await
            }
            Err(error) => self.bad_body(error),
        }
    }

    /// Stores facts. swupdate repeats its attributes until it gets 200, and installs nothing before.
    async fn take_facts(&self, facts: AgentFacts) -> Response<Body> {
        let (namespace, client) = (self.namespace, self.client);
        for refused in &facts.refused {
            let (key, reason) = (refused.key.as_str(), refused.reason);
            tracing::info!(namespace, client, key, reason, "an attribute is not used");
        }
        let known = self.known(Duration::ZERO).await;
        let Some(about) = self.about(&known) else { return responses::empty(StatusCode::OK) };
        let report = self.with_memory(|memory| {
            memory.attribute_requests = 0;
            about.attributes(&mut memory.session, facts)
        });
        if report.changes_state(about.entry.reported) {
            let report = LoggedReport::of(&report, None);
            self.audit(&known, AuditEvent::ReportTaken, None, Some(report));
        }
        if are_stored(self.report(&known, report)).await {
            return responses::empty(StatusCode::OK);
        }
        responses::text(
            StatusCode::SERVICE_UNAVAILABLE,
            "the facts are not stored yet: repeat them",
        )
    }

    fn bad_body(&self, error: impl std::fmt::Display) -> Response<Body> {
        self.service.metrics.refused("body");
        responses::text(StatusCode::BAD_REQUEST, error)
    }
}
