//! Creates clients for an API server. They have no automatic retries, because each caller has its
//! own retry interval and checks before each retry that the request is still needed.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::{AUTHORIZATION, PROXY_AUTHORIZATION};
use http::{HeaderValue, Request, Response, StatusCode};
use hyper::body::{Body as HttpBody, Bytes, Frame, Incoming, SizeHint};
use hyper_timeout::TimeoutConnector;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use kube::client::{AuthError, Body, ConfigExt};
use kube::{Client, Error};
use tokio::time::{Instant, Sleep, sleep_until, timeout_at};
use tower::{BoxError, Service, ServiceBuilder};

use super::ClusterAccess;
use super::connector::{Connector, connector};
use super::credentials::TokenSource;
use super::proxy::{Protocol, Proxy};

/// Creates a client for the API server.
pub(super) fn client(access: &ClusterAccess) -> kube::Result<Client> {
    let ClusterAccess { config, proxy, tokens, request_timeout } = access;
    let connector: Connector = connector(config, proxy.as_ref())?;
    let https = config.rustls_https_connector_with_connector(connector)?;
    let mut connector = TimeoutConnector::new(https);
    connector.set_connect_timeout(config.connect_timeout);
    connector.set_read_timeout(config.read_timeout);
    connector.set_write_timeout(config.write_timeout);
    let http = legacy::Client::builder(TokioExecutor::new()).build::<_, Body>(connector);
    let is_forwarded = config.cluster_url.scheme_str() == Some("http");
    let through = proxy.as_ref().filter(|proxy| is_forwarded && proxy.protocol != Protocol::Socks5);
    let gate = Gate {
        http,
        tokens: tokens.clone(),
        proxy_authorization: through.and_then(Proxy::authorization),
        timeout: *request_timeout,
    };
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(gate);
    Ok(Client::new(service, config.default_namespace.clone()))
}

/// Adds the credentials to each request, and enforces the request timeout.
#[derive(Clone)]
struct Gate<S> {
    http: S,
    tokens: Option<TokenSource>,
    /// Credentials for a proxy that forwards plain HTTP requests.
    proxy_authorization: Option<HeaderValue>,
    timeout: Option<Duration>,
}

impl<S> Service<Request<Body>> for Gate<S>
where
    S: Service<Request<Body>, Response = Response<Incoming>, Error = legacy::Error>,
    S: Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<LimitedBody>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.http.poll_ready(cx).map_err(BoxError::from)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        // The service that was polled for readiness has to be called, so leave its clone behind.
        let clone = self.clone();
        Box::pin(std::mem::replace(self, clone).send(request))
    }
}

impl<S> Gate<S>
where
    S: Service<Request<Body>, Response = Response<Incoming>, Error = legacy::Error>,
{
    async fn send(mut self, mut request: Request<Body>) -> Result<Response<LimitedBody>, BoxError> {
        let mut token = None;
        if let Some(tokens) = &self.tokens {
            let header = tokens.header().await;
            token = header.map_err(|error| Error::Auth(AuthError::AuthExec(error)))?;
            token.clone().map(|header| request.headers_mut().insert(AUTHORIZATION, header));
        }
        if let Some(authorization) = &self.proxy_authorization {
            request.headers_mut().insert(PROXY_AUTHORIZATION, authorization.clone());
        }
        let is_watch = request.uri().query().is_some_and(|query| {
            query.split('&').any(|parameter| matches!(parameter, "watch=true" | "watch=1"))
        });
        let limit =
            self.timeout.map(|timeout| Limit { deadline: Instant::now() + timeout, timeout });
        let response = self.http.call(request);
        let response = match limit {
            None => response.await?,
            Some(limit) => {
                timeout_at(limit.deadline, response).await.map_err(|_| limit.error())??
            }
        };
        if let (StatusCode::UNAUTHORIZED, Some(tokens)) = (response.status(), &self.tokens) {
            tokens.refuse(token.as_ref()).await;
        }
        // A watch is answered at once, and its events may come for as long as they like.
        let limit = limit.filter(|_| !is_watch);
        Ok(response.map(|body| LimitedBody::new(body, limit)))
    }
}

/// The request timeout, and when it ends for one request.
#[derive(Clone, Copy)]
struct Limit {
    deadline: Instant,
    timeout: Duration,
}

impl Limit {
    fn error(self) -> BoxError {
        let timeout = self.timeout;
        BoxError::from(format!(
            "the API server has not answered within {timeout:?} (--request-timeout)"
        ))
    }
}

/// The body of a response, which has to be complete before the request timeout ends.
struct LimitedBody {
    body: Incoming,
    limit: Option<(Limit, Pin<Box<Sleep>>)>,
}

impl LimitedBody {
    fn new(body: Incoming, limit: Option<Limit>) -> Self {
        let limit = limit.map(|limit| (limit, Box::pin(sleep_until(limit.deadline))));
        Self { body, limit }
    }
}

impl HttpBody for LimitedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some((limit, sleep)) = &mut self.limit
            && sleep.as_mut().poll(cx).is_ready()
        {
            return Poll::Ready(Some(Err(limit.error())));
        }
        let frame = ready!(Pin::new(&mut self.body).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map_err(BoxError::from)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
