//! Records the reads and writes of a connection.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::activity::{Activity, Phase};

/// Maximum number of bytes of a refused request that are read and discarded.
const MAX_DISCARDED_BYTES: usize = 256 * 1024;

/// A stream that records its activity. After its end was sent, it discards the rest of a refused
/// request, so that the peer can read the response before the connection is closed.
#[derive(Debug)]
pub(super) struct RecordedStream<T> {
    inner: T,
    activity: Arc<Activity>,
    discarded: Option<usize>,
}

impl<T> RecordedStream<T> {
    pub fn new(inner: T, activity: Arc<Activity>) -> Self {
        Self { inner, activity, discarded: None }
    }

    fn written<R>(&self, result: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        self.activity.note_write(result.is_pending());
        result
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for RecordedStream<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.inner).poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.note_read();
        }
        result
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for RecordedStream<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write(cx, bytes);
        self.written(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.inner).poll_write_vectored(cx, buffers);
        self.written(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.inner).poll_flush(cx);
        self.written(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.discarded.is_none() {
            let result = Pin::new(&mut this.inner).poll_shutdown(cx);
            ready!(this.written(result))?;
            this.discarded = Some(0);
            this.activity.enter(Phase::Linger);
        }
        if !this.activity.has_unread_bytes() {
            return Poll::Ready(Ok(()));
        }
        let mut scratch = [MaybeUninit::uninit(); 4096];
        while let Some(discarded) = this.discarded.filter(|count| *count < MAX_DISCARDED_BYTES) {
            let mut buffer = ReadBuf::uninit(&mut scratch);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                break;
            }
            this.discarded = Some(discarded + buffer.filled().len());
        }
        Poll::Ready(Ok(()))
    }
}
