//! Defines the limits of the front.

use std::time::Duration;

use ipnet::IpNet;

/// Limits of the front. Requests have at most 100 headers, the default of hyper.
#[derive(Clone, Debug)]
pub struct FrontLimits {
    /// Maximum number of connections.
    pub connections: usize,
    /// Maximum number of connections from one address, or from one /64 network of IPv6. It counts
    /// only while at least half of `connections` are open, because a router or a load balancer may
    /// send the connections of all clients from one address.
    pub connections_per_address: usize,
    /// Networks without a limit per address, such as those of trusted proxies.
    pub unlimited_networks: Vec<IpNet>,
    /// Maximum duration of a TLS handshake.
    pub handshake_timeout: Duration,
    /// Maximum time from the start of a connection, or from the first byte of a later request,
    /// until the request head is complete.
    pub head_timeout: Duration,
    /// Maximum size of a request head in bytes; at least 8 KiB.
    pub head_bytes: usize,
    /// Maximum time between two requests of a connection.
    pub idle_timeout: Duration,
    /// Maximum time without progress of a response: no byte of it is produced, or the peer
    /// acknowledges none. swupdate gives up after 300 s below 8 bytes per second.
    pub stall_timeout: Duration,
    /// Maximum time that the rest of a refused request is read and discarded. Without it, the peer
    /// may see a reset connection instead of the response.
    pub linger_timeout: Duration,
    /// Maximum time from the stop signal until the requests in progress are dropped.
    pub stop_timeout: Duration,
}

impl Default for FrontLimits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 512,
            unlimited_networks: Vec::new(),
            handshake_timeout: Duration::from_secs(10),
            head_timeout: Duration::from_secs(10),
            head_bytes: 16 * 1024,
            idle_timeout: Duration::from_secs(75),
            stall_timeout: Duration::from_secs(300),
            linger_timeout: Duration::from_secs(1),
            stop_timeout: Duration::from_secs(30),
        }
    }
}
