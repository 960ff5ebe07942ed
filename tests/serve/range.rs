//! Tests which bytes of a file a request gets, and with which status and headers.

use clientfleet::serve::packages::range::{ByteRange, ResponseHead, respond};
use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderName, IF_RANGE, RANGE,
};
use http::{HeaderMap, HeaderValue};

const SIZE: u64 = 1000;

fn head(range: &[&str], if_range: &[&str]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, values) in [(RANGE, range), (IF_RANGE, if_range)] {
        for value in values {
            headers.append(&name, HeaderValue::from_str(value).unwrap());
        }
    }
    headers
}

fn get(headers: &HeaderMap, size: u64) -> ResponseHead {
    respond(false, headers, size, &[0xab; 32])
}

/// Returns the status and `Content-Range`, and checks that the other headers agree with them.
fn answer(range: &[&str], if_range: &[&str], size: u64) -> String {
    let ResponseHead { status, headers, body } = get(&head(range, if_range), size);
    let text = |name: HeaderName| headers.get(name).map(|value| value.to_str().unwrap());
    let length = body.map_or(0, |body| body.length);
    assert_eq!(text(CONTENT_LENGTH), Some(length.to_string().as_str()));
    assert_eq!(text(ETAG), Some(format!("\"{}\"", "ab".repeat(32)).as_str()));
    assert_eq!(text(ACCEPT_RANGES), Some("bytes"));
    if let (Some(body), Some(range)) = (body, text(CONTENT_RANGE)) {
        let ByteRange { first, length } = body;
        assert_eq!(range, format!("bytes {first}-{}/{size}", first + length - 1));
    }
    format!("{} {}", status.as_str(), text(CONTENT_RANGE).unwrap_or("-"))
}

#[test]
fn one_range_is_a_part_or_cannot_be_satisfied() {
    for (range, size, expected) in [
        ("bytes=0-", SIZE, "206 bytes 0-999/1000"),
        ("bytes=999-", SIZE, "206 bytes 999-999/1000"),
        ("bytes=1000-", SIZE, "416 bytes */1000"),
        ("bytes=99999999999999999999999-", SIZE, "416 bytes */1000"),
        ("bytes=0-0", SIZE, "206 bytes 0-0/1000"),
        ("bytes=5-9", SIZE, "206 bytes 5-9/1000"),
        ("bytes=5-999", SIZE, "206 bytes 5-999/1000"),
        ("bytes=5-1000", SIZE, "206 bytes 5-999/1000"),
        ("bytes=5-18446744073709551615", SIZE, "206 bytes 5-999/1000"),
        ("bytes=5-99999999999999999999999", SIZE, "206 bytes 5-999/1000"),
        ("bytes=1000-2000", SIZE, "416 bytes */1000"),
        ("bytes=-1", SIZE, "206 bytes 999-999/1000"),
        ("bytes=-1000", SIZE, "206 bytes 0-999/1000"),
        ("bytes=-1001", SIZE, "206 bytes 0-999/1000"),
        ("bytes=-0", SIZE, "416 bytes */1000"),
        ("Bytes=1-2", SIZE, "206 bytes 1-2/1000"),
        ("bytes= 1-2 ,", SIZE, "206 bytes 1-2/1000"),
        ("bytes=007-008", SIZE, "206 bytes 7-8/1000"),
        ("bytes=0-", 0, "416 bytes */0"),
        ("bytes=-5", 0, "416 bytes */0"),
        ("bytes=4294967296-", 1 << 33, "206 bytes 4294967296-8589934591/8589934592"),
        ("bytes=0-", u64::MAX, "206 bytes 0-18446744073709551614/18446744073709551615"),
    ] {
        assert_eq!(answer(&[range], &[], size), expected, "{range}");
    }
}

#[test]
fn invalid_ranges_and_several_get_the_whole_file() {
    for range in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=a-",
        "bytes=1",
        "bytes=5-3",
        "bytes=+1-",
        "bytes=1--",
        "bytes=--1",
        "bytes=1-2-3",
        "bytes=1 - 2",
        "bytes =1-2",
        "bits=1-2",
        "bytes=0-1,5-6",
        "bytes=0-1, -1",
        "bytes=0-0,9999-",
        "bytes=0x1-",
        "1-2",
    ] {
        assert_eq!(answer(&[range], &[], SIZE), "200 -", "{range:?}");
    }
    assert_eq!(answer(&[], &[], SIZE), "200 -");
    assert_eq!(answer(&[], &[], 0), "200 -");
    assert_eq!(answer(&["bytes=0-1", "bytes=2-3"], &[], SIZE), "200 -");
}

#[test]
fn a_part_needs_the_current_entity_tag() {
    let tag = format!("\"{}\"", "ab".repeat(32));
    let (weak, bare) = (format!("W/{tag}"), "ab".repeat(32));
    let date = "Sun, 29 Nov 2026 10:00:00 GMT";
    for (if_range, range, expected) in [
        (&[tag.as_str()][..], "bytes=1-", "206 bytes 1-999/1000"),
        (&[tag.as_str()], "bytes=1000-", "416 bytes */1000"),
        (&[&weak], "bytes=1-", "200 -"),
        (&[&bare], "bytes=1-", "200 -"),
        (&["\"cd\""], "bytes=1-", "200 -"),
        (&["\"cd\""], "bytes=1000-", "200 -"),
        (&["*"], "bytes=1-", "200 -"),
        (&[""], "bytes=1-", "200 -"),
        (&[date], "bytes=1-", "200 -"),
        (&[tag.as_str(), &tag], "bytes=1-", "200 -"),
    ] {
        assert_eq!(answer(&[range], if_range, SIZE), expected, "{if_range:?} {range}");
    }
    assert_eq!(answer(&[], &[&tag], SIZE), "200 -");
}

#[test]
fn head_describes_the_whole_file() {
    for range in [&[][..], &["bytes=1-2"], &["bytes=1000-"]] {
        let whole = get(&HeaderMap::new(), SIZE);
        let expected = ResponseHead { body: None, ..whole };
        assert_eq!(respond(true, &head(range, &[]), SIZE, &[0xab; 32]), expected, "{range:?}");
    }
}
