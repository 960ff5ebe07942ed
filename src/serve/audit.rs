//! Writes the audit lines of the service: offers that clients fetched, and reports that were taken.
//! `docs/audit.md` describes the lines.

use std::sync::Arc;

use serde::Serialize;

use crate::checkin::messages::Taken;
use crate::checkin::report::Report;
use crate::daemon::audit_stream::{Stream, TARGET};
use crate::ddi::ActionId;
use crate::serve::metrics::taken_word;
use crate::values::{Timestamp, rfc3339};

/// Version of the schema. Increase this number for each incompatible change; adding a field is
/// compatible.
const SCHEMA: u8 = 1;

/// What a client has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum AuditEvent {
    /// The client has fetched what to install.
    OfferFetched,
    /// The client has answered the cancellation of an offer.
    Stopped,
    /// The client has reported something that may change the decision.
    ReportTaken,
}

/// A line of the audit stream.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditLine<'a> {
    schema: u8,
    time: String,
    server: &'a str,
    event: AuditEvent,
    namespace: &'a str,
    fleet: &'a str,
    client: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<ActionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    report: Option<LoggedReport<'a>>,
}

/// The part of a report that may change the decision.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoggedReport<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    taken: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    staged_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl<'a> LoggedReport<'a> {
    /// Returns the part of a report that is logged. `taken` is how a message about an action was
    /// taken.
    #[must_use]
    pub fn of(report: &'a Report, taken: Option<Taken>) -> Self {
        let error = report.last_error.as_ref();
        Self {
            taken: taken.map(taken_word),
            version: report.version.as_deref(),
            staged_version: report.staged_version.as_ref().and_then(|staged| staged.as_deref()),
            failed_version: error.and_then(|error| error.version.as_deref()),
            message: error.and_then(|error| error.message.as_deref()),
        }
    }
}

/// Place and subject of an audit line.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Namespace of the fleet.
    pub namespace: &'a str,
    /// Fleet that decides about the client.
    pub fleet: &'a str,
    /// Name of the client.
    pub client: &'a str,
    /// Version of the client's offer.
    pub target_version: Option<&'a str>,
    /// Policy of the client's offer.
    pub policy: Option<&'a str>,
}

/// Writer of audit lines.
#[derive(Debug)]
pub struct Auditor {
    identity: String,
    stream: Option<Arc<Stream>>,
}

impl Auditor {
    /// Creates an auditor that uses `identity` as the name of the process. Without a stream, the
    /// auditor writes nothing.
    #[must_use]
    pub fn new(identity: String, stream: Option<Arc<Stream>>) -> Self {
        Self { identity, stream }
    }

    /// Writes a line.
    pub fn record(
        &self,
        now: Timestamp,
        event: AuditEvent,
        subject: Subject<'_>,
        action: Option<ActionId>,
        report: Option<LoggedReport<'_>>,
    ) {
        let Some(stream) = &self.stream else { return };
        let Subject { namespace, fleet, client, target_version, policy } = subject;
        let line = AuditLine {
            schema: SCHEMA,
            time: rfc3339(now),
            server: &self.identity,
            event,
            namespace,
            fleet,
            client,
            action,
            target_version,
            policy,
            report,
        };
        match serde_json::to_string(&line) {
            Ok(line) => tracing::info!(target: TARGET, line = line.as_str()),
            Err(error) => tracing::error!(client, %error, "an audit line cannot be built"),
        }
        for (line, error) in stream.take_failed() {
            tracing::error!(line, error, "a line of the audit stream could not be written");
        }
    }
}
