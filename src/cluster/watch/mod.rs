//! Follows the objects of one kind: lists them into a store, applies watch events, and reports the
//! changed objects to a [`WatchHandler`]. Does not know what the handler does with them, nor in
//! which form the store keeps an object ([`Stored`]).
//!
//! The store never returns to an older version: it discards a list that is older than a preceding
//! consistent read, and ignores an event that is older than the store. kube's own watcher gives no
//! such guarantee, because it lists from the cache of the API server, hides bookmarks and waits for
//! a response without a limit.

pub mod freshness;
mod source;

use std::collections::BTreeSet;
use std::time::Instant;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::WatchEvent;
use kube::runtime::reflector::{ObjectRef, Store, store::Writer};
use kube::runtime::watcher::{DefaultBackoff, Event};
use kube::{Api, Resource};

use self::freshness::{Freshness, MAX_SILENCE};
use self::source::{Events, RESPONSE_TIMEOUT, Source, View, WatchError};
use super::revision::Revision;
use crate::plan::{Cached, Kind, Raw};

/// The form in which a store keeps the objects of one kind.
pub trait Stored: Resource<DynamicType = ()> + Clone + Send + Sync + 'static {
    /// The kind of the objects.
    type Kind: Kind;

    /// Parses an object. `before` is its version in the store, whose unchanged parts can be reused.
    fn read(raw: Raw<Self::Kind>, before: Option<&Self>) -> Self;
}

impl<K: Kind> Stored for Cached<K> {
    type Kind = K;

    fn read(raw: Raw<K>, before: Option<&Self>) -> Self {
        Self::read(raw, before)
    }
}

/// Receiver of the reports of one watch. The watch waits for each method to return.
pub trait WatchHandler<S: Stored>: Send + 'static {
    /// An object was added or changed in the store.
    fn applied(&mut self, object: &S);
    /// An object was deleted from the store; `object` is its last version.
    fn deleted(&mut self, object: &S);
    /// A list, which was requested at the instant `began`, has replaced all objects of the store.
    /// Objects may have been deleted since the last list.
    fn relisted(&mut self, began: Instant);
    /// The first list has filled the store. The watch calls this method once, after
    /// [`relisted`](Self::relisted).
    fn filled(&mut self);
    /// The watch was interrupted, or could not begin. The watch logs the error.
    fn interrupted(&mut self);
}

/// Number of consecutive empty sessions after which all objects are listed again. A watch may stay
/// empty forever if the API server does not know its version, for example after a restore of etcd.
const MAX_EMPTY_SESSIONS: u32 = 3;

/// Watches a kind until the task is dropped, and resumes with a back-off after an interruption.
///
/// Statuses are not updated during an interruption; tools that read a status recognize expired
/// offers by `nextTransitionTime`.
pub async fn watch<S: Stored>(
    api: Api<Raw<S::Kind>>,
    store: Writer<S>,
    freshness: Freshness,
    handler: impl WatchHandler<S>,
) {
    let mut follower = Follower::new(api, store, freshness, handler);
    let mut backoff = DefaultBackoff::default();
    loop {
        let end = follower.session().await;
        if follower.ended(end) {
            // The back-off never ends, so the default is never used.
            tokio::time::sleep(backoff.next().unwrap_or(RESPONSE_TIMEOUT)).await;
        }
    }
}

/// Reason why a session ended without an error.
enum SessionEnd {
    /// The API server closed the watch, or the pages of a list are complete.
    Closed,
    /// The store is out of date, so all objects must be listed again.
    Behind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListMethod {
    /// A watch that begins with all objects, which saves memory in the controller and in the API
    /// server.
    Stream,
    Pages,
}

/// Follower of the objects of one kind. Each session is one list in pages, or one watch that may
/// begin with a list.
struct Follower<S: Stored, H: WatchHandler<S>> {
    source: Source<S::Kind>,
    store: Writer<S>,
    known: Store<S>,
    freshness: Freshness,
    handler: H,
    /// Version of the store, from which the next session continues; `None` if the next session must
    /// list all objects.
    version: Option<Revision>,
    /// Method of the next list. Each failed list switches to the other method.
    method: ListMethod,
    /// True if the last session ended with an error.
    is_interrupted: bool,
    /// True if the current session has received an object or a bookmark.
    has_received: bool,
    empty_sessions: u32,
    is_filled: bool,
}

impl<S: Stored, H: WatchHandler<S>> Follower<S, H> {
    fn new(api: Api<Raw<S::Kind>>, store: Writer<S>, freshness: Freshness, handler: H) -> Self {
        Self {
            source: Source::new(api, freshness.clone()),
            known: store.as_reader(),
            store,
            freshness,
            handler,
            version: None,
            method: ListMethod::Stream,
            is_interrupted: false,
            has_received: false,
            empty_sessions: 0,
            is_filled: false,
        }
    }

