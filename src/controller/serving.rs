//! Serves the HTTP endpoints of the controller: `/livez` and `/readyz` for Kubernetes probes,
//! `/metrics` for Prometheus. Requests only read the state of the controller and change nothing.

use std::convert::Infallible;
use std::fmt::Write;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
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

use super::health::Health;
use super::heartbeat::{Check, Heartbeat};
use super::metrics::{KINDS, Metrics};
use crate::cluster::watch::freshness::MAX_SILENCE;

/// Maximum number of concurrent connections. The probes and scrapes of a cluster need fewer.
const MAX_CONNECTIONS: usize = 32;
/// Maximum lifetime of a connection, and timeout for reading the request head.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
const MAX_HEAD_BYTES: usize = 16 * 1024;

const PLAIN: &str = "text/plain; charset=utf-8";
const CLASSIC: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The sources of the responses: metrics, health and heartbeat.
#[derive(Clone, Debug)]
pub struct Served {
    /// Metrics of the controller.
    pub metrics: Arc<Metrics>,
    /// Health of the controller.
    pub health: Health,
    /// Heartbeat of the planning loop.
    pub heartbeat: Arc<Heartbeat>,
}

/// Binds a listener to an address.
///
/// # Errors
///
/// Returns a message if the address cannot be bound.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, String> {
    let listener = match TcpListener::bind(address).await {
        // `[::]` means all addresses of the machine. If the machine has no IPv6, use all IPv4
        // addresses.
        Err(error) if address.is_ipv6() && address.ip().is_unspecified() && !is_taken(&error) => {
            TcpListener::bind((Ipv4Addr::UNSPECIFIED, address.port())).await
        }
        bound => bound,
    };
    listener.map_err(|error| {
        format!(
            "--listen {address}: {error}; name an address of this machine and a port that nobody \
             else has, as 127.0.0.1:8080"
        )
    })
}

fn is_taken(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrInUse
}

/// Accepts connections and responds to their requests until the task is dropped.
pub async fn serve(listener: TcpListener, served: Served) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        // `acquire_owned` cannot fail, because the semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((connection, _)) => {
                let served = served.clone();
                tokio::spawn(async move {
                    answer(connection, served).await;
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

async fn answer(connection: TcpStream, served: Served) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&served, request.method(), request.uri().path(), request.headers());
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
    served: &Served,
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
        "/livez" => probe(&[served.heartbeat.check()]),
        "/readyz" => {
            let health = served.health.now();
            let is_filled = health.stores_awaited == Some(0);
            probe(&[
                watches(&served.health),
                Check::of("definitions", health.is_started),
                Check::of("stores", is_filled),
            ])
        }
        "/metrics" if takes_open_metrics(headers) => {
            say(StatusCode::OK, OPEN_METRICS, served.metrics.open_metrics())
        }
        "/metrics" => say(StatusCode::OK, CLASSIC, served.metrics.classic()),
        _ => {
            let there_is = "there is /livez, /readyz and /metrics\n".to_owned();
            say(StatusCode::NOT_FOUND, PLAIN, there_is)
        }
    }
}

/// Time without any watch event after which the controller is not ready. It exceeds
/// [`MAX_SILENCE`], so that the controller can first reopen a silent watch.
const UNREADY_AFTER: Duration = Duration::from_secs(MAX_SILENCE.as_secs() + 60);

/// Returns the health check of the watches, which shows how long each kind has received nothing.
fn watches(health: &Health) -> Check {
    let silences = KINDS.map(|kind| (kind, health.silence(kind)));
    let heard = silences.into_iter().filter_map(|(kind, silence)| Some((kind, silence?)));
    let is_well = heard.clone().all(|(_, silence)| silence < UNREADY_AFTER);
    let ages = heard.map(|(kind, silence)| format!("{kind} heard {} s ago", silence.as_secs()));
    let ages: Vec<String> = ages.collect();
    let detail = if ages.is_empty() { String::new() } else { format!(": {}", ages.join(", ")) };
    Check { name: "watches", is_well, detail }
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

#[cfg(test)]
mod tests {
    use crate::cluster::watch::freshness::Freshness;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn readiness_says_how_long_ago_each_watch_was_heard_and_ends_after_150_s() {
        let health = Health::default();
        for kind in KINDS {
            health.watches(kind, Freshness::default());
        }
        tokio::time::advance(Duration::from_secs(149)).await;
        let check = watches(&health);
        assert!(check.is_well);
        assert_eq!(check.detail, ": ClientFleet heard 149 s ago, UpgradePolicy heard 149 s ago");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(!watches(&health).is_well);
    }
}
