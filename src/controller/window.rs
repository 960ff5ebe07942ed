//! How many writes may be under way at once: as many as the API server keeps up with.
//!
//! One that is short of CPU takes no more writes when more are under way, but each takes longer, and
//! is told of later. Measured with two cores and eight writes of 77 KiB under way, watches were 4 to
//! 8 s late, others' and our own, and a client's report was answered after 10 s; two at once took
//! little longer for the whole, and a report less than half a second. So the window follows the time
//! from a write to the watch's word of it, as the congestion window of TCP follows round trips
//! (RFC 5681, and Vegas): it begins with one, so that the first status is soon there, doubles until
//! it finds its limit, and then grows slowly and shrinks when writes take too long.

use std::time::{Duration, Instant};

use super::lanes::Room;

/// How long a write may take until the watch tells of it, however many are under way: one client's
/// report in the middle of a bulk is one more of them, and takes as long, after it has been told of
/// itself. Measured with two cores: 0.1 to 0.3 s in all, and up to 0.8 s where this is 300 ms; the bulk
/// took the same time with both.
const ROUND_TRIP: Duration = Duration::from_millis(200);
/// Where one alone takes longer than that, as over a long line, so many times as long.
const OF_ONE_ALONE: f64 = 2.0;
/// The window grows below this part of it.
const ROOM: f64 = 0.7;
/// The weight of the newest round trip in their average.
const WEIGHT: f64 = 0.25;
/// By how much the window grows in a round once it has found its limit.
const STEP: f64 = 0.25;
/// What is left of one that was too large.
const SHRUNK: f64 = 0.75;
/// Its least size once it has found its limit: while one write is on its way, another is worked on.
const LEAST: f64 = 2.0;

/// How many writes may be under way at once.
#[derive(Debug)]
pub struct Window {
    size: f64,
    most: f64,
    /// Below it the window doubles with each round.
    slow_start_until: f64,
    /// The average round trip since the window shrank, in seconds.
    average: Option<f64>,
    /// The shortest since nothing was under way: the first is of one alone.
    shortest: f64,
    /// What was sent before was sent through a larger window.
    shrunk_at: Option<Instant>,
}

impl Window {
    /// One that never has more than `most`, and at least one.
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

    /// How many writes may be under way now.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 65535")]
    pub fn size(&self) -> usize {
        self.size.round() as usize
    }

    /// The same as room: a single change may be one more, so that it need not wait until one of a
    /// bulk's writes has ended.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "1 to 65535")]
    pub fn room(&self) -> Room {
        let usual = self.size();
        Room { usual, with_a_single: (usual + 1).min(self.most as usize) }
    }

    /// The watch tells at `now` of a write that was sent at `sent`. The window grows only where
    /// somebody waits for it: else nothing shows that more could be borne.
    pub fn told(&mut self, sent: Instant, now: Instant, somebody_waits: bool) {
        let trip = now.saturating_duration_since(sent).as_secs_f64();
        self.shortest = self.shortest.min(trip);
        if self.has_shrunk_since(sent) {
            return;
        }
        let before = self.average.unwrap_or(trip);
        let average = before + WEIGHT * (trip - before);
        self.average = Some(average);
        let longest = ROUND_TRIP.as_secs_f64().max(self.shortest * OF_ONE_ALONE);
        if average > longest {
            self.shrink(now);
        } else if average < longest * ROOM && somebody_waits {
            let is_slow_start = self.size < self.slow_start_until;
            let more = if is_slow_start { 1.0 } else { STEP / self.size };
            self.size = (self.size + more).min(self.most);
        }
    }

    /// Nobody has answered a write that was sent at `sent`: that says it as plainly as a late one, as
    /// a lost segment does in TCP. One of the least size or below stays: it has nothing to give.
    pub fn lost(&mut self, sent: Instant, now: Instant) {
        if self.size > LEAST && !self.has_shrunk_since(sent) {
            self.shrink(now);
        }
    }

