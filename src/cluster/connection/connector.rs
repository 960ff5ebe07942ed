//! Opens the connections to an API server: directly, or through an HTTP or SOCKS5 proxy.

use std::error::Error;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::proxy::SocksV5;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use kube::Config;
use kube::client::ConfigExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tower::util::BoxCloneSyncService;
use tower::{BoxError, Service, ServiceExt};

use super::proxy::{Protocol, Proxy};
use super::with_causes;

/// Idle time of a connection before the first TCP keep-alive probe, and time between two probes.
/// Without keep-alive, a watch could wait forever on a connection that a firewall has dropped.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);

/// Number of unanswered keep-alive probes after which a connection is closed.
const KEEPALIVE_PROBES: u32 = 3;

/// Maximum size of a proxy's answer to a CONNECT request.
const MAX_ANSWER_BYTES: usize = 16 << 10;

/// Opens a connection to the server of a URI.
pub(super) type Connector = BoxCloneSyncService<Uri, Stream, BoxError>;

/// Bytes to and from a server or a proxy.
trait Bytes: Read + Write + Connection + Send + Unpin {}
impl<T: Read + Write + Connection + Send + Unpin> Bytes for T {}

/// A connection, before the TLS handshake with the API server.
pub(super) struct Stream {
    bytes: Box<dyn Bytes>,
    /// True if the other side is a proxy that forwards plain HTTP requests.
    is_forwarded: bool,
}

/// Returns a connector for the route to an API server. As in Go, TLS with a proxy has the same
/// settings as TLS with the server.
pub(super) fn connector(config: &Config, proxy: Option<&Proxy>) -> kube::Result<Connector> {
    let Some(proxy) = proxy else {
        return Ok(BoxCloneSyncService::new(tcp().map_response(Stream::new).map_err(Into::into)));
    };
    Ok(match proxy.protocol {
        Protocol::Http => through_http(tcp(), proxy),
        Protocol::Https => {
            through_http(config.rustls_https_connector_with_connector(tcp())?, proxy)
        }
        Protocol::Socks5 => through_socks(proxy),
    })
}

fn tcp() -> HttpConnector {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_keepalive(Some(KEEPALIVE_INTERVAL));
    tcp.set_keepalive_interval(Some(KEEPALIVE_INTERVAL));
    tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
    tcp
}

fn through_socks(proxy: &Proxy) -> Connector {
    let proxy = proxy.clone();
    let connect = tower::service_fn(move |target: Uri| {
        let proxy = proxy.clone();
        async move {
            let why = |error: &(dyn Error + 'static)| failed(&proxy, &with_causes(error));
            // Connect first, because `SocksV5` hides why it cannot connect to the proxy.
            let mut stream = Some(tcp().oneshot(proxy.uri.clone()).await.map_err(|e| why(&e))?);
            let connected = tower::service_fn(move |_: Uri| {
                let stream = stream.take();
                async move { stream.ok_or_else(|| io::Error::other("the connection is in use")) }
            });
            let mut socks = SocksV5::new(proxy.uri.clone(), connected);
            if let Some((user, password)) = proxy.credentials.clone() {
                socks = socks.with_auth(user, password);
            }
            let stream = socks.oneshot(with_port(&target)?).await.map_err(|error| why(&error))?;
            Ok(Stream::new(stream))
        }
    });
    BoxCloneSyncService::new(connect)
}

/// Returns a connector that opens a tunnel with CONNECT to an `https` server, and lets the proxy
/// forward the requests to an `http` server.
fn through_http<C>(to_proxy: C, proxy: &Proxy) -> Connector
where
    C: Service<Uri, Error: Into<BoxError>, Future: Send> + Clone + Send + Sync + 'static,
    C::Response: Bytes + 'static,
{
    let proxy = proxy.clone();
    let connect = tower::service_fn(move |target: Uri| {
        let (to_proxy, proxy) = (to_proxy.clone(), proxy.clone());
        async move {
            let stream = to_proxy
                .oneshot(proxy.uri.clone())
                .await
                .map_err(|error| failed(&proxy, &with_causes(error.into().as_ref())))?;
            let stream = Stream::new(stream);
            if target.scheme_str() == Some("http") {
                return Ok(Stream { is_forwarded: true, ..stream });
            }
            tunnel(stream, &target, &proxy).await
        }
    });
    BoxCloneSyncService::new(connect)
}

/// Asks an HTTP proxy to connect to the target.
async fn tunnel(stream: Stream, target: &Uri, proxy: &Proxy) -> Result<Stream, BoxError> {
    let target = with_port(target)?;
    let target = target.authority().map_or("", |authority| authority.as_str());
    let mut request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n").into_bytes();
    if let Some(authorization) = proxy.authorization() {
        request.extend_from_slice(b"Proxy-Authorization: ");
        request.extend_from_slice(authorization.as_bytes());
        request.extend_from_slice(b"\r\n");
    }
    request.extend_from_slice(b"\r\n");
    let mut stream = TokioIo::new(stream);
    let answer = async {
        stream.write_all(&request).await?;
        stream.flush().await?;
        // Read byte by byte: what follows the head belongs to the API server's TLS handshake.
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") && answer.len() < MAX_ANSWER_BYTES {
            answer.push(stream.read_u8().await?);
        }
        io::Result::Ok(answer)
    };
    let answer = answer.await.map_err(|error| failed(proxy, &error.to_string()))?;
    let status = String::from_utf8_lossy(&answer);
    let status = status.lines().next().unwrap_or_default();
    match status.strip_prefix("HTTP/1.").and_then(|rest| rest.split_once(' ')) {
        Some((_, status)) if status == "200" || status.starts_with("200 ") => {
            Ok(stream.into_inner())
        }
        Some((_, status)) if status.starts_with("407") => {
            let why = match proxy.credentials {
                None => "it requires a user and a password: write them into its address",
                Some(_) => "it does not accept the user and the password in its address",
            };
            Err(failed(proxy, why))
        }
        Some((_, status)) => {
            Err(failed(proxy, &format!("it answered {status} to CONNECT {target}")))
        }
        None => Err(failed(proxy, "it does not answer like an HTTP proxy")),
    }
}

fn failed(proxy: &Proxy, why: &str) -> BoxError {
    BoxError::from(format!("the proxy {proxy} failed: {why}"))
}

/// Returns a server's URI with an explicit port.
fn with_port(target: &Uri) -> Result<Uri, BoxError> {
    let host = target.host().unwrap_or_default();
    let scheme = target.scheme_str().unwrap_or("https");
    let port = target.port_u16().unwrap_or(if scheme == "http" { 80 } else { 443 });
    Ok(format!("{scheme}://{host}:{port}/").parse()?)
}

impl Stream {
    fn new(bytes: impl Bytes + 'static) -> Self {
        Self { bytes: Box::new(bytes), is_forwarded: false }
    }

    fn bytes(self: Pin<&mut Self>) -> Pin<&mut dyn Bytes> {
        Pin::new(self.get_mut().bytes.as_mut())
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        self.bytes.connected().proxy(self.is_forwarded)
    }
}

impl Read for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.bytes().poll_read(cx, buffer)
    }
}

impl Write for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.bytes().poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bytes().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.bytes().poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.bytes.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.bytes().poll_write_vectored(cx, slices)
    }
}
