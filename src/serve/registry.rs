//! Keeps what the watches have shown: the fleets with an index of their clients, and the policies.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::{Duration, Instant};

use kube::Resource;
use kube::runtime::reflector::Store;
use tokio::sync::watch;

use super::metrics::Metrics;
use super::reports::{FleetLookup, ReportDesk};
use super::stored::{StoredFleet, StoredPolicy};
use crate::checkin::directory::{Directory, Found};
use crate::checkin::fleet::{DeliveryFleet, Entry};
use crate::checkin::policies::Policies;
use crate::checkin::queue::FleetKey;
use crate::checkin::validity::{Surroundings, Validity, validity};
use crate::cluster::watch::WatchHandler;
use crate::cluster::watch::freshness::{Freshness, UNREADY_AFTER};
use crate::daemon::clock::Clock;
use crate::values::Timestamp;

/// The fleets and policies of all served namespaces.
pub struct Registry {
    state: RwLock<RegistryState>,
    /// Freshness of the two stores of each namespace, with the kinds of their objects.
    stores: BTreeMap<String, [(&'static str, Freshness); 2]>,
    /// Number of stores that the watches have not filled yet.
    awaited: watch::Sender<usize>,
    /// Number of changes, so that a held poll is answered as soon as something has changed.
    changes: watch::Sender<u64>,
    clock: Arc<dyn Clock>,
    desk: Arc<ReportDesk>,
}

#[derive(Default)]
struct RegistryState {
    fleets: Directory,
    policies: Policies,
}

impl Registry {
    /// Creates an empty registry of these namespaces.
    #[must_use]
    pub fn new(
        namespaces: &BTreeSet<String>,
        clock: Arc<dyn Clock>,
        desk: Arc<ReportDesk>,
    ) -> Self {
        let freshness =
            || [("ClientFleet", Freshness::default()), ("UpgradePolicy", Freshness::default())];
        let stores: BTreeMap<_, _> =
            namespaces.iter().map(|namespace| (namespace.clone(), freshness())).collect();
        Self {
            state: RwLock::default(),
            awaited: watch::Sender::new(stores.len() * 2),
            stores,
            changes: watch::Sender::default(),
            clock,
            desk,
        }
    }

    /// Returns the freshness of the stores of a namespace: of its fleets and of its policies.
    #[must_use]
    pub fn freshness(&self, namespace: &str) -> Option<[Freshness; 2]> {
        let [(_, fleets), (_, policies)] = self.stores.get(namespace)?;
        Some([fleets.clone(), policies.clone()])
    }

    /// Returns the longest time for which the watches of each kind have received nothing.
    #[must_use]
    pub fn silences(&self) -> BTreeMap<&'static str, Duration> {
        let mut silences = BTreeMap::new();
        for (kind, freshness) in self.stores.values().flatten() {
            let silence: &mut Duration = silences.entry(*kind).or_default();
            *silence = freshness.silence().max(*silence);
        }
        silences
    }

    /// Returns whether all stores are filled.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        *self.awaited.borrow() == 0
    }

    /// Waits until all stores are filled.
    pub async fn filled(&self) {
        // `self` keeps the sender alive, so the wait cannot fail.
        let _ = self.awaited.subscribe().wait_for(|awaited| *awaited == 0).await;
    }

    /// Returns a receiver that is notified of each change.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Returns the client in each fleet of the namespace that lists it.
    #[must_use]
    pub fn find(&self, namespace: &str, client: &str) -> Vec<Found> {
        self.read().fleets.find(namespace, client)
    }

    /// Returns a fleet.
    #[must_use]
    pub fn fleet(&self, key: &FleetKey) -> Option<Arc<DeliveryFleet>> {
        self.read().fleets.get(&key.0, &key.1).cloned()
    }

    /// Returns all fleets.
    #[must_use]
    pub fn fleets(&self) -> Vec<Arc<DeliveryFleet>> {
        self.read().fleets.fleets().cloned().collect()
    }