    /// Whether what was sent then was sent through a larger window, and has been counted by that.
    fn has_shrunk_since(&self, sent: Instant) -> bool {
        self.shrunk_at.is_some_and(|shrunk| sent <= shrunk)
    }

    fn shrink(&mut self, now: Instant) {
        self.size = (self.size * SHRUNK).max(LEAST.min(self.most));
        self.slow_start_until = self.size;
        self.average = None;
        self.shrunk_at = Some(now);
    }

    /// Nothing is under way and nobody waits: what was borne until now is found again soon.
    pub fn rest(&mut self) {
        self.slow_start_until = self.slow_start_until.max(self.size);
        self.size = 1.0;
        self.average = None;
        self.shortest = f64::INFINITY;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What an API server bears: so many at once take no longer than one alone, which takes so long.
    struct Server {
        at_once: usize,
        alone: Duration,
    }

    impl Server {
        /// So many writes one after the other, each of which finds the window full; returns the
        /// sizes that it had.
        fn take(&self, window: &mut Window, writes: usize) -> Vec<usize> {
            let mut now = Instant::now();
            let take = |_| {
                let share = (window.size() as f64 / self.at_once as f64).max(1.0);
                let sent = now;
                now += self.alone.mul_f64(share);
                window.told(sent, now, true);
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
        // One that bears all, at once; one core, two, four, with writes of 75 ms; one far away; a slow one.
        let cases = [
            (server(100, 20), 8..=8),
            (server(1, 75), 2..=4),
            (server(2, 75), 4..=8),
            (server(4, 75), 6..=8),
            (server(100, 400), 8..=8),
            (server(1, 400), 1..=3),
        ];
        for (server, expected) in cases {
            let mut window = Window::new(8);
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
        let mut window = Window::new(8);
        assert_eq!(window.size(), 1);
        assert_eq!(server(100, 20).take(&mut window, 8), [2, 3, 4, 5, 6, 7, 8, 8]);
    }

    #[test]
    fn it_grows_only_for_those_who_wait() {
        let mut window = Window::new(8);
        let now = Instant::now();
        window.told(now, now, false);
        assert_eq!(window.size(), 1);
    }

    #[test]
    fn it_shrinks_once_for_all_that_were_under_way() {
        let mut window = Window::new(8);
        server(100, 20).take(&mut window, 8);
        let sent = Instant::now();
        for late in 1..=8 {
            window.told(sent, sent + Duration::from_secs(late), true);
        }
        assert_eq!(window.size(), 6);
        let sent = sent + Duration::from_secs(9);
        window.told(sent, sent + Duration::from_secs(1), true);
        assert_eq!(window.size(), 5, "what was sent since counts");
    }

    #[test]
    fn it_shrinks_where_nobody_answers_and_never_grows_by_that() {
        let mut now = Instant::now();
        let mut window = Window::new(8);
        window.lost(now, now + Duration::from_secs(30));
        assert_eq!(window.size(), 1);
        let sizes = server(100, 20).take(&mut window, 8);
        assert_eq!(sizes, [2, 3, 4, 5, 6, 7, 8, 8], "it still has its limit to find");
        let mut sizes = Vec::new();
        for _ in 0..6 {
            let sent = now + Duration::from_secs(31);
            now = sent + Duration::from_secs(30);
            // Two that were under way together.
            window.lost(sent, now);
            window.lost(sent, now + Duration::from_secs(1));
            sizes.push(window.size());
        }
        assert_eq!(sizes, [6, 5, 3, 3, 2, 2]);
    }

    #[test]
    fn after_a_rest_it_begins_anew_and_soon_finds_its_size() {
        let mut window = Window::new(8);
        server(100, 20).take(&mut window, 8);
        window.rest();
        assert_eq!(window.size(), 1);
        assert_eq!(server(100, 20).take(&mut window, 8).last(), Some(&8));
    }
}
