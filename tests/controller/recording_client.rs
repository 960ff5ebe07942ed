//! A Kubernetes client for the controller under test. It records every request and can hold
//! requests back, so that a test controls the order of events.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use http::{Method, Request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::Client;
use kube::client::Body;
use tokio::sync::{mpsc, watch};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub method: Method,
    /// Path of the request after the namespace, without the query, such as
    /// `clientfleets/berlin/status`.
    pub path: String,
    /// Status code of the response or of its replacement. `None` until a response arrives.
    pub code: Option<u16>,
}

impl Call {
    pub fn is_status_write(&self) -> bool {
        self.method == Method::PUT && self.path.ends_with("/status")
    }
}

/// Recorder for the requests that one controller sends. It can also hold back requests, drop
/// responses, and delay watch events.
#[derive(Clone)]
pub struct RequestRecorder {
    calls: Arc<Mutex<Vec<Call>>>,
    /// Path prefixes of the requests that are held back.
    held: watch::Sender<Vec<String>>,
    /// Path of the resource whose next watch receives the error [`EXPIRED`].
    expired: Arc<Mutex<Option<String>>>,
    /// Paths of the requests whose next response is dropped.
    lost: Arc<Mutex<Vec<String>>>,
    replaced: Arc<Mutex<Vec<Replacement>>>,
    /// Resources whose watch events are held back, such as `clientfleets`.
    silent: watch::Sender<Vec<String>>,
    /// Resource whose watch events are delayed, and the delay.
    late: Arc<Mutex<Option<(String, Duration)>>>,
    /// Number of held-back or delayed watch events, by resource.
    slowed: Arc<Mutex<BTreeMap<String, usize>>>,
    undelivered: Counts,
}

type Counts = Arc<Mutex<BTreeMap<String, usize>>>;

/// Guard that counts one watch event until the event is delivered or its watch ends.
struct Undelivered {
    counts: Counts,
    resource: String,
}

impl Undelivered {
    fn count(counts: &Counts, resource: &str) -> Self {
        *counts.lock().unwrap().entry(resource.to_owned()).or_default() += 1;
        Self { counts: Arc::clone(counts), resource: resource.to_owned() }
    }
}

impl Drop for Undelivered {
    fn drop(&mut self) {
        if let Some(count) = self.counts.lock().unwrap().get_mut(&self.resource) {
            *count -= 1;
        }
    }
}

/// Error response that replaces the next response to a request for `path`.
struct Replacement {
    path: String,
    code: u16,
    /// True if the API server still receives the request.
    is_forwarded: bool,
}

fn refusal(code: u16) -> http::Response<AnswerBody> {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "message": "replaced by the test", "reason": "Replaced",
    });
    let body = Body::from(status.to_string().into_bytes()).boxed_unsync();
    http::Response::builder().status(code).body(body).unwrap()
}

/// Response body whose frames the recorder can delay or hold back.
type AnswerBody = UnsyncBoxBody<Bytes, kube::Error>;

/// Watch event that an API server sends if the requested resourceVersion is too old.
const EXPIRED: &str = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old resource version","reason":"Expired","code":410}}"#;

impl RequestRecorder {
    pub fn new() -> Self {
        Self {
            calls: Arc::default(),
            held: watch::Sender::new(vec![]),
            expired: Arc::default(),
            lost: Arc::default(),
            replaced: Arc::default(),
            silent: watch::Sender::new(vec![]),
            late: Arc::default(),
            slowed: Arc::default(),
            undelivered: Arc::default(),
        }
    }

