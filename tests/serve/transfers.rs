//! Tests the bodies of responses: their bytes over a real HTTP connection, and their rate.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use clientfleet::serve::packages::{
    ByteRange, PackageBody, PackageFile, TransferError, TransferLimits,
};
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Either, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::store::{Store, offered};

/// Returns the next bytes of a body.
pub async fn read(body: &mut PackageBody) -> Option<Result<Bytes, TransferError>> {
    let frame = body.frame().await?;
    Some(frame.map(|frame| frame.into_data().unwrap()))
}

/// Returns all bytes of a file.
pub async fn content(file: Arc<PackageFile>) -> Result<Vec<u8>, TransferError> {
    let whole = ByteRange { first: 0, length: file.artifact().size };
    let body = file.open_range(whole, &TransferLimits::new(None)).await?;
    Ok(body.collect().await?.to_bytes().to_vec())
}

async fn respond(
    file: Arc<PackageFile>,
    request: Request<Incoming>,
    limits: Arc<TransferLimits>,
) -> Result<Response<Either<PackageBody, Empty<Bytes>>>, TransferError> {
    let head = file.respond(*request.method() == Method::HEAD, request.headers());
    let body = match head.body {
        Some(range) => Either::Left(file.open_range(range, &limits).await?),
        None => Either::Right(Empty::new()),
    };
    let mut response = Response::new(body);
    *response.status_mut() = head.status;
    *response.headers_mut() = head.headers;
    Ok(response)
}

/// Returns the head and the body of the response to a request over HTTP.
async fn exchange(file: &Arc<PackageFile>, request: &str) -> (String, Vec<u8>) {
    let (mut client, server) = tokio::io::duplex(1024);
    let limits = TransferLimits::new(None);
    let file = Arc::clone(file);
    let service =
        service_fn(move |request| respond(Arc::clone(&file), request, Arc::clone(&limits)));
    let server = hyper::server::conn::http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(server), service);
    let server = tokio::spawn(server);
    client.write_all(format!("{request}\r\nHost: x\r\n\r\n").as_bytes()).await.unwrap();
    let mut response = Vec::new();
    client.read_to_end(&mut response).await.unwrap();
    server.await.unwrap().unwrap();
    let end = response.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let body = response.split_off(end + 4);
    (String::from_utf8(response).unwrap().to_lowercase(), body)
}

#[tokio::test]
async fn bytes_arrive_with_their_length() {
    let bytes: Vec<u8> = (0..1_000_000_u32).flat_map(u32::to_le_bytes).collect();
    let mut store = Store::new();
    store.write("1.0/app.bin", &bytes);
    let file = offered(&store.scan(), "1.0").unwrap();
    for (request, status, expected) in [
        ("GET / HTTP/1.1", "200 ok", &bytes[..]),
        ("HEAD / HTTP/1.1", "200 ok", &[]),
        ("GET / HTTP/1.1\r\nRange: bytes=0-", "206 partial content", &bytes),
        ("GET / HTTP/1.1\r\nRange: bytes=3999999-", "206 partial content", &bytes[3_999_999..]),
        ("GET / HTTP/1.1\r\nRange: bytes=5-300000", "206 partial content", &bytes[5..=300_000]),
        ("GET / HTTP/1.1\r\nRange: bytes=-7", "206 partial content", &bytes[3_999_993..]),
        ("GET / HTTP/1.1\r\nRange: bytes=4000000-", "416 range not satisfiable", &[]),
        ("GET / HTTP/1.0", "200 ok", &bytes),
    ] {
        let (head, body) = exchange(&file, request).await;
        assert!(head.contains(&format!(" {status}\r\n")), "{request}: {head}");
        assert!(!head.contains("transfer-encoding"), "{request}: {head}");
        let length = if request.starts_with("HEAD") { bytes.len() } else { expected.len() };
        assert!(head.contains(&format!("content-length: {length}\r\n")), "{request}: {head}");
        assert!(body == expected, "{request}: {} bytes", body.len());
    }
}

#[tokio::test]
async fn a_range_outside_of_the_file_is_cut() {
    let mut store = Store::new();
    store.write("1.0/app.bin", "content");
    let file = offered(&store.scan(), "1.0").unwrap();
    for (first, length, expected) in [(5, 100, "nt"), (7, 1, ""), (u64::MAX, u64::MAX, "")] {
        let range = ByteRange { first, length };
        let body = Arc::clone(&file).open_range(range, &TransferLimits::new(None)).await.unwrap();
        assert_eq!(body.size_hint().exact(), Some(expected.len() as u64));
        assert_eq!(body.is_end_stream(), expected.is_empty());
        assert_eq!(body.collect().await.unwrap().to_bytes(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn transfers_keep_to_the_rate_together() {
    let mut store = Store::new();
    store.write("1.0/app.bin", vec![1; 1_000_000]);
    let file = offered(&store.scan(), "1.0").unwrap();
    let limits = TransferLimits::new(NonZeroU64::new(100_000));
    let transfer = || async {
        let whole = ByteRange { first: 0, length: 1_000_000 };
        let body = Arc::clone(&file).open_range(whole, &limits).await.unwrap();
        body.collect().await.unwrap().to_bytes().len()
    };
    let start = tokio::time::Instant::now();
    assert_eq!(tokio::join!(transfer(), transfer()), (1_000_000, 1_000_000));
    let duration = start.elapsed();
    let expected = Duration::from_secs(20);
    assert!(duration > expected.mul_f64(0.95) && duration < expected.mul_f64(1.05), "{duration:?}");
    assert_eq!((limits.bytes(), limits.active(), limits.failed()), (2_000_000, 0, 0));
}
