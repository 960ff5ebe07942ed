//! Classifies the errors of requests that write reports.

use std::time::Duration;

use kube::core::Status;

use super::figures::WriteResult;
use crate::cluster::connection::with_causes;

/// Parts of the messages with which the API server and etcd refuse an object that is too large.
const TOO_LARGE: [&str; 2] = ["request is too large", "larger than max"];

/// Why a request has failed.
#[derive(Clone, Debug, PartialEq)]
pub enum Failure {
    /// A test of the patch failed, so the fleet is not the one that the patch was computed from.
    Changed,
    /// The API server refused these values.
    Refused(Vec<RefusedField>),
    /// The fleet does not exist.
    Gone,
    /// The account lacks a right, or something else refuses the write, such as an admission policy.
    Forbidden(String),
    /// The fleet would be too large.
    TooLarge(String),
    /// The API server cannot write now.
    Unavailable {
        /// Message of the API server.
        message: String,
        /// Time after which the API server asks to try again.
        retry_after: Option<Duration>,
    },
    /// The API server did not respond in time, so it is unknown whether the fleet was written.
    Unanswered,
    /// The connection failed, or the answer could not be read.
    Connection(String),
}

/// A value that the API server refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedField {
    /// Index of the client in the spec.
    pub index: usize,
    /// Name of the fact, as `lastUser`; `None` if the whole client is refused.
    pub fact: Option<String>,
    /// Message of the API server.
    pub message: String,
}

impl Failure {
    /// Returns the failure of a request for a fleet with this name.
    #[must_use]
    pub fn of(error: &kube::Error, fleet: &str) -> Self {
        match error {
            kube::Error::Api(status) => Self::of_status(status, fleet),
            other => Self::Connection(with_causes(other)),
        }
    }

    fn of_status(status: &Status, fleet: &str) -> Self {
        let message = status.message.clone();
        let details = status.details.as_ref();
        let retry_after = details.map(|details| u64::from(details.retry_after_seconds));
        let retry_after = retry_after.filter(|seconds| *seconds > 0).map(Duration::from_secs);
        match status.code {
            // A server that is starting does not know the kind yet, and names no object.
            404 if details.is_some_and(|details| details.name == fleet) => Self::Gone,
            413 => Self::TooLarge(message),
            _ if TOO_LARGE.iter().any(|part| message.contains(part)) => Self::TooLarge(message),
            422 => Self::of_invalid(status),
            404 | 408 | 409 | 429 | 500.. => Self::Unavailable { message, retry_after },
            _ => Self::Forbidden(message),
        }
    }

    /// The API server answers 422 for a patch whose test failed, without causes, and for values that
    /// it refuses, with the field of each. An admission policy may answer 422 without a field.
    fn of_invalid(status: &Status) -> Self {
        let causes = status.details.as_ref().map(|details| details.causes.as_slice());
        let causes = causes.unwrap_or_default();
        if causes.is_empty() {
            return Self::Changed;
        }
        let refused = causes.iter().filter_map(|cause| {
            let (index, fact) = place(&cause.field)?;
            Some(RefusedField { index, fact, message: cause.message.clone() })
        });
        let refused: Vec<_> = refused.collect();
        match refused.is_empty() {
            true => Self::Forbidden(status.message.clone()),
            false => Self::Refused(refused),
        }
    }

    /// Returns the result under which the request is counted.
    #[must_use]
    pub fn result(&self) -> WriteResult {
        match self {
            Self::Changed => WriteResult::changed,
            Self::Refused(_) => WriteResult::refused_value,
            Self::Gone => WriteResult::gone,
            Self::Forbidden(_) => WriteResult::forbidden,
            Self::TooLarge(_) => WriteResult::too_large,
            Self::Unavailable { .. } => WriteResult::unavailable,
            Self::Unanswered => WriteResult::unanswered,
            Self::Connection(_) => WriteResult::error,
        }
    }
}

/// Returns the index of the client and the name of the fact in a field path such as
/// `spec.clients[3].reported.lastUser`.
fn place(field: &str) -> Option<(usize, Option<String>)> {
    let rest = field.strip_prefix("spec.clients[")?;
    let (index, rest) = rest.split_once(']')?;
    let fact = rest.strip_prefix(".reported.").and_then(|rest| rest.split(['.', '[']).next());
    Some((index.parse().ok()?, fact.map(ToOwned::to_owned)))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(status: Value) -> Failure {
        let status: Status = serde_json::from_value(status).unwrap();
        Failure::of(&kube::Error::Api(Box::new(status)), "berlin")
    }

    fn refused(index: usize, fact: Option<&str>) -> RefusedField {
        RefusedField { index, fact: fact.map(ToOwned::to_owned), message: "bad".to_owned() }
    }

    #[test]
    fn a_422_is_a_failed_test_or_a_refused_value_or_a_policy() {
        let causes = |causes: Value| of(json!({"code": 422, "details": {"causes": causes}}));
        assert_eq!(of(json!({"code": 422, "message": "testing value"})), Failure::Changed);
        assert_eq!(causes(json!([])), Failure::Changed);
        let fields = json!([
            {"field": "spec.clients[3].reported.lastUser", "message": "bad"},
            {"field": "spec.clients[0].reported.lastError.message", "message": "bad"},
            {"field": "spec.clients[249]", "message": "bad"},
            {"field": "spec.packageVersion", "message": "bad"},
            {"field": "spec.clients[x].reported", "message": "bad"},
        ]);
        let expected = [(3, Some("lastUser")), (0, Some("lastError")), (249, None)];
        let expected = expected.map(|(index, fact)| refused(index, fact)).to_vec();
        assert_eq!(causes(fields), Failure::Refused(expected));
        assert_eq!(causes(json!([{"message": "denied"}])), Failure::Forbidden(String::new()));
    }

    #[test]
    fn only_an_answer_about_the_fleet_says_that_it_is_gone() {
        let unavailable = |failure| matches!(failure, Failure::Unavailable { .. });
        assert_eq!(of(json!({"code": 404, "details": {"name": "berlin"}})), Failure::Gone);
        assert!(unavailable(of(json!({"code": 404, "message": "page not found"}))));
        assert!(unavailable(of(json!({"code": 404, "details": {"name": "york"}}))));
    }

    #[test]
    fn an_overloaded_server_says_when_to_try_again() {
        let status = json!({"code": 429, "details": {"retryAfterSeconds": 7}});
        let Failure::Unavailable { retry_after, .. } = of(status) else { panic!("another kind") };
        assert_eq!(retry_after, Some(Duration::from_secs(7)));
    }

    #[test]
    fn an_object_that_is_too_large_is_refused_in_three_ways() {
        let too_large = |failure| matches!(failure, Failure::TooLarge(_));
        assert!(too_large(of(json!({"code": 413}))));
        assert!(too_large(of(json!({"code": 500, "message": "etcdserver: request is too large"}))));
        assert!(too_large(of(
            json!({"code": 500, "message": "message larger than max (3 vs. 2)"})
        )));
        assert!(matches!(of(json!({"code": 403})), Failure::Forbidden(_)));
    }
}
