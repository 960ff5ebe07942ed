//! Defines the write limit: the number of concurrent status writes that the API server can handle.
//!
//! If the API server is short of CPU, more concurrent writes only delay each write and its watch
//! event. With two cores, a client's report led to a new status after 10 s with eight concurrent
//! writes of 77 KiB, and in less than 0.5 s with two.
//!
//! The limit therefore depends on the round trip from a write to its watch event, as TCP's
//! congestion window does (RFC 5681 and TCP Vegas). The limit starts at one and doubles until
//! writes take too long; after that it grows slowly, and shrinks whenever writes take too long.

use std::time::{Duration, Instant};

use super::write_queue::Limits;

/// Maximum accepted round trip of a write, for any number of concurrent writes.
///
/// At 300 ms, a client's report during a bulk update on two cores led to a new status in up to 0.8
/// s instead of 0.3 s, and the bulk update took the same time.
const TARGET_ROUND_TRIP: Duration = Duration::from_millis(200);
/// Multiple of the shortest round trip that is always accepted. Over a slow connection, even a
/// single write may take longer than [`TARGET_ROUND_TRIP`].
const SHORTEST_TRIP_FACTOR: f64 = 2.0;
/// Fraction of the accepted round trip. The limit grows only while the average round trip is below
/// this fraction.
const GROW_BELOW_FRACTION: f64 = 0.7;
/// Weight of the newest round trip in the moving average.
const AVERAGE_WEIGHT: f64 = 0.25;
/// Growth of the limit per round of writes, after the limit has stopped doubling. A round has as
/// many writes as the limit allows at once.
const INCREASE_STEP: f64 = 0.25;
const DECREASE_FACTOR: f64 = 0.75;
/// Smallest limit after shrinking. With two concurrent writes, the API server can process one while
/// the other is in transit.
const MIN_WRITES: f64 = 2.0;

/// The current limit on concurrent status writes.
#[derive(Debug)]
pub struct WriteLimit {
    size: f64,
    most: f64,
    /// Size up to which the limit doubles with each round of writes.
    slow_start_until: f64,
    /// Moving average of the round trips since the limit last shrank or was reset, in seconds.
    average: Option<f64>,
    /// Shortest round trip since the queue was last empty, in seconds. The first write after an
    /// empty queue runs alone, so its round trip is the duration of a write without load.
    shortest: f64,
    /// Time when the limit last shrank. Writes that were sent before this time do not change the
    /// limit, because a higher limit applied to them.
    shrunk_at: Option<Instant>,
}

impl WriteLimit {
    /// Creates a limit that starts at one and grows to at most `most`. If `most` is zero, the
    /// maximum is one.
    #[must_use]
    pub fn new(most: u16) -> Self {
        let most = f64::from(most.max(1));
        Self {
            size: 1.0,
            most,
            slow_start_until: most,
            average: None,
            shortest: f64::INFINITY,
            shrunk_at: None,
        }
    }

    /// Returns the number of concurrent writes that are allowed now.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 65535")]
    pub fn size(&self) -> usize {
        self.size.round() as usize
    }

    /// Returns the limits for the write queue. A single high-priority write may exceed the usual
    /// limit by one, so that it does not wait for a low-priority write to end.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 65535")]
    pub fn room(&self) -> Limits {
        let usual = self.size();
        Limits { usual, single_change: (usual + 1).min(self.most as usize) }
    }

    /// Records that the watch event of a write sent at `sent` arrived at `now`. The limit grows
    /// only if other objects wait to be written, because otherwise a higher limit is not needed.
    pub(crate) fn acknowledged(&mut self, sent: Instant, now: Instant, somebody_waits: bool) {
        let trip = now.saturating_duration_since(sent).as_secs_f64();
        self.shortest = self.shortest.min(trip);
        if self.has_shrunk_since(sent) {
            return;
        }
        let before = self.average.unwrap_or(trip);
        let average = before + AVERAGE_WEIGHT * (trip - before);
        self.average = Some(average);
        let longest = TARGET_ROUND_TRIP.as_secs_f64().max(self.shortest * SHORTEST_TRIP_FACTOR);
        if average > longest {
            self.shrink(now);
        } else if average < longest * GROW_BELOW_FRACTION && somebody_waits {
            let is_slow_start = self.size < self.slow_start_until;
            let more = if is_slow_start { 1.0 } else { INCREASE_STEP / self.size };
            self.size = (self.size + more).min(self.most);
        }
    }

    /// Records that a write sent at `sent` got no response, and shrinks the limit unless it is
    /// already at its minimum. TCP reacts similarly to a lost segment.
    pub(crate) fn unanswered(&mut self, sent: Instant, now: Instant) {
        if self.size > MIN_WRITES && !self.has_shrunk_since(sent) {
            self.shrink(now);
        }
    }

