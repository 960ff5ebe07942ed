//! Logs failed writes. A kind of failure is logged once a minute, because each fleet repeats its
//! write every few seconds until the cause is gone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::failure::Failure;
use super::figures::WriteResult;
use super::requests::{FIELD_MANAGER, REQUEST_TIMEOUT};
use crate::checkin::queue::FleetKey;

/// Minimum time between two warnings about one kind of failure.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// Log of failed writes.
#[derive(Debug, Default)]
pub(super) struct FailureLog(Mutex<HashMap<WriteResult, Warnings>>);

#[derive(Debug)]
struct Warnings {
    last: Instant,
    /// Number of failures since the last warning.
    omitted: u64,
}

impl FailureLog {
    /// Logs a failed write, as a warning unless one of its kind was logged within the last minute.
    pub(super) fn failed(&self, (namespace, fleet): &FleetKey, failure: &Failure) {
        let message = message(failure);
        match self.omitted(failure.result(), Instant::now()) {
            Some(omitted) => {
                tracing::warn!(namespace, fleet, omitted, "reports are not stored: {message}");
            }
            None => tracing::debug!(namespace, fleet, "reports are not stored: {message}"),
        }
    }

    /// Logs a value that the API server refused. The message of the API server quotes the value.
    pub(super) fn refused(
        &self,
        (namespace, fleet): &FleetKey,
        client: &str,
        fact: Option<&str>,
        message: &str,
    ) {
        let fact = fact.unwrap_or("all facts");
        tracing::warn!(namespace, fleet, client, fact, ?message, "a reported value is refused");
    }

    /// Returns the number of failures since the last warning, if a warning is due.
    fn omitted(&self, result: WriteResult, now: Instant) -> Option<u64> {
        let mut kinds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(warnings) = kinds.get_mut(&result) else {
            kinds.insert(result, Warnings { last: now, omitted: 0 });
            return Some(0);
        };
        if now.duration_since(warnings.last) < WARNING_INTERVAL {
            warnings.omitted += 1;
            return None;
        }
        let omitted = std::mem::take(&mut warnings.omitted);
        warnings.last = now;
        Some(omitted)
    }
}

/// Returns what is wrong and what to do.
fn message(failure: &Failure) -> String {
    match failure {
        Failure::Changed => "the fleet was changed meanwhile".to_owned(),
        Failure::Refused(_) => "the API server refuses a value".to_owned(),
        Failure::Gone => "the fleet does not exist".to_owned(),
        Failure::Forbidden(message) => format!(
            "{message}; `serve` needs the verbs get and patch on clientfleets.clientfleet.dev, and \
             admission policies must let the field manager {FIELD_MANAGER} change \
             spec.clients[].reported"
        ),
        Failure::TooLarge(message) => format!(
            "the fleet is too large: {message}; remove annotations, or split the fleet into smaller \
             ones"
        ),
        Failure::Unavailable { message, .. } => format!("the API server cannot write: {message}"),
        Failure::Unanswered => {
            let seconds = REQUEST_TIMEOUT.as_secs();
            format!("the API server did not respond within {seconds} s; the write is repeated")
        }
        Failure::Connection(message) => message.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_of_failure_is_a_warning_once_a_minute() {
        let log = FailureLog::default();
        let began = Instant::now();
        let at = |seconds: u64| began + Duration::from_secs(seconds);
        assert_eq!(log.omitted(WriteResult::forbidden, at(0)), Some(0));
        assert_eq!(log.omitted(WriteResult::forbidden, at(1)), None);
        assert_eq!(log.omitted(WriteResult::error, at(1)), Some(0));
        assert_eq!(log.omitted(WriteResult::forbidden, at(59)), None);
        assert_eq!(log.omitted(WriteResult::forbidden, at(60)), Some(2));
        assert_eq!(log.omitted(WriteResult::forbidden, at(61)), None);
    }
}
