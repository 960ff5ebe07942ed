//! A scripted API server, which answers each request with the next response of a script. Time is
//! paused.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::{StreamExt, stream};
use http::{Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};

pub enum Answer {
    /// The server accepts the request but never responds.
    Nothing,
    /// A complete response with a status code and a JSON body.
    Json(u16, Value),
    /// Watch events, each after its delay. The response then ends.
    Events(Vec<(Duration, Value)>),
    /// Watch events, after which the response neither ends nor continues.
    EventsThenSilence(Vec<(Duration, Value)>),
}

#[derive(Clone, Default)]
pub struct ApiServer {
    script: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    /// Creates an API server that sends the responses in `script` in order, and does not respond to
    /// later requests.
    pub fn new(script: impl IntoIterator<Item = Answer>) -> Self {
        let server = Self::default();
        server.script.lock().unwrap().extend(script);
        server
    }

    pub fn client(&self) -> Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move {
                server.requests.lock().unwrap().push(summary(&request));
                let answer = server.script.lock().unwrap().pop_front();
                respond(answer.unwrap_or(Answer::Nothing)).await
            }
        });
        Client::new(service, "ns")
    }

    /// Returns the kinds of the requests so far: `current`, `metadata`, `page`, `list` for a
    /// streaming list, or `watch` with its resourceVersion.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn summary(request: &Request<Body>) -> String {
    let query = request.uri().query().unwrap_or_default();
    let accept = request.headers().get("accept").and_then(|value| value.to_str().ok());
    let version = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion="));
    match () {
        () if query.contains("sendInitialEvents=true") => {
            assert_eq!(version, Some(""), "a list must not come from the cache");
            "list".to_owned()
        }
        () if query.contains("watch=true") => format!("watch {}", version.unwrap_or_default()),
        () if !accept.is_some_and(|accept| accept.contains("PartialObjectMetadata")) => {
            "page".to_owned()
        }
        () if query.ends_with("limit=1") => "current".to_owned(),
        () => "metadata".to_owned(),
    }
}

type AnswerBody = http_body_util::combinators::UnsyncBoxBody<Bytes, std::io::Error>;

async fn respond(answer: Answer) -> Result<Response<AnswerBody>, std::io::Error> {
    let (code, events, is_open) = match answer {
        Answer::Nothing => std::future::pending().await,
        Answer::Json(code, value) => (code, vec![(Duration::ZERO, value)], false),
        Answer::Events(events) => (200, events, false),
        Answer::EventsThenSilence(events) => (200, events, true),
    };
    let lines = stream::iter(events).then(|(delay, event)| async move {
        tokio::time::sleep(delay).await;
        Ok(Frame::data(Bytes::from(line(&event))))
    });
    let rest =
        if is_open { stream::pending().left_stream() } else { stream::empty().right_stream() };
    let body = StreamBody::new(lines.chain(rest)).boxed_unsync();
    Ok(Response::builder().status(code).body(body).unwrap())
}

/// Formats one line of a response. Writes the type of a watch event before the object, as an API
/// server does, so that the controller can parse the object without a copy.
fn line(value: &Value) -> String {
    match (&value["type"], &value["object"]) {
        (Value::String(kind), object) => format!("{{\"type\":\"{kind}\",\"object\":{object}}}\n"),
        _ => format!("{value}\n"),
    }
}

pub fn fleet(name: &str, version: &str) -> Value {
    json!({
        "apiVersion": "clientfleet.dev/v1alpha1",
        "kind": "ClientFleet",
        "metadata": {"namespace": "ns", "name": name, "resourceVersion": version},
        "spec": {},
    })
}

pub fn event(kind: &str, object: Value) -> (Duration, Value) {
    (Duration::ZERO, json!({"type": kind, "object": object}))
}

/// Returns a bookmark. `ends_list` marks the end of a streaming list.
pub fn bookmark(version: &str, ends_list: bool) -> (Duration, Value) {
    let annotations = match ends_list {
        true => json!({"k8s.io/initial-events-end": "true"}),
        false => json!({}),
    };
    event(
        "BOOKMARK",
        json!({
            "apiVersion": "clientfleet.dev/v1alpha1",
            "kind": "ClientFleet",
            "metadata": {"resourceVersion": version, "annotations": annotations},
        }),
    )
}

/// Returns the response to a list request: the version of the list and its objects.
pub fn list(version: &str, objects: &[Value]) -> Answer {
    Answer::Json(
        200,
        json!({
            "apiVersion": "clientfleet.dev/v1alpha1",
            "kind": "ClientFleetList",
            "metadata": {"resourceVersion": version},
            "items": objects,
        }),
    )
}

/// Returns the events of a complete streaming list.
pub fn streamed(version: &str, objects: &[Value]) -> Vec<(Duration, Value)> {
    let added = objects.iter().map(|object| event("ADDED", object.clone()));
    added.chain([bookmark(version, true)]).collect()
}

pub fn failure(code: u16) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "message": "scripted", "reason": "Scripted"})
}
