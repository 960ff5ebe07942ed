//! Defines what responds to the requests of the front.

use std::convert::Infallible;
use std::net::SocketAddr;

use http::{Request, Response};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::{Bytes, Incoming};

/// Error of a body. It ends the connection, so the peer sees that bytes are missing.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
/// Body of a response. A body with an exact size is sent with `Content-Length`.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Responds to requests.
pub trait Service: Send + Sync + 'static {
    /// Returns the response to a request. If the peer closes its connection, the future is dropped
    /// at its next `await`, so work that must be finished belongs in a task of its own.
    fn respond(
        &self,
        request: Request<Incoming>,
        peer: Peer,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// The other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Peer {
    /// Address and port. An IPv4 address is never written as an IPv6 address.
    pub address: SocketAddr,
}

impl Peer {
    /// Creates a peer with this address.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address: SocketAddr::new(address.ip().to_canonical(), address.port()) }
    }
}

/// Returns a body without content.
#[must_use]
pub fn empty_body() -> Body {
    Empty::new().map_err(from_infallible).boxed_unsync()
}

/// Returns a body with this content.
pub fn full_body(content: impl Into<Bytes>) -> Body {
    Full::new(content.into()).map_err(from_infallible).boxed_unsync()
}

fn from_infallible(never: Infallible) -> BoxError {
    match never {}
}
