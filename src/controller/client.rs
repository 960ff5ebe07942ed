//! Creates the controller's clients for the API server. They have no automatic retries, because
//! each part of the controller has its own retry interval and checks before each retry that the
//! request is still needed.

use std::time::Duration;

use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::{Body, ConfigExt};
use kube::{Client, Config};
use tower::ServiceBuilder;

/// Idle time of a connection before the first TCP keep-alive probe, and time between two probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Number of unanswered keep-alive probes after which a connection is closed.
const KEEPALIVE_PROBES: u32 = 3;

/// Creates a client with TCP keep-alive, except through a proxy. Without keep-alive, a watch could
/// wait forever on a connection that a firewall has dropped.
///
/// # Errors
///
/// Returns a message if the client cannot be created from `config`.
pub fn client(mut config: Config) -> Result<Client, String> {
    config.default_retry = false;
    with_keepalive(config).map_err(|error| format!("no cluster to connect to: {error}"))
}

fn with_keepalive(config: Config) -> kube::Result<Client> {
    if config.proxy_url.is_some() {
        // Use kube's own client, because the connector with TCP keep-alive does not support
        // proxies.
        return Client::try_from(config);
    }
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_keepalive(Some(KEEPALIVE_INTERVAL));
    tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
    tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
    let mut connector = TimeoutConnector::new(config.rustls_https_connector_with_connector(tcp)?);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    let http = legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(tower::BoxError::from)
        .service(http);
    Ok(Client::new(service, config.default_namespace))
}