    /// Lists all objects or resumes the watch, and applies the events until the watch ends.
    async fn session(&mut self) -> Result<SessionEnd, WatchError> {
        self.has_received = false;
        let mut events = match &self.version {
            Some(version) => {
                // etcd may have been restored from a backup during the interruption.
                if self.is_interrupted && self.source.current().await?.is_before(version) {
                    return Ok(SessionEnd::Behind);
                }
                self.is_interrupted = false;
                self.source.watch(version).await?
            }
            None => match self.list().await? {
                Some(events) => events,
                None => return Ok(SessionEnd::Closed),
            },
        };
        loop {
            tokio::select! {
                event = self.source.next(&mut events, MAX_SILENCE) => match event {
                    Ok(Some(event)) => self.apply(event)?,
                    Ok(None) => return Ok(SessionEnd::Closed),
                    // A silent watch may be dead, or its kind may not have changed: the API server
                    // need not send bookmarks.
                    Err(WatchError::Silent(_)) => {
                        return Ok(match self.is_current().await? {
                            true => SessionEnd::Closed,
                            false => SessionEnd::Behind,
                        });
                    }
                    Err(error) => return Err(error),
                },
                () = self.freshness.is_requested() => {
                    if !self.is_current().await? {
                        return Ok(SessionEnd::Behind);
                    }
                }
            }
        }
    }

    /// Records the end of a session. Returns whether to wait before the next one.
    fn ended(&mut self, end: Result<SessionEnd, WatchError>) -> bool {
        self.empty_sessions = if self.has_received { 0 } else { self.empty_sessions + 1 };
        if self.empty_sessions >= MAX_EMPTY_SESSIONS {
            self.version = None;
        }
        match end {
            Ok(SessionEnd::Behind) => {
                self.version = None;
                false
            }
            Ok(SessionEnd::Closed) => !self.has_received,
            Err(error) => {
                self.is_interrupted = true;
                if error.requires_list() {
                    self.version = None;
                }
                self.handler.interrupted();
                tracing::warn!(kind = %S::Kind::kind(&()), %error, "the watch was interrupted");
                true
            }
        }
    }

    /// Lists all objects into the store. Returns the events that follow the list, if the method is
    /// [`ListMethod::Stream`].
    async fn list(&mut self) -> Result<Option<Events<S::Kind>>, WatchError> {
        let began = Instant::now();
        let request = self.freshness.requested();
        let stored = self.source.current().await?;
        self.store.apply_watcher_event(&Event::Init);
        let mut method = self.method;
        self.method = match method {
            ListMethod::Stream => ListMethod::Pages,
            ListMethod::Pages => ListMethod::Stream,
        };
        let (listed, events) = match method {
            ListMethod::Stream => match self.list_as_stream().await {
                Err(error) if error.is_unsupported() => {
                    tracing::debug!(kind = %S::Kind::kind(&()), %error, "streaming lists are not supported");
                    method = ListMethod::Pages;
                    (self.list_in_pages().await?, None)
                }
                streamed => streamed?,
            },
            ListMethod::Pages => (self.list_in_pages().await?, None),
        };
        if listed.is_before(&stored) {
            return Err(WatchError::Outdated { listed, stored });
        }
        self.method = method;
        self.has_received = true;
        self.version = Some(listed);
        self.store.apply_watcher_event(&Event::InitDone);
        self.handler.relisted(began);
        self.freshness.heard();
        self.freshness.proven(request);
        if !std::mem::replace(&mut self.is_filled, true) {
            self.handler.filled();
        }
        Ok(events)
    }

    async fn list_in_pages(&mut self) -> Result<Revision, WatchError> {
        let Self { source, store, known, .. } = self;
        source.read_all(View::Whole, |raw| add(store, known, raw)).await
    }

