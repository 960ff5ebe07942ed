//! Follows the objects of one kind: lists them into the store, applies watch events, and records
//! the changed objects in the change set.
//!
//! The store never returns to an older version: it discards a list that is older than a preceding
//! consistent read, and ignores an event that is older than the store. kube's own watcher gives no
//! such guarantee, because it lists from the cache of the API server, hides bookmarks and waits for
//! a response without a limit.

pub mod freshness;
mod source;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::WatchEvent;
use kube::runtime::reflector::{ObjectRef, Store, store::Writer};
use kube::runtime::watcher::{DefaultBackoff, Event};

use self::freshness::{Freshness, MAX_SILENCE};
use self::source::{Events, RESPONSE_TIMEOUT, Source, View, WatchError};
use super::change_set::{ChangeSet, StoreKind};
use super::health::Health;
use super::metrics::Metrics;
use super::revision::Revision;
use crate::plan::{Cached, Kind, Raw};

/// A kind whose changed objects a watch records in the change set.
pub trait Watched: Kind {
    /// The store that holds objects of this kind.
    const STORE_KIND: StoreKind;
}

impl Watched for crate::api::ClientFleet {
    const STORE_KIND: StoreKind = StoreKind::Fleets;
}

impl Watched for crate::api::UpgradePolicy {
    const STORE_KIND: StoreKind = StoreKind::Policies;
}

/// The parts of the controller that a watch reports to.
pub struct WatchContext {
    /// Change set in which the watch records the changed objects.
    pub change_set: Arc<ChangeSet>,
    /// Freshness of the store that the watch fills.
    pub freshness: Freshness,
    /// Health of the controller, including the number of stores that are still to be filled.
    pub health: Health,
    /// Metrics of the controller, including the number of interrupted watches.
    pub metrics: Arc<Metrics>,
}

/// Number of consecutive empty sessions after which all objects are listed again. A watch may stay
/// empty forever if the API server does not know its version, for example after a restore of etcd.
const MAX_EMPTY_SESSIONS: u32 = 3;

/// Watches a kind until the task is dropped, and resumes with a back-off after an interruption.
///
/// Statuses are not updated during an interruption; tools that read a status recognize expired
/// offers by `nextTransitionTime`.
pub async fn watch<K: Watched>(api: Api<Raw<K>>, store: Writer<Cached<K>>, context: WatchContext) {
    let mut follower = Follower::new(api, store, context);
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
struct Follower<K: Watched> {
    source: Source<K>,
    store: Writer<Cached<K>>,
    known: Store<Cached<K>>,
    context: WatchContext,
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

impl<K: Watched> Follower<K> {
    fn new(api: Api<Raw<K>>, store: Writer<Cached<K>>, context: WatchContext) -> Self {
        Self {
            source: Source::new(api, context.freshness.clone()),
            known: store.as_reader(),
            store,
            context,
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
                () = self.context.freshness.is_requested() => {
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
                self.context.metrics.interrupted(&K::kind(&()));
                tracing::warn!(kind = %K::kind(&()), %error, "the watch was interrupted");
                true
            }
        }
    }

    /// Lists all objects into the store. Returns the events that follow the list, if the method is
    /// [`ListMethod::Stream`].
    async fn list(&mut self) -> Result<Option<Events<K>>, WatchError> {
        let began = Instant::now();
        let request = self.context.freshness.requested();
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
                    tracing::debug!(kind = %K::kind(&()), %error, "streaming lists are not supported");
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
        // Objects may have been deleted since the last list, so record the whole store.
        self.context.change_set.relisted(K::STORE_KIND, began);
        self.context.freshness.heard();
        self.context.freshness.proven(request);
        if !std::mem::replace(&mut self.is_filled, true) && self.context.health.store_filled() {
            tracing::info!("stores are filled");
        }
        Ok(events)
    }

    async fn list_in_pages(&mut self) -> Result<Revision, WatchError> {
        let Self { source, store, known, .. } = self;
        source.read_all(View::Whole, |raw| add(store, known, raw)).await
    }

    async fn list_as_stream(&mut self) -> Result<(Revision, Option<Events<K>>), WatchError> {
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

    fn apply(&mut self, event: WatchEvent<Raw<K>>) -> Result<(), WatchError> {
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
            && self.advances_to(object.metadata.resource_version.clone())
        {
            self.store.apply_watcher_event(&event);
            self.context.change_set.object(K::STORE_KIND, object.key());
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
        let request = self.context.freshness.requested();
        let mut current = Vec::new();
        let version = self.source.read_all(View::Metadata, |raw| current.push(raw)).await?;
        if self.version.as_ref().is_some_and(|own| version.is_before(own)) {
            // The response is outdated, or etcd was restored from a backup. The next list shows
            // which of the two is true.
            return Ok(false);
        }
        let stored = self.known.state();
        let known: BTreeSet<_> = stored.iter().map(|object| identity(&object.metadata)).collect();
        let current: BTreeSet<_> = current.iter().map(|raw| identity(&raw.metadata)).collect();
        if known != current {
            return Ok(false);
        }
        self.version = Some(version);
        self.has_received = true;
        self.context.freshness.heard();
        self.context.freshness.proven(request);
        Ok(true)
    }
}

fn add<K: Watched>(store: &mut Writer<Cached<K>>, known: &Store<Cached<K>>, raw: Raw<K>) {
    store.apply_watcher_event(&Event::InitApply(read(known, raw)));
}

/// Parses an object, and reuses the unchanged parsed parts of its version in the store.
fn read<K: Watched>(known: &Store<Cached<K>>, raw: Raw<K>) -> Cached<K> {
    let name = raw.metadata.name.as_deref().unwrap_or_default();
    let reference = ObjectRef::new(name);
    let before = match &raw.metadata.namespace {
        Some(namespace) => known.get(&reference.within(namespace)),
        None => known.get(&reference),
    };
    Cached::read(raw, before.as_deref())
}

/// Returns the namespace, name and resourceVersion, which identify one version of an object.
fn identity(metadata: &ObjectMeta) -> [Option<&String>; 3] {
    [metadata.namespace.as_ref(), metadata.name.as_ref(), metadata.resource_version.as_ref()]
}
