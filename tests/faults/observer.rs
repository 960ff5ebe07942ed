//! Watches fleets and policies directly at the API server, independently of the controller and of
//! the proxy, and collects every stored version of them.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use clientfleet::values::Timestamp;
use futures::StreamExt;
use kube::api::{DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::{Api, ResourceExt};
use tokio::task::JoinHandle;

use crate::stage::eventually;

/// Pause before the observer lists again, after its watch failed.
const RELIST_PAUSE: Duration = Duration::from_millis(200);

/// One stored version of an object.
#[derive(Clone, Debug)]
pub struct Stored {
    pub version: u64,
    pub time: Timestamp,
    /// Whether the object was deleted with this version.
    pub is_deleted: bool,
    /// Whether versions of any object may be missing before this one, because the watch failed.
    pub follows_gap: bool,
    pub object: DynamicObject,
}

impl Stored {
    pub fn name(&self) -> String {
        self.object.name_any()
    }

    pub fn generation(&self) -> i64 {
        self.object.metadata.generation.unwrap_or_default()
    }
}

/// The versions of all objects of one kind, in the order in which they were stored.
struct Versions {
    stored: Vec<Stored>,
    last_change: Instant,
}

/// Observes one kind in one namespace until it is dropped.
pub struct Observer {
    api: Api<DynamicObject>,
    versions: Arc<Mutex<Versions>>,
    watching: JoinHandle<()>,
}

impl Observer {
    pub async fn start(api: Api<DynamicObject>) -> Self {
        let versions = Versions { stored: vec![], last_change: Instant::now() };
        let versions = Arc::new(Mutex::new(versions));
        let mut version = relist(&api, &versions).await.expect("the first list succeeds");
        let (filled, watched) = (Arc::clone(&versions), api.clone());
        let watching = tokio::spawn(async move {
            loop {
                follow(&watched, &filled, &version).await;
                tokio::time::sleep(RELIST_PAUSE).await;
                if let Some(listed) = relist(&watched, &filled).await {
                    version = listed;
                }
            }
        });
        Self { api, versions, watching }
    }

    /// Waits until the watch has delivered the current version of every object.
    pub async fn catches_up(&self) {
        let listed = self.api.list(&ListParams::default()).await.expect("the list succeeds");
        eventually("the observer has all versions", async || {
            let stored = self.stored();
            let is_known = |object: &&DynamicObject| {
                stored.iter().any(|stored| Some(stored.version) == version_of(object))
            };
            let missing = listed.items.iter().find(|object| !is_known(object));
            missing.map_or(Ok(()), |object| Err(object.name_any()))
        })
        .await;
    }

    /// Returns all versions so far.
    pub fn stored(&self) -> Vec<Stored> {
        self.versions.lock().unwrap().stored.clone()
    }

    /// Returns the latest version of each object that exists.
    pub fn current(&self) -> Vec<Stored> {
        latest(&self.stored(), u64::MAX)
    }

    /// Returns the largest version that was stored longer than `age` ago.
    pub fn stored_before(&self, age: Duration) -> u64 {
        let limit = chrono::Utc::now() - age;
        let stored = self.stored();
        let old = stored.iter().filter(|stored| stored.time < limit);
        old.map(|stored| stored.version).max().unwrap_or_default()
    }

    /// Returns the time since the last version was stored.
    pub fn quiet_for(&self) -> Duration {
        self.versions.lock().unwrap().last_change.elapsed()
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// Returns the latest version of each object that exists at `version`.
pub fn latest(stored: &[Stored], version: u64) -> Vec<Stored> {
    let mut found: Vec<Stored> = vec![];
    for stored in stored.iter().filter(|stored| stored.version <= version) {
        found.retain(|other| other.name() != stored.name());
        if !stored.is_deleted {
            found.push(stored.clone());
        }
    }
    found
}

fn version_of(object: &DynamicObject) -> Option<u64> {
    object.resource_version()?.parse().ok()
}

fn add(versions: &Mutex<Versions>, object: DynamicObject, is_deleted: bool, follows_gap: bool) {
    let version = version_of(&object).unwrap_or_default();
    let mut versions = versions.lock().unwrap();
    let is_same = |stored: &Stored| stored.version == version && stored.name() == object.name_any();
    if versions.stored.iter().any(is_same) {
        return;
    }
    let time = chrono::Utc::now();
    versions.stored.push(Stored { version, time, is_deleted, follows_gap, object });
    versions.stored.sort_by_key(|stored| stored.version);
    versions.last_change = Instant::now();
}

/// Lists all objects and adds the versions and deletions that the watch has not delivered. Returns
/// the resourceVersion of the list, or `None` if the list failed.
async fn relist(api: &Api<DynamicObject>, versions: &Mutex<Versions>) -> Option<String> {
    let listed = api.list(&ListParams::default()).await.ok()?;
    let known = latest(&versions.lock().unwrap().stored, u64::MAX);
    let is_listed = |stored: &Stored| {
        listed.items.iter().any(|object| object.metadata.uid == stored.object.metadata.uid)
    };
    for mut gone in known.into_iter().filter(|stored| !is_listed(stored)) {
        gone.object.metadata.resource_version.clone_from(&listed.metadata.resource_version);
        add(versions, gone.object, true, true);
    }
    for object in listed.items {
        add(versions, object, false, true);
    }
    listed.metadata.resource_version
}

/// Adds the versions that a watch delivers, until the watch fails.
async fn follow(api: &Api<DynamicObject>, versions: &Mutex<Versions>, version: &str) {
    let Ok(events) = api.watch(&WatchParams::default(), version).await else { return };
    let mut events = events.boxed();
    while let Some(Ok(event)) = events.next().await {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                add(versions, object, false, false);
            }
            WatchEvent::Deleted(object) => add(versions, object, true, false),
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(_) => return,
        }
    }
}
