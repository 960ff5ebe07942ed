//! Damages response bodies: truncates them, delays them, duplicates their parts, or withholds them.

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Bytes, Frame};

use crate::fault::Fault;
use crate::proxy::AnswerBody;

/// Number of bytes in each piece of a dripping body.
const DRIP_BYTES: usize = 16;

type Part = Result<Bytes, std::io::Error>;

/// Returns a response body with the damage of a fault.
pub fn damaged(body: AnswerBody, fault: Option<&Fault>) -> AnswerBody {
    let parts = body.into_data_stream();
    match fault {
        Some(Fault::Truncate(length)) => body_of(truncated(parts, *length)),
        Some(Fault::SilentBody) => body_of(stream::pending()),
        Some(Fault::Drip(delay)) => body_of(dripping(parts, *delay)),
        Some(Fault::Duplicate) => body_of(parts.flat_map(|part| match part {
            Ok(bytes) => stream::iter(vec![Ok(bytes.clone()), Ok(bytes)]),
            Err(error) => stream::iter(vec![Err(error)]),
        })),
        _ => body_of(parts),
    }
}

fn body_of(parts: impl Stream<Item = Part> + Send + 'static) -> AnswerBody {
    StreamBody::new(parts.map(|part| part.map(Frame::data))).boxed_unsync()
}

/// Ends a body with an error after `length` bytes.
fn truncated(parts: impl Stream<Item = Part>, length: usize) -> impl Stream<Item = Part> {
    parts.scan(Some(length), |left, part| {
        let next = match (left.take(), part) {
            (None, _) => None,
            (Some(_), Err(error)) => Some(Err(error)),
            (Some(rest), Ok(bytes)) if bytes.len() < rest => {
                *left = Some(rest - bytes.len());
                Some(Ok(bytes))
            }
            (Some(0), Ok(_)) => Some(Err(std::io::Error::other("truncated"))),
            (Some(rest), Ok(bytes)) => {
                *left = Some(0);
                Some(Ok(bytes.slice(..rest)))
            }
        };
        std::future::ready(next)
    })
}

fn dripping(
    parts: impl Stream<Item = Part> + Send + 'static,
    delay: Duration,
) -> impl Stream<Item = Part> + Send + 'static {
    let pieces = parts.flat_map(|part| match part {
        Ok(bytes) => {
            let pieces = bytes.chunks(DRIP_BYTES).map(|piece| Ok(Bytes::copy_from_slice(piece)));
            stream::iter(pieces.collect::<Vec<Part>>())
        }
        Err(error) => stream::iter(vec![Err(error)]),
    });
    pieces.then(move |piece| async move {
        tokio::time::sleep(delay).await;
        piece
    })
}
