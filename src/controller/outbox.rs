//! What is still to be written of one kind: for each object the status that was planned last.
//!
//! It knows of the writes that the watch has not yet told of, so that nothing is written twice and
//! no write meets a version that is its own predecessor.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures::Stream;
use kube::runtime::reflector::ObjectRef;
use tokio::sync::Notify;

use super::events::Announced;
use super::lanes::{Lane, Lanes, Turn};
use super::metrics::{Backlog, Backlogged};
use super::notes::Key;
use super::window::Window;
use crate::plan::observed::Digest;
use crate::plan::{Draftable, Observed, Planned};

/// The statuses that are to be written.
#[derive(Debug)]
pub struct Outbox<K: Announced> {
    state: Mutex<State<K>>,
    changed: Notify,
    /// An object is not written again before so long after its last write.
    pace: Duration,
}

#[derive(Debug)]
struct State<K: Announced> {
    entries: HashMap<Key, Entry<K>>,
    lanes: Lanes,
    window: Window,
    is_closed: bool,
}

#[derive(Debug)]
struct Entry<K: Announced> {
    uid: Option<String>,
    /// The version that the store was seen to show last.
    shown: Option<String>,
    /// The status that it showed then.
    shown_digest: Option<Digest>,
    /// What is to be written; `None` when nothing is.
    pending: Option<Planned<K>>,
    /// Since when something is.
    since: Option<Instant>,
    last_write: Option<LastWrite<K>>,
    /// When that was.
    written_at: Option<Instant>,
    /// Whether more was posted while it has its turn.
    is_to_have_another: bool,
    /// Tries of which nobody knows whether the API server has taken them, on the same version.
    doubtful: Vec<Attempt<K>>,
    /// Failed tries in a row, for the back-off.
    failures: u32,
    /// What was announced last: the store may not show yet the status that said so.
    told: Option<K::Told>,
}

/// An own write that the store may not show yet.
#[derive(Clone, Debug)]
struct LastWrite<K: Draftable> {
    /// The version that the store shows until the watch has told of the write.
    base: Option<String>,
    /// The version that the write made.
    written: Option<String>,
    digest: Digest,
    /// What it said, until the store shows it.
    said: Option<Arc<K::Previous>>,
    /// When it was sent, until the watch has told of it.
    sent: Option<Instant>,
}

/// A status to write, and the version that it must replace.
#[derive(Clone, Debug)]
pub struct Letter<K: Draftable> {
    /// The object with its planned status.
    pub planned: Planned<K>,
    /// The version that is to be replaced.
    pub resource_version: Option<String>,
    /// What that version says, where it is an own write that the store does not show yet.
    own: Option<Arc<K::Previous>>,
    /// When it was handed out.
    sent: Instant,
}

impl<K: Draftable> Letter<K> {
    /// The status that is to be replaced.
    #[must_use]
    pub fn replaces(&self) -> Option<&K::Previous> {
        let shown = || Some(&*self.planned.observed.previous.as_ref()?.kept);
        self.own.as_deref().or_else(shown)
    }
}

/// A try to write.
#[derive(Clone, Debug)]
pub struct Attempt<K: Draftable> {
    /// What was to be written.
    pub letter: Letter<K>,
    /// The status that was sent: the planned one, or less of it.
    pub status: Arc<K::Status>,
}

impl<K: Draftable> Attempt<K> {
    /// Whether a version is one that it was to replace, or came before that.
    fn is_newer_than(&self, version: Option<&String>) -> bool {
        let planned_from = self.letter.planned.observed.metadata.resource_version.as_ref();
        version == self.letter.resource_version.as_ref() || version == planned_from
    }
}

/// Of more tries in a row that nobody has answered the first are forgotten.
const MOST_DOUBTS: usize = 4;

