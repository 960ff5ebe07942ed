//! Decides the response to a request for a file: status, headers and the range of bytes (RFC 9110,
//! sections 13.1.5 and 14).
//!
//! A valid single range always gets 206, because swupdate fails if a resumed download gets 200.

use std::fmt;

use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    IF_RANGE, RANGE,
};
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::ddi::answer::hex;

/// Consecutive bytes of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteRange {
    /// Offset of the first byte.
    pub first: u64,
    /// Number of bytes.
    pub length: u64,
}

/// Head of a response, and which bytes follow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// 200, 206 or 416.
    pub status: StatusCode,
    /// Headers; `Content-Length` is one of them, so no response is chunked.
    pub headers: HeaderMap,
    /// Bytes of the body; `None` if there is no body.
    pub body: Option<ByteRange>,
}

/// A range as a request names it. Numbers of more than 64 bits are the largest number of 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestedRange {
    /// `N-`.
    From(u64),
    /// `N-M`.
    Between(u64, u64),
    /// `-N`.
    Last(u64),
}

/// Returns the response to a `GET` or `HEAD` request for a file.
///
/// A range that is invalid, and several ranges, get the whole file. So does a range whose `If-Range`
/// is not the strong entity tag of this file; a date never is, because no response has a date.
#[must_use]
pub fn respond(is_head: bool, request: &HeaderMap, size: u64, sha256: &[u8; 32]) -> ResponseHead {
    let etag = format!("\"{}\"", hex(sha256));
    // `Range` is defined for `GET` only.
    let requested = requested(request).filter(|_| !is_head && is_current(request, &etag));
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    insert(&mut headers, ETAG, &etag);
    let selected = match requested {
        None => Some(ByteRange { first: 0, length: size }),
        Some(requested) => requested.of(size),
    };
    let Some(selected) = selected else {
        headers.insert(CONTENT_LENGTH, 0.into());
        insert(&mut headers, CONTENT_RANGE, &format_args!("bytes */{size}"));
        return ResponseHead { status: StatusCode::RANGE_NOT_SATISFIABLE, headers, body: None };
    };
    headers.insert(CONTENT_LENGTH, selected.length.into());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    // A proxy must neither compress the file nor give it to another client.
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-transform"));
    let status = match requested {
        None => StatusCode::OK,
        Some(_) => {
            let ByteRange { first, length } = selected;
            let last = (first + length).saturating_sub(1);
            insert(&mut headers, CONTENT_RANGE, &format_args!("bytes {first}-{last}/{size}"));
            StatusCode::PARTIAL_CONTENT
        }
    };
    ResponseHead { status, headers, body: (!is_head).then_some(selected) }
}

/// Inserts a header whose value is ASCII, so the conversion cannot fail.
fn insert(headers: &mut HeaderMap, name: HeaderName, value: &dyn fmt::Display) {
    if let Ok(value) = HeaderValue::try_from(value.to_string()) {
        headers.insert(name, value);
    }
}

/// Returns the only range of a request; `None` if there is none, if it is invalid, or if there are
/// several.
fn requested(request: &HeaderMap) -> Option<RequestedRange> {
    let value = only(request, RANGE)?;
    let (unit, ranges) = value.split_once('=')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let ranges = ranges.split(',').map(|range| range.trim_matches([' ', '\t']));
    let mut ranges = ranges.filter(|range| !range.is_empty());
    let range = ranges.next().filter(|_| ranges.next().is_none())?;
    match range.split_once('-')? {
        ("", last) => Some(RequestedRange::Last(number(last)?)),
        (first, "") => Some(RequestedRange::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(RequestedRange::Between(first, last))
        }
    }
}

/// Returns whether the `If-Range` header, if there is one, is the entity tag of this file.
fn is_current(request: &HeaderMap, etag: &str) -> bool {
    !request.contains_key(IF_RANGE) || only(request, IF_RANGE) == Some(etag)
}

fn only(request: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = request.get_all(name).iter();
    let value = values.next().filter(|_| values.next().is_none())?;
    Some(value.to_str().ok()?.trim_matches([' ', '\t']))
}

fn number(digits: &str) -> Option<u64> {
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u64::MAX))
}

impl RequestedRange {
    /// Returns the bytes of a file of this size, or `None` if the file has none of them.
    fn of(self, size: u64) -> Option<ByteRange> {
        let (first, end) = match self {
            Self::From(first) => (first, size),
            Self::Between(first, last) => (first, last.saturating_add(1).min(size)),
            Self::Last(length) => (size.saturating_sub(length), size),
        };
        (first < end).then(|| ByteRange { first, length: end - first })
    }
}
