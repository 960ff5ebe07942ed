//! Stores the pending status writes for objects of one kind: the last planned status of each
//! object.
//!
//! Remembers the writes of this process until the watch shows them, to prevent duplicate writes,
//! and conflicts with the previous write of the same object.

mod attempt;
mod entry;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::Stream;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;

pub use self::attempt::{StatusWrite, WriteAttempt};

use self::entry::{Entry, LastWrite, MAX_SUPERSEDED};
use super::change_set::Key;
use super::events::Announced;
use super::metrics::{Backlog, Backlogged};
use super::write_limit::WriteLimit;
use super::write_queue::{NextWrite, Priority, WriteQueue};
use crate::plan::{Cached, Planned};

/// The pending status writes for objects of one kind.
#[derive(Debug)]
pub struct Outbox<K: Announced> {
    state: Mutex<OutboxState<K>>,
    changed: Notify,
    /// Notified when the outcome of an attempt becomes known.
    judged: Notify,
    /// Notified when an object stops being outdated although no watch event follows.
    caught_up: Notify,
    /// Notified when [`OutboxState::accepted`] or [`OutboxState::is_drained`] changes.
    changed_accepted: Notify,
    /// Minimum time between two writes of the same object.
    pace: Duration,
}

#[derive(Debug)]
struct OutboxState<K: Announced> {
    entries: HashMap<Key, Entry<K>>,
    queue: WriteQueue,
    limit: WriteLimit,
    /// Accepted writes that are still to be announced.
    accepted: VecDeque<Planned<K>>,
    is_closed: bool,
    /// True after the outbox was closed and its last write has ended.
    is_drained: bool,
}

/// Maximum number of unacknowledged attempts per object, and of late ones. If there are more, the
/// oldest is dropped.
const MAX_UNACKNOWLEDGED: usize = 4;

