//! Serves one connection: the TLS handshake, then requests until a side closes it.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use futures::future::poll_fn;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use super::activity::{Activity, Phase};
use super::counters::add_one;
use super::response_body::ResponseBody;
use super::stream::RecordedStream;
use super::{FrontCounters, FrontLimits, Peer, Reloaded, Service};

/// What all connections share.
pub(super) struct Shared<S> {
    pub service: Arc<S>,
    pub limits: FrontLimits,
    pub tls: Option<Arc<Reloaded<ServerConfig>>>,
    pub counters: Arc<FrontCounters>,
}

impl<S: Service> Shared<S> {
    /// Returns the phase in which a connection starts.
    pub fn first_phase(&self) -> Phase {
        if self.tls.is_some() { Phase::Handshake } else { Phase::Head }
    }

    /// Serves a connection until it ends.
    pub async fn serve(&self, tcp: TcpStream, peer: Peer, activity: Arc<Activity>) {
        // Responses are written at once, so waiting for more bytes only delays them.
        let _ = tcp.set_nodelay(true);
        limit_stalls(&tcp, &self.limits);
        let Some(tls) = &self.tls else {
            return self.serve_http(tcp, peer, activity).await;
        };
        let acceptor = TlsAcceptor::from(tls.current());
        match self.handshake(acceptor, tcp, &activity).await {
            Ok(Some(stream)) => {
                activity.enter(Phase::Head);
                self.serve_http(stream, peer, activity).await;
            }
            Ok(None) => {}
            Err(error) => {
                add_one(&self.counters.failed_handshakes);
                tracing::debug!(address = %peer.address, %error, "TLS handshake failed");
            }
        }
    }

    /// Performs the TLS handshake. Returns `None` if the connection ends before it begins, as the
    /// connections of TCP probes do.
    async fn handshake(
        &self,
        acceptor: TlsAcceptor,
        tcp: TcpStream,
        activity: &Activity,
    ) -> io::Result<Option<tokio_rustls::server::TlsStream<TcpStream>>> {
        let handshake = async {
            match tcp.peek(&mut [0]).await {
                Ok(0) | Err(_) => Ok(None),
                Ok(_) => acceptor.accept(tcp).await.map(Some),
            }
        };
        let handshake = tokio::time::timeout(self.limits.handshake_timeout, handshake);
        let mut handshake = pin!(handshake);
        poll_fn(|cx| {
            activity.register(cx.waker());
            if activity.is_close_requested() {
                return Poll::Ready(Ok(None));
            }
            handshake.as_mut().poll(cx).map(|result| {
                result.unwrap_or_else(|_| {
                    Err(io::Error::new(
                        io::ErrorKind::TimedOut,
                        "the handshake did not end in time",
                    ))
                })
            })
        })
        .await
    }

    async fn serve_http<T>(&self, stream: T, peer: Peer, activity: Arc<Activity>)
    where
        T: AsyncRead + AsyncWrite + Unpin,
    {
        let respond = |request: Request<Incoming>| self.respond(request, peer.clone(), &activity);
        let stream = RecordedStream::new(stream, Arc::clone(&activity));
        let mut http = http1::Builder::new();
        // hyper's own timeout also runs while a connection is idle.
        http.header_read_timeout(None).max_buf_size(self.limits.head_bytes);
        let connection = http.serve_connection(TokioIo::new(stream), service_fn(respond));
        let mut connection = pin!(connection);
        let mut timer = pin!(tokio::time::sleep(self.limits.head_timeout));
        let mut is_closing = false;
        poll_fn(|cx| {
            activity.register(cx.waker());
            if activity.is_close_requested() && !is_closing {
                is_closing = true;
                connection.as_mut().graceful_shutdown();
            }
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                if let Err(error) = result {
                    tracing::debug!(address = %peer.address, %error, "connection ended");
                }
                return Poll::Ready(());
            }
            loop {
                let (phase, Some(deadline)) = activity.deadline(&self.limits) else {
                    return Poll::Pending;
                };
                if timer.is_elapsed() || deadline < timer.deadline() {
                    timer.as_mut().reset(deadline);
                }
                if timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                if tokio::time::Instant::now() >= deadline {
                    self.note_timeout(phase);
                    return Poll::Ready(());
                }
            }
        })
        .await;
    }

    async fn respond(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        activity: &Arc<Activity>,
    ) -> Result<Response<ResponseBody>, Infallible> {
        use hyper::body::Body as _;
        activity.begin_response(!request.body().is_end_stream());
        let response = self.service.respond(request, peer).await;
        Ok(response.map(|body| ResponseBody::new(body, Arc::clone(activity))))
    }

    fn note_timeout(&self, phase: Phase) {
        if !matches!(phase, Phase::Idle | Phase::Linger) {
            add_one(&self.counters.timed_out);
        }
    }
}

/// Makes the kernel end a connection whose peer acknowledges no byte for the time of a stall. The
/// kernel sees slow progress that is hidden from the process by the buffer of the socket.
fn limit_stalls(tcp: &TcpStream, limits: &FrontLimits) {
    #[cfg(target_os = "linux")]
    {
        let milliseconds = u32::try_from(limits.stall_timeout.as_millis()).unwrap_or(u32::MAX);
        let _ = rustix::net::sockopt::set_tcp_user_timeout(tcp, milliseconds);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (tcp, limits);
}