    /// Returns the number of fleets and of their clients.
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        let state = self.read();
        (state.fleets.fleets().count(), state.fleets.clients())
    }

    /// Returns whether the decision about a client counts now.
    #[must_use]
    pub fn validity(&self, entry: Entry<'_>, now: Timestamp) -> Validity {
        let Some(row) = entry.row else { return Validity::Valid };
        let namespace = entry.fleet.namespace();
        let state = self.read();
        let source = entry.fleet.spec.as_ref().and_then(|spec| spec.package_from.as_ref());
        let source = source.and_then(|source| state.fleets.get(namespace, &source.name));
        let policy = row.policy.as_deref();
        let surroundings = Surroundings {
            policy: policy.and_then(|policy| state.policies.get(namespace, policy)),
            policies_are_planned: state.policies.are_planned(entry.fleet, policy),
            package_source: source.map(Arc::as_ref),
            watch_is_silent: self.is_silent(namespace),
        };
        validity(entry, row, &surroundings, now)
    }

    fn is_silent(&self, namespace: &str) -> bool {
        let stores = self.stores.get(namespace);
        stores.into_iter().flatten().any(|(_, store)| store.silence() >= UNREADY_AFTER)
    }

    fn apply_fleet(&self, stored: &StoredFleet) {
        let StoredFleet { metadata, spec, status } = stored.clone();
        let now = self.clock.now();
        let mut state = self.write();
        let name = metadata.name.as_deref().unwrap_or_default();
        let namespace = metadata.namespace.as_deref().unwrap_or_default();
        let before = state.fleets.get(namespace, name).cloned();
        let fleet = DeliveryFleet::new(metadata, spec, status, before.as_deref(), now);
        let fleet = Arc::new(fleet);
        state.fleets.apply(Arc::clone(&fleet));
        drop(state);
        self.desk.seen(&fleet.key(), &fleet, now);
        self.changed();
    }

    fn remove_fleet(&self, key: &FleetKey) {
        self.write().fleets.remove(&key.0, &key.1);
        self.desk.fleet_gone(key);
        self.changed();
    }

    fn changed(&self) {
        self.changes.send_modify(|changes| *changes = changes.wrapping_add(1));
    }

    fn store_filled(&self) {
        self.awaited.send_modify(|awaited| *awaited = awaited.saturating_sub(1));
        if self.is_filled() {
            tracing::info!("stores are filled");
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, RegistryState> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, RegistryState> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Fleets for the writer of reports.
#[derive(Clone)]
pub struct WatchedFleets(pub Arc<Registry>);

impl FleetLookup for WatchedFleets {
    fn fleet(&self, key: &FleetKey) -> Option<Arc<DeliveryFleet>> {
        self.0.fleet(key)
    }

    fn fleets_of(&self, namespace: &str, client: &str) -> Vec<FleetKey> {
        self.0.find(namespace, client).iter().map(|found| found.fleet.key()).collect()
    }
}

/// Recorder of what the watch of one store reports.
pub struct Recorder<S>
where
    S: Resource<DynamicType = ()> + 'static,
{
    /// Registry in which the objects are kept.
    pub registry: Arc<Registry>,
    /// Store that the watch fills.
    pub store: Store<S>,
    /// Namespace of the watch.
    pub namespace: String,
    /// Metrics, including the number of interrupted watches.
    pub metrics: Arc<Metrics>,
}

impl WatchHandler<StoredFleet> for Recorder<StoredFleet> {
    fn applied(&mut self, fleet: &StoredFleet) {
        self.registry.apply_fleet(fleet);
    }

    fn deleted(&mut self, fleet: &StoredFleet) {
        self.registry.remove_fleet(&key(fleet));
    }

    fn relisted(&mut self, began: Instant) {
        let fleets = self.store.state();
        let listed: BTreeSet<FleetKey> = fleets.iter().map(|fleet| key(&**fleet)).collect();
        fleets.iter().for_each(|fleet| self.registry.apply_fleet(fleet));
        let is_gone = |known: &Arc<DeliveryFleet>| {
            let key = known.key();
            (key.0 == self.namespace && !listed.contains(&key)).then_some(key)
        };
        let gone: Vec<_> = self.registry.fleets().iter().filter_map(is_gone).collect();
        gone.iter().for_each(|key| self.registry.remove_fleet(key));
        self.registry.desk.relisted(&self.namespace, began);
    }

    fn filled(&mut self) {
        self.registry.store_filled();
    }

    fn interrupted(&mut self) {
        self.metrics.interrupted("ClientFleet");
    }
}

impl WatchHandler<StoredPolicy> for Recorder<StoredPolicy> {
    fn applied(&mut self, policy: &StoredPolicy) {
        self.registry.write().policies.apply(policy.0.clone());
        self.registry.changed();
    }

    fn deleted(&mut self, policy: &StoredPolicy) {
        let (namespace, name) = key(policy);
        self.registry.write().policies.remove(&namespace, &name);
        self.registry.changed();
    }

    fn relisted(&mut self, _: Instant) {
        let policies = self.store.state();
        let mut state = self.registry.write();
        let listed: BTreeSet<String> = policies.iter().map(|policy| key(&**policy).1).collect();
        state
            .policies
            .retain(|namespace, name| namespace != self.namespace || listed.contains(name));
        policies.iter().for_each(|policy| state.policies.apply(policy.0.clone()));
        drop(state);
        self.registry.changed();
    }

    fn filled(&mut self) {
        self.registry.store_filled();
    }

    fn interrupted(&mut self) {
        self.metrics.interrupted("UpgradePolicy");
    }
}

/// Returns the namespace and name of an object.
fn key(object: &impl Resource) -> FleetKey {
    let metadata = object.meta();
    let namespace = metadata.namespace.clone().unwrap_or_default();
    (namespace, metadata.name.clone().unwrap_or_default())
}
