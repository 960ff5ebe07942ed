//! Implements the write queue, in which the change of a single client has priority over the many
//! writes that a policy change or the passage of time causes.
//!
//! While objects of both priorities wait, every fourth write has low priority.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Instant;

use super::change_set::Key;

/// Priority of an object in the write queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// High priority: the change affects this object alone.
    High,
    /// Low priority: the same change also affects other objects.
    Low,
}

/// Maximum number of consecutive high-priority writes while low-priority objects wait.
const HIGH_PRIORITY_TURNS: u8 = 3;

/// The write queue. Each object is queued at most once; objects with the same priority keep their
/// order of arrival.
#[derive(Debug, Default)]
pub struct WriteQueue {
    express: VecDeque<Key>,
    bulk: VecDeque<Key>,
    /// Objects that wait for a write. When an object moves from low to high priority, its entry in
    /// `bulk` stays and is skipped later.
    waiting: HashSet<Key>,
    /// Objects that must not be written yet, each with the instant from which it may be written.
    resting: BTreeSet<(Instant, Key, Priority)>,
    express_turns: u8,
    /// Objects that are being written, each with its priority in the queue.
    taken: HashMap<Key, Priority>,
}

/// Limits on the number of concurrent writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum number of concurrent writes, except in the case of `single_change`.
    pub usual: usize,
    /// Maximum number of concurrent writes if the next write has high priority and all writes in
    /// progress have low priority.
    pub single_change: usize,
}

/// The next object to write, or the time to check again.
#[derive(Debug, PartialEq, Eq)]
pub enum NextWrite {
    /// The object to write next.
    Of(Key),
    /// No object can be written now. Check again when an object is queued, when a write ends, or at
    /// this instant if there is one.
    NotBefore(Option<Instant>),
}

impl WriteQueue {
    /// Queues an object that is not being written, either now or at the instant `rests_until`.
    /// [`Priority::High`] also raises the priority of an object that already waits.
    pub fn push(&mut self, key: &Key, lane: Priority, rests_until: Option<Instant>) {
        if let Some(until) = rests_until {
            self.resting.insert((until, key.clone(), lane));
            return;
        }
        let is_new = self.waiting.insert(key.clone());
        match lane {
            Priority::High if is_new || !self.express.contains(key) => {
                self.express.push_back(key.clone());
            }
            Priority::Low if is_new => self.bulk.push_back(key.clone()),
            Priority::High | Priority::Low => {}
        }
    }

    /// Takes the next object to write if the limit allows another write. Otherwise returns the
    /// instant at which to check again, if there is one.
    pub fn take(&mut self, room: Limits, now: Instant) -> NextWrite {
        while self.resting.first().is_some_and(|(until, ..)| *until <= now)
            && let Some((_, key, lane)) = self.resting.pop_first()
        {
            self.push(&key, lane, None);
        }
        match self.pop(room) {
            Some(key) => NextWrite::Of(key),
            None => NextWrite::NotBefore(self.resting.first().map(|(until, ..)| *until)),
        }
    }

    /// Returns whether the object `key` is being written.
    #[must_use]
    pub(crate) fn has_turn(&self, key: &Key) -> bool {
        self.taken.contains_key(key)
    }

    /// Returns whether any object waits to be written. Objects that must not be written yet do not
    /// count.
    #[must_use]
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Returns whether the queue is empty: no object waits, and none is being written. Objects that
    /// must not be written yet do not count as waiting.
    #[must_use]
    pub(crate) fn are_empty(&self) -> bool {
        self.waiting.is_empty() && self.taken.is_empty()
    }

    /// Records that the write of an object has ended.
    pub fn end(&mut self, key: &Key) {
        self.taken.remove(key);
    }

    fn pop(&mut self, room: Limits) -> Option<Key> {
        loop {
            let lane = self.next_lane(room)?;
            let key = match lane {
                Priority::High => self.express.pop_front(),
                Priority::Low => self.bulk.pop_front(),
            }?;
            self.express_turns = match lane {
                Priority::High => self.express_turns.saturating_add(1),
                Priority::Low => 0,
            };
            if self.waiting.remove(&key) {
                self.taken.insert(key.clone(), lane);
                return Some(key);
            }
        }
    }

