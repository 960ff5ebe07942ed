//! Watches the objects of one kind. The watch fills the store, then records each changed object in
//! the change set.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use kube::Api;
use kube::api::WatchParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{ObjectRef, Store, reflector, store::Writer};
use kube::runtime::watcher::{self, Event, watcher};

use super::change_set::{ChangeSet, StoreKind};
use super::health::Health;
use super::metrics::Metrics;
use super::writing::WRITE_TIMEOUT;
use crate::plan::{Cached, Kind, Raw};

/// A kind of object that the controller watches.
pub trait Watched: Kind {
    /// Kind of the store that contains the objects.
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
    /// Health of the controller, including the number of stores that are still to be filled.
    pub health: Health,
    /// Metrics of the controller, including the number of interrupted watches.
    pub metrics: Arc<Metrics>,
}

/// Watches the objects of one kind until the task is dropped. After an interruption, the watch
/// resumes with a back-off.
///
/// During an interruption, the controller sees no changes, so statuses may become outdated. Tools
/// that read a status recognize expired offers by `nextTransitionTime`.
pub async fn watch<K: Watched>(
    api: Api<Raw<K>>,
    store: Writer<Cached<K>>,
    WatchContext { change_set: notes, health, metrics }: WatchContext,
) {
    let config = watcher::Config::default();
    let streams = streams_lists(&api).await;
    let config = if streams { config.streaming_lists() } else { config };
    let known = store.as_reader();
    let events = watcher(api, config).default_backoff();
    let events = events.map_ok(move |event| read(event, &known));
    let mut events = std::pin::pin!(reflector(store, events));
    let mut is_filled = false;
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(object) | Event::Delete(object)) => {
                notes.object(K::STORE_KIND, object.key());
            }
            // Record the whole store as changed, because a relist does not report the objects that
            // were deleted since the previous list.
            Ok(Event::InitDone) => {
                notes.relisted(K::STORE_KIND);
                if !std::mem::replace(&mut is_filled, true) && health.store_filled() {
                    tracing::info!("stores are filled");
                }
            }
            Ok(Event::Init | Event::InitApply(_)) => {}
            Err(error) => {
                metrics.interrupted(&K::kind(&()));
                tracing::warn!(kind = %K::kind(&()), %error, "the watch was interrupted");
            }
        }
    }
}

/// Parses the objects of a watch event. Parts that have not changed since the version in the store
/// are not parsed again.
fn read<K: Watched>(event: Event<Raw<K>>, known: &Store<Cached<K>>) -> Event<Cached<K>> {
    let read = |raw: Raw<K>| {
        let name = raw.metadata.name.as_deref().unwrap_or_default();
        let reference = ObjectRef::new(name);
        let before = match &raw.metadata.namespace {
            Some(namespace) => known.get(&reference.within(namespace)),
            None => known.get(&reference),
        };
        Cached::read(raw, before.as_deref())
    };
    match event {
        Event::Apply(raw) => Event::Apply(read(raw)),
        Event::Delete(raw) => Event::Delete(read(raw)),
        Event::Init => Event::Init,
        Event::InitApply(raw) => Event::InitApply(read(raw)),
        Event::InitDone => Event::InitDone,
    }
}

/// Returns whether to use streaming lists (`WatchList`, KEP-3157), which save memory in the
/// controller and in the API server.
///
/// An API server in which the feature is disabled rejects a request for a streaming list with
/// status 422, and kube's watcher would repeat this request forever. After any other error the
/// function returns true, since the watcher retries its requests.
async fn streams_lists<K: Watched>(api: &Api<Raw<K>>) -> bool {
    // Use a field selector that matches no object, so that the API server sends no objects.
    let probe = WatchParams::default().initial_events().timeout(1).fields("metadata.name=-");
    let answer = tokio::time::timeout(WRITE_TIMEOUT, api.watch_metadata(&probe, "")).await;
    !matches!(answer, Ok(Err(kube::Error::Api(status))) if status.code == 422)
}