    async fn list_as_stream(&mut self) -> Result<(Revision, Option<Events<S::Kind>>), WatchError> {
        let mut events = self.source.watch_list().await?;
        loop {
            match self.source.next(&mut events, RESPONSE_TIMEOUT).await? {
                Some(WatchEvent::Added(raw) | WatchEvent::Modified(raw)) => {
                    add(&mut self.store, &self.known, raw);
                }
                Some(WatchEvent::Bookmark(mark)) => {
                    if mark.metadata.annotations.contains_key("k8s.io/initial-events-end") {
                        return Ok((mark.metadata.resource_version.into(), Some(events)));
                    }
                }
                Some(WatchEvent::Error(status)) => return Err(source::ended_by(status)),
                Some(WatchEvent::Deleted(_)) | None => return Err(WatchError::Incomplete),
            }
        }
    }

    fn apply(&mut self, event: WatchEvent<Raw<S::Kind>>) -> Result<(), WatchError> {
        let event = match event {
            WatchEvent::Bookmark(mark) => {
                self.advances_to(Some(mark.metadata.resource_version));
                return Ok(());
            }
            WatchEvent::Error(status) => return Err(source::ended_by(status)),
            WatchEvent::Added(raw) | WatchEvent::Modified(raw) => {
                Event::Apply(read(&self.known, raw))
            }
            WatchEvent::Deleted(raw) => Event::Delete(read(&self.known, raw)),
        };
        if let Event::Apply(object) | Event::Delete(object) = &event
            && self.advances_to(object.meta().resource_version.clone())
        {
            self.store.apply_watcher_event(&event);
            match &event {
                Event::Delete(_) => self.handler.deleted(object),
                _ => self.handler.applied(object),
            }
        }
        Ok(())
    }

    /// Advances the version of the store to that of an event. Returns false if the event is not
    /// newer than the store and must be ignored.
    fn advances_to(&mut self, version: Option<String>) -> bool {
        let Some(version) = version.map(Revision::from) else { return true };
        if self.version.as_ref().is_some_and(|own| version == *own || version.is_before(own)) {
            return false;
        }
        self.has_received = true;
        self.version = Some(version);
        true
    }

    /// Returns whether the store has the current version of every object; if so, also answers the
    /// requests for a proof.
    ///
    /// Compares the versions of all objects, because the version of the store does not advance
    /// while no object of its kind changes.
    async fn is_current(&mut self) -> Result<bool, WatchError> {
        let request = self.freshness.requested();
        let mut current = Vec::new();
        let version = self.source.read_all(View::Metadata, |raw| current.push(raw)).await?;
        if self.version.as_ref().is_some_and(|own| version.is_before(own)) {
            // The response is outdated, or etcd was restored from a backup. The next list shows
            // which of the two is true.
            return Ok(false);
        }
        let stored = self.known.state();
        let known: BTreeSet<_> = stored.iter().map(|object| identity(object.meta())).collect();
        let current: BTreeSet<_> = current.iter().map(|raw| identity(&raw.metadata)).collect();
        if known != current {
            return Ok(false);
        }
        self.version = Some(version);
        self.has_received = true;
        self.freshness.heard();
        self.freshness.proven(request);
        Ok(true)
    }
}

fn add<S: Stored>(store: &mut Writer<S>, known: &Store<S>, raw: Raw<S::Kind>) {
    store.apply_watcher_event(&Event::InitApply(read(known, raw)));
}

/// Parses an object, and reuses the unchanged parsed parts of its version in the store.
fn read<S: Stored>(known: &Store<S>, raw: Raw<S::Kind>) -> S {
    let name = raw.metadata.name.as_deref().unwrap_or_default();
    let reference = ObjectRef::new(name);
    let before = match &raw.metadata.namespace {
        Some(namespace) => known.get(&reference.within(namespace)),
        None => known.get(&reference),
    };
    S::read(raw, before.as_deref())
}

/// Returns the namespace, name and resourceVersion, which identify one version of an object.
fn identity(metadata: &ObjectMeta) -> [Option<&String>; 3] {
    [metadata.namespace.as_ref(), metadata.name.as_ref(), metadata.resource_version.as_ref()]
}
