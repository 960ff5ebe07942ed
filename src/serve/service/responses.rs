//! Builds the responses. Each one has a `Content-Length`, because Zephyr cannot read chunked bodies.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde::Serialize;

use crate::serve::front::{Body, full_body};

/// Returns a response without a body. swupdate and rauc-hawkbit-updater expect no other response to
/// feedback than an empty one with status 200.
pub fn empty(status: StatusCode) -> Response<Body> {
    with_body(status, None, Bytes::new())
}

/// Returns a response with a line of text, for people who read the responses.
pub fn text(status: StatusCode, text: impl std::fmt::Display) -> Response<Body> {
    with_body(status, Some("text/plain; charset=utf-8"), format!("{text}\n").into())
}

/// Returns a response with a JSON body.
pub fn json(body: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(body) {
        Ok(body) => with_body(StatusCode::OK, Some("application/json"), body.into()),
        // The answers contain only texts and numbers, which always have a JSON form.
        Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Returns the response to a request with a method that the resource does not have.
pub fn method_not_allowed(allowed: &'static str) -> Response<Body> {
    let mut response = text(StatusCode::METHOD_NOT_ALLOWED, format_args!("only {allowed}"));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

fn with_body(status: StatusCode, kind: Option<&'static str>, body: Bytes) -> Response<Body> {
    let length = body.len();
    let mut response = Response::new(full_body(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, length.into());
    // An answer is for one client at one time.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(kind) = kind {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    }
    response
}