impl<K: Announced> Outbox<K> {
    /// Creates an empty outbox. `pace` is the minimum time between two writes of the same object,
    /// and `most` is the maximum number of concurrent writes.
    #[must_use]
    pub fn new(pace: Duration, most: u16) -> Arc<Self> {
        let state = OutboxState {
            entries: HashMap::new(),
            queue: WriteQueue::default(),
            limit: WriteLimit::new(most),
            accepted: VecDeque::new(),
            is_closed: false,
            is_drained: false,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            changed: Notify::new(),
            caught_up: Notify::new(),
            changed_accepted: Notify::new(),
            judged: Notify::new(),
            pace,
        })
    }

    fn state(&self) -> MutexGuard<'_, OutboxState<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a stream of the objects to write, which yields an object only while the write limit
    /// allows another concurrent write, and ends when the outbox is closed.
    ///
    /// The stream must have only one reader, which must call [`end`](Self::end) after each write.
    pub fn queue(self: Arc<Self>) -> impl Stream<Item = ObjectRef<Cached<K>>> {
        futures::stream::unfold(self, move |outbox| async move {
            loop {
                let turn = {
                    let mut state = outbox.state();
                    if state.is_closed {
                        return None;
                    }
                    state.take()
                };
                match turn {
                    NextWrite::Of((namespace, name)) => {
                        return Some((ObjectRef::new(&name).within(&namespace), outbox));
                    }
                    NextWrite::NotBefore(None) => outbox.changed.notified().await,
                    NextWrite::NotBefore(Some(instant)) => {
                        let rest = tokio::time::sleep_until(instant.into());
                        tokio::select! {
                            () = outbox.changed.notified() => {}
                            () = rest => {}
                        }
                    }
                }
            }
        })
    }

    /// Records that the write of an object has ended, whether it succeeded or failed.
    pub fn end(&self, key: &Key) {
        let mut state = self.state();
        state.queue.end(key);
        let entry = state.entries.get_mut(key);
        let is_open = entry.is_some_and(|entry| {
            entry.is_in_flight = false;
            entry.clear_if_done();
            if !entry.is_outdated() {
                self.caught_up.notify_one();
            }
            std::mem::take(&mut entry.must_write_again)
        });
        if is_open {
            state.enqueue(key, self.pace);
        }
        if state.queue.are_empty() {
            state.limit.reset();
        }
        self.changed.notify_one();
    }

    /// Accepts a planned status. Returns true if the status is queued for a new write or replaces a
    /// pending one, and false if no new write is needed.
    pub fn post(&self, planned: &Planned<K>) -> bool {
        let key = planned.cached.key();
        let mut state = self.state();
        let entry = state.entries.entry(key.clone()).or_insert_with(|| Entry::of(planned));
        if entry.uid != planned.cached.metadata.uid {
            // Start with a new entry: the object was deleted and created again before the planning
            // loop ran.
            *entry = Entry::of(planned);
        }
        // While a write is in flight, the stored status is unknown, so `end` checks later whether
        // another write is needed.
        if !entry.is_in_flight && entry.is_done(planned) {
            entry.clear_pending();
            return false;
        }
        let version = &planned.cached.metadata.resource_version;
        let is_waiting = entry.pending.as_ref().is_some_and(|pending| {
            pending.digest == planned.digest && pending.cached.metadata.resource_version == *version
        });
        if is_waiting {
            return false;
        }
        let mut planned = planned.clone();
        if let Some(before) = entry.pending.take() {
            // Keep the causes of the replaced write, because the new write includes its changes.
            planned.trigger.causes.extend(before.trigger.causes);
        }
        entry.pending = Some(planned);
        entry.since.get_or_insert_with(Instant::now);
        entry.failures = 0;
        state.enqueue(&key, self.pace);
        self.changed.notify_one();
        true
    }

    /// Returns the pending status write of an object; `None` if there is none, if the previous
    /// write has made it unnecessary, or if the outbox is closed.
    #[must_use]
    pub fn next(&self, key: &Key) -> Option<StatusWrite<K>> {
        let mut state = self.state();
        if state.is_closed {
            return None;
        }
        let entry = state.entries.get_mut(key)?;
        entry.clear_if_done();
        let planned = entry.pending.clone()?;
        let planned_from = &planned.cached.metadata.resource_version;
        let own = entry.last_write.as_ref().filter(|last| last.supersedes(planned_from));
        let resource_version = own.map_or(planned_from, |last| &last.written).clone();
        let own = own.and_then(|last| entry.status_of(last));
        entry.is_in_flight = true;
        Some(StatusWrite { planned, resource_version, own, sent: Instant::now() })
    }

    /// Records that an attempt is about to be sent. From now on, a watch event may show its status.
    pub fn sending(&self, attempt: &WriteAttempt<K>) {
        let mut state = self.state();
        let Some(entry) = state.entry_of(&attempt.write.planned.cached) else { return };
        if entry.shown.is_some() && !attempt.supersedes(entry.shown_version()) {
            // The store already shows a newer version than the one to replace, so the write will
            // get a conflict.
            return;
        }
        let digest = K::digest(&attempt.status);
        let is_same = |earlier: &mut WriteAttempt<K>| K::digest(&earlier.status) == digest;
        if entry.unacknowledged.extract_if(.., is_same).count() > 0 {
            attempt.repeat_doubtful();
        }
        if entry.unacknowledged.len() == MAX_UNACKNOWLEDGED {
            entry.unacknowledged.remove(0);
        }
        entry.unacknowledged.push(attempt.clone());
    }

    /// Records that the API server has accepted an attempt and returned the resourceVersion `made`.
    /// Returns false if a watch event has already shown the attempt.
    pub fn written(&self, attempt: &WriteAttempt<K>, made: Option<String>) -> bool {
        let planned = &attempt.write.planned;
        let status = K::Status::clone(&attempt.status);
        let said = Arc::new(K::retain_status(status, planned.cached.spec.as_ref().ok()));
        let is_news = attempt.accept();
        let mut state = self.state();
        let Some(entry) = state.entry_of(&planned.cached) else { return is_news };
        let now = Instant::now();
        entry.failures = 0;
        entry.written_at = Some(now);
        let unacknowledged = std::mem::take(&mut entry.unacknowledged);
        // A write that changes nothing creates no version, and no event follows it.
        let is_changed = made != attempt.write.resource_version;
        if is_changed {
            entry.late.clear();
        } else {
            entry.late.extend(unacknowledged.into_iter().filter(|other| !other.is_accepted()));
            let excess = entry.late.len().saturating_sub(MAX_UNACKNOWLEDGED);
            entry.late.drain(..excess);
        }
        self.judged.notify_one();
        let planned_from = planned.cached.metadata.resource_version.clone();
        let mut superseded = match entry.last_write.take() {
            // Keep the versions that the previous write of this process superseded. The plan was
            // made before the store showed that write, so the store may still show one of these
            // versions.
            Some(last)
                if last.written != planned_from
                    && last.written == attempt.write.resource_version =>
            {
                last.superseded.into_iter().chain([last.written]).collect()
            }
            _ => vec![planned_from],
        };
        let shown = entry.shown_version();
        let is_to_be_shown =
            is_changed && shown.is_none_or(|shown| superseded.contains(&Some(shown.clone())));
        // If the list is too long, drop the oldest versions except the first, which the store may
        // still show.
        superseded.drain(1..=superseded.len().saturating_sub(MAX_SUPERSEDED));
        let is_acknowledged = made.is_some() && shown == made.as_ref();
        entry.last_write = Some(LastWrite {
            superseded,
            written: made,
            digest: planned.digest,
            written_status: Some(said).filter(|_| is_to_be_shown),
            sent: Some(attempt.write.sent).filter(|_| is_to_be_shown),
        });
        entry.clear_pending_if(attempt);
        if is_acknowledged {
            state.acknowledged(attempt.write.sent, now);
        }
        if is_news {
            self.queue_announcement(&mut state, planned);
        }
        is_news
    }

    fn queue_announcement(&self, state: &mut OutboxState<K>, accepted: &Planned<K>) {
        state.accepted.push_back(accepted.clone());
        self.changed_accepted.notify_one();
    }

    /// Records that the API server has rejected an attempt, so no watch event can show its status.
    pub fn refused(&self, attempt: &WriteAttempt<K>) {
        if let Some(entry) = self.state().entry_of(&attempt.write.planned.cached) {
            if !attempt.repeats_doubtful() {
                entry.unacknowledged.retain(|other| !other.is_same_as(attempt));
            }
            self.judged.notify_one();
        }
    }

    /// Records that an attempt got no response, which may lower the write limit.
    pub fn unanswered(&self, attempt: &WriteAttempt<K>) {
        self.state().limit.unanswered(attempt.write.sent, Instant::now());
    }

    /// Records the version of an object that the store shows now. Returns the unacknowledged
    /// attempt that created this version, if there is one.
    pub fn seen(&self, observed: &Arc<Cached<K>>) -> Option<WriteAttempt<K>> {
        let mut state = self.state();
        let entry = state.entry_of(observed)?;
        let shown = &observed.metadata.resource_version;
        entry.shown = Some(Arc::clone(observed));
        let mut sent = None;
        if let Some(last) = entry.last_write.as_mut().filter(|last| !last.supersedes(shown)) {
            last.written_status = None;
            sent = last.sent.take().filter(|_| last.written == *shown);
        }
        let is_judged = |attempt: &mut WriteAttempt<K>| !attempt.supersedes(shown.as_ref());
        let mut judged: Vec<WriteAttempt<K>> =
            entry.unacknowledged.extract_if(.., is_judged).collect();
        judged.extend(entry.late.extract_if(.., is_judged));
        self.judged.notify_one();
        if entry.pending.as_ref().is_some_and(|pending| observed.status_equals(pending.digest))
            && !entry.last_write.as_ref().is_some_and(|last| last.supersedes(shown))
        {
            // Another writer, such as the previous leader, has written the planned status.
            entry.clear_pending();
        }
        let mut judged = judged.into_iter();
        let written = judged.find(|attempt| observed.status_equals(K::digest(&attempt.status)));
        if let Some(written) = &written {
            entry.clear_pending_if(written);
        }
        let written = written.filter(WriteAttempt::accept);
        if let Some(written) = &written {
            self.queue_announcement(&mut state, &written.write.planned);
        }
        if let Some(sent) = sent {
            state.acknowledged(sent, Instant::now());
            self.changed.notify_one();
        }
        written
    }

    /// Returns the objects whose current status the store may not show: a write is pending, being
    /// sent or unacknowledged, or the store does not show the last write yet.
    #[must_use]
    pub fn outdated(&self) -> BTreeSet<Key> {
        let state = self.state();
        let outdated = state.entries.iter().filter(|(_, entry)| entry.is_outdated());
        outdated.map(|(key, _)| key.clone()).collect()
    }

    /// Waits until a write has left its object up to date, so that [`outdated`](Self::outdated) may
    /// return fewer objects; there must be only one caller at a time.
    ///
    /// The planning loop cannot rely on watch events alone, because none follows a write that
    /// changes nothing.
    pub async fn caught_up(&self) {
        self.caught_up.notified().await;
    }

    /// Waits for the next accepted write that is still to be announced; there must be only one
    /// caller at a time.
    ///
    /// Returns `None` once the outbox is closed and all accepted writes have been announced.
    pub async fn next_accepted(&self) -> Option<Planned<K>> {
        loop {
            {
                let mut state = self.state();
                if let Some(accepted) = state.accepted.pop_front() {
                    return Some(accepted);
                }
                if state.is_drained {
                    return None;
                }
            }
            self.changed_accepted.notified().await;
        }
    }

    /// Records a failed attempt to write an object. Returns the number of consecutive failures.
    pub fn failed(&self, key: &Key) -> u32 {
        self.state().entries.get_mut(key).map_or(0, |entry| {
            entry.failures = entry.failures.saturating_add(1);
            entry.failures
        })
    }

    /// Returns the last announced state of an object: the state that was last logged and published
    /// as events.
    #[must_use]
    pub fn announced(&self, object: &Cached<K>) -> Option<K::Announcement> {
        self.state().entry_of(object)?.announced.clone()
    }

    /// Records the announced state of an object: the state that was last logged and published as
    /// events.
    pub(crate) fn record_announced(&self, object: &Cached<K>, announcement: K::Announcement) {
        if let Some(entry) = self.state().entry_of(object) {
            entry.announced = Some(announcement);
        }
    }

    /// Closes the outbox: the stream of [`queue`](Self::queue) ends, and no further write starts.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_one();
    }

    /// Waits until the outcome of every attempt is known.
    pub async fn acknowledged(&self) {
        while self.unacknowledged() > 0 {
            self.judged.notified().await;
        }
    }

    /// Returns the number of objects with an attempt whose outcome is unknown.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        let state = self.state();
        state.entries.values().filter(|entry| !entry.unacknowledged.is_empty()).count()
    }

    /// Records that the last write has ended after the outbox was closed.
    pub(super) fn drained(&self) {
        self.state().is_drained = true;
        self.changed_accepted.notify_one();
    }

    /// Forgets the writes that were answered before the instant `began`, when a list of all objects
    /// was requested.
    ///
    /// The store now shows these writes, unless etcd was restored from a backup without them.
    pub fn relisted(&self, began: Instant) {
        for entry in self.state().entries.values_mut() {
            let is_older = entry.written_at.is_some_and(|written| written < began);
            if is_older && !entry.is_in_flight {
                entry.last_write = None;
            }
        }
    }

    /// Removes the entry of a deleted object.
    pub fn forget(&self, key: &Key) {
        self.state().entries.remove(key);
        self.judged.notify_one();
    }
}

