//! Limits the bytes per second of all transfers together, and shares them equally.
//!
//! The bucket is pure: callers hand in the time. A transfer asks for a few bytes at a time, and each
//! request is scheduled after those before it. So transfers that ask again and again take turns.

use std::num::NonZeroU64;
use std::time::Duration;

/// Bytes per second that each transfer gets even if the limit is too low for all of them.
/// rauc-hawkbit-updater gives up below 100 bytes per second.
pub const MIN_TRANSFER_RATE: u64 = 200;
/// Time without requests whose bytes are not lost. It makes up for timers that fire late.
pub const BURST: Duration = Duration::from_millis(100);

/// Permission to send bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Number of bytes.
    pub bytes: usize,
    /// Time to wait before they are sent.
    pub wait: Duration,
}

/// A limit on the bytes per second of all transfers.
#[derive(Clone, Debug)]
pub struct TokenBucket {
    rate: NonZeroU64,
    transfers: u64,
    /// Time when the bytes of all grants are sent at the limited rate.
    free_at: Duration,
}

impl TokenBucket {
    /// Creates a limit of `rate` bytes per second.
    #[must_use]
    pub fn new(rate: NonZeroU64) -> Self {
        Self { rate, transfers: 0, free_at: Duration::ZERO }
    }

    /// Counts a transfer that starts.
    pub fn join(&mut self) {
        self.transfers += 1;
    }

    /// Counts a transfer that has ended.
    pub fn leave(&mut self) {
        self.transfers = self.transfers.saturating_sub(1);
    }

    /// Grants a transfer up to `wanted` bytes at a time, which is measured from any fixed instant.
    ///
    /// A grant is at most one second's share of a transfer, so that each transfer gets bytes about
    /// once per second.
    pub fn grant(&mut self, wanted: usize, now: Duration) -> Grant {
        let transfers = self.transfers.max(1);
        let rate = self.rate.get().max(transfers.saturating_mul(MIN_TRANSFER_RATE));
        let share = (rate / transfers).max(MIN_TRANSFER_RATE);
        let bytes = wanted.min(usize::try_from(share).unwrap_or(usize::MAX));
        let start = self.free_at.max(now.saturating_sub(BURST));
        let nanoseconds = (bytes as u128 * 1_000_000_000).div_ceil(u128::from(rate));
        let duration = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
        self.free_at = start.saturating_add(duration);
        Grant { bytes, wait: start.saturating_sub(now) }
    }
}
