//! Writes each status with a PUT request to the status subresource. The API server rejects the
//! request if the object no longer has the resourceVersion in the request.
//!
//! The request body has no `spec`, because the API server ignores the `spec` for this subresource.
//! A body without the `spec` halves the work of the controller and the API server.
//!
//! The response is requested as a table without the object, because only the resourceVersion is
//! needed. A response with only the metadata would contain 50 KB of `managedFields` and account for
//! a tenth of the time of a write.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_TYPE};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::applier;
use kube::runtime::controller::{self, Action, Config};
use kube::runtime::reflector::Store;
use kube::{Client, ResourceExt};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::audit::{Accepted, Audited, Auditor};
use super::clock::Clock;
use super::events::{Announced, EventPublisher};
use super::lease::leadership::Leadership;
use super::lease::moment::Moment;
use super::metrics::{Metrics, Outcome};
use super::outbox::{Outbox, StatusWrite, WriteAttempt};
use super::pipeline::Context;
use crate::plan::Cached;
use crate::plan::fleet::too_large;
use crate::values::Timestamp;

/// Delay after the first failed attempt. It doubles after each further failure, up to
/// [`MAX_BACKOFF`].
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// Maximum delay between two attempts.
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Timeout of a request. Without it, kube would wait forever on a connection that a firewall has
/// silently dropped, and the object would never be written again.
pub(crate) const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// A kind whose status the controller writes.
pub trait Written: Announced + Audited {
    /// Returns a shorter status for an object that the API server rejects as too large; `None` if
    /// the status cannot be shortened.
    fn shortened(write: &StatusWrite<Self>, at: Timestamp) -> Option<Self::Status>;
}

impl Written for crate::api::ClientFleet {
    fn shortened(write: &StatusWrite<Self>, at: Timestamp) -> Option<Self::Status> {
        Some(too_large(&write.planned.cached, write.status(), at, write.replaces()))
    }
}

impl Written for crate::api::UpgradePolicy {
    fn shortened(_: &StatusWrite<Self>, _: Timestamp) -> Option<Self::Status> {
        None
    }
}

/// Reason why a status was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The API server rejected the write, or the request failed.
    #[error("{0}")]
    Refused(#[from] kube::Error),
    /// The API server did not respond before the timeout. If the API server has stored the status
    /// nevertheless, the next attempt gets a conflict.
    #[error("no answer within {0:?}")]
    Unanswered(Duration),
    /// This process does not lead, or is no longer sure that it leads.
    #[error("this process does not lead any more")]
    Unseated,
    /// The request could not be built, or its task failed.
    #[error("the status cannot be sent: {0}")]
    Unsendable(String),
}

/// Writer of statuses for objects of one kind.
pub struct Writer<K: Announced> {
    client: Client,
    clock: Arc<dyn Clock>,
    leadership: Leadership,
    outbox: Arc<Outbox<K>>,
    permits: Arc<Semaphore>,
    announcer: EventPublisher,
    auditor: Arc<Auditor>,
    metrics: Arc<Metrics>,
}

impl<K: Written> Writer<K> {
    /// Creates a writer that empties `outbox`. All writers of the same kind share `permits`.
    #[must_use]
    pub fn new(cx: &Context, outbox: Arc<Outbox<K>>, permits: Arc<Semaphore>) -> Self {
        let Context { client, clock, leadership, auditor, metrics, .. } = cx.clone();
        let announcer = EventPublisher::new(cx);
        Self { client, clock, leadership, outbox, permits, announcer, auditor, metrics }
    }

    /// Writes the planned status of an object. Does nothing if no write is pending.
    async fn write(&self, object: &Cached<K>) -> Result<(), WriteError> {
        // `acquire` cannot fail, because the semaphore is never closed.
        let permit = self.permits.acquire().await;
        let Some(letter) = self.outbox.next(&object.key()) else { return Ok(()) };
        let mut attempt = WriteAttempt { status: Arc::new(letter.status()), write: letter };
        let mut answer = self.put(&attempt).await;
        if let Err(error) = &answer
            && is_too_large(error)
            && let Some(status) = K::shortened(&attempt.write, self.clock.now())
        {
            tracing::warn!(object = %object.display_name(), %error, "the object is too large");
            attempt.status = Arc::new(status);
            answer = self.put(&attempt).await;
        }
        drop(permit);
        self.settle(object, &attempt, answer).await
    }