impl<K: Announced> OutboxState<K> {
    /// Returns the entry of `object`; `None` if there is none, or if the entry belongs to a deleted
    /// or newer object with the same name.
    fn entry_of(&mut self, object: &Cached<K>) -> Option<&mut Entry<K>> {
        self.entries.get_mut(&object.key()).filter(|entry| entry.uid == object.metadata.uid)
    }

    fn take(&mut self) -> NextWrite {
        let turn = self.queue.take(self.limit.room(), Instant::now());
        if let NextWrite::Of(key) = &turn
            && let Some(entry) = self.entries.get_mut(key)
        {
            entry.must_write_again = false;
        }
        turn
    }

    /// Reports the round trip of a write to the write limit: the time from sending the write to its
    /// watch event.
    fn acknowledged(&mut self, sent: Instant, now: Instant) {
        self.limit.acknowledged(sent, now, self.queue.has_waiting());
    }

    /// Queues an object, or marks it for another write if it is being written.
    fn enqueue(&mut self, key: &Key, pace: Duration) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let Some(planned) = &entry.pending else { return };
        if entry.is_in_flight || self.queue.has_turn(key) {
            entry.must_write_again = true;
            return;
        }
        let lane = if planned.trigger.is_shared() { Priority::Low } else { Priority::High };
        let rests_until = entry.written_at.map(|written| written + pace);
        self.queue.push(key, lane, rests_until.filter(|until| *until > Instant::now()));
    }
}

impl<K: Announced> Backlogged for Outbox<K> {
    fn backlog(&self) -> Backlog {
        let state = self.state();
        let waiting = state.entries.values().filter_map(|entry| entry.since);
        let empty = Backlog { window: state.limit.size() as u64, ..Backlog::default() };
        waiting.fold(empty, |backlog, since| Backlog {
            depth: backlog.depth + 1,
            oldest: backlog.oldest.max(since.elapsed()),
            ..backlog
        })
    }
}