    /// Returns the priority of the next object to take, or `None` if the limit is reached.
    fn next_lane(&self, room: Limits) -> Option<Priority> {
        let is_bulks = self.express.is_empty()
            || (self.express_turns >= HIGH_PRIORITY_TURNS && !self.bulk.is_empty());
        let lane = if is_bulks { Priority::Low } else { Priority::High };
        let is_single = !is_bulks && self.taken.values().all(|taken| *taken == Priority::Low);
        let room = if is_single { room.single_change } else { room.usual };
        (self.taken.len() < room).then_some(lane)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn key(name: &str) -> Key {
        ("ns".to_owned(), name.to_owned())
    }

    fn queue(waiting: &[(&str, Priority)]) -> WriteQueue {
        let mut queue = WriteQueue::default();
        waiting.iter().for_each(|(name, lane)| queue.push(&key(name), *lane, None));
        queue
    }

    fn room(usual: usize) -> Limits {
        Limits { usual, single_change: usual + 1 }
    }

    fn order(queue: &mut WriteQueue) -> Vec<String> {
        let mut order = Vec::new();
        while let NextWrite::Of(key) = queue.take(room(1), Instant::now()) {
            queue.end(&key);
            order.push(key.1);
        }
        order
    }

    use Priority::{High, Low};

    #[test]
    fn a_single_change_passes_a_bulk() {
        let mut queue = queue(&[("a", Low), ("b", Low), ("c", Low), ("single", High)]);
        assert_eq!(order(&mut queue), ["single", "a", "b", "c"]);
    }

    #[test]
    fn many_single_changes_do_not_stop_a_bulk() {
        let singles: Vec<String> = (0..6).map(|number| number.to_string()).collect();
        let mut queue = queue(&[("a", Low), ("b", Low)]);
        singles.iter().for_each(|name| queue.push(&key(name), High, None));
        assert_eq!(order(&mut queue), ["0", "1", "2", "a", "3", "4", "5", "b"]);
    }

    #[test]
    fn who_waits_has_one_turn_and_may_move_up() {
        let mut queue = queue(&[("a", Low), ("b", Low), ("b", High), ("b", Low)]);
        assert_eq!(order(&mut queue), ["b", "a"]);
    }

    #[test]
    fn so_many_have_their_turn_at_once() {
        let mut queue = queue(&[("a", Low), ("b", Low), ("c", Low)]);
        let now = Instant::now();
        assert_eq!(queue.take(room(2), now), NextWrite::Of(key("a")));
        assert_eq!(queue.take(room(2), now), NextWrite::Of(key("b")));
        assert_eq!(queue.take(room(2), now), NextWrite::NotBefore(None), "two are enough");
        assert!(queue.has_turn(&key("a")));
        queue.end(&key("a"));
        assert_eq!(queue.take(room(2), now), NextWrite::Of(key("c")));
    }

    #[test]
    fn a_single_change_need_not_wait_until_one_of_a_bulk_has_ended() {
        let mut queue = queue(&[("a", Low), ("b", Low), ("c", Low)]);
        let now = Instant::now();
        assert_eq!(queue.take(room(2), now), NextWrite::Of(key("a")));
        assert_eq!(queue.take(room(2), now), NextWrite::Of(key("b")));
        queue.push(&key("single"), High, None);
        queue.push(&key("another"), High, None);
        assert_eq!(queue.take(room(2), now), NextWrite::Of(key("single")));
        assert_eq!(queue.take(room(2), now), NextWrite::NotBefore(None), "one more is enough");
        queue.end(&key("a"));
        assert_eq!(queue.take(room(2), now), NextWrite::NotBefore(None), "two are under way");
        queue.end(&key("b"));
        assert_eq!(queue.take(room(2), now), NextWrite::Of(key("another")));
    }

    #[test]
    fn who_rests_waits_for_its_instant() {
        let mut queue = WriteQueue::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(1);
        queue.push(&key("a"), Low, Some(later));
        assert_eq!(queue.take(room(1), now), NextWrite::NotBefore(Some(later)));
        assert_eq!(queue.take(room(1), later), NextWrite::Of(key("a")));
    }
}