    /// Returns a client that records its requests and sends them through `client`.
    pub fn client(&self, client: Client) -> Client {
        let namespace = client.default_namespace().to_owned();
        let wire = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let (wire, client) = (wire.clone(), client.clone());
            async move { wire.pass(client, request).await }
        });
        Client::new(service, namespace)
    }

    async fn pass(
        &self,
        client: Client,
        request: Request<Body>,
    ) -> kube::Result<http::Response<AnswerBody>> {
        let path = request.uri().path();
        let path = path.split_once("/namespaces/").and_then(|(_, rest)| rest.split_once('/'));
        let path = path.map_or_else(|| request.uri().path(), |(_, path)| path).to_owned();
        let method = request.method().clone();
        let is_watch = request.uri().query().is_some_and(|query| query.contains("watch=true"));
        let place = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(Call { method, path: path.clone(), code: None });
            calls.len() - 1
        };
        let is_free = |held: &Vec<String>| !held.iter().any(|held| path.starts_with(held));
        let _ = self.held.subscribe().wait_for(is_free).await;
        if self.expired.lock().unwrap().take_if(|expired| *expired == path).is_some() {
            let expired = Body::from(format!("{EXPIRED}\n").into_bytes());
            return Ok(http::Response::new(expired.boxed_unsync()));
        }
        let replacement = {
            let mut replaced = self.replaced.lock().unwrap();
            let place = replaced.iter().position(|replacement| replacement.path == path);
            place.map(|place| replaced.remove(place))
        };
        if let Some(replacement) = replacement {
            if replacement.is_forwarded {
                client.send(request).await?;
            }
            self.answered(place, replacement.code);
            return Ok(refusal(replacement.code));
        }
        let answer = client.send(request).await?;
        let is_lost = {
            let mut lost = self.lost.lock().unwrap();
            let place = lost.iter().position(|lost| *lost == path);
            place.map(|place| lost.remove(place)).is_some()
        };
        self.answered(place, answer.status().as_u16());
        if is_lost {
            return Err(kube::Error::Service("the connection was closed".into()));
        }
        Ok(answer.map(|body| match is_watch {
            true => self.slowed(path, body),
            false => body.boxed_unsync(),
        }))
    }

    fn answered(&self, place: usize, code: u16) {
        if let Some(call) = self.calls.lock().unwrap().get_mut(place) {
            call.code = Some(code);
        }
    }

    /// Applies [`Self::delay_watch`] and [`Self::silence_watch`] to the body of a watch response.
    fn slowed(&self, path: String, body: Body) -> AnswerBody {
        let (sender, receiver) = mpsc::unbounded_channel();
        let (undelivered, resource) = (Arc::clone(&self.undelivered), path.clone());
        tokio::spawn(async move {
            let mut frames = body.into_data_stream();
            while let Some(frame) = frames.next().await {
                let event = Undelivered::count(&undelivered, &resource);
                if sender.send((Instant::now(), frame, event)).is_err() {
                    return;
                }
            }
        });
        let wire = self.clone();
        let frames = futures::stream::unfold(receiver, move |mut receiver| {
            let (wire, path) = (wire.clone(), path.clone());
            async move {
                let (arrived, frame, event) = receiver.recv().await?;
                let late = wire.late.lock().unwrap().clone().filter(|(late, _)| *late == path);
                let is_heard = |silent: &Vec<String>| !silent.contains(&path);
                let due = late.map(|(_, late)| arrived + late).filter(|due| *due > Instant::now());
                if due.is_some() || !is_heard(&wire.silent.borrow()) {
                    *wire.slowed.lock().unwrap().entry(path.clone()).or_default() += 1;
                }
                if let Some(due) = due {
                    tokio::time::sleep_until(due.into()).await;
                }
                let _ = wire.silent.subscribe().wait_for(is_heard).await;
                drop(event);
                Some((frame.map(Frame::data), receiver))
            }
        });
        StreamBody::new(frames).boxed_unsync()
    }

    /// Holds back all requests whose path begins with one of `paths`, such as
    /// `clientfleets/berlin`. A path without an object name, such as `clientfleets`, also holds
    /// back new watches.
    pub fn hold(&self, paths: &[&str]) {
        self.held.send_replace(paths.iter().map(|&path| path.to_owned()).collect());
    }

    pub fn release(&self) {
        self.hold(&[]);
    }

    /// Holds back the watch events of a resource, such as `clientfleets`, until
    /// [`Self::resume_watches`].
    pub fn silence_watch(&self, plural: &str) {
        self.silent.send_replace(vec![plural.to_owned()]);
    }

    pub fn resume_watches(&self) {
        self.silent.send_replace(vec![]);
    }

    pub fn delay_watch(&self, plural: &str, late: Duration) {
        *self.late.lock().unwrap() = Some((plural.to_owned(), late));
    }

    pub fn slowed_events(&self, plural: &str) -> usize {
        self.slowed.lock().unwrap().get(plural).copied().unwrap_or_default()
    }

    pub fn undelivered_events(&self, plural: &str) -> usize {
        self.undelivered.lock().unwrap().get(plural).copied().unwrap_or_default()
    }

    /// Ends the next watch of a resource, such as `clientfleets`, with the error [`EXPIRED`].
    pub fn expire(&self, plural: &str) {
        *self.expired.lock().unwrap() = Some(plural.to_owned());
    }

    /// Drops the response to the next request for `path`, such as `clientfleets/berlin/status`.
    pub fn lose_the_answer_to(&self, path: &str) {
        self.lost.lock().unwrap().push(path.to_owned());
    }

    /// Returns an error for the next request for `path`, without sending the request to the API
    /// server.
    pub fn refuse(&self, path: &str, code: u16) {
        self.replace(path, code, false);
    }

    /// Sends the next request for `path` to the API server, but returns an error instead of the
    /// response.
    pub fn accept_but_refuse(&self, path: &str, code: u16) {
        self.replace(path, code, true);
    }

    fn replace(&self, path: &str, code: u16, is_forwarded: bool) {
        let replacement = Replacement { path: path.to_owned(), code, is_forwarded };
        self.replaced.lock().unwrap().push(replacement);
    }

    pub fn replacements_left(&self) -> usize {
        self.replaced.lock().unwrap().len()
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// Returns the number of requests recorded so far, as an argument for [`Self::since`].
    pub fn mark(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    pub fn since(&self, mark: usize) -> Vec<Call> {
        self.calls().split_off(mark)
    }
}
