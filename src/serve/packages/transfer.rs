//! Sends the bytes of a file as the body of a response.

use std::io;
use std::num::NonZeroU64;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::file::PackageFile;
use super::range::ByteRange;
use super::rate_limit::TokenBucket;

/// Maximum number of bytes that are read at once, and that a transfer holds in memory.
const CHUNK_BYTES: usize = 128 * 1024;
/// Maximum number of concurrent reads. More would take the threads of everything else that blocks
/// if the storage does not respond.
const MAX_READS: usize = 32;

/// Why a transfer does not start or ends before its last byte. The connection is closed then, so
/// the agent sees that bytes are missing.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The file was written to after it was hashed.
    #[error("the file has changed since it was hashed")]
    Changed,
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// The process is stopping.
    #[error("the process is stopping")]
    Stopping,
}

/// Limits and counts that all transfers of the process share.
#[derive(Debug)]
pub struct TransferLimits {
    reads: Semaphore,
    pace: Option<Pace>,
    active: AtomicU64,
    bytes: AtomicU64,
    failed: AtomicU64,
}

#[derive(Debug)]
struct Pace {
    started: Instant,
    bucket: Mutex<TokenBucket>,
}

impl Pace {
    fn with_bucket<T>(&self, change: impl FnOnce(&mut TokenBucket, Duration) -> T) -> T {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut bucket, self.started.elapsed())
    }
}

impl TransferLimits {
    /// Creates limits; `rate` is the maximum number of bytes per second of all transfers.
    #[must_use]
    pub fn new(rate: Option<NonZeroU64>) -> Arc<Self> {
        let pace = rate.map(|rate| Pace {
            started: Instant::now(),
            bucket: Mutex::new(TokenBucket::new(rate)),
        });
        Arc::new(Self {
            reads: Semaphore::new(MAX_READS),
            pace,
            active: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        })
    }

    /// Returns the number of transfers that have not ended.
    #[must_use]
    pub fn active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    /// Returns the number of bytes that were sent since the process started.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Returns the number of transfers that ended because of a [`TransferError`].
    #[must_use]
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Reads on another thread, after waiting for the rate limit.
    async fn read(
        self: Arc<Self>,
        file: Arc<PackageFile>,
        offset: u64,
        length: usize,
        wait: Duration,
    ) -> Result<Bytes, TransferError> {
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let _place = self.reads.acquire().await.map_err(|_| TransferError::Stopping)?;
        let read = tokio::task::spawn_blocking(move || file.read(offset, length)).await;
        Ok(Bytes::from(read.map_err(|_| TransferError::Stopping)??))
    }
}

/// The body of a response: consecutive bytes of a file.
pub struct PackageBody {
    file: Arc<PackageFile>,
    limits: Arc<TransferLimits>,
    offset: u64,
    remaining: u64,
    read: Option<BoxFuture<'static, Result<Bytes, TransferError>>>,
}

impl PackageFile {
    /// Returns the body with these bytes of the file, after checking that the file has the content
    /// that was hashed.
    ///
    /// # Errors
    /// Returns a [`TransferError`] if the content has changed or cannot be read.
    pub async fn open_range(
        self: Arc<Self>,
        range: ByteRange,
        limits: &Arc<TransferLimits>,
    ) -> Result<PackageBody, TransferError> {
        let place = limits.reads.acquire().await.map_err(|_| TransferError::Stopping)?;
        let file = Arc::clone(&self);
        let checked = tokio::task::spawn_blocking(move || file.check_content()).await;
        drop(place);
        checked.map_err(|_| TransferError::Stopping)??;
        let size = self.artifact().size;
        let first = range.first.min(size);
        let remaining = range.length.min(size - first);
        Ok(PackageBody::new(self, Arc::clone(limits), first, remaining))
    }
}

impl PackageBody {
    fn new(
        file: Arc<PackageFile>,
        limits: Arc<TransferLimits>,
        offset: u64,
        remaining: u64,
    ) -> Self {
        limits.active.fetch_add(1, Ordering::Relaxed);
        if let Some(pace) = &limits.pace {
            pace.with_bucket(|bucket, _| bucket.join());
        }
        Self { file, limits, offset, remaining, read: None }
    }

    /// Starts to read the next bytes.
    fn next(&self) -> BoxFuture<'static, Result<Bytes, TransferError>> {
        let wanted = usize::try_from(self.remaining).unwrap_or(usize::MAX).min(CHUNK_BYTES);
        let (length, wait) = match &self.limits.pace {
            None => (wanted, Duration::ZERO),
            Some(pace) => {
                let grant = pace.with_bucket(|bucket, now| bucket.grant(wanted, now));
                (grant.bytes, grant.wait)
            }
        };
        let (limits, file) = (Arc::clone(&self.limits), Arc::clone(&self.file));
        limits.read(file, self.offset, length, wait).boxed()
    }
}

impl Drop for PackageBody {
    fn drop(&mut self) {
        self.limits.active.fetch_sub(1, Ordering::Relaxed);
        if let Some(pace) = &self.limits.pace {
            pace.with_bucket(|bucket, _| bucket.leave());
        }
    }
}

impl Body for PackageBody {
    type Data = Bytes;
    type Error = TransferError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, TransferError>>> {
        if self.remaining == 0 {
            return Poll::Ready(None);
        }
        let mut read = self.read.take().unwrap_or_else(|| self.next());
        let Poll::Ready(result) = read.poll_unpin(cx) else {
            self.read = Some(read);
            return Poll::Pending;
        };
        Poll::Ready(Some(match result {
            Ok(bytes) => {
                let length = bytes.len() as u64;
                self.offset += length;
                self.remaining = self.remaining.saturating_sub(length);
                self.limits.bytes.fetch_add(length, Ordering::Relaxed);
                Ok(Frame::data(bytes))
            }
            Err(error) => {
                self.remaining = 0;
                self.limits.failed.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.remaining)
    }
}