    /// Records the outcome of a write attempt in the outbox. Reports a successful write to the
    /// auditor and in events.
    async fn settle(
        &self,
        object: &Cached<K>,
        attempt: &WriteAttempt<K>,
        answer: Result<Option<String>, WriteError>,
    ) -> Result<(), WriteError> {
        let planned = &attempt.write.planned;
        match answer {
            Ok(made) => {
                K::record(&self.auditor, &Accepted::of(attempt, made.as_deref()));
                self.outbox.written(attempt, made);
                let written = &planned.cached;
                let announced =
                    K::announce(&self.announcer, planned, self.outbox.announced(written)).await;
                self.outbox.record_announced(written, announced);
                Ok(())
            }
            // Another writer has changed or deleted the object since the plan was made. The watch
            // event of that change triggers a new plan.
            Err(WriteError::Refused(kube::Error::Api(status)))
                if matches!(status.code, 404 | 409) =>
            {
                tracing::debug!(object = %object.display_name(), code = status.code, "overtaken");
                self.outbox.conflicted(planned);
                Ok(())
            }
            Err(error) => {
                let is_open = matches!(Outcome::from(&error), Outcome::unanswered | Outcome::error);
                match is_open.then(|| self.outbox.unacknowledged(attempt)).flatten() {
                    // The request got no response, but a watch event has already shown that the
                    // write was accepted, so report the write as successful.
                    Some(made) => {
                        K::record(&self.auditor, &Accepted::of(attempt, Some(&made)));
                        Ok(())
                    }
                    None => Err(error),
                }
            }
        }
    }

    /// Sends a status and counts the outcome. Returns the resourceVersion that the write created.
    async fn put(&self, attempt: &WriteAttempt<K>) -> Result<Option<String>, WriteError> {
        let begun = Instant::now();
        let answer = self.send(&attempt.write, &attempt.status).await;
        let outcome = answer.as_ref().map_or_else(Outcome::from, |_| Outcome::written);
        self.metrics.wrote(&K::kind(&()), outcome, begun.elapsed());
        answer
    }

    async fn send(
        &self,
        letter: &StatusWrite<K>,
        status: &K::Status,
    ) -> Result<Option<String>, WriteError> {
        let object = &letter.planned.cached;
        let (namespace, name) = object.key();
        let body = Body {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            metadata: ObjectMeta {
                name: Some(name.clone()),
                namespace: Some(namespace.clone()),
                uid: object.uid(),
                resource_version: letter.resource_version.clone(),
                ..ObjectMeta::default()
            },
            status,
        };
        let url = format!("{}/{name}/status?{NO_OBJECT}", K::url_path(&(), Some(&namespace)));
        let unsendable = |error: &dyn std::fmt::Display| WriteError::Unsendable(error.to_string());
        let body = serde_json::to_vec(&body).map_err(|error| unsendable(&error))?;
        let request = http::Request::put(url)
            .header(ACCEPT, AS_TABLE)
            .header(CONTENT_TYPE, "application/json")
            .body(body)
            .map_err(|error| unsendable(&error))?;
        // Check immediately before the request is sent, because the process may be suspended at any
        // point and resume after its lease has expired.
        if !self.leadership.may_write_at(Moment::now()) {
            return Err(WriteError::Unseated);
        }
        let answer = self.client.request::<TableAnswer>(request);
        match tokio::time::timeout(WRITE_TIMEOUT, answer).await {
            Ok(answer) => Ok(answer?.metadata.resource_version),
            Err(_) => Err(WriteError::Unanswered(WRITE_TIMEOUT)),
        }
    }

