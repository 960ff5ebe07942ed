//! Reads the body of a request within limits.

use std::time::Duration;

use http::StatusCode;
use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use tokio::time::{Instant, timeout_at};

use super::BoxError;

/// Maximum time between two parts of a body.
const PART_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a body is not read to its end.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is larger than allowed.
    #[error("the body has more than {max_bytes} bytes")]
    TooLarge {
        /// The limit.
        max_bytes: usize,
    },
    /// The body arrives too slowly.
    #[error("the body did not arrive in time")]
    Slow,
    /// The connection ended, or the body is malformed.
    #[error("the body cannot be read: {0}")]
    Broken(BoxError),
}

impl BodyError {
    /// Returns the status that answers the request.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a body. A body with a larger `Content-Length` is refused before it is sent, if the peer
/// waits for `100 Continue`. The connection closes after a response to a body that was not read.
///
/// # Errors
/// Returns a [`BodyError`] if the body is larger than `max_bytes`, does not arrive within `timeout`,
/// makes no progress for 10 s, or cannot be read.
pub async fn read_body<B>(body: B, max_bytes: usize, timeout: Duration) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes>,
    B::Error: Into<BoxError>,
{
    let too_large = BodyError::TooLarge { max_bytes };
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(too_large);
    }
    let deadline = Instant::now() + timeout;
    let mut body = std::pin::pin!(body);
    let mut first = Bytes::new();
    let mut all = Vec::new();
    loop {
        let part_deadline = deadline.min(Instant::now() + PART_TIMEOUT);
        let frame = timeout_at(part_deadline, body.frame()).await.map_err(|_| BodyError::Slow)?;
        let Some(frame) = frame else { break };
        let frame = frame.map_err(|error| BodyError::Broken(error.into()))?;
        // Ignore trailers.
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > max_bytes.saturating_sub(first.len() + all.len()) {
            return Err(too_large);
        }
        if first.is_empty() && all.is_empty() {
            first = data;
            continue;
        }
        all.extend_from_slice(&std::mem::take(&mut first));
        all.extend_from_slice(&data);
    }
    // Most bodies arrive in one part, which needs no copy.
    Ok(if all.is_empty() { first } else { Bytes::from(all) })
}
