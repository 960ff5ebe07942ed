//! Sends writes whose outcome must be known: limits the wait for a response, and repeats a write
//! while it is unknown whether the API server has stored it.

use std::time::{Duration, Instant};

use kube::Error;

use super::sentence;

/// Maximum wait for the response to one attempt.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum number of attempts.
const MAX_ATTEMPTS: u32 = 5;
/// Time after which no further attempt starts.
const MAX_DURATION: Duration = Duration::from_secs(45);
/// Wait before the second attempt; each further wait is twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);

/// Error of a write, after all attempts.
#[derive(Debug)]
pub(crate) struct WriteError {
    /// Error of the last attempt.
    pub error: Error,
    /// True if the API server may have stored the write, by the last attempt or an earlier one.
    pub may_be_stored: bool,
}

impl WriteError {
    /// Returns the HTTP status code of the last response; `None` if there was no response.
    pub fn code(&self) -> Option<u16> {
        match &self.error {
            Error::Api(status) => Some(status.code),
            _ => None,
        }
    }

    /// Returns the error message. `doing` describes the operation, such as `apply upgradepolicy all
    /// in namespace clients`.
    pub fn sentence(&self, doing: &str) -> String {
        with_doubt(sentence(doing, &self.error), self.may_be_stored)
    }
}

/// Adds to an error message that the write may have been stored, if `may_be_stored` is true.
pub(crate) fn with_doubt(message: String, may_be_stored: bool) -> String {
    let doubt = "; the change may have been stored: run the command again to complete it";
    if may_be_stored { message + doubt } else { message }
}

/// Sends a write, and repeats it with a back-off while its outcome is unknown or the API server is
/// busy. The write must have the same result if it is stored twice.
///
/// # Errors
///
/// Returns the error of the last attempt, if no attempt succeeded.
pub(crate) async fn attempt<T>(
    mut send: impl AsyncFnMut() -> Result<T, Error>,
) -> Result<T, WriteError> {
    let begun = Instant::now();
    let mut wait = FIRST_BACKOFF;
    let mut may_be_stored = false;
    let mut number = 1;
    loop {
        let answer = tokio::time::timeout(RESPONSE_TIMEOUT, send()).await;
        let error = match answer {
            Ok(Ok(stored)) => return Ok(stored),
            Ok(Err(error)) => error,
            Err(_) => Error::Service(format!("no response within {RESPONSE_TIMEOUT:?}").into()),
        };
        may_be_stored |= is_unknown(&error);
        let is_over = number >= MAX_ATTEMPTS || begun.elapsed() >= MAX_DURATION;
        if is_over || !(is_unknown(&error) || is_unprocessed(&error)) {
            return Err(WriteError { error, may_be_stored });
        }
        tokio::time::sleep(wait).await;
        (number, wait) = (number + 1, wait * 2);
    }
}

/// Returns whether the API server may have stored the write: there was no response, or the response
/// can come from a gateway.
fn is_unknown(error: &Error) -> bool {
    match error {
        Error::Api(status) => matches!(status.code, 408 | 500..),
        Error::Auth(_) | Error::BuildRequest(_) => false,
        other => !is_without_connection(other),
    }
}

/// Returns whether the API server has not processed the request but may process the next one.
fn is_unprocessed(error: &Error) -> bool {
    match error {
        Error::Api(status) => status.code == 429,
        other => is_without_connection(other),
    }
}

/// Returns whether there was no connection over which the request could have been sent.
fn is_without_connection(error: &Error) -> bool {
    use hyper_util::client::legacy::Error as ClientError;
    let causes = std::iter::successors(Some(error as &dyn std::error::Error), |e| e.source());
    let mut of_client = causes.filter_map(|cause| cause.downcast_ref::<ClientError>());
    of_client.any(ClientError::is_connect)
}