    fn back_off(&self, object: &Cached<K>, error: &WriteError) -> Action {
        let failures = self.outbox.failed(&object.key());
        let wait =
            FIRST_BACKOFF.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(MAX_BACKOFF);
        tracing::warn!(object = %object.display_name(), %error, ?wait, "the status was not written");
        Action::requeue(wait)
    }
}

impl From<&WriteError> for Outcome {
    fn from(error: &WriteError) -> Self {
        match error {
            WriteError::Refused(kube::Error::Api(status)) => match status.code {
                404 | 409 => Self::conflict,
                // The outcome of the write is unknown: status 504 comes from a gateway, or from an
                // API server that waited too long for etcd.
                504 => Self::unanswered,
                _ => Self::refused,
            },
            WriteError::Unanswered(_) => Self::unanswered,
            WriteError::Unseated => Self::unseated,
            WriteError::Refused(_) | WriteError::Unsendable(_) => Self::error,
        }
    }
}

/// Media type of a `meta.k8s.io/v1` `Table`, the format that kubectl requests for its output
/// (KEP-1164).
const AS_TABLE: &str = "application/json;as=Table;g=meta.k8s.io;v=v1";
/// Query option that omits the object from the rows of a table (`TableOptions`).
const NO_OBJECT: &str = "includeObject=None";

/// The part of a response that the writer reads.
#[derive(Deserialize)]
struct TableAnswer {
    metadata: TableMetadata,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TableMetadata {
    resource_version: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a, S> {
    api_version: String,
    kind: String,
    metadata: ObjectMeta,
    status: &'a S,
}

/// Returns whether the API server or etcd rejected the object as too large.
///
/// The API server returns status 413. If the object exceeds a limit of etcd or gRPC, the API server
/// returns an internal error that contains `request is too large` for etcd, or `larger than max`
/// for gRPC (`google.golang.org/grpc`, `rpc_util.go`).
fn is_too_large(error: &WriteError) -> bool {
    let WriteError::Refused(kube::Error::Api(status)) = error else { return false };
    status.code == 413
        || status.message.contains("request is too large")
        || status.message.contains("larger than max")
}

/// Writes the statuses in an outbox until the outbox is closed, then waits for the writes in
/// progress.
pub async fn write_all<K: Written>(writer: Writer<K>, store: Store<Cached<K>>, concurrency: u16) {
    let config = Config::default().concurrency(concurrency);
    let outbox = Arc::clone(&writer.outbox);
    let queue = Arc::clone(&outbox).queue();
    let results = applier(
        reconcile::<K>,
        on_error::<K>,
        Arc::new(writer),
        store,
        queue.map(Ok::<_, std::convert::Infallible>),
        config,
    );
    let mut results = std::pin::pin!(results);
    while let Some(result) = results.next().await {
        // The object is no longer in the store, so the applier did not call `reconcile`, which
        // would otherwise record the end of the write.
        if let Err(controller::Error::ObjectNotFound(object)) = result {
            outbox.end(&(object.namespace.unwrap_or_default(), object.name));
        }
    }
}

/// Writes the status of an object in a separate task, so that several CPU cores can prepare writes.
/// The applier itself polls all its reconciles in one task.
fn reconcile<K: Written>(
    object: Arc<Cached<K>>,
    writer: Arc<Writer<K>>,
) -> BoxFuture<'static, Result<Action, WriteError>> {
    let (key, outbox) = (object.key(), Arc::clone(&writer.outbox));
    let write = tokio::spawn(async move { writer.write(&object).await });
    Box::pin(async move {
        let written = write.await;
        outbox.end(&key);
        match written {
            Ok(result) => result.map(|()| Action::await_change()),
            Err(error) => Err(WriteError::Unsendable(error.to_string())),
        }
    })
}

#[expect(clippy::needless_pass_by_value, reason = "the applier hands them over so")]
fn on_error<K: Written>(
    object: Arc<Cached<K>>,
    error: &WriteError,
    writer: Arc<Writer<K>>,
) -> Action {
    writer.back_off(&object, error)
}
