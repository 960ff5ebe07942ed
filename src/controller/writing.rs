//! Writes each status with a PUT request to the status subresource, which the API server rejects if
//! the object no longer has the resourceVersion in the request.
//!
//! The request body omits the `spec`, which the API server ignores there, and thereby halves the
//! work on both sides. The response is a table without the object, because a response with the
//! metadata would contain 50 KB of `managedFields` and account for a tenth of the time of a write.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::future::BoxFuture;
use http::header::{ACCEPT, CONTENT_TYPE};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::runtime::applier;
use kube::runtime::controller::{self, Action, Config};
use kube::runtime::reflector::Store;
use kube::{Client, Resource, ResourceExt};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::audit::{Accepted, Audited, Auditor};
use super::events::{Announced, EventQueue};
use super::lease::leadership::Leadership;
use super::lease::moment::Moment;
use super::metrics::{Metrics, Outcome};
use super::outbox::{Outbox, StatusWrite, WriteAttempt};
use super::pipeline::Context;
use crate::daemon::clock::Clock;
use crate::plan::Cached;
use crate::plan::fleet::too_large;
use crate::values::Timestamp;

/// Delay after the first failed attempt. It doubles after each further failure, up to
/// [`MAX_BACKOFF`].
const FIRST_BACKOFF: Duration = Duration::from_millis(250);
/// Wait after the first conflict. The watch event of the newer version usually arrives within this
/// time.
const FIRST_CONFLICT_BACKOFF: Duration = Duration::from_secs(1);
/// Number of consecutive failures from which a conflict is logged as a warning.
const MIN_WARNED_CONFLICTS: u32 = 3;
const MAX_BACKOFF: Duration = Duration::from_secs(30);

/// Timeout of a status write. Without it, kube would wait forever on a connection that a firewall
/// has silently dropped, and the status of the object would never be written again.
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

impl WriteError {
    /// Returns whether another writer has changed or deleted the object.
    fn is_conflict(&self) -> bool {
        Outcome::from(self) == Outcome::conflict
    }

    /// Returns whether the status was certainly not written. After a server error, a timeout or a
    /// conflict, the write may have succeeded: a gateway may have responded, or the API server may
    /// have waited too long for etcd.
    fn excludes_write(&self) -> bool {
        match self {
            Self::Refused(kube::Error::Api(status)) => {
                is_too_large(self) || !matches!(status.code, 404 | 408 | 409 | 500..)
            }
            Self::Unseated | Self::Unsendable(_) => true,
            Self::Refused(_) | Self::Unanswered(_) => false,
        }
    }
}

/// Writer for the statuses of one kind.
pub struct Writer<K: Announced> {
    client: Client,
    clock: Arc<dyn Clock>,
    leadership: Leadership,
    outbox: Arc<Outbox<K>>,
    permits: Arc<Semaphore>,
    auditor: Arc<Auditor>,
    metrics: Arc<Metrics>,
}

impl<K: Written> Writer<K> {
    /// Creates a writer that empties `outbox`. All writers of the same kind share `permits`.
    #[must_use]
    pub fn new(cx: &Context, outbox: Arc<Outbox<K>>, permits: Arc<Semaphore>) -> Self {
        let Context { client, clock, leadership, auditor, metrics, .. } = cx.clone();
        Self { client, clock, leadership, outbox, permits, auditor, metrics }
    }

    /// Writes the planned status of an object. Does nothing if no write is pending.
    async fn write(&self, object: &Cached<K>) -> Result<(), WriteError> {
        // `acquire` cannot fail, because the semaphore is never closed.
        let permit = self.permits.acquire().await;
        let Some(letter) = self.outbox.next(&object.key()) else { return Ok(()) };
        let status = letter.status();
        let mut attempt = WriteAttempt::new(letter, status);
        self.outbox.sending(&attempt);
        let mut answer = self.put(&attempt).await;
        if let Err(error) = &answer
            && is_too_large(error)
            && let Some(status) = K::shortened(&attempt.write, self.clock.now())
        {
            tracing::warn!(object = %object.display_name(), %error, "the object is too large");
            self.outbox.refused(&attempt);
            attempt = WriteAttempt::new(attempt.write, status);
            self.outbox.sending(&attempt);
            answer = self.put(&attempt).await;
        }
        drop(permit);
        self.settle(&attempt, answer)
    }

    /// Records the outcome of a write attempt in the outbox. Reports a successful write to the
    /// auditor, unless the planning loop has done so.
    fn settle(
        &self,
        attempt: &WriteAttempt<K>,
        answer: Result<Option<String>, WriteError>,
    ) -> Result<(), WriteError> {
        let error = match answer {
            Ok(made) => {
                if self.outbox.written(attempt, made.clone()) {
                    K::record(&self.auditor, &Accepted::of(attempt, made.as_deref()));
                }
                return Ok(());
            }
            Err(error) => error,
        };
        if Outcome::from(&error) == Outcome::unanswered {
            self.outbox.unanswered(attempt);
        }
        if error.excludes_write() {
            self.outbox.refused(attempt);
        } else if attempt.is_accepted() {
            return Ok(());
        }
        Err(error)
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

    /// Returns when to try again; the wait doubles with each failure.
    ///
    /// After a conflict, the watch event of the newer version normally triggers a new plan before
    /// the wait ends, but a gateway may respond with a conflict that no event follows.
    fn back_off(&self, object: &Cached<K>, error: &WriteError) -> Action {
        let failures = self.outbox.failed(&object.key());
        let first = if error.is_conflict() { FIRST_CONFLICT_BACKOFF } else { FIRST_BACKOFF };
        let wait = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(MAX_BACKOFF);
        let object = object.display_name();
        if error.is_conflict() && failures < MIN_WARNED_CONFLICTS {
            tracing::debug!(%object, %error, ?wait, "the object was changed or deleted meanwhile");
        } else {
            tracing::warn!(%object, %error, ?wait, "the status was not written");
        }
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
/// The API server returns status 413, or an internal error that contains `request is too large` for
/// a limit of etcd or `larger than max` for a limit of gRPC (`google.golang.org/grpc`,
/// `rpc_util.go`).
fn is_too_large(error: &WriteError) -> bool {
    let WriteError::Refused(kube::Error::Api(status)) = error else { return false };
    status.code == 413
        || status.message.contains("request is too large")
        || status.message.contains("larger than max")
}

/// Writes and announces the statuses in an outbox until the outbox is closed. Then waits until the
/// outcome of every write is known.
pub async fn write_all<K: Written>(
    writer: Writer<K>,
    events: EventQueue,
    store: Store<Cached<K>>,
    concurrency: u16,
) {
    let outbox = Arc::clone(&writer.outbox);
    let write = async {
        empty(writer, store, concurrency).await;
        outbox.acknowledged().await;
        outbox.drained();
    };
    tokio::join!(write, announce_all(&outbox, &events));
}

async fn empty<K: Written>(writer: Writer<K>, store: Store<Cached<K>>, concurrency: u16) {
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

/// Announces the accepted writes of an outbox in order, until the outbox is closed and drained.
///
/// The writers do not announce their own writes, because some writes are known to be accepted only
/// from a watch event.
async fn announce_all<K: Announced>(outbox: &Outbox<K>, queue: &EventQueue) {
    while let Some(written) = outbox.next_accepted().await {
        let object = &written.cached;
        let (announced, events) = K::announce(&written, outbox.announced(object));
        outbox.record_announced(object, announced);
        for event in events {
            queue.add(event, object.object_ref(&()));
        }
    }
}

/// Writes an object in a separate task, so that several CPU cores can prepare writes. The applier
/// itself runs all writes in one task.
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
