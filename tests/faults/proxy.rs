//! A hostile proxy between the controller and the API server. It receives plain HTTP, forwards the
//! requests with the client of an administrator, and injects faults.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::StreamExt;
use http::header::CONTENT_LENGTH;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::damage::damaged;
use crate::fault::{Fault, Requests, Rule, is_watch};

/// A request that the proxy has received.
#[derive(Clone, Debug)]
pub struct Seen {
    pub received: Instant,
    pub method: Method,
    pub path: String,
    /// Fault that was applied to the request; `None` if it was forwarded.
    pub fault: Option<String>,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    seen: Vec<Seen>,
    /// Recorded response bodies, by path.
    recorded: Vec<(String, Bytes)>,
    /// Number of parts of watch responses that were held back.
    held_parts: usize,
}

/// The hostile proxy. All clones are the same proxy.
#[derive(Clone)]
pub struct Proxy {
    address: SocketAddr,
    client: Client,
    state: Arc<Mutex<State>>,
    /// Kinds whose watch responses are held back.
    held: watch::Sender<Vec<&'static str>>,
    /// Number of times that the watches were interrupted.
    interruptions: watch::Sender<u64>,
}

pub type AnswerBody = UnsyncBoxBody<Bytes, std::io::Error>;

impl Proxy {
    /// Starts a proxy that forwards requests with `client`.
    pub async fn start(client: Client) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            client,
            state: Arc::default(),
            held: watch::Sender::new(vec![]),
            interruptions: watch::Sender::new(0),
        };
        proxy.clone().accept(listener);
        proxy
    }

    fn accept(self, listener: TcpListener) -> JoinHandle<()> {
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                tokio::spawn(self.clone().serve(connection));
            }
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Applies a fault to all requests that `requests` selects, until [`Proxy::heal`].
    pub fn always(&self, requests: Requests, fault: Fault) {
        self.add(Rule { requests, fault, skip: 0, left: None });
    }

    /// Applies a fault to the next `count` requests that `requests` selects.
    pub fn next(&self, count: u32, requests: Requests, fault: Fault) {
        self.add(Rule { requests, fault, skip: 0, left: Some(count) });
    }

    /// Applies a fault to one request that `requests` selects, after `skip` others.
    pub fn after(&self, skip: u32, requests: Requests, fault: Fault) {
        self.add(Rule { requests, fault, skip, left: Some(1) });
    }

    /// Applies a fault to all requests that `requests` selects, after `skip` others.
    pub fn following(&self, skip: u32, requests: Requests, fault: Fault) {
        self.add(Rule { requests, fault, skip, left: None });
    }

    fn add(&self, rule: Rule) {
        self.state.lock().unwrap().rules.push(rule);
    }

    /// Removes all rules and releases all watches.
    pub fn heal(&self) {
        self.state.lock().unwrap().rules.clear();
        self.held.send_replace(vec![]);
    }

    /// Holds back the events of all watches of a kind until [`Proxy::heal`].
    pub fn hold(&self, kind: &'static str) {
        self.held.send_modify(|held| held.push(kind));
    }

    /// Ends the responses of all open watches, as the API server does from time to time.
    pub fn interrupt_watches(&self) {
        self.interruptions.send_modify(|count| *count += 1);
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.lock().unwrap().seen.clone()
    }

    /// Returns the time since the last write, without those of leases.
    pub fn quiet_for(&self) -> Duration {
        let is_write = |seen: &&Seen| {
            seen.method != Method::GET && !seen.path.contains("/coordination.k8s.io/")
        };
        let state = self.state.lock().unwrap();
        let last = state.seen.iter().rev().find(is_write);
        last.map_or(Duration::MAX, |seen| seen.received.elapsed())
    }

    /// Returns how often a fault has applied to a request, or to a part of a watch response.
    pub fn faults(&self) -> usize {
        let state = self.state.lock().unwrap();
        state.held_parts + state.seen.iter().filter(|seen| seen.fault.is_some()).count()
    }

    async fn serve(self, connection: TcpStream) {
        let service = service_fn(|request| {
            let proxy = self.clone();
            async move { proxy.respond(request).await }
        });
        // Ignore the error: the proxy itself cuts connections.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
    }

    async fn respond(&self, request: Request<Incoming>) -> Result<Response<AnswerBody>, Cut> {
        let fault = self.note(&request);
        let path = request.uri().path().to_owned();
        let is_watch = is_watch(&request);
        let (mut head, body) = request.into_parts();
        let mut body = body.collect().await.map_err(|_| Cut)?.to_bytes();
        match &fault {
            Some(Fault::CutBefore) => return Err(Cut),
            Some(Fault::SwallowBefore) => std::future::pending().await,
            Some(Fault::ArriveLate(delay)) => {
                let (proxy, delay) = (self.clone(), *delay);
                tokio::spawn(async move {
                    tokio::time::sleep(delay).await;
                    proxy.forward(&head, &body).await.map(drop)
                });
                return Err(Cut);
            }
            Some(Fault::DelayRequest(delay)) => tokio::time::sleep(*delay).await,
            Some(Fault::Answer(code)) => return Ok(failure(*code)),
            Some(Fault::Expired) => return Ok(expired()),
            Some(Fault::Replay) => return Ok(whole(StatusCode::OK, self.recorded(&path))),
            Some(Fault::Claim) => return Ok(whole(StatusCode::OK, body)),
            Some(Fault::Forge(forge)) => {
                head.headers.remove(CONTENT_LENGTH);
                body = forged(&body, *forge);
            }
            Some(Fault::Repeat(times)) => {
                for _ in 1..*times {
                    drop(self.forward(&head, &body).await?);
                }
            }
            _ => {}
        }
        let response = self.forward(&head, &body).await?;
        match &fault {
            Some(Fault::CutAfter) => return Err(Cut),
            Some(Fault::SwallowAfter) => std::future::pending().await,
            Some(Fault::DelayResponse(delay)) => tokio::time::sleep(*delay).await,
            Some(Fault::AnswerAfter(code)) => return Ok(failure(*code)),
            _ => {}
        }
        let response = match is_watch {
            true => response.map(|body| self.held_back(path, body)),
            false => response,
        };
        Ok(response.map(|body| damaged(body, fault.as_ref())))
    }

    /// Records a request and returns the fault that applies to it.
    fn note(&self, request: &Request<Incoming>) -> Option<Fault> {
        let mut state = self.state.lock().unwrap();
        let fault = state.rules.iter_mut().find_map(|rule| rule.apply(request));
        let seen = Seen {
            received: Instant::now(),
            method: request.method().clone(),
            path: request.uri().path().to_owned(),
            fault: fault.as_ref().map(|fault| format!("{fault:?}")),
        };
        let times = if let Some(Fault::Repeat(times)) = fault { times } else { 1 };
        state.seen.extend((0..times).map(|_| seen.clone()));
        fault
    }

    async fn forward(
        &self,
        head: &http::request::Parts,
        body: &Bytes,
    ) -> Result<Response<AnswerBody>, Cut> {
        let request = Request::from_parts(head.clone(), Body::from(body.to_vec()));
        let response = self.client.send(request).await.map_err(|_| Cut)?;
        Ok(response.map(|body| body.map_err(std::io::Error::other).boxed_unsync()))
    }

    /// Returns the body of a watch response, whose parts wait while their kind is held back.
    fn held_back(&self, path: String, body: AnswerBody) -> AnswerBody {
        let proxy = self.clone();
        let frames = body.into_data_stream().then(move |frame| {
            let (proxy, path) = (proxy.clone(), path.clone());
            async move {
                let is_free = |held: &Vec<&str>| !held.iter().any(|kind| path.ends_with(kind));
                if !is_free(&proxy.held.borrow()) {
                    proxy.state.lock().unwrap().held_parts += 1;
                }
                // Waiting cannot fail, because `proxy` contains the sender.
                let _ = proxy.held.subscribe().wait_for(is_free).await;
                frame.map(Frame::data)
            }
        });
        let mut interruptions = self.interruptions.subscribe();
        let interrupted = async move { drop(interruptions.changed().await) };
        StreamBody::new(frames.take_until(interrupted)).boxed_unsync()
    }

    /// Records the list of `path` as it is now, for [`Fault::Replay`].
    pub async fn record(&self, path: &str) {
        let request = Request::get(path).body(Body::empty()).unwrap();
        let body = self.client.send(request).await.unwrap().into_body();
        let body = body.collect().await.unwrap().to_bytes();
        self.state.lock().unwrap().recorded.push((path.to_owned(), body));
    }

    fn recorded(&self, path: &str) -> Bytes {
        let state = self.state.lock().unwrap();
        let found = state.recorded.iter().rev().find(|(recorded, _)| recorded == path);
        found.expect("a recorded response").1.clone()
    }
}

/// Error with which the proxy closes a connection.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the proxy closes the connection")
    }
}

impl std::error::Error for Cut {}

fn forged(body: &Bytes, forge: fn(&mut Value)) -> Bytes {
    let mut object = serde_json::from_slice(body).expect("the body is JSON");
    forge(&mut object);
    Bytes::from(object.to_string())
}

fn whole(code: StatusCode, body: Bytes) -> Response<AnswerBody> {
    let body = Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync();
    let response = Response::builder().status(code).header("content-type", "application/json");
    response.body(body).unwrap()
}

/// Returns an error response in the format of the API server.
fn failure(code: u16) -> Response<AnswerBody> {
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code,
        "message": "the fault of a test", "reason": "Fault",
    });
    whole(StatusCode::from_u16(code).unwrap(), Bytes::from(status.to_string()))
}

fn expired() -> Response<AnswerBody> {
    // The API server writes `type` before `object`.
    let object = json!({
        "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410,
        "message": "too old resource version", "reason": "Expired",
    });
    whole(StatusCode::OK, Bytes::from(format!("{{\"type\":\"ERROR\",\"object\":{object}}}\n")))
}
