//! Records how current a store is: when its watch last received something, and which requests for a
//! proof were answered. A proof shows that the store has everything that the API server had at the
//! time of the request.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Time without any watch event after which a watch is considered disconnected. An API server sends
/// a bookmark about once a minute.
pub const MAX_SILENCE: Duration = Duration::from_secs(90);

/// Time without any watch event after which a command is not ready, and starts nothing new. It
/// exceeds [`MAX_SILENCE`], so that the command can first reopen a silent watch.
pub const UNREADY_AFTER: Duration = Duration::from_secs(MAX_SILENCE.as_secs() + 60);

/// Freshness of one store. All clones refer to the same store.
#[derive(Clone, Debug)]
pub struct Freshness(Arc<FreshnessState>);

#[derive(Debug)]
struct FreshnessState {
    /// Sequence number of the latest request to prove that the store is current.
    requested: watch::Sender<u64>,
    /// Sequence number of the latest such request that the watch has answered.
    proven: watch::Sender<u64>,
    /// Time when the watch last received something; initially the start time.
    heard: watch::Sender<Instant>,
}

impl Default for Freshness {
    fn default() -> Self {
        Self(Arc::new(FreshnessState {
            requested: watch::Sender::new(0),
            proven: watch::Sender::new(0),
            heard: watch::Sender::new(Instant::now()),
        }))
    }
}

impl Freshness {
    /// Returns the time since the watch last received something from the API server.
    #[must_use]
    pub fn silence(&self) -> Duration {
        self.0.heard.borrow().elapsed()
    }

    /// Waits for a proof that the store has everything that the API server had when this function
    /// was called.
    ///
    /// The wait lasts as long as the API server is unreachable.
    pub async fn prove(&self) {
        let mut request = 0;
        self.0.requested.send_modify(|requested| {
            *requested += 1;
            request = *requested;
        });
        // `self` keeps the sender alive, so the wait cannot fail.
        let _ = self.0.proven.subscribe().wait_for(|proven| *proven >= request).await;
    }

    /// Records that the watch has received something.
    pub(super) fn heard(&self) {
        self.0.heard.send_replace(Instant::now());
    }

    /// Returns the number of the last request for a proof. The watch must read this number before
    /// it queries the API server for the proof.
    pub(super) fn requested(&self) -> u64 {
        *self.0.requested.borrow()
    }

    /// Waits until there is an unanswered request for a proof.
    pub(super) async fn is_requested(&self) {
        let proven = *self.0.proven.borrow();
        let _ = self.0.requested.subscribe().wait_for(|requested| *requested > proven).await;
    }

    /// Marks all requests for a proof up to number `request` as answered.
    pub(super) fn proven(&self, request: u64) {
        self.0.proven.send_if_modified(|proven| {
            let is_newer = request > *proven;
            *proven = request.max(*proven);
            is_newer
        });
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_proof_answers_only_the_requests_before_it() {
        let freshness = Freshness::default();
        assert!(freshness.is_requested().now_or_never().is_none());
        let mut first = std::pin::pin!(freshness.prove());
        assert!(first.as_mut().now_or_never().is_none());
        freshness.is_requested().await;
        let request = freshness.requested();
        let mut second = std::pin::pin!(freshness.prove());
        assert!(second.as_mut().now_or_never().is_none());
        freshness.proven(request);
        first.await;
        assert!(second.as_mut().now_or_never().is_none());
        freshness.is_requested().await;
        freshness.proven(freshness.requested());
        second.await;
    }

    #[tokio::test(start_paused = true)]
    async fn silence_begins_with_the_last_thing_heard() {
        let freshness = Freshness::default();
        tokio::time::advance(Duration::from_secs(40)).await;
        assert_eq!(freshness.silence(), Duration::from_secs(40));
        freshness.heard();
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(freshness.silence(), Duration::from_secs(5));
    }
}
