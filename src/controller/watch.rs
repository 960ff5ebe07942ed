//! A watch of one kind: fills the store and leaves notes, the store first.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use kube::Api;
use kube::api::WatchParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector::{ObjectRef, Store, reflector, store::Writer};
use kube::runtime::watcher::{self, Event, watcher};

use super::health::Health;
use super::metrics::Metrics;
use super::notes::{Notes, Which};
use super::writing::PATIENCE;
use crate::plan::{Kind, Observed, Raw};

/// A kind with its place in the notes.
pub trait Watched: Kind {
    /// Which store it is kept in.
    const WHICH: Which;
}

impl Watched for crate::api::ClientFleet {
    const WHICH: Which = Which::Fleets;
}

impl Watched for crate::api::UpgradePolicy {
    const WHICH: Which = Which::Policies;
}

/// Whom a watch tells.
pub struct Told {
    /// What was touched.
    pub notes: Arc<Notes>,
    /// That a store is filled.
    pub health: Health,
    /// Of interruptions.
    pub metrics: Arc<Metrics>,
}

/// Watches until the task is dropped. An interrupted watch is taken up again after a back-off; until
/// then the store stays as it was, and consumers tell by `nextTransitionTime` that an offer has run
/// out.
pub async fn watch<K: Watched>(
    api: Api<Raw<K>>,
    store: Writer<Observed<K>>,
    Told { notes, health, metrics }: Told,
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
                notes.object(K::WHICH, object.key());
            }
            // A relist tells what is there, not what has gone meanwhile.
            Ok(Event::InitDone) => {
                notes.relisted(K::WHICH);
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

/// Reads what has come, as far as the store does not have it already.
fn read<K: Watched>(event: Event<Raw<K>>, known: &Store<Observed<K>>) -> Event<Observed<K>> {
    let read = |raw: Raw<K>| {
        let name = raw.metadata.name.as_deref().unwrap_or_default();
        let reference = ObjectRef::new(name);
        let before = match &raw.metadata.namespace {
            Some(namespace) => known.get(&reference.within(namespace)),
            None => known.get(&reference),
        };
        Observed::read(raw, before.as_deref())
    };
    match event {
        Event::Apply(raw) => Event::Apply(read(raw)),
        Event::Delete(raw) => Event::Delete(read(raw)),
        Event::Init => Event::Init,
        Event::InitApply(raw) => Event::InitApply(read(raw)),
        Event::InitDone => Event::InitDone,
    }
}

/// Whether the API server streams lists (`WatchList`, KEP-3157), which spares both sides the memory of
/// whole ones. One that has it switched off calls the request invalid, and kube's watcher would repeat
/// it for ever; a request that fails otherwise says nothing, and is repeated with good reason.
async fn streams_lists<K: Watched>(api: &Api<Raw<K>>) -> bool {
    // No object has such a name, so that nothing is sent.
    let probe = WatchParams::default().initial_events().timeout(1).fields("metadata.name=-");
    let answer = tokio::time::timeout(PATIENCE, api.watch_metadata(&probe, "")).await;
    !matches!(answer, Ok(Err(kube::Error::Api(status))) if status.code == 422)
}
