//! A watch of one kind: fills the store and leaves notes, the store first.

use std::sync::Arc;

use futures::StreamExt;
use kube::Api;
use kube::runtime::reflector::{reflector, store::Writer};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::WatchStreamExt;

use super::notes::{Notes, Which};
use crate::plan::{Kind, Observed};

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

/// Watches until the task is dropped. An interrupted watch is taken up again after a back-off; until
/// then the store stays as it was, and consumers tell by `nextTransitionTime` that an offer has run
/// out.
pub async fn watch<K: Watched>(
    api: Api<Observed<K>>,
    store: Writer<Observed<K>>,
    notes: Arc<Notes>,
) {
    let events = watcher(api, watcher::Config::default().streaming_lists()).default_backoff();
    let mut events = std::pin::pin!(reflector(store, events));
    while let Some(event) = events.next().await {
        match event {
            Ok(Event::Apply(object) | Event::Delete(object)) => {
                notes.object(K::WHICH, object.key());
            }
            // A relist tells what is there, not what has gone meanwhile.
            Ok(Event::InitDone) => notes.relisted(K::WHICH),
            Ok(Event::Init | Event::InitApply(_)) => {}
            Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "the watch was interrupted"),
        }
    }
}
