//! What a controller says to the API server: a client that notes every request, and can hold some of
//! them back, so that a test decides in which order things happen.

use std::sync::{Arc, Mutex};

use http::{Method, Request};
use kube::Client;
use kube::client::Body;
use tokio::sync::watch;

/// One request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    pub method: Method,
    /// As `clientfleets/berlin/status`: what follows the namespace, without the query.
    pub path: String,
    /// The answer's code; `None` while there is none, or for good if the connection broke.
    pub code: Option<u16>,
}

impl Call {
    pub fn is_status_write(&self) -> bool {
        self.method == Method::PUT && self.path.ends_with("/status")
    }
}

/// The line between one controller and its API server.
#[derive(Clone)]
pub struct Wire {
    calls: Arc<Mutex<Vec<Call>>>,
    /// Requests whose path begins so wait.
    held: watch::Sender<Vec<String>>,
    /// The next watch of it is told that it has missed too much.
    expired: Arc<Mutex<Option<String>>>,
    /// The next answer to it does not arrive.
    lost: Arc<Mutex<Option<String>>>,
}

/// What an API server says to whoever wants to go on watching where it no longer can.
const EXPIRED: &str = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old resource version","reason":"Expired","code":410}}"#;

impl Wire {
    pub fn new() -> Self {
        Self {
            calls: Arc::default(),
            held: watch::Sender::new(vec![]),
            expired: Arc::default(),
            lost: Arc::default(),
        }
    }

    /// A client whose requests are noted, and sent by `client`.
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
    ) -> kube::Result<http::Response<Body>> {
        let path = request.uri().path();
        let path = path.split_once("/namespaces/").and_then(|(_, rest)| rest.split_once('/'));
        let path = path.map_or_else(|| request.uri().path(), |(_, path)| path).to_owned();
        let method = request.method().clone();
        let place = {
            let mut calls = self.calls.lock().unwrap();
            calls.push(Call { method, path: path.clone(), code: None });
            calls.len() - 1
        };
        let is_free = |held: &Vec<String>| !held.iter().any(|held| path.starts_with(held));
        let _ = self.held.subscribe().wait_for(is_free).await;
        if self.expired.lock().unwrap().take_if(|expired| *expired == path).is_some() {
            return Ok(http::Response::new(Body::from(format!("{EXPIRED}\n").into_bytes())));
        }
        let answer = client.send(request).await?;
        if self.lost.lock().unwrap().take_if(|lost| *lost == path).is_some() {
            return Err(kube::Error::Service("the connection was closed".into()));
        }
        if let Some(call) = self.calls.lock().unwrap().get_mut(place) {
            call.code = Some(answer.status().as_u16());
        }
        Ok(answer)
    }

    /// Holds back the requests to these paths and below, as `clientfleets/berlin`; without a name
    /// new watches as well.
    pub fn hold(&self, paths: &[&str]) {
        self.held.send_replace(paths.iter().map(|&path| path.to_owned()).collect());
    }

    pub fn release(&self) {
        self.hold(&[]);
    }

    /// Has the next watch of a kind, as `clientfleets`, begin anew.
    pub fn expire(&self, plural: &str) {
        *self.expired.lock().unwrap() = Some(plural.to_owned());
    }

    /// Has the next answer to a request, as `clientfleets/berlin/status`, get lost on its way.
    pub fn lose_the_answer_to(&self, path: &str) {
        *self.lost.lock().unwrap() = Some(path.to_owned());
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// How many calls have been made up to now, for [`Wire::since`].
    pub fn mark(&self) -> usize {
        self.calls.lock().unwrap().len()
    }

    pub fn since(&self, mark: usize) -> Vec<Call> {
        self.calls().split_off(mark)
    }
}
