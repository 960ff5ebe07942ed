//! Serves HTTP/1.1 to many untrusted peers, over TCP or TLS, within limits. Does not know what the
//! requests mean: a [`Service`] responds to them.
//!
//! - [`serve`] accepts connections until it is stopped. [`FrontLimits`] are its limits, and
//!   [`FrontCounters`] what it counts.
//! - [`read_body`] reads the body of a request, within limits.
//! - [`Reloaded`] is a value from files that are read again when they change. [`tls`] reads the
//!   certificate and its key.
//! - [`FloodTable`] decides which refused requests are logged.

mod activity;
mod body;
mod connection;
mod counters;
mod flood;
mod limits;
mod network;
mod places;
mod reloaded;
mod response_body;
mod server;
mod service;
mod stream;
pub mod tls;

pub use body::{BodyError, read_body};
pub use counters::FrontCounters;
pub use flood::{FloodSummary, FloodTable};
pub use limits::FrontLimits;
pub use network::PeerNetwork;
pub use reloaded::Reloaded;
pub use server::{FrontOptions, serve};
pub use service::{Body, BoxError, Peer, Service, empty_body, full_body};
