//! Serves the HTTP endpoints for operators: `/livez` and `/readyz` for Kubernetes probes, `/metrics`
//! for Prometheus. Does not know the checks and metrics of the command that serves them.

use std::convert::Infallible;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, ALLOW, CONTENT_TYPE, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::exposition::classic;
use super::listening::bind;

/// Maximum number of concurrent connections. The probes and scrapes of a cluster need fewer.
const MAX_CONNECTIONS: usize = 32;
/// Maximum lifetime of a connection, and timeout for reading the request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEAD_BYTES: usize = 16 * 1024;

const PLAIN: &str = "text/plain; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Source of the responses. Its methods must only read the state of the command.
pub trait Endpoints: Send + Sync + 'static {
    /// Returns the checks of `/livez`. Kubernetes restarts the process if one of them fails.
    fn livez(&self) -> Vec<Check>;
    /// Returns the checks of `/readyz`.
    fn readyz(&self) -> Vec<Check>;
    /// Returns the metrics in the `OpenMetrics` text format.
    fn open_metrics(&self) -> String;
}

/// The result of a health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// Name of the check.
    pub name: &'static str,
    /// True if the check passed.
    pub is_well: bool,
    /// Text that follows the result; empty if there is nothing to add.
    pub detail: String,
}

impl Check {
    /// Creates a check without a detail.
    #[must_use]
    pub fn of(name: &'static str, is_well: bool) -> Self {
        Self { name, is_well, detail: String::new() }
    }

    /// Creates the check of the watches, given for how long each kind has received nothing. The check
    /// fails if one of them has been silent for `limit`.
    #[must_use]
    pub fn of_watches<'a>(
        silences: impl IntoIterator<Item = (&'a str, Duration)>,
        limit: Duration,
    ) -> Self {
        let mut is_well = true;
        let ages = silences.into_iter().map(|(kind, silence)| {
            is_well &= silence < limit;
            format!("{kind} heard {} s ago", silence.as_secs())
        });
        let ages: Vec<String> = ages.collect();
        let detail = if ages.is_empty() { String::new() } else { format!(": {}", ages.join(", ")) };
        Self { name: "watches", is_well, detail }
    }
}

/// Starts to serve the endpoints at an address, which `option` names on the command line, until the
/// process ends.
///
/// # Errors
///
/// Returns a message if the address cannot be bound.
pub fn start(
    option: &'static str,
    address: SocketAddr,
    endpoints: impl Endpoints,
) -> Result<(), String> {
    let listener = bind(option, address)?.listen()?;
    // Log the actual address, because the system chooses the port if the given port is 0.
    let address = listener.local_addr().unwrap_or(address);
    tracing::info!(%address, "serving /livez, /readyz and /metrics");
    tokio::spawn(serve(listener, Arc::new(endpoints)));
    Ok(())
}

/// Accepts connections and responds to their requests until the task is dropped.
async fn serve(listener: TcpListener, endpoints: Arc<impl Endpoints>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // `acquire_owned` cannot fail, because the semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((connection, _)) => {
                let endpoints = Arc::clone(&endpoints);
                tokio::spawn(async move {
                    answer(connection, endpoints).await;
                    drop(place);
                });
            }
            // Wait before the next attempt, because the process may have no free file descriptor.
            // Do not log a warning, because the peer may simply have disconnected.
            Err(error) => {
                tracing::debug!(%error, "a connection was not taken");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(connection: TcpStream, endpoints: Arc<impl Endpoints>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (method, path) = (request.method(), request.uri().path());
        let response = respond(&*endpoints, method, path, request.headers());
        async move { Ok::<_, Infallible>(response) }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(MAX_HEAD_BYTES);
    let connection = http.keep_alive(false).serve_connection(TokioIo::new(connection), service);
    // Do not log the error, because it only means that an HTTP peer was too slow or sent no valid
    // request.
    let _ = tokio::time::timeout(HEAD_TIMEOUT, connection).await;
}

fn respond(
    endpoints: &impl Endpoints,
    method: &Method,
    path: &str,
    headers: &HeaderMap,
) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = say(StatusCode::METHOD_NOT_ALLOWED, PLAIN, "only GET\n".to_owned());
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match path {
        "/livez" => probe(&endpoints.livez()),
        "/readyz" => probe(&endpoints.readyz()),
        "/metrics" if takes_open_metrics(headers) => {
            say(StatusCode::OK, OPEN_METRICS, endpoints.open_metrics())
        }
        "/metrics" => say(StatusCode::OK, CLASSIC, classic(&endpoints.open_metrics())),
        _ => {
            let there_is = "there is /livez, /readyz and /metrics\n".to_owned();
            say(StatusCode::NOT_FOUND, PLAIN, there_is)
        }
    }
}

/// Returns the response to a probe, with one line for each check, in the format that Kubernetes
/// components use.
fn probe(checks: &[Check]) -> Response<Full<Bytes>> {
    let mut text = String::new();
    for Check { name, is_well, detail } in checks {
        let (sign, result) = if *is_well { ('+', "ok") } else { ('-', "failed") };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "[{sign}]{name} {result}{detail}");
    }
    let is_well = checks.iter().all(|check| check.is_well);
    let status = if is_well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    say(status, PLAIN, text)
}

/// Returns whether the `Accept` header includes `OpenMetrics` with a weight other than `q=0`.
/// Ignores all other weights, because a scraper that supports `OpenMetrics` prefers this format.
fn takes_open_metrics(headers: &HeaderMap) -> bool {
    let mut asked = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    asked.any(|value| {
        value.split(',').any(|range| {
            let mut parts = range.split(';').map(str::trim);
            parts.next() == Some("application/openmetrics-text") && !parts.any(|part| part == "q=0")
        })
    })
}

fn say(status: StatusCode, kind: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