    fn has_shrunk_since(&self, sent: Instant) -> bool {
        self.shrunk_at.is_some_and(|shrunk| sent <= shrunk)
    }

    fn shrink(&mut self, now: Instant) {
        self.size = (self.size * DECREASE_FACTOR).max(MIN_WRITES.min(self.most));
        self.slow_start_until = self.size;
        self.average = None;
        self.shrunk_at = Some(now);
    }

    /// Resets the limit to one. Must be called when no write is waiting or in progress; with the
    /// next writes, the limit doubles up to its former size.
    pub(crate) fn reset(&mut self) {
        self.slow_start_until = self.slow_start_until.max(self.size);
        self.size = 1.0;
        self.average = None;
        self.shortest = f64::INFINITY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A simulated API server. Up to `at_once` concurrent writes take no longer than a single
    /// write.
    struct Server {
        at_once: usize,
        alone: Duration,
    }

    impl Server {
        /// Simulates `writes` writes, each as slow as if the limit were fully used, and returns the
        /// limit after each write.
        fn take(&self, window: &mut WriteLimit, writes: usize) -> Vec<usize> {
            let mut now = Instant::now();
            let take = |_| {
                let share = (window.size() as f64 / self.at_once as f64).max(1.0);
                let sent = now;
                now += self.alone.mul_f64(share);
                window.acknowledged(sent, now, true);
                window.size()
            };
            (0..writes).map(take).collect()
        }
    }

    const fn server(at_once: usize, alone: u64) -> Server {
        Server { at_once, alone: Duration::from_millis(alone) }
    }

    #[test]
    fn it_finds_what_the_server_bears() {
        // In this order: a server for 100 concurrent writes; servers with one, two and four cores;
        // a server with a slow connection; a server with a slow core.
        let cases = [
            (server(100, 20), 8..=8),
            (server(1, 75), 2..=4),
            (server(2, 75), 4..=8),
            (server(4, 75), 6..=8),
            (server(100, 400), 8..=8),
            (server(1, 400), 1..=3),
        ];
        for (server, expected) in cases {
            let mut window = WriteLimit::new(8);
            server.take(&mut window, 100);
            let sizes = server.take(&mut window, 400);
            let found = (sizes.iter().min(), sizes.iter().max());
            let all = sizes.iter().all(|size| expected.contains(size));
            let Server { at_once, alone } = server;
            assert!(all, "{at_once} at once, {alone:?}: {found:?}, not in {expected:?}");
        }
    }

    #[test]
    fn it_begins_with_one_and_doubles_with_each_round() {
        let mut window = WriteLimit::new(8);
        assert_eq!(window.size(), 1);
        assert_eq!(server(100, 20).take(&mut window, 8), [2, 3, 4, 5, 6, 7, 8, 8]);
    }

    #[test]
    fn it_grows_only_for_those_who_wait() {
        let mut window = WriteLimit::new(8);
        let now = Instant::now();
        window.acknowledged(now, now, false);
        assert_eq!(window.size(), 1);
    }

    #[test]
    fn it_shrinks_once_for_all_that_were_under_way() {
        let mut window = WriteLimit::new(8);
        server(100, 20).take(&mut window, 8);
        let sent = Instant::now();
        for late in 1..=8 {
            window.acknowledged(sent, sent + Duration::from_secs(late), true);
        }
        assert_eq!(window.size(), 6);
        let sent = sent + Duration::from_secs(9);
        window.acknowledged(sent, sent + Duration::from_secs(1), true);
        assert_eq!(window.size(), 5, "what was sent since counts");
    }

    #[test]
    fn it_shrinks_where_nobody_answers_and_never_grows_by_that() {
        let mut now = Instant::now();
        let mut window = WriteLimit::new(8);
        window.unanswered(now, now + Duration::from_secs(30));
        assert_eq!(window.size(), 1);
        let sizes = server(100, 20).take(&mut window, 8);
        assert_eq!(sizes, [2, 3, 4, 5, 6, 7, 8, 8], "it still has its limit to find");
        let mut sizes = Vec::new();
        for _ in 0..6 {
            let sent = now + Duration::from_secs(31);
            now = sent + Duration::from_secs(30);
            // Both writes were sent before the limit shrank, so it must shrink only once.
            window.unanswered(sent, now);
            window.unanswered(sent, now + Duration::from_secs(1));
            sizes.push(window.size());
        }
        assert_eq!(sizes, [6, 5, 3, 3, 2, 2]);
    }

    #[test]
    fn after_a_rest_it_begins_anew_and_soon_finds_its_size() {
        let mut window = WriteLimit::new(8);
        server(100, 20).take(&mut window, 8);
        window.reset();
        assert_eq!(window.size(), 1);
        assert_eq!(server(100, 20).take(&mut window, 8).last(), Some(&8));
    }
}