impl<K: Announced> Outbox<K> {
    /// An empty outbox, in which no object is to be written more than once in `pace`, and no more
    /// than `most` at once.
    #[must_use]
    pub fn new(pace: Duration, most: u16) -> Arc<Self> {
        let state = State {
            entries: HashMap::new(),
            lanes: Lanes::default(),
            window: Window::new(most),
            is_closed: false,
        };
        Arc::new(Self { state: Mutex::new(state), changed: Notify::new(), pace })
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The objects that have something to write, as their turn comes: as many at once as the window
    /// has, of which each is to [end](Self::end). Ends when the outbox is closed. For one reader.
    pub fn queue(self: Arc<Self>) -> impl Stream<Item = ObjectRef<Observed<K>>> {
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
                    Turn::Of((namespace, name)) => {
                        return Some((ObjectRef::new(&name).within(&namespace), outbox));
                    }
                    Turn::NotBefore(None) => outbox.changed.notified().await,
                    Turn::NotBefore(Some(instant)) => {
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

    /// Notes that an object's turn has ended, whatever came of it.
    pub fn end(&self, key: &Key) {
        let mut state = self.state();
        state.lanes.end(key);
        let entry = state.entries.get_mut(key);
        if entry.is_some_and(|entry| std::mem::take(&mut entry.is_to_have_another)) {
            state.line_up(key, self.pace);
        }
        if state.lanes.are_empty() {
            state.window.rest();
        }
        self.changed.notify_one();
    }

    /// Takes a planned status. Returns whether a write is owed that was not owed before.
    pub fn post(&self, planned: &Planned<K>) -> bool {
        let key = planned.observed.key();
        let mut state = self.state();
        let entry = state.entries.entry(key.clone()).or_insert_with(|| Entry::of(planned));
        if entry.uid != planned.observed.metadata.uid {
            // It was deleted and made anew before anybody looked.
            *entry = Entry::of(planned);
        }
        if entry.is_done(planned) {
            entry.settle();
            return false;
        }
        let version = &planned.observed.metadata.resource_version;
        let is_waiting = entry.pending.as_ref().is_some_and(|pending| {
            pending.digest == planned.digest
                && pending.observed.metadata.resource_version == *version
        });
        if is_waiting {
            return false;
        }
        let mut planned = planned.clone();
        if let Some(before) = entry.pending.take() {
            // It is written for these causes too.
            planned.occasion.causes.extend(before.occasion.causes);
        }
        entry.pending = Some(planned);
        entry.since.get_or_insert_with(Instant::now);
        entry.failures = 0;
        state.line_up(&key, self.pace);
        self.changed.notify_one();
        true
    }

    /// What is to be written for an object now; nothing any more once the outbox is closed.
    #[must_use]
    pub fn next(&self, key: &Key) -> Option<Letter<K>> {
        let state = self.state();
        let entry = state.entries.get(key).filter(|_| !state.is_closed)?;
        let planned = entry.pending.clone()?;
        let shown = &planned.observed.metadata.resource_version;
        let own = entry.last_write.as_ref().filter(|last| last.base == *shown);
        let resource_version = own.map_or(shown, |last| &last.written).clone();
        let own = own.and_then(|last| last.said.clone());
        Some(Letter { planned, resource_version, own, sent: Instant::now() })
    }

    /// Notes that a status was written, and which version that made.
    pub fn written(&self, attempt: &Attempt<K>, made: Option<String>) {
        let planned = &attempt.letter.planned;
        let status = K::Status::clone(&attempt.status);
        let said = Arc::new(K::keep(status, planned.observed.spec.as_ref().ok()));
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(&planned.observed.key()) else { return };
        let now = Instant::now();
        entry.failures = 0;
        entry.written_at = Some(now);
        entry.doubtful.clear();
        let base = planned.observed.metadata.resource_version.clone();
        // Else the watch was faster than the answer, and the store has it all.
        let is_to_be_shown = entry.shown.is_none() || entry.shown == base;
        let is_told_of = made.is_some() && entry.shown == made;
        entry.last_write = Some(LastWrite {
            base,
            written: made,
            digest: planned.digest,
            said: Some(said).filter(|_| is_to_be_shown),
            sent: Some(attempt.letter.sent).filter(|_| is_to_be_shown),
        });
        if entry.pending.as_ref().is_some_and(|pending| pending.digest == planned.digest) {
            entry.settle();
        }
        if is_told_of {
            state.told(attempt.letter.sent, now);
        }
    }

    /// Notes that nobody knows whether the API server has taken a status: the watch will tell.
    /// Returns the version that it made where the watch has told already.
    pub fn doubt(&self, attempt: &Attempt<K>) -> Option<String> {
        let mut state = self.state();
        state.window.lost(attempt.letter.sent, Instant::now());
        let entry = state.entries.get_mut(&attempt.letter.planned.observed.key())?;
        let digest = Digest::of(&*attempt.status);
        if entry.shown_digest == Some(digest) && !attempt.is_newer_than(entry.shown.as_ref()) {
            entry.settle_if(attempt);
            return entry.shown.clone();
        }
        entry.doubtful.retain(|doubted| Digest::of(&*doubted.status) != digest);
        if entry.doubtful.len() == MOST_DOUBTS {
            entry.doubtful.remove(0);
        }
        entry.doubtful.push(attempt.clone());
        None
    }

    /// Takes note of what the store shows of an object now. Returns the try that has turned out to
    /// be written after all, if that is what it shows.
    pub fn seen(&self, observed: &Observed<K>) -> Option<Attempt<K>> {
        let mut state = self.state();
        let entry = state.entries.get_mut(&observed.key())?;
        let shown = &observed.metadata.resource_version;
        entry.shown.clone_from(shown);
        entry.shown_digest = observed.previous.as_ref().map(|previous| previous.digest);
        let mut sent = None;
        if let Some(last) = entry.last_write.as_mut().filter(|last| last.base != *shown) {
            last.said = None;
            sent = last.sent.take().filter(|_| last.written == *shown);
        }
        let is_judged = |attempt: &mut Attempt<K>| !attempt.is_newer_than(shown.as_ref());
        let judged: Vec<Attempt<K>> = entry.doubtful.extract_if(.., is_judged).collect();
        let mut judged = judged.into_iter();
        let written = judged.find(|attempt| observed.says(Digest::of(&*attempt.status)));
        if let Some(written) = &written {
            entry.settle_if(written);
        }
        if let Some(sent) = sent {
            state.told(sent, Instant::now());
            self.changed.notify_one();
        }
        written
    }

    /// Notes that a status cannot be written to the version that the store shows: what is to be
    /// written is planned again when the watch tells of the newer one.
    pub fn overtaken(&self, planned: &Planned<K>) {
        let mut state = self.state();
        let Some(entry) = state.entries.get_mut(&planned.observed.key()) else { return };
        entry.last_write = None;
        if entry
            .pending
            .as_ref()
            .is_some_and(|pending| Arc::ptr_eq(&pending.observed, &planned.observed))
        {
            entry.settle();
        }
    }

    /// Notes a failed try. Returns how many there have been in a row.
    pub fn failed(&self, key: &Key) -> u32 {
        self.state().entries.get_mut(key).map_or(0, |entry| {
            entry.failures = entry.failures.saturating_add(1);
            entry.failures
        })
    }

    /// What was announced of an object last.
    #[must_use]
    pub fn told(&self, key: &Key) -> Option<K::Told> {
        self.state().entries.get(key)?.told.clone()
    }

    /// Notes what was announced of an object.
    pub fn note_told(&self, key: &Key, told: K::Told) {
        if let Some(entry) = self.state().entries.get_mut(key) {
            entry.told = Some(told);
        }
    }

    /// Ends the queue: what is not being written yet is not written any more.
    pub fn close(&self) {
        self.state().is_closed = true;
        self.changed.notify_one();
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, key: &Key) {
        self.state().entries.remove(key);
    }
}

impl<K: Announced> State<K> {
    /// Whose turn it is now.
    fn take(&mut self) -> Turn {
        let turn = self.lanes.take(self.window.room(), Instant::now());
        if let Turn::Of(key) = &turn
            && let Some(entry) = self.entries.get_mut(key)
        {
            entry.is_to_have_another = false;
        }
        turn
    }

    /// The watch tells of an own write.
    fn told(&mut self, sent: Instant, now: Instant) {
        self.window.told(sent, now, self.lanes.has_waiting());
    }

    /// Has an object wait for its turn, or for another if it has one.
    fn line_up(&mut self, key: &Key, pace: Duration) {
        let Some(entry) = self.entries.get_mut(key) else { return };
        let Some(planned) = &entry.pending else { return };
        if self.lanes.has_turn(key) {
            entry.is_to_have_another = true;
            return;
        }
        let lane = if planned.occasion.is_shared() { Lane::Bulk } else { Lane::Express };
        let rests_until = entry.written_at.map(|written| written + pace);
        self.lanes.push(key, lane, rests_until.filter(|until| *until > Instant::now()));
    }
}

impl<K: Announced> Entry<K> {
    fn of(planned: &Planned<K>) -> Self {
        let uid = planned.observed.metadata.uid.clone();
        Self {
            uid,
            shown: None,
            shown_digest: None,
            pending: None,
            since: None,
            last_write: None,
            written_at: None,
            is_to_have_another: false,
            doubtful: Vec::new(),
            failures: 0,
            told: None,
        }
    }

    /// What was tried is written: if it is what was to be written, nothing is any more.
    fn settle_if(&mut self, written: &Attempt<K>) {
        let digest = written.letter.planned.digest;
        if self.pending.as_ref().is_some_and(|pending| pending.digest == digest) {
            self.settle();
        }
    }

    /// Nothing is to be written any more.
    fn settle(&mut self) {
        self.pending = None;
        self.since = None;
    }

    /// Whether the cluster says what is planned, as far as the store shows it, or will once the watch
    /// tells of the last own write.
    fn is_done(&self, planned: &Planned<K>) -> bool {
        let shown = &planned.observed.metadata.resource_version;
        match self.last_write.as_ref().filter(|last| last.base == *shown) {
            Some(last) => last.digest == planned.digest,
            None => planned.is_settled(),
        }
    }
}

impl<K: Announced> Backlogged for Outbox<K> {
    fn backlog(&self) -> Backlog {
        let state = self.state();
        let waiting = state.entries.values().filter_map(|entry| entry.since);
        let empty = Backlog { window: state.window.size() as u64, ..Backlog::default() };
        waiting.fold(empty, |backlog, since| Backlog {
            depth: backlog.depth + 1,
            oldest: backlog.oldest.max(since.elapsed()),
            ..backlog
        })
    }
}
